"""One question under way: a task that runs the graph, is waited for or read as it goes, and can be called off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from sg_agent.errors import SolverError
from sg_agent.graphs.state import Attempt, GraphOutput, QuestionInput, Settings
from sg_agent.ledger import CallRecord, total_cost
from sg_agent.rows import Task, default_task
from sg_agent.serve.arms import Target
from sg_agent.serve.errors import ApiError, api_error
from sg_agent.serve.watch import Watch, watching
from sg_agent.throttle import asking

GuideOutcome = Literal["used", "dropped", "invalid", "failed", "skipped", "unanswered"]
CONFIG: RunnableConfig = {"recursion_limit": 50}


@dataclass(frozen=True)
class Ask:
    """A request that was understood: what to ask, of whom, and how many of the attempts to show."""

    target: Target
    question: QuestionInput
    settings: Settings
    choices: int

    @property
    def votes(self) -> bool:
        """Whether one of several attempts is shown, which nobody knows before all are there."""
        return self.settings.attempts > self.choices

    @property
    def held(self) -> bool:
        """Whether what the solver writes may not be what is shown: a vote decides, or a stronger solver."""
        return self.votes or self.target.escalates


@dataclass(frozen=True)
class Guidance:
    """The guidance that the solver is shown, whole."""

    text: str


@dataclass(frozen=True)
class Delta:
    """What the solver of attempt `index` has just written."""

    index: int
    text: str
    tool_calls: list[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """How a question was answered, and what that took."""

    ask: Ask
    output: GraphOutput
    watch: Watch
    total_s: float

    @property
    def shown(self) -> list[Attempt]:
        """The attempts that are the reply's choices; those that failed are none."""
        tried = sorted(self.output["attempts"], key=lambda attempt: attempt["index"])
        if self.ask.held:
            return [attempt for attempt in tried if attempt["index"] == self.output["chosen"]]
        return [attempt for attempt in tried if not attempt["error"]]

    @property
    def in_form(self) -> bool:
        """Whether the question was asked in a form that its answer is read from, not in a conversation."""
        return any(self.ask.question.get(name) for name in ("task", "choices", "context"))

    @property
    def task(self) -> Task:
        """What kind of question it is."""
        return self.ask.question.get("task") or default_task(self.ask.question)

    @property
    def cheap(self) -> list[Attempt]:
        """The attempts of the solver, without the stronger one's."""
        own = [attempt for attempt in self.output["attempts"] if "stronger" not in attempt]
        return sorted(own, key=lambda attempt: attempt["index"])

    @property
    def cost_usd(self) -> float | None:
        """What it cost, None when a price is unknown."""
        return total_cost(self.output["ledger"])

    @property
    def retries(self) -> int:
        """The model calls that were made again: a record is of one call with all its tries."""
        return self.watch.calls - len(self.output["ledger"]) + self.watch.asker.repeats

    @property
    def overhead_s(self) -> float:
        """The time in which no model was at work."""
        return max(0.0, self.total_s - self.watch.busy_s)

    @property
    def guide_outcome(self) -> GuideOutcome:
        """What became of the guidance."""
        if self.output["guidance"] is not None:
            return "used"
        if (reconsidered := self.output.get("reconsidered")) and reconsidered["route"] == "direct":
            return "dropped"
        drafts = [record for record in self.output["ledger"] if record["role"] == "guide"]
        if any(record["error"] for record in drafts):
            return "failed"
        given = self.ask.question.get("given_guidance") is not None and self.ask.target.guided
        return "invalid" if drafts or given else "skipped"


class Run:
    """A graph at work for one request. `await run.task`, or read `run.events()` and then await it.

    Both raise ApiError. `ledger` has the calls that were made, None as long as nobody knows them all.
    """

    def __init__(self, ask: Ask, *, stream: bool, started: float, timeout_s: float) -> None:
        self.ask, self.watch = ask, Watch()
        self.ledger: list[CallRecord] | None = None
        self._started, self._timeout_s = started, timeout_s
        self.called_off: ApiError | None = None
        self._events: list[Guidance | Delta] = []
        self._news, self._over = asyncio.Event(), False
        self.task = asyncio.create_task(self._bounded(self._streamed if stream else self._invoked))

    def cancel(self, why: ApiError) -> None:
        """Stop, with every model call that is under way; who waits gets a CancelledError, and `called_off` says why."""
        if not self.task.done():
            self.called_off = self.called_off or why
            self.task.cancel()

    @property
    def cost_usd(self) -> float | None:
        """What its calls cost, None as long as nobody knows."""
        known = self.ledger is not None or not self.watch.hosted
        return total_cost(self.ledger or []) if known else None

    async def begun(self) -> None:
        """Until something is written, or the run has ended without."""
        await self._news.wait()

    async def events(self) -> AsyncIterator[list[Guidance | Delta]]:
        """What is written, as it is written: all that is new at a time. Ends when the run does."""
        while True:
            await self._news.wait()
            new, self._events = self._events, []
            if not self._over:
                self._news.clear()
            if new:
                yield new
            elif self._over:
                return

    def _tell(self, event: Guidance | Delta) -> None:
        self._events.append(event)
        self._news.set()

    async def _bounded(self, work: Any) -> Answer:
        left_s = self._timeout_s - (time.perf_counter() - self._started)
        self.watch.asker.waits_until = time.monotonic() + left_s
        watching.set(self.watch)
        asking.set(self.watch.asker)
        deadline = asyncio.timeout(left_s)
        try:
            async with deadline:
                output: GraphOutput = await work()
        except TimeoutError as error:
            if not deadline.expired():
                raise api_error(error, self.watch.failures) from error
            message = f"no answer within {self._timeout_s:g} s, the server's --timeout; ask for less or try again"
            raise ApiError(504, message, "timeout") from error
        except Exception as error:
            self.ledger = error.ledger if isinstance(error, SolverError) else None
            raise api_error(error, self.watch.failures) from error
        finally:
            self._over = True
            self._news.set()
        self.ledger = output["ledger"]
        answer = Answer(self.ask, output, self.watch, time.perf_counter() - self._started)
        if all(attempt["finish"] == "empty" for attempt in answer.shown):
            raise ApiError(502, "the solver's reply is empty; ask again", "upstream_error")
        return answer

    async def _invoked(self) -> Any:
        return await self.ask.target.graph.ainvoke(self.ask.question, CONFIG, context=self.ask.settings)

    async def _streamed(self) -> Any:
        """The final output; guidance and deltas go into the queue as they come."""
        output: Any = None
        guided, writers, nodes = False, dict[int, tuple[str, str | None]](), self._shown_nodes
        stream: Any = self.ask.target.graph.astream(
            self.ask.question, CONFIG, context=self.ask.settings, stream_mode=["messages", "values"]
        )
        async with aclosing(stream) as parts:  # else an error raised here would leave its calls running
            async for mode, part in parts:
                if mode == "values":
                    output = part
                    if not guided and output.get("guidance"):
                        guided = True
                        self._tell(Guidance(output["guidance"]))
                    if output.get("decision", {}).get("route") == "escalate":
                        nodes = ("stronger",)  # whose answer is then the only one
                else:
                    chunk, metadata = part
                    if metadata["langgraph_node"] in nodes:
                        self._delta(chunk, metadata, writers)
        begun = {index for index, (node, _) in writers.items() if node == "solve"}
        if any("fallback" in attempt and attempt["index"] in begun for attempt in output["attempts"]):
            raise _broke_off()
        return output

    @property
    def _shown_nodes(self) -> tuple[str, ...]:
        """Whose chunks are told as they come. A fallback's are where there is but one attempt: else nobody knows of
        which it is until the end. None are as long as what is written may not be what is shown.
        """
        if self.ask.held:
            return ()
        return ("solve", "fallback") if self.ask.choices == 1 else ("solve",)

    def _delta(self, chunk: Any, metadata: dict[str, Any], writers: dict[int, tuple[str, str | None]]) -> None:
        """Queue a chunk of the solver's. What one call has begun no other can go on with: `writers` are those calls, by
        attempt, as the node and the id of their chunks.
        """
        if not isinstance(chunk, AIMessageChunk):
            return
        calls: list[Any] = chunk.tool_call_chunks
        if not (text := chunk.text) and not calls:
            return
        index = metadata["langgraph_path"][1]
        writer = (metadata["langgraph_node"], chunk.id)
        if writers.setdefault(index, writer) != writer:
            raise _broke_off()
        self._tell(Delta(0 if self.ask.held else index, text, calls))


def _broke_off() -> ApiError:
    return ApiError(502, "the solver's stream broke off and cannot be continued; ask again", "upstream_error")
