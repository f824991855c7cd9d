"""Threads in SQLite and PostgreSQL: the state is plain data, and a run killed outright continues where it was."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres
import pytest
import thread_run
from chat_server import ChatServer, chat_server
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from thread_run import QUESTION, THREAD

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.errors import BudgetSpent, MissingExtra

PLAN = "1. Start with the pens.\n2. Add Monday."
TWICE = Settings(attempts=2)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The connection string of a database of PostgreSQL's."""
    if (programs := postgres.programs()) is None:
        pytest.skip(postgres.MISSING)
    with postgres.postgres_server(programs) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which no thread is kept yet."""
    if request.param == "sqlite":
        return str(tmp_path / "threads.sqlite")
    found: str = request.getfixturevalue("server")
    with thread_run.saver(found) as saver:
        saver.delete_thread("1")
    return found


def models() -> tuple[ScriptedModel, ScriptedModel]:
    """A guide that is down at first, and a solver one of whose attempts fails."""
    guide = ScriptedModel(replies=[RuntimeError("down"), PLAN])
    return guide, ScriptedModel(replies=["Answer: 7", RuntimeError("cut"), "Answer: 8", "Answer: 8"])


def test_a_database_keeps_runs_with_failed_calls_and_the_next_question_starts_clean(database: str) -> None:
    with thread_run.saver(database) as saver:
        graph = guided(*models()).compile(checkpointer=saver)
        first = graph.invoke(QUESTION, THREAD, context=TWICE)
        assert (first["answer"], first["route"], len(first["ledger"])) == ("7", "direct", 3)
        second = graph.invoke(QUESTION, THREAD, context=TWICE)
        assert (second["answer"], second["route"], len(second["ledger"])) == ("8", "guided", 3)
        kept = graph.get_state(THREAD).values
        assert json.loads(json.dumps(kept)) == kept


async def test_the_async_savers_keep_the_same(database: str) -> None:
    kind: Any = AsyncPostgresSaver if database.startswith("host=") else AsyncSqliteSaver
    async with kind.from_conn_string(database) as saver:
        await saver.setup()
        graph = guided(*models()).compile(checkpointer=saver)
        outputs = [await graph.ainvoke(QUESTION, THREAD, context=TWICE) for _ in range(2)]
        assert [(output["answer"], output["route"]) for output in outputs] == [("7", "direct"), ("8", "guided")]
        kept = (await graph.aget_state(THREAD)).values
        assert json.loads(json.dumps(kept)) == kept


@pytest.mark.parametrize("error", [BudgetSpent("spent"), MissingExtra("the model", "local")], ids=["budget", "user"])
@pytest.mark.parametrize("stops", ["guide", "solver"])
def test_a_question_that_was_stopped_is_taken_up_again_by_the_call_that_stopped_it(
    stops: str, error: Exception, database: str
) -> None:
    """Never answered by None: the thread of a stopped question is not at its end."""
    guide = ScriptedModel(replies=[error, error, PLAN] if stops == "guide" else [PLAN])
    solver = ScriptedModel(replies=["Answer: 7", error, error, "Answer: 7"] if stops == "solver" else ["Answer: 7"] * 2)
    with thread_run.saver(database) as saver:
        graph = guided(guide, solver).compile(checkpointer=saver)
        for given in (QUESTION, None):
            with pytest.raises(type(error), match=re.escape(str(error))):
                graph.invoke(given, THREAD, context=TWICE)
            assert set(graph.get_state(THREAD).next) >= {"guide" if stops == "guide" else "solve"}
        output = graph.invoke(None, THREAD, context=TWICE)
    assert (output["answer"], output["guidance"], len(output["attempts"])) == ("7", PLAN, 2)
    assert (len(guide.calls), len(solver.calls)) == ((3, 2) if stops == "guide" else (1, 4))


async def test_a_stopped_question_stops_async_runs_too(database: str) -> None:
    kind: Any = AsyncPostgresSaver if database.startswith("host=") else AsyncSqliteSaver
    async with kind.from_conn_string(database) as saver:
        await saver.setup()
        solver = ScriptedModel(replies=[BudgetSpent("spent"), BudgetSpent("spent"), "Answer: 7"])
        graph = guided(ScriptedModel(replies=[PLAN]), solver).compile(checkpointer=saver)
        for given in (QUESTION, None):
            with pytest.raises(BudgetSpent, match="spent"):
                await graph.ainvoke(given, THREAD)
        assert (await graph.ainvoke(None, THREAD))["answer"] == "7"


def start(database: str, server: ChatServer, *decision: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, thread_run.__file__, database, server.base_url, *decision]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def finish(run: subprocess.Popen[bytes]) -> dict[str, Any]:
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0
    output: dict[str, Any] = json.loads(said)
    return output


def asked_how_often(server: ChatServer) -> Counter[tuple[str, int | None]]:
    return Counter((body["model"], body.get("seed")) for body in server.asked)


def kept_attempts(database: str) -> int:
    """How many attempts of the step in progress are in the database."""
    with thread_run.saver(database) as saver:
        latest = saver.get_tuple(THREAD)
    return sum(channel == "attempts" for _, channel, _ in (latest and latest.pending_writes) or ())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_loses_only_the_call_in_flight(database: str) -> None:
    killed = threading.Event()

    def reply(body: dict[str, Any]) -> str:
        if body.get("seed") == 11:
            killed.wait(120)
        return PLAN if body["model"] == "guide" else "Answer: 7"

    with chat_server(reply) as server:
        run = start(database, server)
        while len(server.asked) < 3 or not kept_attempts(database):
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        killed.set()
        output = finish(start(database, server))
        assert (output["answer"], output["guidance"]) == ("7", PLAN)
        assert asked_how_often(server) == {("guide", None): 1, ("solver", 10): 1, ("solver", 11): 2}


@pytest.mark.slow
def test_a_review_waits_beyond_the_process_that_asked_for_it(database: str) -> None:
    with chat_server(lambda body: PLAN if body["model"] == "guide" else "Answer: 7") as server:
        (request,) = finish(start(database, server, ""))["asked"]
        assert request["guidance"] == PLAN
        output = finish(start(database, server, json.dumps({"type": "approve"})))
        assert (output["answer"], output["guidance"]) == ("7", PLAN)
        assert asked_how_often(server) == {("guide", None): 1, ("solver", 10): 1, ("solver", 11): 1}
