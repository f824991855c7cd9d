"""One request from its body to the end of its reply: let in, understood, run, told, counted once."""

import asyncio
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sg_agent.serve.admission import Admission
from sg_agent.serve.answered import Answered
from sg_agent.serve.answering import Answer, Run
from sg_agent.serve.dialect import Dialect, Parsed, Writer, about
from sg_agent.serve.errors import ApiError, gone
from sg_agent.serve.intake import let_in
from sg_agent.serve.limits import discard_body
from sg_agent.serve.logs import log_request
from sg_agent.serve.record import Record
from sg_agent.serve.service import Service
from sg_agent.serve.spending import Charge

log = logging.getLogger("sg_agent.serve")


class Exchange:
    """A request and its reply. `respond` once; the reply closes it."""

    def __init__(self, service: Service, request: Request, dialect: Dialect) -> None:
        self._service, self._request, self._dialect = service, request, dialect
        self._open = ExitStack()
        self._charge: Charge | None = None
        self._parsed: Parsed | None = None
        self._body_bytes = 0
        self._to_shadow: Answer | None = None
        self.record = Record(f"req_{uuid.uuid4().hex}", endpoint=request.url.path)
        service.metrics.begin()

    async def respond(self) -> Response:
        """The reply, be it an error."""
        try:
            return await self._respond()
        except ApiError as error:
            await discard_body(self._request)
            self.refused(error)
        except ClientDisconnect:
            self.refused(gone())
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            self.refused(
                gone() if cancelled else ApiError(500, "the server failed; its log says more", "internal_error")
            )
            self.close()
            raise
        self.close()
        return JSONResponse(self.failure.body, self.failure.status, {**self.headers, **self.failure.headers})

    async def _respond(self) -> Response:
        config, admission = self._service.config, self._service.admission
        key, body = await let_in(self._service, self._request, self.record, self._open, config.max_body_bytes)
        parsed = self._dialect.read(body, self._service.models, most_attempts=config.max_attempts)
        self._parsed, self._body_bytes = parsed, len(body)
        if admission and key:
            self._charge = admission.charge(key, parsed.ask, len(body))
        run = self._start(parsed)
        if parsed.writer:
            await run.begun()
            if run.task.done():
                await self.answer(run)  # an error still gets its status
            return Streamed(self, run, parsed.writer)
        answer = await self.answer(run)
        reply = parsed.reply(answer)
        self.close()
        return JSONResponse(reply, headers={**self.headers, **_took(answer)}, background=BackgroundTask(self.sent))

    def _start(self, parsed: Parsed) -> Run:
        ask, record = parsed.ask, self.record
        record.arm, record.solver, record.stream = ask.target.arm, ask.target.solver_name, parsed.writer is not None
        run = Run(ask, stream=record.stream, started=record.started, timeout_s=self._service.config.timeout_s)
        self._open.callback(self._service.places.runs.discard, run)
        self._service.places.runs.add(run)
        if self._service.shadows:
            self._service.shadows.give_way()
        watcher = asyncio.create_task(_watch_client(self._request.receive, run))
        self._open.callback(watcher.cancel)
        return run

    async def answer(self, run: Run) -> Answer:
        """The run's answer, noted. Raises ApiError."""
        try:
            answer = await run.task
        except ApiError:
            self.record.failed(run)
            raise
        except asyncio.CancelledError:
            self.record.failed(run)
            if run.called_off is None:
                raise
            raise run.called_off from None
        if self.record.status == 200:  # a stream that was done before it began is asked for twice
            return answer
        self.record.answered(answer)
        self._remember(answer)
        self._service.drift.answered(answer)
        if self._service.config.log_content:
            self.record.content = {"request": run.ask.question, "attempts": answer.output["attempts"], **about(answer)}
        return answer

    def _remember(self, answer: Answer) -> None:
        """Feedback may come once the reply has been read."""
        assert self._parsed
        shadows, record = self._service.shadows, self.record
        if shadows and shadows.draw(answer):
            self._to_shadow = answer
        shadowed = self._to_shadow is not None
        try:
            self._service.answered.remember(Answered(self._parsed.id, record.key, record.arm, record.solver, shadowed))
        except sqlite3.Error:
            log.exception("the id of what request %s was answered could not be kept", record.id)

    async def sent(self) -> None:
        """The user has the answer."""
        if self._to_shadow and self._service.shadows and self._parsed:
            self._service.shadows.begin(self._parsed.id, self._to_shadow, self._body_bytes)

    @property
    def headers(self) -> dict[str, str]:
        """What every reply carries."""
        return {"x-request-id": self.record.id}

    def refused(self, error: ApiError) -> None:
        """Note how the request failed."""
        self.failure = error
        self.record.status, self.record.error = error.status, error.code
        if error.__cause__ is not None and error.code == "internal_error":
            log.error("request %s failed", self.record.id, exc_info=error.__cause__)

    def close(self) -> None:
        """Give the place back, count and log; once."""
        if self.record.ended:
            return
        self.record.end()
        self._open.close()
        if self._charge and self._service.admission:
            self._settle(self._service.admission, self._charge)
        self._service.metrics.end(self.record)
        log_request(self.record)

    def _settle(self, admission: Admission, charge: Charge) -> None:
        try:
            admission.spending.settle(charge, self.record.cost_usd)
        except ApiError:  # the worst case stays charged
            log.exception("what request %s cost could not be written", self.record.id)


class Streamed(Response):
    """A reply that is sent as it is written."""

    def __init__(self, exchange: Exchange, run: Run, writer: Writer) -> None:
        super().__init__(media_type="text/event-stream")
        self._exchange, self._run, self._writer = exchange, run, writer
        del self.headers["content-length"]
        self.headers.update({**exchange.headers, "cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the exchange receives
        """Send it. Who has gone away is no longer sent to, and the run is called off."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for part in self._parts():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if not self._run.task.done():
                self._run.cancel(gone())
                self._exchange.refused(gone())
            self._exchange.close()
        await self._exchange.sent()

    async def _parts(self) -> AsyncIterator[bytes]:
        writer = self._writer
        if start := writer.start():
            yield start
        try:
            async for events in self._run.events():
                yield b"".join(map(writer.event, events))
            yield writer.end(await self._exchange.answer(self._run))
        except ApiError as error:
            self._exchange.refused(error)
            yield writer.broken(error)


async def _watch_client(receive: Receive, run: Run) -> None:
    """Call the run off when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    run.cancel(gone())


def _took(answer: Answer) -> dict[str, Any]:
    """What an answer took, as headers; an unknown cost is left out."""
    cost = {} if answer.cost_usd is None else {"x-sg-agent-cost-usd": f"{answer.cost_usd:.9f}"}
    overhead = f"{answer.overhead_s * 1000:.3f}"
    route = {"x-sg-agent-route": answer.output["route"]} if "decision" in answer.output else {}
    return {**cost, **route, "x-sg-agent-retries": str(answer.retries), "x-sg-agent-overhead-ms": overhead}
