"""Human review: a node between check and solver that waits, by LangGraph's `interrupt`, for a person's decision.

The words are those of LangChain's `HumanInTheLoopMiddleware`: approve, edit, reject. All before it is checkpointed, so
that a decision may come after any time, from another process, and nothing is generated twice.
"""

from typing import Annotated, Any, Literal, NotRequired

from langchain_core.runnables import RunnableConfig
from langgraph.constants import CONFIG_KEY_CHECKPOINTER
from langgraph.types import Send, interrupt
from pydantic import Discriminator, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.errors import ConfigError
from sg_agent.graphs.nodes import Onward, Update, after_route, judged
from sg_agent.graphs.state import State
from sg_agent.quoting import quoted
from sg_agent.rows import Kind


class ReviewRequest(TypedDict):
    """The value of the interrupt.

    `problem` is None at first; after a decision that could not be used it says why, and `guidance` is what the person
    last wrote.
    """

    type: Literal["guidance_review"]
    question: str
    kind: Kind
    guidance: str
    problem: str | None


class Approve(TypedDict):
    """The solver is shown the guidance of the request."""

    type: Literal["approve"]


class Edit(TypedDict):
    """The solver is shown `guidance` in its place, once it passes the check that every guidance has to pass."""

    type: Literal["edit"]
    guidance: str


class Reject(TypedDict):
    """The solver is asked directly; `message` says why."""

    type: Literal["reject"]
    message: NotRequired[str]


Decision = Annotated[Approve | Edit | Reject, Discriminator("type")]
"""What `Command(resume=...)` takes."""

DECISION: TypeAdapter[Approve | Edit | Reject] = TypeAdapter(Decision)
SCHEMA: dict[str, Any] = DECISION.json_schema()


def review_node(state: State) -> Update:
    """Ask until a decision can be used: a person's text is never lost, and what fails the check is never approved."""
    text, problem = state["guidance"], None
    assert text is not None
    while True:
        answer = interrupt(_request(state, text, problem), response_schema=SCHEMA)
        try:
            decision = DECISION.validate_python(answer)
        except ValidationError as error:
            problem = _misread(answer, error)
            continue
        if decision["type"] == "reject":
            said = decision.get("message", "").strip()
            reason = "guidance was rejected in review" + (f": {quoted(said)}" if said else "")
            return {"guidance": None, "route": "direct", "reason": reason}
        text = decision["guidance"] if decision["type"] == "edit" else text
        guidance, problem = judged(state["asked"], text)
        if problem is None:
            done = "approved" if guidance == state["guidance"] else "edited"
            return {"guidance": guidance, "reason": f"{state['reason']}; {done} in review"}


def _request(state: State, guidance: str, problem: str | None) -> ReviewRequest:
    asked = state["asked"]
    return ReviewRequest(
        type="guidance_review",
        question=asked["row"]["question"],
        kind=asked["kind"],
        guidance=guidance,
        problem=problem,
    )


def _misread(answer: Any, error: ValidationError) -> str:
    return (
        f"the decision {answer!r:.200} was not understood ({error.errors(include_url=False)[0]['msg']}); accepted are "
        '{"type": "approve"}, {"type": "edit", "guidance": TEXT} and {"type": "reject", "message": TEXT}'
    )


def after_route_to_review(state: State, config: RunnableConfig) -> Literal["guide", "check"]:
    """As `after_route`. Raises ConfigError, before anything is paid for, where a decision could never arrive."""
    if config["configurable"].get(CONFIG_KEY_CHECKPOINTER) is None:
        raise ConfigError(
            "review=True waits for a person: compile the graph with a checkpointer and give the run a thread_id"
        )
    return after_route(state)


def by_review(onward: Onward) -> Onward:
    """To `review` with what passed the check, else `onward`: a person is not asked about guidance that nobody sees."""

    def review_or_onward(state: State) -> list[Send] | str:
        return "review" if state["guidance"] is not None else onward(state)

    return review_or_onward
