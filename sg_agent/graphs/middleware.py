"""Guidance in an agent of LangChain's, by one line:

    create_agent("openai:gpt-4.1-mini", tools, middleware=[GuidanceMiddleware("embedded:guide")])

It is written once for each turn of the user's, when the turn's first model call is due, and shown to every model call
of the turn. It is kept in the agent's state, never among its messages.
"""

import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ContextT,
    ModelRequest,
    ModelResponse,
    OmitFromInput,
    PrivateStateAttr,
    ResponseT,
)
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from sg_agent.errors import ConfigError
from sg_agent.graphs.adviser import Adviser
from sg_agent.graphs.nodes import Prompts
from sg_agent.graphs.state import GuideOutput, Settings
from sg_agent.ledger import CallRecord
from sg_agent.models import Model
from sg_agent.rows import Task

Update = dict[str, Any]
MessageT = TypeVar("MessageT", bound=BaseMessage)


class GuidanceState(AgentState[ResponseT]):
    """What the middleware keeps, all of it of the user's latest turn.

    `guidance` is what the model is shown, None when nothing is, and `guidance_reason` says why (None until the guide's
    turn has come); `guidance_prompts` maps each phase to the id and hash of its template; `guidance_ledger` has a
    record for every call of the guide, those of the consult tool too. `guidance_turn` is the id of the user's message.
    """

    guidance: NotRequired[Annotated[str | None, OmitFromInput]]
    guidance_reason: NotRequired[Annotated[str | None, OmitFromInput]]
    guidance_prompts: NotRequired[Annotated[dict[str, str], OmitFromInput]]
    guidance_ledger: NotRequired[Annotated[list[CallRecord], OmitFromInput, operator.add]]
    guidance_turn: NotRequired[Annotated[str | None, PrivateStateAttr]]


class GuidanceMiddleware(AgentMiddleware[GuidanceState[ResponseT], ContextT, ResponseT]):
    """Has a guide write guidance for each turn of the user's and shows it to the agent's model.

    The guide reads the text of the user's message, as the middleware before this one left it, and nothing else of the
    conversation. `when` decides by that text; `task` is the kind of question that the turns ask.

    `place` is where guidance is shown. "message" is after the user's message, as in this package's graphs: the system
    prompt stays what it is, for providers' caches and against guidance that would speak with its authority. "system" is
    the end of the system prompt; then put what replaces that prompt before this middleware.

    `settings` are those of the graphs, here the guide's temperature, tokens, kind and examples; `prompts` maps "guide"
    and "solver" to templates of your own, the latter for how guidance is shown; `timeout` bounds the whole guidance of
    a turn, in seconds.

    A guide that is down, slow, or writes what does not pass the check leaves the agent without guidance. User errors
    are raised: ConfigError, DataError or ModelError at once, MissingExtra or a spent budget when the guide is asked.
    """

    state_schema = GuidanceState  # type: ignore[assignment] # as LangChain's own middleware: mypy binds no ResponseT here

    def __init__(
        self,
        guide: Model,
        *,
        when: Callable[[str], bool] | None = None,
        place: Literal["message", "system"] = "message",
        task: Task = "open",
        settings: Settings | None = None,
        timeout: float | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        super().__init__()
        if place not in ("message", "system"):
            raise ConfigError(f"place must be 'message' or 'system', not {place!r}")
        self._adviser = Adviser(guide, task=task, settings=settings or Settings(), timeout=timeout, prompts=prompts)
        self._when, self._place = when, place

    def before_agent(self, state: GuidanceState[ResponseT], runtime: Runtime[ContextT]) -> Update | None:  # noqa: ARG002 - LangChain's signature
        """A new message of the user's begins a turn; a run that goes on with an old one does not."""
        turn = next((message.id for message in reversed(state["messages"]) if of_the_user(message)), None)
        if turn is None or turn == state.get("guidance_turn"):
            return None
        return {
            "guidance": None,
            "guidance_reason": None,
            "guidance_prompts": {},
            "guidance_ledger": Overwrite([]),
            "guidance_turn": turn,
        }

    async def abefore_agent(self, state: GuidanceState[ResponseT], runtime: Runtime[ContextT]) -> Update | None:
        """As `before_agent`."""
        return self.before_agent(state, runtime)

    def before_model(self, state: GuidanceState[ResponseT], runtime: Runtime[ContextT]) -> Update | None:  # noqa: ARG002 - LangChain's signature
        """Have the guidance written, unless that was done in this turn."""
        if not _due(state):
            return None
        question = _question(state)
        return self._written(self._refusal(question) or self._adviser.ask(question))

    async def abefore_model(self, state: GuidanceState[ResponseT], runtime: Runtime[ContextT]) -> Update | None:  # noqa: ARG002 - LangChain's signature
        """As `before_model`."""
        if not _due(state):
            return None
        question = _question(state)
        return self._written(self._refusal(question) or await self._adviser.aask(question))

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[ResponseT]],
    ) -> ModelResponse[ResponseT]:
        """Show the turn's guidance to the model."""
        return handler(self._shown(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[ResponseT]]],
    ) -> ModelResponse[ResponseT]:
        """As `wrap_model_call`."""
        return await handler(self._shown(request))

    def _refusal(self, question: str) -> GuideOutput | None:
        """Why the guide is not to be asked, if so."""
        if not question:
            reason = "the user's message has no text"
        elif self._when and not self._when(question):
            reason = "`when` decided against guidance"
        else:
            return None
        return GuideOutput(guidance=None, reason=reason, prompts={}, ledger=[])

    def _written(self, output: GuideOutput) -> Update:
        return {
            "guidance": output["guidance"],
            "guidance_reason": output["reason"],
            "guidance_prompts": self._adviser.prompts(output),
            "guidance_ledger": output["ledger"],
        }

    def _shown(self, request: ModelRequest[ContextT]) -> ModelRequest[ContextT]:
        state: Any = request.state
        if not (guidance := state.get("guidance")):
            return request
        text = self._adviser.show(guidance)
        place = _place_of(request.messages, state["guidance_turn"]) if self._place == "message" else None
        if place is None:
            system = request.system_message
            return request.override(system_message=added(system, text) if system else SystemMessage(text))
        messages = list(request.messages)
        messages[place] = added(messages[place], text)
        return request.override(messages=messages)


def of_the_user(message: BaseMessage) -> bool:
    """Whether the user wrote the message: LangChain's summaries have the user's role too."""
    return isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") != "summarization"


def added(message: MessageT, text: str) -> MessageT:
    """A copy of the message that ends with `text`."""
    if isinstance(message.content, str):
        return message.model_copy(update={"content": f"{message.content}\n\n{text}"})
    return message.model_copy(update={"content": [*message.content, {"type": "text", "text": text}]})


def _due(state: GuidanceState[Any]) -> bool:
    return state.get("guidance_turn") is not None and state.get("guidance_reason") is None


def _question(state: GuidanceState[Any]) -> str:
    """The text of the turn's message; none when it was removed before the guide's turn came."""
    turn = state["guidance_turn"]
    return next((message.text.strip() for message in state["messages"] if message.id == turn), "")


def _place_of(messages: Sequence[AnyMessage], turn: str) -> int | None:
    """Where the turn's message stands; the last one with the user's role, a summary, once it was summarized."""
    human = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return next((index for index in human if messages[index].id == turn), human[-1] if human else None)
