"""The quality gate between guide and solver. Guidance is untrusted text: it is cleaned, bounded and judged by its form.

The gate does not know the answer. `leaks` does, for evals and rewards. Every pattern is linear in the text.
"""

import re

from sg_agent.rows import Kind

MOST_CHARACTERS = 4000
MOST_STEPS, LEAST_STEPS = 6, 2

CONTROL = re.compile(
    r"<\|[^<>|\n]{0,40}\|>|</?(?:s|bos|eos|pad|unk|think|thinking|guidance|start_of_turn|end_of_turn)>"
    r"|\[/?INST\]|<</?SYS>>|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^\s{0,8}(?:\d{1,2}[.)]|[-*\u2022]|step \d{1,2}[:.)])\s", re.IGNORECASE | re.MULTILINE)
SENTENCE = re.compile(r"[.!?](?:\s|$)")
NUMBER = r"-?[$\u20ac\u00a3]?\d[\d,]{0,20}(?:\.\d{1,20})?"
COMPUTED = re.compile(
    rf"=\s{{0,3}}{NUMBER}"
    rf"|\b(?:gives|makes|equals|totals|leaves|is equal to|results in|comes to|total of|get)\s{{1,3}}{NUMBER}",
    re.IGNORECASE,
)
STATED = re.compile(
    r"\b(?:final )?answer\s{0,3}(?::|=|\bis\b)|\\boxed\s{0,3}\{|^\s{0,8}####", re.IGNORECASE | re.MULTILINE
)


def clean_guidance(text: str) -> str:
    """The text without chat control tokens and control characters, also those that appear once an inner one is gone."""
    text = text[: 4 * MOST_CHARACTERS]
    while (cleaned := CONTROL.sub("", text)) != text:
        text = cleaned
    return text.strip()


def count_steps(text: str) -> int:
    """Numbered or bulleted lines; the lines of a text without; the sentences of a single paragraph."""
    if numbered := len(NUMBERED.findall(text)):
        return numbered
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) if len(lines) > 1 else len(SENTENCE.findall(text + " "))


def check_guidance(text: str, kind: Kind, *, truncated: bool = False) -> str | None:
    """None when cleaned guidance may reach the solver, else what is wrong with it, in words."""
    if not text:
        return "guidance is empty"
    if truncated:
        return "guidance is truncated"
    if len(text) > MOST_CHARACTERS:
        return f"guidance is longer than {MOST_CHARACTERS} characters"
    if not LEAST_STEPS <= (steps := count_steps(text)) <= MOST_STEPS:
        return f"guidance has {steps} steps, not {LEAST_STEPS} to {MOST_STEPS}"
    if STATED.search(text):
        return "guidance states an answer"
    if kind == "plan" and COMPUTED.search(text):
        return "the plan holds a computed value"
    return None


def leaks(guidance: str, answer: str, kind: Kind, question: str) -> bool:
    """Whether guidance gives the known `answer` away.

    A plan does by a computed value, or by the answer as a number or word that the question does not hold. A rationale
    does by stating it as the answer; the evidence it quotes may contain it.
    """
    if STATED.search(guidance):
        return True
    if kind == "rationale":
        return False
    if COMPUTED.search(guidance):
        return True
    unnumbered = NUMBERED.sub("", guidance)
    held = re.compile(rf"(?<![\w.]){re.escape(answer.strip())}(?!\w|\.\d)", re.IGNORECASE)
    return bool(held.search(unnumbered)) and not held.search(question)
