"""Teaching by a model, live: filters, provenance, resuming, budgets, failures."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted
from langchain_core.messages import BaseMessage

from sg_agent.errors import BudgetSpent, ConfigError, DataError, RunError, WriteError
from sg_agent.journal import Journal
from sg_agent.rows import load_rows
from sg_agent.scripted import Scripted, ScriptedModel, ScriptedReply
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.filters import FILTERS
from sg_agent.training.teach.run import run_teach

N = 4
PLAN = "1. Look at the days.\n2. Add them up."
QUESTIONS = [
    "Ada has 7 pears and gives 3 of them away. How many pears does she keep?",
    "A bus with 40 seats carries 28 people to the lake. How many of its seats stay free?",
    "Four friends share a bill of 36 dollars in equal parts. What does each of them pay?",
    "A tank loses 2 litres an hour for 9 hours. How much water has it lost by then?",
]
ANSWERS = ["4", "12", "9", "18"]


class Overloaded(Exception):
    status_code = 400


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return write(tmp_path / "rows.jsonl")


def write(path: Path, **more: Any) -> str:
    lines = [
        {"id": str(number), "question": question, "answer": answer, "task": "math", **more}
        for number, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def by_question(*replies: Scripted, otherwise: Scripted = PLAN) -> ScriptedModel:
    """Replies to the first questions as told, to the others with a good plan."""
    said = dict(zip(QUESTIONS, replies, strict=False))

    def reply(messages: list[BaseMessage]) -> Scripted:
        text = messages[-1].text
        return next((said[question] for question in said if question in text), otherwise)

    return ScriptedModel(replies=reply)


def config(rows: str, tmp_path: Path, teacher: Any, **changed: Any) -> TeachConfig:
    return replace(TeachConfig(rows, tmp_path / "out" / "t.jsonl", teacher), **changed)


def lines(tmp_path: Path, name: str = "t.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out" / name).read_text().splitlines()]


def test_kept_rows_are_canonical_with_guidance_and_provenance(rows: str, tmp_path: Path) -> None:
    said = f"<think>hm</think>Here is the plan:\n\n{PLAN}"
    summary = run_teach(config(rows, tmp_path, by_question(otherwise=said)))
    assert (summary["kept"], summary["missing"], summary["errors"]) == (N, 0, 0)
    back = {row.id: row for row in load_rows(tmp_path / "out" / "t.jsonl")}
    assert [back[str(number)].question for number in range(N)] == QUESTIONS
    assert {row.guidance for row in back.values()} == {PLAN}
    provenance = lines(tmp_path)[0]["provenance"]
    assert provenance.keys() == {
        "teacher", "prompt", "prompt_sha256", "kind", "created", "input_tokens", "output_tokens", "cost_usd",
        "latency_s", "verified_with",
    }  # fmt: skip
    assert (provenance["prompt"], provenance["kind"], provenance["cost_usd"]) == ("v1/teach/math", "plan", 0.0)
    assert provenance["created"].endswith("+00:00")


@pytest.mark.parametrize(
    ("reply", "filter_name", "reason"),
    [
        (ScriptedReply(PLAN, "length"), "truncated", "token limit"),
        ("", "empty", "nothing"),
        ("I cannot help with that.", "refused", "refused"),
        (ScriptedReply(PLAN, "content_filter"), "refused", "withheld"),
        ("1. Only one step.", "steps", "1 steps"),
        ("1. Take 7 - 3 = 4.\n2. Done with it.", "arithmetic", "7 - 3 = 4"),
        ("1. Take 3 away.\n2. Check that you get 4 pears.", "arithmetic", "get 4"),
        ("1. Take 3 away.\n2. Look for the number 4.", "leak", "4"),
        ("1. Take some away.\n2. The answer is what stays.", "leak", "4"),
    ],
)
def test_what_a_filter_rejects_is_set_aside_with_the_reason(
    rows: str, tmp_path: Path, reply: Scripted, filter_name: str, reason: str
) -> None:
    summary = run_teach(config(rows, tmp_path, by_question(reply)))
    assert summary["kept"] == N - 1
    assert {name for name, count in summary["rejected"].items() if count} == {filter_name}
    (rejected,) = lines(tmp_path, "t.rejected.jsonl")
    assert (rejected["id"], rejected["rejected_by"]) == ("0", filter_name)
    assert reason in rejected["reason"]
    assert rejected["provenance"]["prompt"] == "v1/teach/math"


def test_every_filter_can_be_left_out(rows: str, tmp_path: Path) -> None:
    summary = run_teach(config(rows, tmp_path, by_question("1. Take 7 - 3 = 4."), filters=("empty",)))
    assert (summary["kept"], summary["rejected"]) == (N, {"empty": 0})


def test_to_name_the_right_choice_alone_is_a_leak(tmp_path: Path) -> None:
    row = {"id": "1", "question": "Which pulls an apple down?", "answer": "B", "choices": ["magnetism", "gravity"]}
    path = tmp_path / "mc.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "2", "question": "What holds planets?"}) + "\n")

    def reply(messages: list[BaseMessage]) -> str:
        both = "1. Say what magnetism does.\n2. Say what gravity does."
        return both if "apple" in messages[-1].text else "1. Think of mass.\n2. It is gravity."

    summary = run_teach(config(str(path), tmp_path, ScriptedModel(replies=reply)))
    assert (summary["kept"], summary["rejected"]["leak"]) == (1, 1)


def test_near_duplicates_and_questions_of_evals_are_dropped_before_they_cost_anything(tmp_path: Path) -> None:
    question = "A farmer with 12 cows sells 5 of them on Monday and buys 2 on Friday. How many cows has he then?"
    taught = [question, question.replace("he then", "he in the end"), *QUESTIONS[:2]]
    rows, asked = tmp_path / "rows.jsonl", tmp_path / "asked.jsonl"
    for path, texts in ((rows, taught), (asked, [QUESTIONS[1].upper()])):
        path.write_text("".join(json.dumps({"id": text, "question": text, "answer": "9"}) + "\n" for text in texts))
    teacher = by_question()
    summary = run_teach(config(str(rows), tmp_path, teacher, eval_file=asked))
    assert (summary["kept"], summary["eval_rows"], len(teacher.calls)) == (2, 1, 2)
    assert (summary["rejected"]["near-duplicate"], summary["rejected"]["eval-overlap"]) == (1, 1)


def test_one_question_about_different_passages_is_no_duplicate(tmp_path: Path) -> None:
    passages = [
        "Kara leads the weavers of Holt and lives by the mill there.",
        "Kara was born in Brook, north of Arden.",
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {"id": text, "question": "Who is Kara?", "answer": "x", "context": [{"title": "K", "text": text}]}
            )
            + "\n"
            for text in passages
        )
    )
    assert run_teach(config(str(path), tmp_path, by_question()))["rejected"]["near-duplicate"] == 0


def test_only_guidance_that_helps_a_solver_is_kept_and_its_outage_rejects_nothing(rows: str, tmp_path: Path) -> None:
    solver = by_question("Answer: 4", Overloaded("down"), "Answer: 8", otherwise="Answer: 18")
    teacher = by_question()
    first = run_teach(config(rows, tmp_path, teacher, verify_with=solver))
    assert (first["kept"], first["rejected"]["usefulness"], first["errors"], first["missing"]) == (2, 1, 1, 1)
    assert "answered '8', not '9'" in lines(tmp_path, "t.rejected.jsonl")[0]["reason"]
    assert {line["provenance"]["verified_with"] for line in lines(tmp_path)} == {"scriptedmodel:scripted"}
    again = by_question(otherwise="Answer: 12")
    second = run_teach(config(rows, tmp_path, teacher, verify_with=again))
    assert (second["kept"], second["errors"]) == (3, 0)
    assert (len(teacher.calls), len(again.calls)) == (N, 1)


def test_a_teachers_failed_call_is_asked_again_and_nothing_else_is(rows: str, tmp_path: Path) -> None:
    first = run_teach(config(rows, tmp_path, by_question(Overloaded("down"))))
    assert (first["kept"], first["missing"], first["errors"]) == (N - 1, 1, 1)
    assert lines(tmp_path, "t.rejected.jsonl") == []
    again = by_question()
    assert run_teach(config(rows, tmp_path, again))["kept"] == N
    assert len(again.calls) == 1


def test_a_call_beyond_its_deadline_fails(rows: str, tmp_path: Path) -> None:
    slow = Hosted(replies=lambda _: PLAN, latency_s=5, model="slow-teacher")
    with pytest.raises(RunError, match="every call failed, the first with: TimeoutError"):
        run_teach(config(rows, tmp_path, slow, deadline=0.02))


def test_an_outage_stops_the_run_instead_of_going_through_all_questions(tmp_path: Path) -> None:
    broken = ScriptedModel(replies=lambda _: Overloaded("no such key"))
    with pytest.raises(
        RunError, match=r"20 questions in a row failed.*no such key.*continue with: sg-agent teach depot"
    ):
        run_teach(TeachConfig("depot", tmp_path / "t.jsonl", broken, limit=100, concurrency=4))
    assert len(broken.calls) < 30


def test_a_full_disk_stops_the_run_and_what_was_paid_for_is_kept(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Journal.append

    def append(self: Journal, record: Any) -> None:
        if self.path.name == "t.jsonl" and self.path.stat().st_size:
            raise WriteError("'t.jsonl' could not be written: No space left on device")
        whole(self, record)

    monkeypatch.setattr(Journal, "append", append)
    teacher = by_question()
    with pytest.raises(WriteError, match="No space left"):
        run_teach(config(rows, tmp_path, teacher, concurrency=1))
    monkeypatch.undo()
    assert run_teach(config(rows, tmp_path, teacher))["kept"] == N
    assert len(teacher.calls) == N


def test_torn_lines_are_cut_and_only_what_they_held_is_done_again(rows: str, tmp_path: Path) -> None:
    teacher = by_question()
    run_teach(config(rows, tmp_path, teacher))
    for name in ("t.jsonl", "t.calls.jsonl"):
        path = tmp_path / "out" / name
        path.write_bytes(path.read_bytes()[:-30])
    assert run_teach(config(rows, tmp_path, teacher))["kept"] == N
    assert sorted(Counter(call[-1].text for call in teacher.calls).values()) == [1, 1, 1, 2]
    assert len({line["id"] for line in lines(tmp_path)}) == len(lines(tmp_path)) == N


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"temperature": 0.3}, "temperature was None and is now 0.3"),
        ({"kind": "rationale"}, "kind was None and is now 'rationale'"),
        ({"filters": FILTERS[1:]}, "filters was"),
    ],
)
def test_another_config_for_the_same_file_is_refused_with_the_difference(
    rows: str, tmp_path: Path, changed: dict[str, Any], difference: str
) -> None:
    run_teach(config(rows, tmp_path, by_question()))
    with pytest.raises(ConfigError, match=difference):
        run_teach(config(rows, tmp_path, by_question(), **changed))


def test_a_file_of_something_else_is_not_touched(rows: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no output of teach"):
        run_teach(TeachConfig(rows, rows, by_question()))
    assert len(load_rows(rows)) == N


def test_a_budget_is_kept_and_a_higher_one_continues(rows: str, tmp_path: Path) -> None:
    teacher = Hosted(replies=lambda _: PLAN, model="gpt-4.1-mini")
    dollars = 3.6e-4  # a call costs at most 2.9e-4, and 6e-5 in the end
    with pytest.raises(BudgetSpent, match=r"are missing; continue with a higher budget: sg-agent teach"):
        run_teach(config(rows, tmp_path, teacher, max_tokens=20, max_cost=dollars, concurrency=1))
    assert 0 < len(teacher.calls) < N
    assert run_teach(config(rows, tmp_path, teacher, max_tokens=20, max_cost=1.0))["kept"] == N
    assert len(teacher.calls) == N


def test_a_budget_without_a_price_is_refused(rows: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the price of .* is unknown"):
        run_teach(config(rows, tmp_path, Hosted(replies=[], model="nobody-knows"), max_cost=1.0))


def test_the_answer_is_shown_only_when_asked_for(rows: str, tmp_path: Path) -> None:
    hidden, shown = by_question(), by_question()
    run_teach(config(rows, tmp_path / "a", hidden))
    run_teach(config(rows, tmp_path / "b", shown, show_answer=True))
    assert not any("Right answer" in call[-1].text for call in hidden.calls)
    assert all("Right answer, for your eyes only: " in call[-1].text for call in shown.calls)


def test_a_prompt_of_ones_own_is_used_and_recorded(rows: str, tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("Plan it, {{ kind }}.\n=== user ===\n{{ question }}")
    teacher = by_question()
    run_teach(config(rows, tmp_path, teacher, prompt=own))
    assert teacher.calls[0][0].text == "Plan it, plan."
    assert lines(tmp_path)[0]["provenance"]["prompt"] == str(own)
    own.write_text("{{ nothing }}\n=== user ===\n{{ question }}")


def test_a_rationale_replaces_the_rows_own_where_the_task_takes_one(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", rationale="1. old", context=[{"title": "T", "text": "t."}])
    text = Path(path).read_text().replace('"math"', '"multihop_qa"')
    Path(path).write_text(text)
    run_teach(config(path, tmp_path, by_question()))
    assert {row.gold for row in load_rows(tmp_path / "out" / "t.jsonl")} == {PLAN}


def test_a_dataset_without_answers_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "1", "question": "How many?"}\n')
    teacher = by_question()
    with pytest.raises(DataError, match=r"rows\.jsonl:1: field 'answer'"):
        run_teach(config(str(path), tmp_path, teacher))
    assert not teacher.calls
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": None}, "either --teacher SPEC or --from"),
        ({"from_": "plan"}, "and not both"),
        ({"filters": ("leek",)}, "unknown filter 'leek'; accepted: eval-overlap"),
        ({"kind": "poem"}, "kind 'poem' is unknown"),
        ({"deadline": 0.0}, "deadline must be above 0"),
        ({"out": "plans.csv"}, "must be a file that ends in .jsonl"),
        ({"verify_with": "embedded:solver", "filters": ("leak",)}, "filter usefulness, which is left out"),
    ],
)
def test_bad_settings_are_refused(rows: str, tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_teach(replace(config(rows, tmp_path, by_question()), **changed))
