"""Reasons are in our words, and quote between « and » what others said: a question, guidance, an exception, a person.

A library user's state has them whole. What leaves the process for others (replies, logs, spans) is without the quotes.
"""

import re

from sg_agent.gate.decision import Decision

QUOTE = re.compile(r"(?:: )?«[^»]*(?:»|$)")
NO_MARKS = str.maketrans("«»", "<>")


def quoted(said: object) -> str:
    """What somebody else said, marked as a quote within a reason."""
    return f"«{str(said).translate(NO_MARKS)}»"


def without_quotes(reason: str) -> str:
    """A reason as anybody may read it."""
    return QUOTE.sub("", reason)


def told(decision: Decision | None) -> Decision | None:
    """A decision as anybody may read it."""
    return decision and {**decision, "reason": without_quotes(decision["reason"])}
