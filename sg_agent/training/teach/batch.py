"""A teacher asked through the provider's batch API, at half the price, within a day.

batches.jsonl says what was planned, submitted and ended, each line written before the next step is taken: whenever the
process dies, the same command picks up what is under way and submits nothing twice. What a batch did not answer (it
failed, expired, was cancelled, or the line has an error) the same command submits again.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypedDict

from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from openai.types import Batch

from sg_agent.budget import worst_case
from sg_agent.errors import ConfigError, RunError
from sg_agent.faults import transient
from sg_agent.journal import Journal
from sg_agent.models import Model, load_model, model_name, parse_spec
from sg_agent.rows import Row
from sg_agent.training.teach.batch_api import ENDED, BatchApi
from sg_agent.training.teach.batch_lines import HALF, chunks, custom_id, read_reply, request
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.store import TeachStore
from sg_agent.training.teach.teacher import asked, call_settings

MOST_FAILED_LOOKS = 10


class Planned(TypedDict):
    """A batch that is under way: `batch` is None until its submission was confirmed."""

    name: str
    ids: list[str]
    planned_at: float
    batch: str | None


class BatchTeacher:
    """Asks for the drafts of a store. `run` names the run at the provider's."""

    def __init__(self, config: TeachConfig, store: TeachStore, run: str, progress: Any) -> None:
        assert config.teacher is not None
        model = load_model(config.teacher)
        assert isinstance(model, ChatOpenAI)
        self._model, self._config, self._store, self._run = model, config, store, run
        self._api: BatchApi
        self._progress = progress
        self._errors: list[str] = []

    async def ask(self, rows: Sequence[Row], *, left_usd: float | None) -> tuple[list[str], float | None]:
        """Have a draft of every row in the store, but for those whose request ended in an error (returned).

        With `left_usd` only what it pays for at worst is submitted; then what is left of it is returned too.
        """
        # A client of its own: LangChain's is shared by all models of the server and bound to an event loop.
        theirs = self._model.root_async_client
        async with AsyncOpenAI(
            api_key=theirs.api_key, base_url=theirs.base_url, organization=theirs.organization
        ) as client:
            self._api = BatchApi(client)
            return await self._ask(rows, left_usd)

    async def _ask(self, rows: Sequence[Row], left_usd: float | None) -> tuple[list[str], float | None]:
        by_id = {row.id: row for row in rows}
        with Journal(self._store.files.batches) as journal:
            under_way = _under_way(journal.records)
            for planned in under_way:
                await self._confirm(planned, by_id, journal)
            covered = {row_id for planned in under_way for row_id in planned["ids"]}
            wanted = [row for row in rows if row.id not in self._store.drafts and row.id not in covered]
            held = sum(self._worst(by_id[row_id]) for row_id in covered if row_id in by_id) if left_usd else 0.0
            affordable, short_usd = self._affordable(wanted, None if left_usd is None else left_usd - held)
            requests = [request(self._model, self._config, row) for row in affordable]
            planned_before = sum(record["event"] == "planned" for record in journal.records)
            for number, (chunk, lines) in enumerate(chunks(affordable, requests), planned_before):
                planned = Planned(
                    name=f"{self._run}-{number}", ids=[row.id for row in chunk], planned_at=time.time(), batch=None
                )
                journal.append({"event": "planned", **planned})
                await self._submit(planned, lines, journal)
                under_way.append(planned)
            await self._wait(under_way, by_id, journal)
        return self._errors, short_usd

    async def _confirm(self, planned: Planned, by_id: dict[str, Row], journal: Journal) -> None:
        """Make sure that a planned batch is submitted: find it at the provider's, else submit it now."""
        if planned["batch"] is None:
            if found := await self._api.find(planned["name"], since=planned["planned_at"]):
                self._submitted(planned, found, journal)
            else:
                rows = [by_id[row_id] for row_id in planned["ids"] if row_id in by_id]
                lines = b"".join(request(self._model, self._config, row) for row in rows)
                await self._submit(planned, lines, journal)

    async def _submit(self, planned: Planned, lines: bytes, journal: Journal) -> None:
        self._submitted(planned, await self._api.submit(planned["name"], lines), journal)

    def _submitted(self, planned: Planned, batch: Batch, journal: Journal) -> None:
        planned["batch"] = batch.id
        journal.append({"event": "submitted", "name": planned["name"], "batch": batch.id})
        self._note(f"batch {batch.id}: {len(planned['ids'])} questions submitted")

    async def _wait(self, under_way: list[Planned], by_id: dict[str, Row], journal: Journal) -> None:
        """Look every `poll_seconds`, and collect each batch as it ends."""
        failed_looks = 0
        while under_way:
            for planned in list(under_way):
                assert planned["batch"]
                try:
                    batch = await self._api.look(planned["batch"])
                except RunError as error:
                    failed_looks += 1
                    if failed_looks == MOST_FAILED_LOOKS or not transient(error.__cause__):
                        raise
                    continue
                failed_looks = 0
                if batch.status in ENDED:
                    await self._collect(batch, planned, by_id, journal)
                    under_way.remove(planned)
                else:
                    done = batch.request_counts.completed if batch.request_counts else 0
                    self._note(f"batch {batch.id}: {batch.status}, {done} of {len(planned['ids'])} answered")
            if under_way:
                await asyncio.sleep(self._config.poll_seconds)

    async def _collect(self, batch: Batch, planned: Planned, by_id: dict[str, Row], journal: Journal) -> None:
        """Write down every reply of a batch that has ended, then that it has."""
        replies = {
            str(reply.get("custom_id")): reply
            for file_id in (batch.error_file_id, batch.output_file_id)
            if file_id
            for reply in await self._api.download(file_id)
            if isinstance(reply, dict)
        }
        failed = 0
        for row in (by_id[row_id] for row_id in planned["ids"] if row_id in by_id):
            if row.id in self._store.drafts:
                continue
            reply = replies.get(custom_id(row.id))
            read = (
                read_reply(self._model, batch, row, reply, prices=self._config.own_prices)
                if reply
                else _unanswered(batch)
            )
            if isinstance(read, str):
                failed += 1
                self._errors.append(f"batch {batch.id}, row {row.id!r}: {read}")
            else:
                self._store.add_draft(read)
        journal.append({"event": "ended", "name": planned["name"], "status": batch.status, "errors": failed})
        self._note(f"batch {batch.id}: {batch.status}, {failed} of {len(planned['ids'])} not answered")

    def _affordable(self, rows: Sequence[Row], left_usd: float | None) -> tuple[list[Row], float | None]:
        """The first rows whose worst cases `left_usd` pays for, and what is left then; all of them without a limit."""
        if left_usd is None:
            return [*rows], None
        taken: list[Row] = []
        for row in rows:
            if (worst := self._worst(row)) > left_usd:
                return taken, left_usd
            left_usd -= worst
            taken.append(row)
        return taken, None

    def _worst(self, row: Row) -> float:
        messages, settings = asked(self._config, row)[1], call_settings(self._config)
        return HALF * worst_case(self._model, messages, settings, prices=self._config.own_prices)

    def _note(self, text: str) -> None:
        if self._progress:
            self._progress.note(text)


def check_batch(teacher: Model | None) -> None:
    """Raise ConfigError for a teacher that has no batch API."""
    if teacher is None or isinstance(teacher, ChatOpenAI):
        return
    if not isinstance(teacher, str) or (parts := parse_spec(teacher)).kind != "openai" or parts.responses:
        shown = teacher if isinstance(teacher, str) else model_name(teacher)
        raise ConfigError(f"--batch needs a teacher of an OpenAI-compatible batch API, openai:..., not {shown!r}")


def _under_way(records: list[Any]) -> list[Planned]:
    """The batches that have not ended, as the journal's lines have them, oldest first."""
    planned: dict[str, Planned] = {}
    for record in records:
        match record["event"]:
            case "planned":
                planned[record["name"]] = Planned(
                    name=record["name"], ids=record["ids"], planned_at=record["planned_at"], batch=None
                )
            case "submitted":
                planned[record["name"]]["batch"] = record["batch"]
            case "ended":
                del planned[record["name"]]
    return [*planned.values()]


def _unanswered(batch: Batch) -> str:
    said = [error.message for error in (batch.errors.data or []) if error.message] if batch.errors else []
    return f"the batch {batch.status} without an answer" + (f": {said[0]}" if said else "")
