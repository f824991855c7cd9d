"""What the graphs take, keep and give back. Plain data only, so that any checkpointer can store it."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired

from langchain_core.messages import AnyMessage, ToolCall
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.gate.decision import Decision, GateRoute
from sg_agent.ledger import CallRecord
from sg_agent.rows import Kind, Task

Route = GateRoute
Finish = Literal["stop", "length", "refusal", "filtered", "empty", "error"]
SolverPhase = Literal["standard", "cot", "solver", "leak"]


class PassageInput(TypedDict):
    title: str
    text: str


class QuestionInput(TypedDict):
    """Input of every graph: a `question`, or the `messages` of a conversation, whose last turn of the user's is it.

    A question is asked in the form that its task takes. A conversation that names no task, choices or context goes on
    as it is, and the reply is added to it. `given_guidance` is checked and used in place of the guide's (nothing is
    generated).

    All channels but `messages` are ephemeral: on a checkpointed thread no question inherits the passages of the one
    before.
    """

    question: NotRequired[Annotated[str, EphemeralValue]]
    messages: NotRequired[Annotated[list[AnyMessage], add_messages]]
    task: NotRequired[Annotated[Task, EphemeralValue]]
    choices: NotRequired[Annotated[list[str], EphemeralValue]]
    context: NotRequired[Annotated[list[PassageInput], EphemeralValue]]
    given_guidance: NotRequired[Annotated[str, EphemeralValue]]


class Attempt(TypedDict):
    """One solver sample. `answer` is what was parsed from `text`, None when nothing could be; `tool_calls` is what it
    asks tools for.

    `finish` is as `sg_agent.finish` says. An attempt that failed has an `error`, no text and finish "error".
    `fallback` is there when the solver had failed: the model that answered, or failed, in its place. `stronger` is
    there when the question was escalated: the model that answered, or failed.
    """

    index: int
    text: str
    tool_calls: list[ToolCall]
    answer: str | None
    finish: Finish
    error: str | None
    fallback: NotRequired[str]
    stronger: NotRequired[str]


class GraphOutput(TypedDict):
    """Output of every graph.

    `route` says how the question was answered, `reason` why, and whether a fallback had to; `guidance` is what the
    solver was shown, None when nothing was; `answer` is the majority of the parsed attempts, None when none could be
    parsed, and `chosen` the index of the attempt that gave it (without one, of the first that did not fail); `messages`
    is the conversation with that attempt's reply, empty where a question was asked; `prompts` maps each phase to the id
    and hash of its template; `ledger` has a record for every model call. In the `auto` graph `decision` is what the
    policy chose, `reconsidered` what became of the guide's guidance, and `recheck` of the answer at hand, None where
    they were not looked at.
    """

    answer: str | None
    chosen: int | None
    messages: list[AnyMessage]
    attempts: list[Attempt]
    guidance: str | None
    route: Route
    reason: str
    prompts: dict[str, str]
    ledger: list[CallRecord]
    decision: NotRequired[Decision]
    reconsidered: NotRequired[Decision | None]
    recheck: NotRequired[Decision | None]


class GuideOutput(TypedDict):
    """Output of the `guide` graph, as in `GraphOutput`; `guidance` is None when there is none that passed the check."""

    guidance: str | None
    reason: str
    prompts: dict[str, str]
    ledger: list[CallRecord]


class Asked(TypedDict):
    """The question and the settings of one run, as `route` resolved them. `row`, `examples`: `Row`s as plain data.

    `run` names the run, to tell a model call it made from one that a cache remembers. `form` is what the solver's
    prompts are chosen by: the row's task, or "chat" for a conversation; `chat` is the conversation (see chat.py).
    """

    run: str
    row: dict[str, Any]
    form: str
    chat: dict[str, Any] | None
    examples: list[dict[str, Any]]
    kind: Kind
    attempts: int
    stop_early: bool
    guide: dict[str, Any]
    solver: dict[str, Any]


class Draft(TypedDict):
    """What the guide wrote, before the check. `number` counts from 1, 0 for guidance given with the question."""

    text: str
    truncated: bool
    number: int


class SolveInput(TypedDict):
    """What one attempt sees: `index` is part of it, so that n attempts never collapse into one cached answer."""

    run: str
    row: dict[str, Any]
    form: str
    chat: dict[str, Any] | None
    examples: list[dict[str, Any]]
    guidance: str | None
    phase: SolverPhase
    index: int
    stop_early: bool
    settings: dict[str, Any]


class State(QuestionInput):
    """Inner state: the input, the output and what passes between the nodes. `failed` attempts await the fallback."""

    asked: NotRequired[Asked]
    draft: NotRequired[Draft | None]
    problem: NotRequired[str | None]
    guidance: NotRequired[str | None]
    route: NotRequired[Route]
    reason: NotRequired[str]
    attempts: Annotated[list[Attempt], operator.add]
    failed: Annotated[list[SolveInput], operator.add]
    answer: NotRequired[str | None]
    chosen: NotRequired[int | None]
    decision: NotRequired[Decision]
    reconsidered: NotRequired[Decision | None]
    recheck: NotRequired[Decision | None]
    prompts: Annotated[dict[str, str], operator.or_]
    ledger: Annotated[list[CallRecord], operator.add]


@dataclass(frozen=True)
class Settings:
    """Runtime context of every graph. None leaves a setting to the model's own default; a model that takes no
    temperature, or no seed, is asked without.

    `attempts` above 1 asks the solver that many times (majority vote), at temperature 0.7 unless one is given; with a
    `seed` attempt i is asked with seed + i. With `stop_early` they are asked in waves, and no more once the vote cannot
    change: the same answer by fewer attempts, later where calls are slow (`sg_agent.graphs.stopping`). `temperature`
    and `max_tokens` are the solver's, `guide_temperature` and `guide_max_tokens` the guide's. `kind` overrides what the
    task takes. `examples` are canonical rows, as plain data, that every model is shown before the question
    (`sg_agent.prompts.few_shot` says how). `solver_options` is what else every call to the solver is given, such as
    `stop`, `tools` or `response_format`, in the solver's own terms.
    """

    attempts: int = 1
    stop_early: bool = False
    kind: Kind | None = None
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    guide_temperature: float | None = None
    guide_max_tokens: int = 512
    examples: Sequence[dict[str, Any]] = ()
    solver_options: Mapping[str, Any] = field(default_factory=dict)
