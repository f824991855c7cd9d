"""The quality gate: gold guidance passes, worked, stated and malformed guidance does not, and nothing hangs."""

from itertools import islice

import pytest

from sg_agent.checks import check_guidance, clean_guidance, leaks
from sg_agent.rows import Kind
from sg_agent.worlds import WORLDS, questions


@pytest.mark.parametrize("world", WORLDS)
def test_all_gold_guidance_passes_and_none_of_it_leaks(world: str) -> None:
    for row in islice(questions(world, "train", seed=3), 500):
        assert row.guidance
        assert clean_guidance(row.guidance) == row.guidance
        assert check_guidance(row.guidance, row.kind, row.question) is None
        assert not leaks(row.guidance, row.answer, row.kind, row.question)


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


PENS = "There are 12 pens and 47 caps. A box costs 3 dollars."


@pytest.mark.parametrize(
    "text",
    [
        "1. Take the 12 pens.\n2. The number of caps is 47.",
        "1. A crate is 14 bottles.\n2. Each box makes 5 toys.",
        "1. There are 60 minutes in an hour.\n2. Divide.",
        "1. Ben has 3 times as many.\n2. Subtract 2.",
        "1. Compute 12 + 47.\n2. Halve it.",
    ],
)
def test_a_plan_may_use_numbers_of_the_question_operands_and_definitions(text: str) -> None:
    assert check_guidance(text, "plan", PENS) is None


@pytest.mark.parametrize(
    "text",
    [
        "1. Add.\n2. The total is 59.",
        "1. Add.\n2. There are 59 left.",
        "1. 12 + 35 is 47.\n2. Stop.",
        "1. 6 \u00d7 2 \u2192 12\n2. Stop.",
        "1. Add.\n2. A total is 59.",
    ],
)
def test_a_plan_may_not_work_a_value_out(text: str) -> None:
    assert "computed value" in str(check_guidance(text, "plan", PENS))
    assert check_guidance(text, "rationale", PENS) is None
    assert leaks(text, "59", "plan", PENS)


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<\uff5cUser\uff5c>",
        "[INST]",
        "</ guidance >",
        "<s>",
        "<unused7>",
        "<tool_call>",
        "\u202e",
        "\ud800",
        "\x1b",
    ],
)
def test_control_tokens_of_all_templates_go_and_are_refused_where_they_stay(token: str) -> None:
    assert clean_guidance(f"1. Add.\n2. {token}Halve.") == "1. Add.\n2. Halve."
    assert check_guidance(f"1. Add.\n2. {token}Halve.", "plan") == "guidance holds control tokens"


def test_thoughts_are_no_guidance() -> None:
    assert clean_guidance("<think>3 + 4 = 7</think>1. Add.\n2. Halve.") == "1. Add.\n2. Halve."


def test_deeply_nested_tokens_leave_nothing() -> None:
    assert clean_guidance("<s" * 3000 + ">" * 3000) == ""


@pytest.mark.parametrize(
    ("guidance", "answer", "leaked"),
    [
        ("1. Take a crate.\n2. Compare.", "A", False),
        ("1. Compare.\n2. Choose (A).", "A", True),
        ("1. If there is no pen, stop.\n2. Add.", "no", False),
        ("1. Add.\n2. Subtract 2.", "2", False),
        ("1. Add.\n2. Start with 1,200.", "1200", True),
    ],
)
def test_a_letter_a_yes_or_an_operand_is_a_leak_only_as_the_answer(guidance: str, answer: str, leaked: bool) -> None:
    assert leaks(guidance, answer, "plan", PENS) is leaked
