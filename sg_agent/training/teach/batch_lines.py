"""The lines of a batch: a request for each row, and what its reply line says."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from openai.types import Batch

from sg_agent.ledger import CallRecord, Source, reply_record
from sg_agent.prices import Prices
from sg_agent.rows import Row
from sg_agent.training.teach.batch_api import ENDPOINT
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.store import Draft
from sg_agent.training.teach.teacher import asked, call_settings, draft_of

MOST_REQUESTS, MOST_BYTES = 50_000, 100_000_000  # the provider's limits are 50,000 and 200 MB
HALF = 0.5  # what a call costs in a batch, of its price


def request(model: ChatOpenAI, config: TeachConfig, row: Row) -> bytes:
    """The request line of `row`: the body that the same model would be sent in a call of its own."""
    _, messages = asked(config, row)
    body = model._get_request_payload(messages, **call_settings(config))
    body.pop("stream", None)
    return (
        json.dumps({"custom_id": custom_id(row.id), "method": "POST", "url": ENDPOINT, "body": body}).encode() + b"\n"
    )


def custom_id(row_id: str) -> str:
    """What a row is called in a batch: of bounded length, whatever its id."""
    return f"row-{hashlib.sha256(row_id.encode()).hexdigest()[:24]}"


def chunks(rows: Sequence[Row], requests: Sequence[bytes]) -> Iterator[tuple[list[Row], bytes]]:
    """The rows and their requests, in pieces that the provider takes."""
    start = size = 0
    for place, line in enumerate(requests):
        if place > start and (place - start == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield [*rows[start:place]], b"".join(requests[start:place])
            start, size = place, 0
        size += len(line)
    if start < len(requests):
        yield [*rows[start:]], b"".join(requests[start:])


def read_reply(
    model: ChatOpenAI, batch: Batch, row: Row, reply: dict[str, Any], *, prices: Prices | None = None
) -> Draft | str:
    """The draft that a reply line holds, at half the price; else what went wrong, in words."""
    response = reply.get("response") or {}
    if reply.get("error") or response.get("status_code") != 200:
        said = reply.get("error") or (response.get("body") or {}).get("error") or response
        return f"{said.get('code') or response.get('status_code')}: {said.get('message')}"
    try:
        made = model._create_chat_result(response["body"])
        message = made.generations[0].message
        finish = made.generations[0].generation_info or {}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return f"the reply cannot be read: {type(error).__name__}: {error}"
    assert isinstance(message, AIMessage)
    message.response_metadata = {**(made.llm_output or {}), **finish}
    return draft_of(row, message, [_half_price(model, batch, message, prices)])


def _half_price(model: ChatOpenAI, batch: Batch, message: AIMessage, prices: Prices | None) -> CallRecord:
    """The ledger record; its latency is the whole batch's, from its submission to its end."""
    seconds = max(0, (batch.completed_at or batch.created_at) - batch.created_at)
    record = reply_record("teacher", Source.of(model), message, latency_s=seconds, prices=prices)
    cost = record["cost_usd"]
    return {**record, "cost_usd": None if cost is None else cost * HALF}
