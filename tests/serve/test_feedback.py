"""Feedback as a request among others: bounded in time, held to a place, logged, whatever its sender does."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from serving import body, serving

from sg_agent.serve import limits

HEAD = b"POST /v1/feedback HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"


@contextmanager
def half_sent(address: str) -> Iterator[socket.socket]:
    """A connection that has sent the beginning of its feedback."""
    url = httpx.URL(address)
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(HEAD + b'{"id": "chatcmpl-')
        time.sleep(0.3)
        yield connection


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What was logged of feedback."""
    told = [record.fields for record in caplog.records if hasattr(record, "fields")]
    return [line for line in told if line["endpoint"] == "/v1/feedback"]


def test_a_sender_that_goes_away_is_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve.requests")
    with serving() as address:
        with half_sent(address):
            pass
        end = time.monotonic() + 10
        while not lines(caplog):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert [(line["status"], line["error"]) for line in lines(caplog)] == [(499, "client_gone")]
    assert "Exception" not in caplog.text


def test_a_body_that_does_not_arrive_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE_S", 0.1)
    with serving(timeout_s=0.5) as address, half_sent(address) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_it_takes_a_place_for_as_long_as_it_is_under_way() -> None:
    def status(address: str) -> int:
        return httpx.post(f"{address}/v1/chat/completions", json=body()).status_code

    with serving(max_concurrency=1) as address:
        with half_sent(address):
            assert status(address) == 503
        time.sleep(0.3)
        assert status(address) == 200


def test_its_line_in_the_log_has_the_id_of_its_reply(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve.requests")
    with serving() as address:
        reply_id = httpx.post(f"{address}/v1/chat/completions", json=body()).json()["id"]
        said = [
            httpx.post(f"{address}/v1/feedback", json={"id": name, "correct": True}) for name in (reply_id, "unknown")
        ]
    assert [(line["id"], line["status"], line["error"]) for line in lines(caplog)] == [
        (said[0].headers["x-request-id"], 200, None),
        (said[1].headers["x-request-id"], 404, "answer_not_found"),
    ]
