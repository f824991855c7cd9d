"""The quality gate: gold guidance passes, worked, stated and malformed guidance does not, and nothing hangs."""

from itertools import islice

import pytest

from sg_agent.checks import check_guidance, clean_guidance, leaks
from sg_agent.rows import Kind
from sg_agent.worlds import questions


@pytest.mark.parametrize("world", ["depot", "archive"])
def test_all_gold_guidance_passes_and_none_of_it_leaks(world: str) -> None:
    for row in islice(questions(world, "train", seed=3), 300):
        assert row.guidance
        assert clean_guidance(row.guidance) == row.guidance
        assert check_guidance(row.guidance, row.kind) is None
        assert not leaks(row.guidance, row.answer, row.kind, row.question) or row.answer in ("2", "5", "12")


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("", "plan", "empty"),
        ("1. One.", "plan", "1 steps"),
        ("\n".join(f"{i}. Step." for i in range(1, 8)), "plan", "7 steps"),
        ("First take all. Then add. Then halve.", "plan", None),
        ("- Take all.\n- Halve.", "plan", None),
        ("1. Add them.\n2. That gives 12.", "plan", "computed value"),
        ("1. Multiply: 3 * 4 = 12.\n2. Stop.", "plan", "computed value"),
        ("1. Multiply by 12.\n2. Subtract 2.", "plan", None),
        ("1. Ada was born in 1990.\n2. So the answer is 1990.", "rationale", "states an answer"),
        ("1. Ada was born in 1990.\n2. Ben was born later.", "rationale", None),
        ("1. Look.\n2. \\boxed{4}", "plan", "states an answer"),
        ("1. x\n2. " + "y" * 5000, "plan", "longer than"),
    ],
)
def test_guidance_is_judged_by_its_form(text: str, kind: Kind, problem: str | None) -> None:
    found = check_guidance(text, kind)
    assert (found is None) == (problem is None)
    assert problem is None or problem in str(found)


@pytest.mark.parametrize(
    ("guidance", "answer", "question", "expected"),
    [
        ("1. Add Monday.\n2. You should have 47.", "47", "There are 12.", True),
        ("1. Start with 12.\n2. Add.", "12", "There are 12.", False),
        ("1. Add.\n2. Halve.", "1", "There are 12.", False),
        ("1. Use 4.7 as rate.\n2. Halve.", "4", "x", False),
    ],
)
def test_a_plan_leaks_when_it_holds_the_answer_and_the_question_does_not(
    guidance: str, answer: str, question: str, expected: bool
) -> None:
    assert leaks(guidance, answer, "plan", question) is expected


def test_evidence_that_contains_the_answer_is_no_leak_but_stating_it_is() -> None:
    evidence = "1. Ada mentor Ben.\n2. Ben rival Cleo."
    assert not leaks(evidence, "Cleo", "rationale", "Who?")
    assert leaks(evidence + " Answer: Cleo", "Cleo", "rationale", "Who?")


def test_twenty_megabytes_of_anything_are_judged_at_once() -> None:
    for text in ("9" * 20_000_000, "<|" * 10_000_000, "= " * 10_000_000, "answer " * 3_000_000):
        cleaned = clean_guidance(text)
        assert len(cleaned) <= 16_000
        check_guidance(cleaned, "plan")
