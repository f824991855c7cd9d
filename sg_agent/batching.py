"""Continuous batching: concurrent requests decode together in one worker thread per model.

A request joins the batch between two steps and leaves it when it has finished or nobody waits for it any more, so a
long one never pays for a short one. Paged memory and prefix sharing are left to large servers, such as vLLM.
"""

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from sg_agent.decoding import Chosen, Sampling, TextStream, choose
from sg_agent.errors import RunError
from sg_agent.kv_cache import Columns

# An idle worker ends after this long: it would keep a model alive that nobody else holds.
IDLE_S = 5.0
# To drop or add rows is to copy the whole cache: it is done once this share of the rows has changed.
SHARE = 1 / 8
# Prompts of similar length are read together, this many tokens at a time: little padding, bounded memory.
PREFILL_TOKENS = 4096


@dataclass(frozen=True)
class Reply:
    """A finished generation. `tokens` are what was generated, the end token included, with their log-probabilities."""

    text: str
    finish: Literal["stop", "length"]
    input_tokens: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(eq=False)
class Request:
    """One prompt on its way. The worker calls `on_text` with every piece of text; cancel `future` to give up."""

    prompt: list[int]
    sampling: Sampling
    limit: int
    stream: TextStream
    on_text: Callable[[str], None]
    future: "Future[Reply]" = field(default_factory=Future)
    pieces: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = self.sampling.generator()

    @property
    def room(self) -> int:
        """The longest this row can get, in tokens."""
        return len(self.prompt) + self.limit

    def push(self, chosen: Chosen, ends: frozenset[int]) -> None:
        """Takes the next token; `future` is done when the row has finished."""
        token = chosen.token
        self.logprobs.append(chosen.logprob)
        if token in ends:
            self.stream.tokens.append(token)
            self._finish("stop")
            return
        self._send(self.stream.push(token))
        if self.stream.stopped or len(self.stream.tokens) == self.limit:
            self._finish("stop" if self.stream.stopped else "length")

    def fail(self, error: Exception) -> None:
        """Hands the error to whoever waits."""
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            failure = RunError(f"the local model failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self.future.set_exception(failure)

    def _send(self, text: str) -> None:
        if text:
            self.pieces.append(text)
            self.on_text(text)

    def _finish(self, finish: Literal["stop", "length"]) -> None:
        self._send(self.stream.close())
        finish = "stop" if self.stream.stopped else finish
        if self.future.set_running_or_notify_cancel():
            tokens, logprobs = tuple(self.stream.tokens), tuple(self.logprobs)
            reply = Reply("".join(self.pieces), finish, len(self.prompt), tokens, logprobs)
            self.future.set_result(reply)


@dataclass
class Batch:
    """Rows that decode together, and the token that each feeds into the next step."""

    rows: list[Request]
    tokens: list[int]
    columns: Columns

    @property
    def alive(self) -> list[Request]:
        """The rows that somebody still waits for."""
        return [row for row in self.rows if not row.future.done()]

    def tidy(self, share: float = 0.0) -> None:
        """Drops the rows that have finished or that nobody waits for, when they are at least `share` of all."""
        kept = [i for i, row in enumerate(self.rows) if not row.future.done()]
        dropped = len(self.rows) - len(kept)
        if dropped and (not kept or dropped >= share * len(self.rows)):
            self.rows = [self.rows[i] for i in kept]
            self.tokens = [self.tokens[i] for i in kept]
            if kept:
                self.columns.keep(kept)

    def join(self, other: "Batch") -> None:
        """Appends the rows of `other`, which is used up."""
        self.rows, self.tokens = self.rows + other.rows, self.tokens + other.tokens
        self.columns.join(other.columns)


class Engine:
    """A loaded model behind a queue. `forwards` counts its forward passes so far."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        ends: frozenset[int],
        max_batch: int,
        max_batch_tokens: int,
    ) -> None:
        self.model, self.tokenizer, self.ends = model, tokenizer, ends
        self.max_batch, self.max_batch_tokens = max_batch, max_batch_tokens
        self.forwards = 0
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False
        _engines.add(self)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Prompts submitted within join the batch at once.

        What is decoded beside a row rounds its logits differently: only equal batches give equal samples.
        """
        with self._changed:
            yield

    def submit(
        self, prompt: list[int], sampling: Sampling, *, limit: int, on_text: Callable[[str], None]
    ) -> "Future[Reply]":
        """Queues one prompt. `limit` is the most tokens it may generate."""
        request = Request(prompt, sampling, limit, TextStream(self.tokenizer, sampling.stop or []), on_text)
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()
            if self._worker is None:
                self._worker = threading.Thread(target=self._serve, name="sg-agent-local", daemon=True)
                self._worker.start()
        return request.future

    def close(self) -> None:
        """Drops all requests and ends the worker."""
        with self._changed:
            self._closed, worker = True, self._worker
            self._changed.notify()
        if worker is not None:
            worker.join()

    def _serve(self) -> None:
        batch: Batch | None = None
        with torch.inference_mode():
            while (new := self._take(batch)) is not None:
                rows = [*new, *(batch.rows if batch else [])]
                try:
                    batch = self._advance(batch, new)
                except Exception as error:  # noqa: BLE001 - whatever the model raises belongs to those who wait
                    for row in rows:
                        row.fail(error)
                    batch = None

    def _take(self, batch: Batch | None) -> list[Request] | None:
        """The requests that join now; waits while there is nothing to do. None ends the worker."""
        with self._changed:
            while not self._closed:
                taken = self._admit(batch)
                if taken or batch:
                    return taken
                if not self._changed.wait(IDLE_S) and not self._waiting:
                    break
            self._worker = None
            return None

    def _admit(self, batch: Batch | None) -> list[Request]:
        running = batch.alive if batch else []
        rows, taken = list(running), list[Request]()
        while self._waiting and (batch is None or batch.columns.joinable):
            request = self._waiting[0]
            if not request.future.cancelled():
                n, room = len(rows) + 1, max(row.room for row in [*rows, request])
                if rows and (n > self.max_batch or n * room > self.max_batch_tokens):
                    if len(taken) < SHARE * len(running):
                        self._waiting.extendleft(reversed(taken))
                        return []
                    break
                rows.append(request)
                taken.append(request)
            self._waiting.popleft()
        return taken

    def _advance(self, batch: Batch | None, new: list[Request]) -> Batch | None:
        if batch:
            batch.tidy(0.0 if new else SHARE)
        if batch and batch.rows:
            self._step(batch)
        batch = batch if batch and batch.rows else None
        for group in groups(new):
            fresh = self._prefill(group)
            if batch and fresh.rows:
                batch.join(fresh)
            elif fresh.rows:
                batch = fresh
        return batch

    def _prefill(self, rows: list[Request]) -> Batch:
        width = max(len(row.prompt) for row in rows)
        padding = [width - len(row.prompt) for row in rows]
        ids = torch.tensor([[0] * n + row.prompt for n, row in zip(padding, rows, strict=True)])
        mask = torch.tensor([[0] * n + [1] * (width - n) for n in padding], device=self.model.device)
        logits, cache = self._forward(ids, mask, None)
        batch = Batch(rows, [0] * len(rows), Columns(mask, cache))
        self._push(batch, logits)
        return batch

    def _step(self, batch: Batch) -> None:
        columns = batch.columns
        columns.mask = pad(columns.mask, (0, 1), value=1)
        logits, _ = self._forward(torch.tensor(batch.tokens)[:, None], columns.mask, columns.cache)
        self._push(batch, logits)

    def _push(self, batch: Batch, logits: Tensor) -> None:
        rows = batch.rows
        chosen = choose(logits, [row.sampling for row in rows], [row.generator for row in rows])
        batch.tokens = [one.token for one in chosen]
        for row, one in zip(rows, chosen, strict=True):
            if not row.future.done():
                row.push(one, self.ends)
        batch.tidy(SHARE)

    def _forward(self, ids: Tensor, mask: Tensor, cache: DynamicCache | None) -> tuple[Tensor, DynamicCache]:
        """The logits of the last position (rows, vocabulary) and the grown cache."""
        self.forwards += 1
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        output = self.model(
            input_ids=ids.to(self.model.device),
            attention_mask=mask,
            position_ids=positions[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1], output.past_key_values


def groups(rows: list[Request]) -> Iterator[list[Request]]:
    """Rows of similar length, up to PREFILL_TOKENS with their padding."""
    group: list[Request] = []
    for row in sorted(rows, key=lambda row: len(row.prompt)):
        if group and (len(group) + 1) * len(row.prompt) > PREFILL_TOKENS:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A worker still inside the model while the interpreter goes down would crash it."""
    for engine in list(_engines):
        engine.close()
