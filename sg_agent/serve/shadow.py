"""Shadow mode: of a share of live questions the other route is asked too, once the user has the answer.

What a shadow costs is bounded in dollars, in number, and by the users' own questions, which never wait for one: it is
left out while the server is busy, and nothing that goes wrong with it reaches anybody but /metrics.
"""

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from sg_agent.errors import WriteError
from sg_agent.gate.decision import GateRoute
from sg_agent.gate.live import ARMS, LiveAnswer, Shadowed
from sg_agent.graphs.chat import split
from sg_agent.graphs.state import GraphOutput
from sg_agent.graphs.vote import winner
from sg_agent.ledger import in_process
from sg_agent.metered import MeteredModel
from sg_agent.prices import Prices
from sg_agent.rows import parse_row
from sg_agent.serve.answering import Answer, Ask, Run
from sg_agent.serve.arms import Models
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.errors import ApiError
from sg_agent.serve.journals import Journals
from sg_agent.serve.keys import Key
from sg_agent.serve.limits import Places
from sg_agent.serve.metrics import Metrics
from sg_agent.serve.shadow_targets import shadow_targets
from sg_agent.serve.spending import Charge, Spending
from sg_agent.serve.worst_case import worst_usd

Outcome = Literal["written", "busy", "budget", "unbounded", "failed", "cancelled", "unwritten"]

MOST = 4  # in one worker
PURSE, BUSY = "shadow", "busy"

log = logging.getLogger("sg_agent.serve")


class Shadows:
    """The shadows of one process, from `draw` to a line in a journal. Raises ConfigError for folders not to be used."""

    def __init__(
        self, config: ServeConfig, models: Models, prices: Prices | None, places: Places, metrics: Metrics
    ) -> None:
        assert config.shadow
        self._shadow, self._timeout_s, self._prices = config.shadow, config.timeout_s, prices
        self._models, self._places, self._metrics = models, places, metrics
        self.journals = Journals(config)
        self._targets = dict(shadow_targets(config, models, prices, most=MOST))
        self._spending: Spending | None = None
        if (most := config.shadow.max_usd) is not None:
            self._spending = Spending(config.shadow.out / "spent.sqlite", flag="--shadow-out")
            self._purse = Key(name=PURSE, sha256="0" * 64, max_usd=most)
        self._dice = random.Random()
        self._tasks = set[asyncio.Task[None]]()
        self._giving_way = set[Run]()

    def draw(self, answer: Answer) -> bool:
        """Whether this answer is to have a shadow, if the server finds the time."""
        return shown_route(answer) is not None and self._dice.random() < self._shadow.share

    def begin(self, answer_id: str, answer: Answer, body_bytes: int) -> None:
        """Ask the other route in the background, or leave it."""
        if self._places.draining:
            self._count(answer, "cancelled")
        elif len(self._tasks) >= MOST or not self._idle(answer.ask):
            self._count(answer, "busy")
        else:
            asked = self._ask_and_count(answer_id, answer, body_bytes)
            task = asyncio.create_task(asked, context=contextvars.Context())  # the request's own is over
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def give_way(self) -> None:
        """A user's question has come: shadows that would take computing time from it end. One that has got as far as a
        hosted solver takes none any more, and is paid for.
        """
        for run in list(self._giving_way):
            if in_process(run.ask.target.solver) or not run.watch.hosted:
                run.cancel(ApiError(503, "a user's question came", BUSY))

    async def close(self) -> None:
        """Call off what is left, and close the journals."""
        for task in (left := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.journals.close()

    def _idle(self, ask: Ask) -> bool:
        """No user's question waits for what a shadow takes: this machine, or one of the places of a hosted model."""
        if self._here(ask) and self._places.in_flight:
            return False
        loads = [model.throttle.load for model in self._hosted(ask)]
        if 2 * self._places.in_flight > self._places.most:
            return False
        return all(2 * load.in_flight < load.limit for load in loads)

    def _hosted(self, ask: Ask) -> Iterator[MeteredModel]:
        return (model for model in (self._models.guide, ask.target.solver) if isinstance(model, MeteredModel))

    def _here(self, ask: Ask) -> bool:
        return any(map(in_process, (self._models.guide, ask.target.solver)))

    async def _ask_and_count(self, answer_id: str, answer: Answer, body_bytes: int) -> None:
        try:
            outcome = await self._ask(answer_id, answer, body_bytes)
        except asyncio.CancelledError:
            self._count(answer, "cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - a shadow that fails is nobody's error; its text may be a user's
            log.error("a shadow failed: %s", type(error).__name__)
            outcome = "failed"
        self._count(answer, outcome)

    async def _ask(self, answer_id: str, answer: Answer, body_bytes: int) -> Outcome:
        answers, shown = routes_of(answer), shown_route(answer)
        assert shown
        for route in (route for route in ARMS if route not in answers):
            outcome, output = await self._run(route, answer, body_bytes)
            if output is None:
                return outcome
            answers[route] = _live(output)
        row = _row(answer_id, answer)
        line = Shadowed(kind="shadow", id=answer_id, at=time.time(), row=row, shown=shown, answers=answers)
        try:
            self.journals.append(answer.ask.target.solver_name, line)
        except WriteError:
            log.exception("a shadow could not be written")
            return "unwritten"
        return "written"

    async def _run(self, route: GateRoute, answer: Answer, body_bytes: int) -> tuple[Outcome, GraphOutput | None]:
        """What the route answers; None, and why, where it has no answer."""
        ask = replace(answer.ask, target=self._targets[answer.ask.target.solver_name, route])
        try:
            worst = worst_usd(ask, body_bytes, self._models, self._prices)
        except ApiError:
            return "unbounded", None
        try:
            charge = self._spending.charge(self._purse, worst) if self._spending else None
        except ApiError:
            return "budget", None
        run = Run(ask, stream=False, started=time.perf_counter(), timeout_s=self._timeout_s)
        held = (self._places.background, *([self._giving_way] if self._here(ask) else []))
        for runs in held:
            runs.add(run)
        try:
            output = (await run.task).output
        except ApiError:
            return "failed", None
        except asyncio.CancelledError:
            if run.called_off is None:
                raise
            return "busy" if run.called_off.code == BUSY else "cancelled", None
        finally:
            for runs in held:
                runs.discard(run)
            self._settle(charge, run.cost_usd)
        failed = any(record["error"] for record in output["ledger"])
        return ("failed", None) if failed else ("written", output)

    def _settle(self, charge: Charge | None, cost_usd: float | None) -> None:
        if cost_usd is not None:
            self._metrics.shadow_cost(cost_usd)
        if charge and self._spending:
            try:
                self._spending.settle(charge, cost_usd)
            except ApiError:  # the worst case stays charged
                log.exception("what a shadow cost could not be written")

    def _count(self, answer: Answer, outcome: Outcome) -> None:
        self._metrics.shadow(answer.ask.target.solver_name, outcome)


def shown_route(answer: Answer) -> GateRoute | None:
    """The route whose answer the user saw, where it can be compared with another's: asked in a form, one answer, of
    arms that stand for routes, without tools, guidance of the user's own or a call that failed.
    """
    ask, output = answer.ask, answer.output
    if not answer.in_form or ask.choices > 1 or ask.question.get("given_guidance") is not None:
        return None
    if any(record["error"] for record in output["ledger"]) or any(one["tool_calls"] for one in output["attempts"]):
        return None
    if "decision" in output:
        return "escalate" if output["route"] == "escalate" else _cheap_route(output)
    return next((route for route, arm in ARMS.items() if arm == ask.target.arm), None)


def routes_of(answer: Answer) -> dict[GateRoute, LiveAnswer]:
    """What is known already, by route. An answer that was escalated had a cheap one before, unless it went at once."""
    output, shown = answer.output, shown_route(answer)
    assert shown
    known = {shown: _live(output)}
    if shown == "escalate" and (decided := _cheap_route(output)) != shown:
        best = winner(answer.cheap, answer.task)
        calls = [one for one in output["ledger"] if (one["attempt"] or 0) < answer.ask.settings.attempts]
        known[decided] = _live({**output, "attempts": answer.cheap, "answer": best and best["answer"], "ledger": calls})
    if "direct" in known:  # by itself, without the calls for guidance that was dropped
        own = known["direct"]
        own["ledger"] = [call for call in own["ledger"] if call["role"] == "solver"]
    return known


def _cheap_route(output: GraphOutput) -> GateRoute:
    """The route that the policy chose in the end, before any answer was looked at."""
    return (output["reconsidered"] or output["decision"])["route"]


def _live(output: GraphOutput) -> LiveAnswer:
    return LiveAnswer(
        answer=output["answer"],
        guidance=output["guidance"],
        attempts=[dict(attempt) for attempt in output["attempts"]],
        ledger=output["ledger"],
        prompts=output["prompts"],
    )


def _row(answer_id: str, answer: Answer) -> dict[str, Any]:
    """The question as rows have it; what it is not known yet is the right answer."""
    question = answer.ask.question
    text, _ = split(question["messages"])
    fields = {name: value for name in ("task", "choices", "context") if (value := question.get(name))}
    row = parse_row({"id": answer_id, "answer": "unknown", "question": text, **fields}, "question")
    return row.model_dump(mode="json", exclude_none=True, exclude={"answer"})
