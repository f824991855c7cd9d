"""A model that stands in for another while an arm's graph is only looked at: nothing is loaded, nobody is called."""

import math
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from sg_agent.evals.arms import Arm
from sg_agent.ledger import usage_of
from sg_agent.models import Model, parse_spec

CHARACTERS_A_TOKEN = 4
# Passes the gate as a plan and as a rationale, and is an answer that cannot be read.
REPLY = "1. Find what the question asks for.\n2. Go through the facts in their order.\n3. Combine what they say."


class StandIn(BaseChatModel):
    """Replies at once, to any role, and counts a prompt's characters / 4 as its tokens.

    It goes by the `provider` and name under which the price of what it `stands_for` is known.
    """

    stands_for: Any
    provider: str
    model: str
    openai_api_base: str | None = None

    @classmethod
    def of(cls, model: Model) -> "StandIn":
        """The stand-in of a spec or of a ready model."""
        if isinstance(model, BaseChatModel):
            params = model._get_ls_params()
            return cls(
                stands_for=model,
                provider=str(params.get("ls_provider", "unknown")),
                model=str(params.get("ls_model_name") or type(model).__name__),
                openai_api_base=getattr(model, "openai_api_base", None),
            )
        parts = parse_spec(model)
        if parts.kind == "openai":
            return cls(stands_for=model, provider=parts.provider, model=parts.model, openai_api_base=parts.at)
        name = f"{parts.model}@{parts.at}" if parts.at else parts.model
        return cls(stands_for=model, provider=parts.provider, model=name)

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:  # noqa: ARG002 - LangChain's signature
        return LangSmithParams(ls_provider=self.provider, ls_model_name=self.model)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> ChatResult:
        tokens = math.ceil(sum(len(message.text) for message in messages) / CHARACTERS_A_TOKEN)
        reply = AIMessage(REPLY, usage_metadata=usage_of(tokens, 0))
        return ChatResult(generations=[ChatGeneration(message=reply)])


def stand_ins(arm: Arm) -> list[StandIn]:
    """One for each model that the arm's graph asks for; none when the graph brings models of its own."""
    made: list[StandIn] = []

    def load(model: Model) -> StandIn:
        made.append(StandIn.of(model))
        return made[-1]

    arm.graph(load)
    return made
