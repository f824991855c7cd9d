"""Prompts: rendering, ids and hashes, and templates of the user's own."""

from pathlib import Path

import pytest

from sg_agent.errors import ConfigError, DataError
from sg_agent.prompts import Phase, few_shot, load_prompt
from sg_agent.rows import Kind, Passage, Row

ROW = Row(id="1", question="How many are left?", answer="3", task="math")


@pytest.mark.parametrize("phase", ["guide", "solver", "standard", "cot"])
@pytest.mark.parametrize("task", ["math", "multiple_choice", "boolean", "multihop_qa", "open"])
def test_every_phase_and_task_has_a_prompt(phase: str, task: str) -> None:
    prompt = load_prompt(phase, task)  # type: ignore[arg-type]
    system, user = prompt.render(ROW, guidance="1. Look.", kind="plan")
    assert prompt.id == f"v1/{phase}/{task}"
    assert system.type == "system"
    assert "How many are left?" in user.text
    assert ("1. Look." in user.text) == (phase == "solver")


@pytest.mark.parametrize("task", ["math", "multiple_choice", "boolean", "multihop_qa", "open"])
@pytest.mark.parametrize("kind", ["plan", "rationale"])
def test_a_teacher_sees_the_answer_only_when_it_is_given(task: str, kind: Kind) -> None:
    prompt = load_prompt("teach", task)
    system, user = prompt.render(ROW, kind=kind)
    assert kind in system.text
    assert "2 to 6 numbered steps" in system.text
    assert "answer" not in user.text.lower()
    told, shown = prompt.render(ROW, kind=kind, answer="3")
    assert "Right answer, for your eyes only: 3" in shown.text
    assert told.text != system.text


@pytest.mark.parametrize("task", ["math", "multiple_choice", "boolean", "multihop_qa", "open"])
def test_leak_is_the_solvers_prompt_without_the_question(task: str) -> None:
    row = Row(id="1", question="Who?", answer="A", choices=["x", "y"], context=[Passage(title="T", text="t.")])
    bare = Row(id="1", question="(not shown)", answer="A")
    leak, solver = load_prompt("leak", task), load_prompt("solver", task)
    assert leak.render(row, guidance="1. Look.") == solver.render(bare, guidance="1. Look.")
    assert leak.id == f"v1/leak/{task}"


def test_passages_and_choices_are_shown() -> None:
    row = Row(id="1", question="Who?", answer="A", choices=["x", "y"], context=[Passage(title="T", text="t.")])
    text = load_prompt("cot", "multiple_choice").render(row)[1].text
    assert text == "Passages:\nT: t.\n\nQuestion: Who?\nA. x\nB. y"


def test_an_own_template_may_extend_a_shipped_one_and_changes_the_hash(tmp_path: Path) -> None:
    own = tmp_path / "mine.jinja"
    own.write_text('{% extends "cot.jinja" %}{% block form %}<a fraction>{% endblock %}')
    mine, shipped = load_prompt("cot", "math", own), load_prompt("cot", "math")
    assert "<a fraction>" in mine.render(ROW)[0].text
    assert mine.id == str(own)
    assert mine.sha256 != shipped.sha256


def test_a_variable_the_template_is_not_given_is_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.jinja"
    own.write_text("Hi\n=== user ===\n{{ quesiton }}")
    with pytest.raises(ConfigError, match="'quesiton' is undefined; it may use"):
        load_prompt("cot", "math", own).render(ROW)


def test_a_missing_broken_or_undivided_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        load_prompt("cot", "math", tmp_path / "none.jinja")
    broken = tmp_path / "broken.jinja"
    broken.write_text("=== user ===\n{% if %}")
    with pytest.raises(ConfigError, match="line 2"):
        load_prompt("cot", "math", broken)
    undivided = tmp_path / "undivided.jinja"
    undivided.write_text("{{ question }}")
    with pytest.raises(ConfigError, match="=== user ==="):
        load_prompt("cot", "math", undivided)


WORKED = Row(
    id="w", question="2 and 2?", answer="4", task="math", guidance="1. Start with 2.\n2. Add 2.", rationale="2 + 2 = 4"
)
PLANNED = Row(id="p", question="3 and 3?", answer="6", task="math", guidance="1. Start with 3.\n2. Add 3.")
BARE = Row(id="b", question="1 and 1?", answer="2", task="math")


@pytest.mark.parametrize("phase", ["guide", "solver", "standard", "cot"])
def test_without_examples_the_messages_are_those_of_the_template(phase: Phase) -> None:
    prompt = load_prompt(phase, "math")
    guidance = "1. Look." if phase == "solver" else None
    kind: Kind | None = "plan" if phase == "guide" else None
    shown = few_shot.render(prompt, phase, ROW, guidance=guidance, kind=kind)
    assert shown == prompt.render(ROW, guidance=guidance, kind=kind)


@pytest.mark.parametrize(
    ("phase", "replies"),
    [
        ("standard", ["Answer: 4", "Answer: 6"]),
        ("cot", ["2 + 2 = 4\nAnswer: 4", "1. Start with 3.\n2. Add 3.\nAnswer: 6"]),
        ("solver", ["2 + 2 = 4\nAnswer: 4", "Answer: 6"]),
        ("guide", [WORKED.guidance, PLANNED.guidance]),
    ],
)
def test_an_example_is_asked_as_the_question_is_and_answered_as_the_phase_wants(
    phase: Phase, replies: list[str]
) -> None:
    prompt = load_prompt(phase, "math")
    shown = few_shot.render(prompt, phase, ROW, examples=[WORKED, PLANNED], guidance="1. Look.", kind="plan")
    assert [message.type for message in shown] == ["system", "human", "ai", "human", "ai", "human"]
    assert [shown[0], shown[-1]] == prompt.render(ROW, guidance="1. Look.", kind="plan")
    assert [shown[2].text, shown[4].text] == replies
    assert shown[1] == prompt.render(WORKED, guidance=WORKED.guidance, kind="plan")[1]
    assert ("Start with 3." in shown[3].text) == (phase == "solver")


def test_a_rationale_that_is_the_guidance_is_not_repeated_in_the_reply() -> None:
    hops = Row(id="h", question="Who?", answer="Ada", task="multihop_qa", rationale="1. Ben knows Ada.")
    prompt = load_prompt("solver", "multihop_qa")
    shown = few_shot.render(prompt, "solver", hops, examples=[hops], guidance="1. Look.")
    assert "Ben knows Ada." in shown[1].text
    assert shown[2].text == "Answer: Ada"


@pytest.mark.parametrize(
    ("row", "reply"),
    [
        (Row(id="1", question="Which?", answer="wet", choices=["dry", "Wet"], task="multiple_choice"), "Answer: B"),
        (Row(id="1", question="Is it?", answer="False", task="boolean"), "Answer: no"),
    ],
)
def test_the_answer_of_an_example_has_the_form_the_template_asks_for(row: Row, reply: str) -> None:
    prompt = load_prompt("standard", row.task)
    assert few_shot.render(prompt, "standard", row, examples=[row])[2].text == reply


@pytest.mark.parametrize(("phase", "example"), [("solver", BARE), ("guide", BARE), ("cot", BARE)])
def test_an_example_without_what_the_phase_shows_is_refused(phase: Phase, example: Row) -> None:
    with pytest.raises(DataError, match=r"example 'b' has no (rationale or )?guidance to show"):
        few_shot.render(load_prompt(phase, "math"), phase, ROW, examples=[example], guidance="1. Look.", kind="plan")
