"""The provider's batch API through the official client: upload, submit once, look, download.

A batch carries the name it was planned under as metadata, so that one whose submission was never confirmed is found
again instead of being submitted, and paid for, twice.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

from openai import AsyncOpenAI, OpenAIError
from openai.types import Batch

from sg_agent.errors import RunError
from sg_agent.faults import transient

ENDPOINT: Final = "/v1/chat/completions"
NAME_KEY = "sg_agent_batch"
ENDED = {"completed", "failed", "expired", "cancelled"}
TRIES = 4
PAUSE_S = 1.0
CLOCK_SKEW_S = 86_400


class BatchApi:
    """Over `client`, whose key and server it uses. Every method raises RunError when the server keeps failing."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client.with_options(max_retries=TRIES - 1)
        self._once = client.with_options(max_retries=0)

    async def submit(self, name: str, requests: bytes) -> Batch:
        """Upload `requests` (JSON lines) and submit them as `name`, once: a lost reply is looked for, not repeated."""
        try:
            file = await self._client.files.create(file=(f"{name}.jsonl", requests), purpose="batch")
        except OpenAIError as error:
            raise _failed(f"the requests of batch {name!r} could not be uploaded", error) from error
        failure: OpenAIError | None = None
        for attempt in range(TRIES):
            try:
                return await self._once.batches.create(
                    input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={NAME_KEY: name}
                )
            except OpenAIError as error:
                failure = error
                if not transient(error):
                    break
            await asyncio.sleep(PAUSE_S * 2**attempt)
            if found := await self.find(name):
                return found
        raise _failed(f"batch {name!r} could not be submitted", failure) from failure

    async def find(self, name: str, *, since: float = 0.0) -> Batch | None:
        """The batch that was submitted as `name`, None when there is none made after `since` (seconds, UTC)."""
        try:
            async for batch in self._client.batches.list(limit=100):  # newest first
                if (batch.metadata or {}).get(NAME_KEY) == name:
                    return batch
                if batch.created_at < since - CLOCK_SKEW_S:
                    return None
        except OpenAIError as error:
            raise _failed("the batches at the provider could not be listed", error) from error
        return None

    async def look(self, batch_id: str) -> Batch:
        """The batch as it stands."""
        try:
            return await self._client.batches.retrieve(batch_id)
        except OpenAIError as error:
            raise _failed(f"batch {batch_id!r} could not be looked at", error) from error

    async def download(self, file_id: str) -> Iterator[Any]:
        """The lines of an output or error file, decoded; what is no JSON is None."""
        try:
            content = await self._client.files.content(file_id)
        except OpenAIError as error:
            raise _failed(f"file {file_id!r} of a batch could not be downloaded", error) from error
        return (_decoded(line) for line in content.text.split("\n") if line.strip())


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _failed(what: str, error: OpenAIError | None) -> RunError:
    return RunError(f"{what}: {type(error).__name__}: {error}; nothing is lost, the same command goes on from here")
