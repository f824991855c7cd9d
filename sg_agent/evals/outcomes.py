"""What became of a question, in one word.

correct, wrong
refused     no answer could be read, and the provider (which may have withheld it) or the reply itself says that the
            model will not answer
truncated   no answer could be read, and the reply was cut at the token limit
unparsed    no answer could be read from a whole reply, as from one that is empty
error       a call failed: no score at all, so that an outage is never a wrong answer

Accuracy counts refused, truncated and unparsed as wrong.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from sg_agent.evals.scoring import Score
from sg_agent.graphs.state import Attempt
from sg_agent.replies import is_refusal

Unanswered = Literal["unparsed", "refused", "truncated"]
Outcome = Literal["correct", "wrong", "error"] | Unanswered


def outcome(answer: str | None, scored: Score, attempts: Sequence[Attempt]) -> Outcome:
    """The word for a scored answer; without one, what became of most attempts. "error" is never given here."""
    if answer is not None:
        return "correct" if scored.correct else "wrong"
    reasons = Counter(unanswered(attempt) for attempt in attempts if attempt["error"] is None)
    return reasons.most_common(1)[0][0] if reasons else "unparsed"


def unanswered(attempt: Attempt) -> Unanswered:
    """Why an attempt has no answer."""
    if attempt["finish"] in ("refusal", "filtered") or is_refusal(attempt["text"]):
        return "refused"
    return "truncated" if attempt["finish"] == "length" else "unparsed"
