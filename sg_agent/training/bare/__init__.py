"""One bare loop per technique, to read: plain torch and transformers, no trainer. Runs that count use TRL."""
