"""Few-shot examples: where they come from, what every arm sees of them, what is refused before anything is asked."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.arms import EMBEDDED, Arm, make_arms
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.few_shot import check_shots, load_examples
from sg_agent.evals.run import run_eval
from sg_agent.evals.suites import load_suite
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedModel
from sg_agent.worlds import questions, row_text, split_of

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


def arms(*names: str) -> list[Arm]:
    return make_arms(names, EMBEDDED)


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


def file_of(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def numbered(n: int, **fields: object) -> list[dict[str, object]]:
    return [{"id": i, "question": f"q{i}", "answer": i, "task": "math", **fields} for i in range(n)]


@pytest.mark.parametrize("world", ["depot", "archive"])
def test_a_generated_suite_takes_its_examples_from_the_train_stream(world: str) -> None:
    suite = load_suite(world, limit=5, seed=3)
    examples = load_examples(suite, arms("standard", "cot", "guided"), shots=4, seed=3)
    assert {split_of(row_text(row)) for row in examples} == {"train"}
    stream = questions(world, "train", seed=3)
    assert [row.question for row in examples] == [next(stream).question for _ in examples]
    assert load_examples(suite, arms("cot"), shots=4, seed=3) == examples


def test_examples_of_the_depot_hold_their_computation() -> None:
    for row in load_examples(load_suite("depot", limit=1), arms("cot"), shots=20):
        assert row.rationale
        assert row.rationale.splitlines()[-1].endswith(f"= {row.answer}")


def test_a_file_gives_its_first_rows_that_are_not_asked_themselves(tmp_path: Path) -> None:
    suite = load_suite(file_of(tmp_path / "asked.jsonl", *numbered(2)))
    more = file_of(tmp_path / "more.jsonl", *numbered(5))
    examples = load_examples(suite, arms("standard"), shots=3, shots_from=more)
    assert [row.id for row in examples] == ["2", "3", "4"]
    with pytest.raises(ConfigError, match=r"more.jsonl' has 3 rows that are not asked themselves, --shots wants 4"):
        load_examples(suite, arms("standard"), shots=4, shots_from=more)


def test_examples_of_another_task_are_refused_by_line(tmp_path: Path) -> None:
    suite = load_suite(file_of(tmp_path / "asked.jsonl", *numbered(1)))
    others = file_of(tmp_path / "others.jsonl", *numbered(2, task="open"))
    with pytest.raises(DataError, match=r"others.jsonl:1: field 'task': 'open' is not the task asked for.*'math'"):
        load_examples(suite, arms("standard"), shots=1, shots_from=others)


def test_a_suite_of_several_tasks_takes_no_examples(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        *numbered(1),
        {"id": "b", "question": "Is it?", "answer": "yes", "task": "boolean"},
    ]
    suite = load_suite(file_of(tmp_path / "mixed.jsonl", *rows))
    with pytest.raises(ConfigError, match="one task, and 'mixed' has boolean, math"):
        load_examples(suite, arms("standard"), shots=1, shots_from=tmp_path / "mixed.jsonl")


@pytest.mark.parametrize(
    ("arm", "fields", "missing"),
    [
        ("guided", {"rationale": "1 + 1"}, "guidance"),
        ("oracle", {"rationale": "1 + 1"}, "guidance"),
        ("guided@5", {}, "guidance"),
        ("cot", {}, "rationale or guidance"),
        ("cot@5", {}, "rationale or guidance"),
    ],
)
def test_an_arm_whose_examples_lack_what_it_shows_is_refused(
    tmp_path: Path, arm: str, fields: dict[str, object], missing: str
) -> None:
    suite = load_suite(file_of(tmp_path / "asked.jsonl", {"id": "x", "question": "x", "answer": 1, "task": "math"}))
    more = file_of(tmp_path / "more.jsonl", *numbered(2, **fields))
    assert load_examples(suite, arms("standard"), shots=2, shots_from=more)
    with pytest.raises(ConfigError, match=f"arm '{arm}' shows {missing} with every example, and example '0' has none"):
        load_examples(suite, arms("standard", arm), shots=2, shots_from=more)


@pytest.mark.parametrize(
    ("suite", "shots", "given", "message"),
    [
        ("depot", -1, {}, "shots must be at least 0, not -1"),
        ("depot", 0, {"shots_from": "a.jsonl"}, "--shots-from needs --shots K"),
        ("mine.jsonl", 2, {}, "needs --shots-from FILE"),
        ("gsm8k", 2, {"data": "mine.jsonl"}, "needs --shots-from FILE"),
    ],
)
def test_flags_that_do_not_fit_are_refused(suite: str, shots: int, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_shots(suite, shots, **given)


class Class:
    """Scripted models that remember what they were shown."""

    def __init__(self) -> None:
        self.solver = ScriptedModel(replies=lambda _: "Answer: 1")
        self.guide = ScriptedModel(replies=lambda _: "1. Look.\n2. Count.")

    def config(self, out: Path, *, shots: int) -> EvalConfig:
        return EvalConfig("depot", guide=self.guide, solver=self.solver, limit=2, shots=shots, out=out)


def questions_of(messages: list[BaseMessage]) -> list[str]:
    """The questions among the messages, without the guidance that the solver is shown under them."""
    return [message.text.split("\n\n<guidance>")[0] for message in messages if message.type == "human"]


def test_every_arm_is_shown_the_same_examples_in_the_same_order(tmp_path: Path) -> None:
    shown = Class()
    run_eval(shown.config(tmp_path / "run", shots=3))
    stream = questions("depot", "train")
    examples = [f"Question: {next(stream).question}" for _ in range(3)]
    calls: list[list[BaseMessage]] = [*shown.solver.calls, *shown.guide.calls]
    assert len(calls) == 2 * 4
    assert [questions_of(messages)[:-1] for messages in calls] == [examples] * len(calls)
    instructions = {messages[0].text.split(".")[1].strip() for messages in shown.solver.calls}
    assert len(instructions) == 3


def test_examples_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    shown = Class()
    run_eval(shown.config(tmp_path / "run", shots=2))
    asked = len(shown.solver.calls)
    run_eval(shown.config(tmp_path / "run", shots=2))
    assert len(shown.solver.calls) == asked
    with pytest.raises(ConfigError, match=r"examples_sha256 was '.*' and is now None"):
        run_eval(shown.config(tmp_path / "run", shots=0))


def test_the_command_of_a_run_names_rows_and_examples() -> None:
    config = EvalConfig(
        "gsm8k", data="mine.jsonl", shots=4, shots_from="train.jsonl", shuffle=True, arms=("standard",), limit=7
    )
    command = config.command()
    for flag in ("--data mine.jsonl", "--shots 4", "--shots-from train.jsonl", "--shuffle", "--limit 7"):
        assert flag in command
    assert not {"--data", "--shots", "--shots-from", "--shuffle", "--revision"} & set(
        EvalConfig("depot").command().split()
    )
    assert f"--revision {'a' * 40}" in EvalConfig("gsm8k", revision="a" * 40).command()


def test_a_public_suite_takes_its_examples_from_its_train_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def rows(name: str, suite: object, split: str, revision: str, choose: object) -> list[Row]:
        asked.append((split, len(choose(1000))))  # type: ignore[operator] # the function that hub_rows is given
        return [
            Row(id=f"{split}-{i}", question=f"{split} {i}", answer="1", task="math", rationale="1") for i in range(3)
        ]

    monkeypatch.setattr("sg_agent.evals.suites.hub_rows", rows)
    suite = load_suite("gsm8k", limit=3)
    examples = load_examples(suite, arms("standard", "cot"), shots=2)
    assert [row.id for row in examples] == ["train-0", "train-1"]
    assert [split for split, _ in asked] == ["test", "train"]
    assert asked[1][1] < 100
