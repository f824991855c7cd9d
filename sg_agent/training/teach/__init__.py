"""Teach: guidance for questions, from a teacher model or out of worked solutions, filtered, with its provenance.

`sg_agent.training.teach.run.run_teach(TeachConfig(...))` does it; the command is `sg-agent teach`.
"""
