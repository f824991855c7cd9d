"""The quality gate between guide and solver. Guidance is untrusted text: it is cleaned, bounded and judged by its form.

The gate does not know the answer. `leaks` does, for evals and rewards. Numbers spelled out in words are not read.
Every pattern is linear in the text, and no text is read beyond a bound.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from sg_agent.math_forms import to_number
from sg_agent.rows import Kind

MOST_CHARACTERS = 4000
MOST_STEPS, LEAST_STEPS = 6, 2
SMALL_CONSTANT = 12  # what a rule may bring itself ("Subtract 2.") and still be no value that was worked out

_TAIL, _READ, _DEEPEST = 50 * MOST_CHARACTERS, 4 * MOST_CHARACTERS, 8

LINE_BREAK = re.compile(r"\r\n?|[\x85\u2028\u2029]")
THOUGHT = re.compile(r"</\s{0,3}(?:think|thinking|thought|reasoning)\s{0,3}>", re.IGNORECASE)
TAGS = (
    "s|bos|eos|pad|unk|sep|cls|mask|bos_token|eos_token|unused\\d{1,3}|think|thinking|thought|reasoning|guidance|question"
    "|passages?|system|user|assistant|human|tool_call|tool_response|start_of_turn|end_of_turn|end_of_utterance|eot"
)
CONTROL = re.compile(
    r"<[|\uff5c][^<>\n]{0,60}[|\uff5c]>"
    rf"|<\s{{0,3}}/?\s{{0,3}}(?:{TAGS})\s{{0,3}}/?>"
    r"|\[\s{0,3}/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|gMASK)\]|<</?SYS>>"
    r"|^[ \t]{0,8}#{0,4}[ \t]{0,3}(?:human|assistant|user|system|instruction|response):"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]",
    re.IGNORECASE | re.MULTILINE,
)

TURN_TOKEN = re.compile(
    r"<(?=[|\uff5c][^<>\n]{0,60}[|\uff5c]>|/?(?:s|bos|eos|start_of_turn|end_of_turn)>)|\[(?=/?INST\])", re.IGNORECASE
)

NUMBERED = re.compile(r"^\s{0,8}[*#]{0,4} ?(?:step )?\d{1,2}(?:[.):]|\*\*)[\s*]", re.IGNORECASE | re.MULTILINE)
BULLET = re.compile(r"^\s{0,8}[-*+\u2022]\s", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f]")

NUMBER = r"(?>-?[$\u20ac\u00a3]?\d[\d,]{0,20}(?:\.\d{1,20})?)"
VERB = (
    r"(?:=|\u2248|->|\u2192|\\approx|\bis equal to\b|\b(?:is|are|was|were|be|gives?|makes?|equals?|totals?|leaves?"
    r"|results? in|comes? to|amounts? to|total of|gets?|yields?|becomes?|result:|total:)(?![\w]))"
)
WORKED = re.compile(
    rf"{NUMBER}\s{{0,3}}(?:[-+*/x^\u00d7\u00f7\u2212]|\\times|\\cdot|plus|minus|times)\s{{0,3}}{NUMBER}"
    rf"\s{{0,3}}{VERB}\s{{0,3}}{NUMBER}",
    re.IGNORECASE,
)
RESULT = re.compile(
    rf"{VERB}\s{{0,3}}(?:about |now |then |exactly )?(?P<number>{NUMBER})"
    r"(?!\s{0,2}(?:times|more|less|fewer|percent|%|[-+*/^\u00d7\u00f7]))",
    re.IGNORECASE,
)
DEFINITION = re.compile(
    rf"\b(?:an?|each|every|one) (?!total|sum|result|final|answer|difference|product)[^\n.;:=\d]{{1,40}}{VERB}\s{NUMBER}"
    rf"|{NUMBER} [^\n.;:=\d]{{1,40}} (?:in|per|to) (?:an?|each|every|one)\b",
    re.IGNORECASE,
)
OPERAND = re.compile(rf"\b(?:by|add|subtract|plus|minus|times) (?P<number>{NUMBER})", re.IGNORECASE)
ANY_NUMBER = re.compile(rf"(?<![\w.]){NUMBER}")

STATED = re.compile(
    r"\b(?:final )?answer\s{0,3}(?:[:=]|\bis\b)|\b(?:correct|right) (?:option|choice) is\b"
    r"|\b(?:option|choice) \(?[A-J]\)? is (?:correct|right)\b|\\boxed\s{0,3}\{|^\s{0,8}####[ \t]{0,3}[-$\d]",
    re.IGNORECASE | re.MULTILINE,
)


def clean_guidance(text: str) -> str:
    """The text without thoughts, chat control tokens and control characters, at most four times what the gate admits.

    Also removed is what becomes a token once an inner one is gone; a text that nests them deeper than that is hostile
    and comes out empty.
    """
    text = LINE_BREAK.sub("\n", THOUGHT.split(text[-_TAIL:])[-1][:_READ])
    for _ in range(_DEEPEST):
        cleaned = CONTROL.sub("", text)
        if cleaned == text:
            return text.strip()
        text = cleaned
    return ""


def break_tokens(text: str) -> str:
    """The text with a space in each chat control token, so that no server reads one, and people still can."""
    return TURN_TOKEN.sub(r"\g<0> ", text)


def count_steps(text: str) -> int:
    """The numbered lines; without any the bulleted lines; else all lines; of a single paragraph the sentences."""
    if marked := len(NUMBERED.findall(text)) or len(BULLET.findall(text)):
        return marked
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) if len(lines) > 1 else len(SENTENCE_END.findall(text))


def check_guidance(text: str, kind: Kind, question: str = "", *, truncated: bool = False) -> str | None:
    """None when cleaned guidance may reach the solver, else what is wrong with it, in words.

    A plan may hold the numbers of the `question`, operands ("Multiply Monday by 12.") and definitions ("a crate is
    12"), but no result that is none of these.
    """
    if not text:
        return "guidance is empty"
    if truncated:
        return "guidance is truncated"
    if len(text) > MOST_CHARACTERS:
        return f"guidance is longer than {MOST_CHARACTERS} characters"
    if CONTROL.search(text):
        return "guidance holds control tokens"
    if not LEAST_STEPS <= (steps := count_steps(text)) <= MOST_STEPS:
        return f"guidance has {steps} steps, not {LEAST_STEPS} to {MOST_STEPS}"
    if STATED.search(text):
        return "guidance states an answer"
    if kind == "plan" and (value := computed_value(text, question)):
        return f"the plan holds a computed value: {value}"
    return None


def computed_value(text: str, question: str) -> str | None:
    """The first value that a plan works out: any worked arithmetic, or a result that the question does not hold."""
    text = text[:MOST_CHARACTERS]
    if worked := WORKED.search(text):
        return worked[0]
    known = set(_numbers(question))
    for result in RESULT.finditer(DEFINITION.sub("", text)):
        if to_number(result["number"]) not in known:
            return result[0]
    return None


def leaks(guidance: str, answer: str, kind: Kind, question: str) -> bool:
    """Whether guidance gives the known `answer` away, be it by working it out or by any value on the way to it.

    A plan does by a computed value and by what `names_answer` finds, a rationale by that alone.
    """
    if kind == "plan" and computed_value(guidance, question[:_READ]):
        return True
    return names_answer(guidance, answer, kind, question)


def names_answer(guidance: str, answer: str, kind: Kind, question: str) -> bool:
    """Whether guidance states or holds the known `answer`.

    A plan does by a stated answer, or the answer itself where the question does not hold it; a small operand is no
    such value. A rationale does by stating it as the answer; evidence it quotes may contain it.
    """
    guidance, question = guidance[:MOST_CHARACTERS], question[:_READ]
    if kind == "rationale":
        return any(_holds(guidance[stated.end() :].split("\n", 1)[0], answer) for stated in STATED.finditer(guidance))
    if STATED.search(guidance):
        return True
    if (number := to_number(answer)) is not None:
        return number in _brought_numbers(guidance) and number not in _numbers(question)
    if answer.strip().lower() in ("yes", "no", "true", "false"):
        return False
    return _holds(guidance, answer) and not _holds(question, answer)


def _brought_numbers(plan: str) -> list[Fraction]:
    """The numbers in a plan but for its list markers and small operands."""

    def keep(operand: re.Match[str]) -> str:
        number = to_number(operand["number"])
        return "" if number is not None and abs(number) <= SMALL_CONSTANT else operand[0]

    return list(_numbers(OPERAND.sub(keep, NUMBERED.sub("", plan))))


def _numbers(text: str) -> Iterator[Fraction]:
    found = (to_number(match[0]) for match in ANY_NUMBER.finditer(text[:_READ]))
    return (number for number in found if number is not None)


def _holds(text: str, answer: str) -> bool:
    """Whether `answer` stands in `text` as words of its own; a choice's letter only as a letter: (B), option B, B."""
    answer = answer.strip()[:MOST_CHARACTERS]
    if re.fullmatch("[A-J]", answer):
        return (
            re.search(rf"\({answer}\)|\b(?:option|choice) {answer}\b|^\s{{0,8}}{answer}(?:[.):]|\s*$)", text)
            is not None
        )
    return re.search(rf"(?<![\w.]){re.escape(answer)}(?!\w|\.\d)", text, re.IGNORECASE) is not None
