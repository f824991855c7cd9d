"""What guidance is worth: the frozen solver's score with it, for rewards and for validation.

Questions are answered by the `guided` and `cot` graphs themselves, so what is trained is what is served. Calls run on
an event loop of the grader's own: `begin` returns at once, so that the solver answers while the guide still writes.
Identical guidance of a question is asked once, also over restarts: every grade, and every rating of a judge, is a line
of a journal.
"""

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from langchain_core.language_models import BaseChatModel

from sg_agent import graphs
from sg_agent.budget import Budget, check_priced
from sg_agent.checks import check_guidance, clean_guidance, leaks
from sg_agent.errors import BudgetSpent, ConfigError, MissingExtra, ModelError, RunError
from sg_agent.evals.arms import question_input
from sg_agent.evals.scoring import score
from sg_agent.graphs.sampling import greedy
from sg_agent.graphs.state import Attempt, Settings
from sg_agent.journal import Journal
from sg_agent.ledger import in_process, total_cost
from sg_agent.metered import metered
from sg_agent.models import load_model, parse_spec
from sg_agent.prices import Prices
from sg_agent.rows import Row

RECENT = 200  # the error rate is that of the last so many grades
LEAST_GRADES = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Grade:
    """The solver's mean score (0..1) over its attempts.

    None when every attempt failed: an outage says nothing about guidance, and `error` says what happened. `problem` is
    why guidance was never shown to the solver (its form, or a leak); it scores 0.
    """

    score: float | None
    problem: str | None = None
    leak: bool = False
    error: str | None = None
    cost_usd: float | None = 0.0


@dataclass(frozen=True)
class Asking:
    """How the solver is asked: `attempts` per guidance, `concurrency` grades at a time, deadlines in seconds.

    A call's deadline runs from when it is made, a grade's includes waiting for a server that is overloaded.

    `max_error_rate` is the share of failures, of the last 200 grades and ratings, above which the run is aborted.
    """

    attempts: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    concurrency: int = 64
    call_deadline_s: float = 60.0
    grade_deadline_s: float = 180.0
    max_error_rate: float = 0.2


class Grader:
    """Grades guidance by the solver's answers. Use it as a context manager: leaving it ends its event loop.

    `spent_usd` is what grades and ratings have cost, those of earlier starts included; None where a price is unknown.
    `budget` counts calls in vain too.
    """

    def __init__(
        self,
        solver: BaseChatModel,
        asking: Asking,
        *,
        budget: Budget | None = None,
        prices: Prices | None = None,
        journal: Path | None = None,
    ) -> None:
        self.solver = solver
        self.asking = asking
        self.budget = budget
        self.prices = prices
        self.spent_usd: float | None = 0.0
        self.ratings: dict[str, float] = {}
        self._grades: dict[str, Future[Grade]] = {}
        self._outcomes: deque[bool] = deque(maxlen=RECENT)
        self._last_error = ""
        self._lock = threading.Lock()
        self._settings = greedy(
            Settings(
                attempts=asking.attempts, temperature=asking.temperature, max_tokens=asking.max_tokens, seed=asking.seed
            )
        )
        # A model in this process has its own queue; a call's deadline runs from when it is made.
        deadline_s = None if in_process(solver) else asking.call_deadline_s
        most = asking.concurrency * asking.attempts
        asked = metered(solver, most=most, budget=budget, deadline_s=deadline_s, prices=prices)
        self._guided = graphs.guided(asked, asked, prices=prices).compile()
        self._alone = graphs.cot(asked, prices=prices).compile()
        self._journal = None if journal is None else Journal(journal)
        self._loop = asyncio.new_event_loop()
        self._places = asyncio.Semaphore(asking.concurrency)
        self._thread = threading.Thread(target=self._serve, name="sg-agent-grader", daemon=True)

    def __enter__(self) -> Self:
        if self._journal is not None:
            for record in self._journal.__enter__().records:
                self._remember(**record)
            self._journal.records.clear()
        if self.budget is not None:
            self.budget.spent_usd = max(self.budget.spent_usd, self.spent_usd or 0.0)
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        if self._journal is not None:
            self._journal.__exit__(*error)

    def _serve(self) -> None:
        """The event loop's thread: what is still asked when it ends is given up."""
        with asyncio.Runner(loop_factory=lambda: self._loop):  # closing it cancels and awaits every task
            self._loop.run_forever()

    def begin(self, row: Row, guidance: str | None, truncated: bool = False) -> "Future[Grade]":
        """The grade of `guidance` as the guide wrote it, or of the solver alone (None), now or as soon as it is known.

        What is not fit to be shown, or gives the answer away, is graded at once and costs nothing.
        """
        text = None if guidance is None else clean_guidance(guidance)
        if text is not None and (found := unfit(row, text, truncated=truncated)):
            return known(found)
        key = _key(row, text)
        with self._lock:
            future = self._grades.get(key)
            if future is None or (future.done() and future.exception() is None and future.result().score is None):
                future = asyncio.run_coroutine_threadsafe(self._grade(key, row, text), self._loop)
                self._grades[key] = future
        return future

    def grades(self, rows: list[Row], guidance: list[str | None]) -> list[Grade]:
        """The grades of many, in order, waiting for all of them.

        Raises RunError when too many of the recent ones failed, a UserError that the solver raised.
        """
        begun = [self.begin(row, text) for row, text in zip(rows, guidance, strict=True)]
        found = [future.result() for future in begun]
        self.check_errors()
        return found

    def submit(self, work: "Coroutine[Any, Any, T]") -> "Future[T]":
        """Run `work` on the grader's loop, beside the grades."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def check_errors(self) -> None:
        """Raise RunError when more than `max_error_rate` of the recent grades failed."""
        rate, most = self.error_rate, self.asking.max_error_rate
        if len(self._outcomes) >= LEAST_GRADES and rate > most:
            raise RunError(
                f"{rate:.0%} of the last {len(self._outcomes)} grades failed (at most {most:.0%} may), the last one by "
                f"{self._last_error!r}; what was paid for is kept, the same command continues from the last checkpoint"
            )

    @property
    def error_rate(self) -> float:
        """The share of failed grades among the recent ones; 0 before any."""
        return self._outcomes.count(False) / len(self._outcomes) if self._outcomes else 0.0

    @property
    def cost(self) -> Callable[[], float | None] | None:
        """Tells what is spent: all of a budget, failed calls too; else what grades and ratings cost. None when free."""
        if budget := self.budget:
            return lambda: budget.spent_usd
        return None if in_process(self.solver) else lambda: self.spent_usd

    @property
    def exhausted(self) -> bool:
        """Whether the budget did not allow a call."""
        return self.budget is not None and self.budget.exhausted

    async def _grade(self, key: str, row: Row, text: str | None) -> Grade:
        async with self._places:
            try:
                grade = await asyncio.wait_for(self._asked(row, text), self.asking.grade_deadline_s)
            except (ConfigError, ModelError, MissingExtra):
                raise
            except BudgetSpent as error:
                return Grade(None, error=str(error))
            except Exception as error:  # noqa: BLE001 - the boundary that turns a failed grade into an error record
                self.failed(error)
                return Grade(None, error=self._last_error)
        self._outcomes.append(True)
        self._keep(key, asdict(grade))
        return grade

    def keep_rating(self, key: str, rating: float, cost_usd: float | None) -> None:
        """Write down what a judge said, for this run and its restarts; `key` names judge, prompt and guidance."""
        self.ratings[key] = rating
        self._keep(key, {"rating": rating, "cost_usd": cost_usd})

    def failed(self, error: Exception | str) -> None:
        """Count a failure of the solver, or of the judge, among the recent outcomes."""
        said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self._last_error = said[:300]
        self._outcomes.append(False)

    async def _asked(self, row: Row, text: str | None) -> Grade:
        graph = self._alone if text is None else self._guided
        output: Any = await graph.ainvoke(question_input(row, guidance=text), context=self._settings)
        mean = await asyncio.to_thread(_mean_score, output["attempts"], row)  # may take seconds
        return Grade(mean, cost_usd=total_cost(output["ledger"]))

    def _remember(self, key: str, **found: Any) -> None:
        """What an earlier start has paid for."""
        if "rating" in found:
            self.ratings[key] = found["rating"]
        else:
            self._grades[key] = known(Grade(**found))
        self._add_cost(found["cost_usd"])

    def _keep(self, key: str, found: dict[str, Any]) -> None:
        self._add_cost(found["cost_usd"])
        if self._journal is not None:
            self._journal.append({"key": key, **found})

    def _add_cost(self, cost_usd: float | None) -> None:
        self.spent_usd = None if self.spent_usd is None or cost_usd is None else self.spent_usd + cost_usd


def check_cost(spec: str, *, max_tokens: int | None, prices: Prices | None) -> None:
    """Raise ConfigError when calls to `spec` have no known price, or replies of unknown length. Loads no weights."""
    if parse_spec(spec).kind != "local":
        check_priced(load_model(spec), max_tokens=max_tokens, prices=prices)


def unfit(row: Row, text: str, *, truncated: bool = False) -> Grade | None:
    """Why cleaned guidance is not worth showing: what the gate would refuse, or a leak, which the gate cannot know."""
    if any(leaks(text, answer, row.kind, row.shown_text) for answer in (row.answer, *row.answer_aliases)):
        return Grade(0.0, problem="guidance gives the answer away", leak=True)
    problem = check_guidance(text, row.kind, row.shown_text, truncated=truncated)
    return Grade(0.0, problem=problem) if problem else None


def _mean_score(attempts: list[Attempt], row: Row) -> float:
    """Over the attempts that were answered; the graph raises when there are none."""
    answered = [attempt for attempt in attempts if attempt["error"] is None]
    return sum(score(attempt["answer"], row).correct for attempt in answered) / len(answered)


def _key(row: Row, text: str | None) -> str:
    return hashlib.sha256(f"{row.model_dump_json()}\0{text!r}".encode()).hexdigest()


def known(value: T) -> "Future[T]":
    """A future that is done."""
    future: Future[T] = Future()
    future.set_result(value)
    return future
