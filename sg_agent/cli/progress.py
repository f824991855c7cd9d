"""How far a long run is, on stderr: a bar on a terminal, elsewhere a line at times; rate, cost and time left."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sg_agent.evals.usage import format_cost


class Bar:
    """A context manager. Tell it `begin` once and `step` after everything done; `projected` adds the cost to expect."""

    EVERY_S = 10.0

    def __init__(self, *, unit: str = "answers", projected: bool = False) -> None:
        self.console = Console(stderr=True)
        self.unit, self.projected = unit, projected
        columns = ("[progress.description]{task.description}", "{task.completed}/{task.total}", "{task.fields[note]}")
        self.bar = Progress(
            TextColumn(columns[0]), BarColumn(), TextColumn(columns[1]), TextColumn(columns[2]), TimeRemainingColumn(),
            console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task: TaskID | None = None
        self.total = self.done = self.already = self.errors = 0
        self.cost: float | None = 0.0
        self.started = self.shown = time.monotonic()

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def start(self, name: str, *, total: int, done: int) -> None:
        """A run begins or continues."""
        if done:
            self.console.print(f"{name}: {done} of {total} {self.unit} are there already", highlight=False)
        self.total, self.done, self.already = total, done, done
        self.started = self.shown = time.monotonic()
        self.task = self.bar.add_task(name, total=total, completed=done, note="")

    def step(self, cost: float | None, *, failed: bool) -> None:
        """One more is done, at a cost in US dollars (None: unknown)."""
        self.done += 1
        self.errors += failed
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        assert self.task is not None
        self.bar.update(self.task, completed=self.done, note=self._note())
        if not self.console.is_terminal and time.monotonic() - self.shown > self.EVERY_S:
            self.shown = time.monotonic()
            left = (self.total - self.done) / self._rate()
            self.console.print(f"{self.done}/{self.total} {self._note()}, {left:.0f} s left", highlight=False)

    def note(self, text: str) -> None:
        """Something worth a line of its own."""
        self.console.print(text, highlight=False)

    def _rate(self) -> float:
        return (self.done - self.already) / max(time.monotonic() - self.started, 1e-6)

    def _note(self) -> str:
        errors = f", {self.errors} errors" if self.errors else ""
        return f"{self._rate():.1f}/s, {format_cost(self.cost)}{self._projection()}{errors}"

    def _projection(self) -> str:
        """What this run will have cost at its end, if the rest costs as much as what is done."""
        if not self.projected or not self.cost:
            return ""
        each = self.cost / (self.done - self.already)
        return f" of about {format_cost(each * (self.total - self.already))}"
