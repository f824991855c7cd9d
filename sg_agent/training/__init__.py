"""Training a guide: teach (rows to learn from), distill, rl, and what proves that what was saved is what was trained."""
