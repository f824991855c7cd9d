"""Training a guide: teach (rows to learn from), distill, rl; and the proof that what was saved is what was trained."""
