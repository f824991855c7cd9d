"""The state is plain data: any checkpointer stores it, also the run in which calls failed."""

import json
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.graphs import QuestionInput

PLAN = "1. Start with the pens.\n2. Add Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}


def test_a_database_keeps_runs_with_failed_calls_and_the_next_question_starts_clean(tmp_path: Path) -> None:
    guide = ScriptedModel(replies=[RuntimeError("down"), PLAN])
    solver = ScriptedModel(replies=["Answer: 7", RuntimeError("cut"), "Answer: 8", "Answer: 8"])
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        graph = guided(guide, solver).compile(checkpointer=saver)
        thread = {"configurable": {"thread_id": "1"}}
        first = graph.invoke(QUESTION, thread, context=Settings(attempts=2))  # type: ignore[call-overload]
        assert (first["answer"], first["route"], len(first["ledger"])) == ("7", "direct", 3)
        second = graph.invoke(QUESTION, thread, context=Settings(attempts=2))  # type: ignore[call-overload]
        assert (second["answer"], second["route"], len(second["ledger"])) == ("8", "guided", 3)
        kept = graph.get_state(thread).values  # type: ignore[arg-type]
        assert json.loads(json.dumps(kept)) == kept
