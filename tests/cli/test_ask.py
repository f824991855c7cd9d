"""`sg-agent ask`: one question, with the guidance shown and mistakes caught before a model is loaded."""

import json
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.cli.context_file import load_context
from sg_agent.errors import DataError
from sg_agent.evals.suites import load_suite
from sg_agent.models import parse_spec
from sg_agent.scripted import ScriptedModel

DEPOT = load_suite("depot", limit=1).rows[0]
PLAN = "1. Start with the pens.\n2. Subtract Tuesday."


def reply(messages: list[BaseMessage]) -> str:
    return PLAN if "Write a" in str(messages[0].content) else "Working.\nAnswer: 8"


@pytest.fixture(autouse=True)
def only_parse_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights and no key are needed: a spec is good when it can be read."""
    monkeypatch.setattr("sg_agent.cli.request.check_spec", parse_spec)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every spec loads a scripted model; the list holds the specs that were loaded."""
    loaded: list[str] = []

    def load(spec: str, *, trust_remote_code: bool) -> BaseChatModel:
        assert trust_remote_code is False
        loaded.append(spec)
        return ScriptedModel(replies=reply)

    monkeypatch.setattr("sg_agent.cli.request.load_model", load)
    return loaded


@pytest.mark.usefixtures("scripted")
def test_guidance_then_answer_then_what_it_took() -> None:
    done = CliRunner().invoke(app, ["ask", DEPOT.question])
    assert done.exit_code == 0, done.output
    guidance, answer, used = (done.stdout.index(text) for text in ("1. Start with", "answer: 8", "solver "))
    assert guidance < answer < used


def test_json_is_one_object_on_stdout(scripted: list[str]) -> None:
    done = CliRunner().invoke(app, ["ask", DEPOT.question, "--json"])
    shown = json.loads(done.stdout)
    assert (shown["answer"], shown["guidance"], shown["task"], shown["route"]) == ("8", PLAN, "math", "guided")
    assert shown["tokens"].keys() == {"guide", "solver"}
    assert set(scripted) == {"embedded:guide", "embedded:solver"}


@pytest.mark.parametrize("arm", ["standard", "cot", "guided", "auto"])
@pytest.mark.parametrize("form", ["--json", "--no-stream"])
def test_a_fallback_answers_where_the_solver_fails(arm: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(spec: str, *, trust_remote_code: bool) -> BaseChatModel:
        down = [RuntimeError("down")]
        return ScriptedModel(replies=down if spec == "openai:down" else reply)

    monkeypatch.setattr("sg_agent.cli.request.load_model", load)
    flags = ["--guide", "openai:g", "--solver", "openai:down", "--fallback", "openai:other", "--arm", arm]
    done = CliRunner().invoke(app, ["ask", "What is 3 + 5?", "--task", "math", *flags, form])
    assert done.exit_code == 0, done.output
    assert "answered 1 of 1 attempts" in done.stdout
    assert json.loads(done.stdout)["answer"] == "8" if form == "--json" else "answer: 8" in done.stdout


def test_a_fallback_that_is_no_model_is_refused(scripted: list[str]) -> None:
    done = CliRunner().invoke(app, ["ask", DEPOT.question, "--fallback", "nonsense"])
    assert (done.exit_code, "'nonsense'" in done.stderr, scripted) == (2, True, [])


@pytest.mark.usefixtures("scripted")
def test_streamed_text_holds_guidance_and_reply() -> None:
    done = CliRunner().invoke(app, ["ask", DEPOT.question, "--stream"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("1. Start with the pens.") == 1
    assert "Working." in done.stdout
    assert "answer: 8" in done.stdout


def test_a_question_outside_the_worlds_names_a_real_solver(scripted: list[str]) -> None:
    done = CliRunner().invoke(app, ["ask", "What is the capital of France?"])
    assert done.exit_code == 2
    assert "knows only its two worlds" in done.stderr
    assert "--solver openai:gpt-4.1-mini" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert scripted == []


def test_a_real_solver_alone_takes_any_question(scripted: list[str]) -> None:
    done = CliRunner().invoke(
        app, ["ask", "What is the capital of France?", "--solver", "openai:gpt-4.1-mini", "--arm", "cot", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["task"] == "open"
    assert scripted == ["openai:gpt-4.1-mini"]


def test_the_embedded_guide_does_not_guide_a_real_solver_out_of_scope() -> None:
    done = CliRunner().invoke(app, ["ask", "What is the capital of France?", "--solver", "openai:gpt-4.1-mini"])
    assert done.exit_code == 2
    assert "the embedded guide knows only" in done.stderr


@pytest.mark.usefixtures("scripted")
def test_passages_make_it_multihop(tmp_path: Path) -> None:
    row = load_suite("archive", limit=1).rows[0]
    path = tmp_path / "cards.txt"
    path.write_text("\n".join(f"{p.title}: {p.text}" for p in row.context or []))
    done = CliRunner().invoke(app, ["ask", row.question, "--context", str(path), "--arm", "standard", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["task"] == "multihop_qa"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "oracle"], "unknown arm 'oracle'; accepted: standard, cot, guided"),
        (["--task", "maths"], "unknown task 'maths'; accepted: math"),
        (["--samples", "0"], "--samples"),
        (["--solver", "gpt-4"], "unknown model 'gpt-4'"),
        (["--samples", "3", "--temperature", "0"], "all the same"),
        (["--context", "missing.txt"], "missing.txt"),
        (["--json", "--stream"], "leave out --stream"),
        (["--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_mistakes_exit_2_before_a_model_is_loaded(scripted: list[str], arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["ask", DEPOT.question, *arguments])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert scripted == []


def test_an_archive_question_without_cards_asks_for_them() -> None:
    done = CliRunner().invoke(app, ["ask", "Name the warden of Kara?"])
    assert done.exit_code == 2
    assert "--context FILE" in done.stderr


def test_an_unreadable_reply_fails_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sg_agent.cli.request.load_model", lambda *_, **__: ScriptedModel(replies=lambda _: "I cannot say")
    )
    done = CliRunner().invoke(app, ["ask", DEPOT.question, "--arm", "standard", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["answer"] is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '[{"title": "Kara", "text": "Kara mentor Lora."}, {"title": "Lora", "text": "Lora boss Ada."}]'),
        ("c.jsonl", '{"title": "Kara", "text": "Kara mentor Lora."}\n{"title": "Lora", "text": "Lora boss Ada."}\n'),
        ("c.txt", "Kara: Kara mentor\nLora.\n\nLora: Lora boss Ada.\n"),
    ],
)
def test_context_files_of_every_form_hold_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert [(p.title, p.text) for p in load_context(tmp_path / name)] == [
        ("Kara", "Kara mentor Lora."),
        ("Lora", "Lora boss Ada."),
    ]


@pytest.mark.parametrize(("name", "text"), [("c.json", "{"), ("c.json", '[{"text": "x"}]'), ("c.txt", " \n")])
def test_a_bad_context_file_is_a_data_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=name):
        load_context(tmp_path / name)


def test_help_says_what_a_seed_is_for_where_no_suite_is_generated() -> None:
    shown = CliRunner().invoke(app, ["ask", "--help"]).stdout
    assert "--seed" in shown
    assert "generated" not in shown
