"""A run on a checkpointed thread in a process of its own: begun, or continued where the thread stopped.

    python tests/thread_run.py DATABASE BASE_URL [DECISION]

DATABASE is a file of SQLite's or a connection string of PostgreSQL's. With a DECISION ("" for none yet) guidance is
reviewed. Prints the answer and the request for a review, as JSON.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from sg_agent import Settings, guided
from sg_agent.graphs import QuestionInput

QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


@contextmanager
def saver(database: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """The checkpointer over a database, its tables made."""
    kind: Any = PostgresSaver if database.startswith("host=") else SqliteSaver
    with kind.from_conn_string(database) as found:
        found.setup()
        yield found


def main(database: str, base_url: str, decision: str | None = None) -> None:
    graph = guided(f"openai:guide@{base_url}", f"openai:solver@{base_url}", review=decision is not None)
    with saver(database) as checkpointer:
        compiled = graph.compile(checkpointer=checkpointer)
        begun = bool(compiled.get_state(THREAD).next)
        given: Any = Command(resume=json.loads(decision)) if decision else None if begun else QUESTION
        output: Any = compiled.invoke(given, THREAD, context=Settings(attempts=2, seed=10), durability="sync")
    asked = [interrupt.value for interrupt in output.get("__interrupt__", ())]
    print(json.dumps({"answer": output.get("answer"), "guidance": output.get("guidance"), "asked": asked}))


if __name__ == "__main__":
    main(*sys.argv[1:])
