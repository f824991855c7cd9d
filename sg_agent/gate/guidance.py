"""What guidance says of itself once it is written: its form, what it takes from the question, the guide's certainty."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sg_agent.checks import count_steps
from sg_agent.gate.head import SIGNAL, WORD
from sg_agent.gate.question import LONGEST, hashed_words, numbers_in, words_in
from sg_agent.likelihood import LEAST, MEAN
from sg_agent.rows import Row

SURE = 1e-5  # log-probabilities nearer to 0 are all the same


@dataclass(frozen=True)
class Guidance:
    """What the solver is to be shown. `logprobs` are the guide's own, mean and least, none of one that gives none."""

    text: str
    logprobs: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, ledger: Iterable[Mapping[str, object]]) -> "Guidance":
        """By the ledger of the question: the guide's last draft is the one that passed."""
        drafts = [call for call in ledger if call["role"] == "guide" and not call["error"]]
        last = drafts[-1] if drafts else {}
        found = {name: value for name in (MEAN, LEAST) if isinstance(value := last.get(name), float)}
        return cls(text, found)


def guidance_features(row: Row, guidance: Guidance) -> dict[str, float]:
    """As `question_features`; names begin with "guidance"."""
    text, shown = guidance.text[:LONGEST], row.shown_text[:LONGEST]
    words, asked, given = words_in(text), set(words_in(row.question[:LONGEST])), set(words_in(shown))
    numbers, known = numbers_in(text), set(numbers_in(shown))
    lines = [len(line.split()) for line in text.splitlines() if line.strip()]
    many, steps = max(1, len(words)), count_steps(text)
    found = {
        "characters": math.log1p(len(text)),
        "against_question": math.log1p(len(text)) - math.log1p(len(row.question)),
        "steps": math.log1p(steps),
        "words_per_step": math.log1p(len(words) / max(1, steps)),
        "longest_line": math.log1p(max(lines, default=0)),
        "different_words": len(set(words)) / many,
        "of_question": sum(word in asked for word in words) / many,
        "of_passages": sum(word in given for word in words) / many,
        "question_used": len(asked.intersection(words)) / max(1, len(asked)),
        "numbers": math.log1p(len(numbers)),
        "new_numbers": math.log1p(len(set(numbers) - known)),
        "numbers_used": len(known.intersection(numbers)) / max(1, len(known)),
        **{f"{SIGNAL}{name}": -math.log(SURE + max(0.0, -value)) for name, value in guidance.logprobs.items()},
    }
    return {f"guidance:{name}": value for name, value in found.items()}


def guidance_words(guidance: Guidance) -> dict[str, float]:
    """As `word_features`, in buckets of their own."""
    return hashed_words(guidance.text, f"{WORD}guidance:")
