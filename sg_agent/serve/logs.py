"""The log: JSON lines on stderr, one for each request. What was asked and answered is in it only when wanted."""

import json
import logging
import time
from typing import Any

from sg_agent.serve.record import Record

requests = logging.getLogger("sg_agent.serve.requests")
CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "sg_agent.serve.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "sg_agent.serve": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


class JsonLines(logging.Formatter):
    """A record as one JSON object; `extra={"fields": {...}}` are its further keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), default=str)


def log_request(record: Record) -> None:
    """The line of a request that has ended."""
    tokens = {f"{role}_{direction}": count for role, direction, count in record.tokens}
    fields: dict[str, Any] = {
        "id": record.id,
        "endpoint": record.endpoint,
        "key": record.key,
        "arm": record.arm,
        "model": record.solver,
        "stream": record.stream,
        "status": record.status,
        "error": record.error,
        "ms": round(record.seconds * 1000, 1),
        "overhead_ms": None if record.overhead_s is None else round(record.overhead_s * 1000, 1),
        "guide": record.guide_outcome,
        "tokens": tokens,
        "cost_usd": record.cost_usd,
        "retries": record.retries,
    }
    if record.decisions:
        fields |= {"route": record.route, **record.decisions}
    if record.content is not None:
        fields["content"] = record.content
    requests.info("request", extra={"fields": fields})
