"""The guide as agents ask it: one question at a time, within a time limit, and never in the way of the agent.

The guide reads the question alone, without the conversation: that is what it was trained on.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Event, Thread
from typing import Any, get_args

from langchain_core.runnables import RunnableConfig
from langgraph.constants import TAG_NOSTREAM
from langgraph.runtime import Runtime

from sg_agent.errors import ConfigError, DataError
from sg_agent.graphs.guide import guide
from sg_agent.graphs.nodes import Prompts, route
from sg_agent.graphs.state import GuideOutput, QuestionInput, Settings
from sg_agent.ledger import CallRecord, as_paid_by, failed_call
from sg_agent.models import Model, load_model
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row, Task

# Its tokens are no part of the agent's stream of messages, and its steps do not count against the agent's limit.
_CONFIG = RunnableConfig(tags=[TAG_NOSTREAM], metadata={"lc_source": "guidance"}, recursion_limit=25)

_TURN = Row(id="turn", question="(the user's last message)", answer="unknown")  # the solver has it already


class Adviser:
    """Asks the guide. `timeout` is in seconds, for all of a question's guidance.

    Raises ConfigError, DataError or ModelError for arguments that no question could be asked with.
    """

    def __init__(
        self, model: Model, *, task: Task, settings: Settings, timeout: float | None, prompts: Prompts | None
    ) -> None:
        if timeout is not None and timeout <= 0:
            raise ConfigError(f"timeout must be above 0 seconds, not {timeout}")
        if task not in get_args(Task):
            raise ConfigError(f"unknown task {task!r}; accepted: {', '.join(get_args(Task))}")
        self._model = load_model(model)
        self._graph = guide(self._model, prompts=prompts).compile(checkpointer=False, name="guide")
        self._task, self._settings, self._timeout = task, settings, timeout
        prompts = prompts or {}
        self._shown = load_prompt("solver", "agent", prompts.get("solver"))
        load_prompt("guide", task, prompts.get("guide"))
        route({"question": "?", "attempts": [], "failed": [], "prompts": {}, "ledger": []}, Runtime(context=settings))
        self.show("?")

    def ask(self, question: str) -> GuideOutput:
        """Guidance, or the reason why there is none. A call that is too late is left behind in its thread."""
        seen: list[GuideOutput] = []
        stopped = Event()

        def read() -> None:
            for state in self._graph.stream(self._input(question), _CONFIG, **self._how()):
                seen.append(state)
                if stopped.is_set():
                    break

        try:
            _within(self._timeout, read)
        except (TimeoutError, DataError) as error:
            return self._without(seen, error)
        finally:
            stopped.set()
        return seen[-1]

    async def aask(self, question: str) -> GuideOutput:
        """As `ask`. A call that is too late is cancelled."""
        seen: list[GuideOutput] = []
        try:
            async with asyncio.timeout(self._timeout):
                async for state in self._graph.astream(self._input(question), _CONFIG, **self._how()):
                    seen.append(state)  # noqa: PERF401 - what came before a time-out must be known
        except (TimeoutError, DataError) as error:
            return self._without(seen, error)
        return seen[-1]

    def show(self, guidance: str) -> str:
        """Guidance as the solver is shown it: marked as what it is, between delimiters."""
        return "\n\n".join(message.text for message in self._shown.render(_TURN, guidance=guidance) if message.text)

    def prompts(self, output: GuideOutput) -> dict[str, str]:
        """The templates that made the guidance and show it."""
        return output["prompts"] if output["guidance"] is None else {**output["prompts"], "solver": self._shown.stamp}

    def _input(self, question: str) -> QuestionInput:
        return {"question": question, "task": self._task}

    def _how(self) -> dict[str, Any]:
        return {"context": self._settings, "stream_mode": "values", "output_keys": list(GuideOutput.__annotations__)}

    def _without(self, seen: list[GuideOutput], error: TimeoutError | DataError) -> GuideOutput:
        """What is known of guidance that did not come: the calls made till then are paid for too."""
        late = isinstance(error, TimeoutError)
        reason = f"the guide took more than {self._timeout:g} s" if late else f"the guide cannot take this: {error}"
        ledger = [_finished(record) for record in (seen[-1]["ledger"] if seen else [])]
        if late:
            ledger.append(failed_call("guide", self._model, TimeoutError(reason)))
        return GuideOutput(guidance=None, reason=reason, prompts=seen[-1]["prompts"] if seen else {}, ledger=ledger)


def _finished(record: CallRecord) -> CallRecord:
    return as_paid_by(record["run"], record) if "run" in record else record


def _within(seconds: float | None, work: Callable[[], None]) -> None:
    """Do `work`; with a limit in a thread of its own, which cannot be cancelled and does not keep the program alive."""
    if seconds is None:
        return work()
    done: Future[None] = Future()
    context = copy_context()

    def run() -> None:
        try:
            context.run(work)
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
            done.set_exception(error)

    Thread(target=run, daemon=True, name="guide").start()
    return done.result(seconds)
