"""What the graphs take, keep and give back. Plain data only, so that any checkpointer can store it."""

import operator
from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired, TypedDict

from sg_agent.ledger import CallRecord
from sg_agent.rows import Kind, Task

Route = Literal["guided", "direct"]
Finish = Literal["stop", "length", "refusal", "error"]


class PassageInput(TypedDict):
    title: str
    text: str


class QuestionInput(TypedDict):
    """Input of every graph. `guidance` given here is checked and used in place of the guide's (nothing is generated)."""

    question: str
    task: NotRequired[Task]
    choices: NotRequired[list[str]]
    context: NotRequired[list[PassageInput]]
    guidance: NotRequired[str]


class Attempt(TypedDict):
    """One solver sample. `answer` is what was parsed from `text`, None when nothing could be."""

    index: int
    text: str
    answer: str | None
    finish: Finish


class GraphOutput(TypedDict):
    """Output of every graph.

    `route` says how the question was answered and `reason` why; `guidance` is what the solver was shown, None when
    nothing was; `answer` is the majority of the parsed attempts, None when none could be parsed.
    """

    answer: str | None
    attempts: list[Attempt]
    guidance: str | None
    route: Route
    reason: str
    prompts: dict[str, str]
    ledger: list[CallRecord]


class State(QuestionInput):
    """Inner state: the input, the output and what passes between the nodes."""

    draft: NotRequired[str | None]
    draft_finish: NotRequired[Finish]
    drafts: NotRequired[int]
    shown: NotRequired[str | None]
    route: NotRequired[Route]
    reason: NotRequired[str]
    attempts: Annotated[list[Attempt], operator.add]
    answer: NotRequired[str | None]
    prompts: Annotated[dict[str, str], operator.or_]
    ledger: Annotated[list[CallRecord], operator.add]


@dataclass(frozen=True)
class Settings:
    """Runtime context of every graph. None leaves a setting to the model's own default.

    `attempts` above 1 asks the solver that many times (majority vote); `deadline_s` bounds one model call.
    """

    attempts: int = 1
    kind: Kind | None = None
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    guide_max_tokens: int = 512
    deadline_s: float | None = None
