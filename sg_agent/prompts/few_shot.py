"""Examples before the question: pairs of user and assistant messages from the same templates as the question itself.

An example is shown as the phase asks for it, and answered as a good reply would be:

    standard  the answer
    cot       the worked reasoning (the row's rationale, else its gold guidance), then the answer
    solver    question and gold guidance; the worked reasoning where the row has it beside the guidance, then the answer
    leak      gold guidance without the question, then the answer
    guide     the gold guidance
"""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from sg_agent.answer_forms import choice_letter, yes_or_no
from sg_agent.errors import DataError
from sg_agent.prompts import Phase, Prompt
from sg_agent.rows import Kind, Row


def render(
    prompt: Prompt,
    phase: Phase,
    row: Row,
    *,
    examples: Sequence[Row] = (),
    guidance: str | None = None,
    kind: Kind | None = None,
) -> list[BaseMessage]:
    """The messages of `prompt` for `row`, with `examples` between the instruction and the question.

    Raises DataError for an example that lacks what the phase shows.
    """
    instruction, question = prompt.render(row, guidance=guidance, kind=kind)
    shown = (message for example in examples for message in _pair(prompt, phase, example, kind))
    return [instruction, *shown, question]


def lacks(phase: Phase, example: Row) -> str | None:
    """What the phase shows that the example does not have, in words; None when nothing is missing."""
    if phase in ("solver", "leak", "guide") and not example.gold:
        return "guidance"
    if phase == "cot" and not (example.rationale or example.gold):
        return "rationale or guidance"
    return None


def _pair(prompt: Prompt, phase: Phase, example: Row, kind: Kind | None) -> list[BaseMessage]:
    if missing := lacks(phase, example):
        raise DataError(f"example {example.id!r} has no {missing} to show")
    guidance = example.gold if phase in ("solver", "leak") else None
    _, question = prompt.render(example, guidance=guidance, kind=kind and example.kind)
    return [question, AIMessage(reply(phase, example))]


def reply(phase: Phase, example: Row) -> str:
    """What the model should say to the example. `lacks` has found it complete."""
    if phase == "guide":
        return example.gold or ""
    worked = {
        "standard": None,
        "leak": None,
        "cot": example.rationale or example.gold,
        "solver": example.rationale if example.rationale != example.gold else None,
    }[phase]
    return "\n".join(filter(None, [worked, f"Answer: {_answer(example)}"]))


def _answer(example: Row) -> str:
    """The answer in the form that the templates ask for."""
    match example.task:
        case "multiple_choice":
            return choice_letter(example.answer, example.choices) or example.answer
        case "boolean":
            return yes_or_no(example.answer) or example.answer
        case _:
            return example.answer
