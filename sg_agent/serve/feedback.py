"""POST /v1/feedback: whether an answer was right, and what the right one is. It is about an answer of this server."""

import logging
import sqlite3
import time
import uuid
from contextlib import ExitStack
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sg_agent.errors import WriteError
from sg_agent.gate.live import Feedback
from sg_agent.serve.answered import Answered
from sg_agent.serve.errors import ApiError, bad_request, gone, invalid
from sg_agent.serve.intake import let_in
from sg_agent.serve.limits import discard_body
from sg_agent.serve.logs import log_request
from sg_agent.serve.record import Record
from sg_agent.serve.service import Service

LARGEST = 64 * 1024

log = logging.getLogger("sg_agent.serve")


class FeedbackRequest(BaseModel):
    """The body. `id` is the reply's, `correct` is of the answer that was shown, `answer` is the right one."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str = Field(min_length=1, max_length=300)
    correct: bool | None = None
    answer: str | None = Field(default=None, min_length=1, max_length=2000)


async def feedback(service: Service, request: Request) -> Response:
    """Note it. Of several things said of one answer the journal's reader takes the last, the counters the first."""
    record = Record(f"req_{uuid.uuid4().hex}", endpoint=request.url.path)
    with ExitStack() as held:
        held.callback(_log, record)
        try:
            told, headers = await _take(service, request, record, held), {}
            record.status = 200
        except (ApiError, ClientDisconnect) as error:
            refused = error if isinstance(error, ApiError) else gone()
            record.status, record.error = refused.status, refused.code
            told, headers = refused.body, refused.headers
            await discard_body(request)
    return JSONResponse(told, record.status, {**headers, "x-request-id": record.id})


def _log(record: Record) -> None:
    record.end()
    log_request(record)


async def _take(service: Service, request: Request, record: Record, held: ExitStack) -> dict[str, Any]:
    key, body = await let_in(service, request, record, held, LARGEST)
    given = _read(body)
    try:
        if (answered := service.answered.find(given.id, key.name if key else None)) is None:
            message = f"no answer with the id {given.id!r} is known; the newest answers of this server are"
            raise ApiError(404, message, "answer_not_found", param="id")
        _write(service, answered, given)
        first = given.correct is not None and service.answered.judge(given.id)
    except (sqlite3.Error, WriteError) as error:
        log.exception("feedback could not be written")
        message = "the server cannot write feedback down; its operator has to look at its disk"
        raise ApiError(503, message, "feedback_unavailable", retry_after_s=5) from error
    if first:
        service.metrics.judged(answered.arm, answered.solver, correct=bool(given.correct))
        if answered.arm == "auto":
            service.drift.judged(correct=bool(given.correct))
    return {"object": "feedback", "id": given.id}


def _read(body: bytes) -> FeedbackRequest:
    try:
        given = FeedbackRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    if given.correct is None and given.answer is None:
        raise bad_request("say whether the answer is correct, or what the right answer is", param="correct")
    return given


def _write(service: Service, answered: Answered, given: FeedbackRequest) -> None:
    """Only of what is kept: the answers of other questions are not, and what was said of them would help nobody."""
    if service.shadows and answered.shadowed:
        said = given.model_dump(exclude_none=True, include={"correct", "answer"})
        line: Any = {"kind": "feedback", "id": given.id, "at": time.time(), **said}
        typed: Feedback = line
        service.shadows.journals.append(answered.solver, typed)
