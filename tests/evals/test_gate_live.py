"""A gate from live questions: what their feedback makes of them, beside eval runs and alone."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from gate_runs import is_hard, rows, weak_run
from recorded_run import HOSTED, PLAN
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.gate.calibrate import unseen
from sg_agent.evals.gate.examples import read_examples
from sg_agent.evals.gate.fit import fit_gate
from sg_agent.evals.gate.live import read_live
from sg_agent.gate.gate import Known
from sg_agent.gate.live import Live, LiveFolder
from sg_agent.rows import Row

GUIDE = "local:base@guide"


def answer(said: str | None, *, guidance: str | None = None, digest: str = "abc123") -> dict[str, Any]:
    attempt = {
        "index": 0,
        "text": f"The answer is {said}.",
        "tool_calls": [],
        "answer": said,
        "finish": "stop",
        "error": None,
    }
    call = {
        "role": "solver", "model": HOSTED, "attempt": 0, "input_tokens": 9, "output_tokens": 9, "cached_tokens": 0,
        "cost_usd": 0.001, "latency_s": 1.0, "cached": False, "error": None,
    }  # fmt: skip
    prompts = {"cot": f"v1/cot/math@{digest}"}
    return {"answer": said, "guidance": guidance, "attempts": [attempt], "ledger": [call], "prompts": prompts}


def shadow(
    row: Row, direct: str | None, guided: str | None, *, shown: str = "direct", digest: str = "abc123"
) -> dict[str, Any]:
    answers = {"direct": answer(direct, digest=digest), "guided": answer(guided, guidance=PLAN, digest=digest)}
    asked = row.model_dump(mode="json", exclude={"answer"}, exclude_none=True)
    return {"kind": "shadow", "id": row.id, "at": 1.0, "row": asked, "shown": shown, "answers": answers}


def feedback(row: str, at: float = 2.0, **said: Any) -> dict[str, Any]:
    return {"kind": "feedback", "id": row, "at": at, **said}


def live(path: Path, *journals: list[dict[str, Any]], solver: str = HOSTED) -> Path:
    """A folder as a server leaves it, a journal per process."""
    LiveFolder(path).prepare(Live(guide=Known(name=GUIDE), solver=Known(name=solver)))
    for number, lines in enumerate(journals):
        (path / f"{number}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


(ASKED,) = rows(1)
MATH = ASKED.model_copy(update={"id": "m"})
CHOICE = Row(id="c", question="Which?", answer="A", choices=["one", "two"], task="multiple_choice")
TEXT = Row(id="t", question="Who?", answer="x", task="open")


@pytest.mark.parametrize(
    ("line", "said", "right"),
    [
        (shadow(MATH, "7", "8"), {"answer": "7.0"}, {"cot": True, "guided": False}),
        (shadow(MATH, "7", "8"), {"answer": "9", "correct": True}, {"cot": False, "guided": False}),
        (shadow(MATH, "7", "$7"), {"correct": True}, {"cot": True, "guided": True}),
        (shadow(MATH, "7", "8"), {"correct": True}, {"cot": True, "guided": False}),
        (shadow(MATH, "7", None), {"correct": True}, {"cot": True, "guided": False}),
        (shadow(MATH, "7", "8", shown="guided"), {"correct": True}, {"cot": False, "guided": True}),
        (shadow(MATH, "7", "7"), {"correct": False}, {"cot": False, "guided": False}),
        (shadow(MATH, "7", "8"), {"correct": False}, {}),
        (shadow(MATH, None, "8"), {"correct": False}, {}),
        (shadow(CHOICE, "A", "B"), {"correct": True}, {"cot": True, "guided": False}),
        (shadow(CHOICE, "A", "B"), {"answer": "three"}, {}),
        (shadow(TEXT, "Kara", "the Kara"), {"correct": True}, {"cot": True, "guided": True}),
        (shadow(TEXT, "Kara", "Kara of Oslo"), {"correct": True}, {}),
    ],
)  # fmt: skip
def test_feedback_makes_labels_and_what_it_does_not_say_is_left_out(
    tmp_path: Path, line: dict[str, Any], said: dict[str, Any], right: dict[str, bool]
) -> None:
    found = read_live(live(tmp_path, [line, feedback(line["id"], **said)]))
    assert {arm: one["correct"] for (_, arm), one in found.answers.items()} == right
    assert (found.note is None) == bool(right)


def test_feedback_may_stand_in_another_journal_and_the_last_counts(tmp_path: Path) -> None:
    path = live(
        tmp_path,
        [feedback("m", 3.0, answer="8"), feedback("m", 2.0, correct=True)],
        [shadow(MATH, "7", "8")],
        [feedback("m", 1.0, answer="7"), feedback("never asked", 1.0, correct=True)],
    )
    assert [one["correct"] for one in read_live(path).answers.values()] == [False, True]
    with (path / "1.jsonl").open("a") as journal:
        journal.write('{"kind": "shadow", "id": "tor')
    assert len(read_live(path).rows) == 1
    (path / "2.jsonl").write_text('{"kind": "other"}\n')
    with pytest.raises(DataError, match=r"2\.jsonl:1: damaged"):
        read_live(path)


def traffic(path: Path, n: int, *, seed: int = 9, **more: Any) -> Path:
    """`cot` is right on the easy, `guided` on nearly all, as in `weak_run`; all with the right answer."""
    dice, lines = random.Random(seed), []
    for row in rows(n, seed=seed):
        wrong, good = is_hard(row) == (dice.random() < 0.1), dice.random() < 0.9
        lines += [shadow(row, "7" if wrong else "8", "7" if good else "8", **more), feedback(row.id, answer="7")]
    return live(path, lines)


def test_a_gate_is_fitted_on_live_questions_beside_runs_and_alone(tmp_path: Path) -> None:
    served, run = traffic(tmp_path / "live", 250), weak_run(tmp_path / "run", rows(120)).path
    together = read_examples([run, served])
    assert (len(together.items), together.suite) == (370, "depot+live")
    assert read_examples([served, run]).suite == "depot+live"
    out = tmp_path / "gate.json"
    done = CliRunner().invoke(app, ["gate", "fit", str(served), "--hold-out", "0.1", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["heads"]["direct"]["auc"] > 0.8


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    served = traffic(tmp_path / "live", 100)
    (served / "new.jsonl").write_text("".join(json.dumps(shadow(row, "7", "8")) + "\n" for row in rows(3, seed=4)))
    lines = (served / "new.jsonl").read_text().replace('"id": "q', '"id": "new')
    (served / "new.jsonl").write_text(lines)
    (note,) = read_examples([served]).notes
    assert note.endswith("3 of 103 live questions are left out: 3 with no feedback")
    with pytest.raises(DataError, match="1 with no feedback"):
        read_examples([live(tmp_path / "none", [shadow(MATH, "7", "8")])])


def test_live_questions_of_other_models_or_prompts_do_not_belong_to_a_run(tmp_path: Path) -> None:
    run = weak_run(tmp_path / "run", rows(60)).path
    with pytest.raises(ConfigError, match="do not belong together: solver was"):
        read_examples([run, live(tmp_path / "other", solver="openai:other")])
    old, new = traffic(tmp_path / "old", 10, digest="0ld"), traffic(tmp_path / "new", 10, seed=8, digest="new")
    with pytest.raises(ConfigError, match="asked by two prompts 'v1/cot/math'"):
        read_examples([old, new])


def test_a_gate_of_runs_is_calibrated_on_live_questions_too(tmp_path: Path) -> None:
    run, served = weak_run(tmp_path / "run", rows(300)).path, traffic(tmp_path / "live", 150)
    gate = fit_gate(read_examples([run])).gate
    assert len(unseen(gate, read_examples([served]))) == 150
    assert len(unseen(gate, read_examples([served, run]))) > 150
    with pytest.raises(ConfigError, match="fitted on another suite: 'depot', and these runs have 'live\\+other'"):
        unseen(gate, read_examples([served, weak_run(tmp_path / "other", rows(60), suite="other").path]))


def test_a_question_that_many_asked_is_one_question(tmp_path: Path) -> None:
    again = [MATH.model_copy(update={"id": f"m{n}"}) for n in range(30)]
    lines = [line for row in again for line in (shadow(row, "7", "8"), feedback(row.id, answer="7"))]
    found = read_examples([live(tmp_path, lines)])
    assert len(found.items) == 1
    assert "29 questions were asked before and count once, as they were answered last" in found.notes


def test_live_questions_stand_beside_runs_in_any_order(tmp_path: Path) -> None:
    folder, weak = traffic(tmp_path / "live", 20), weak_run(tmp_path / "run", rows(60)).path
    first, last = read_examples([folder, weak]), read_examples([weak, folder])
    assert [item.hash for item in first.items] == [item.hash for item in last.items]
    assert (first.guide, first.suite) == (last.guide, last.suite)
