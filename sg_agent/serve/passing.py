"""The parameters that go on to the solver, in its own terms; one that would be lost is refused by its name."""

from typing import Any, get_type_hints

from langchain_core.language_models import BaseChatModel
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

from sg_agent.ledger import Source
from sg_agent.serve.errors import ApiError, bad_request

NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0, "logit_bias": {}, "logprobs": False, "modalities": ["text"], "parallel_tool_calls": True,
    "presence_penalty": 0, "response_format": {"type": "text"}, "store": False, "tools": [], "top_logprobs": 0,
}  # fmt: skip
"""Values that ask for nothing."""
LOST = {
    "logprobs": "the reply would not hold them",
    "top_logprobs": "the reply would not hold them",
    "audio": "replies are text",
    "modalities": "replies are text",
    "functions": "use tools",
    "function_call": "use tool_choice",
    "store": "nothing is stored",
}
NO_EFFECT = {"user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier"}
"""What a model in this process may overlook: none of it changes a reply."""
LOCAL = {"stop", "top_p"}
OPENAI = frozenset(get_type_hints(CompletionCreateParamsNonStreaming))
"""What OpenAI's own client takes by name; all else goes into the body as it is."""


def solver_options(solver: BaseChatModel, given: dict[str, Any]) -> dict[str, Any]:
    """`given` parameters as the solver's calls take them. Raises ApiError for one that would have no effect."""
    asked = {
        name: value
        for name, value in given.items()
        if value is not None and not (name in NEUTRAL and NEUTRAL[name] == value)
    }
    if "tools" not in asked and asked.get("tool_choice") in ("none", "auto"):
        del asked["tool_choice"]
    for name, why in LOST.items():
        if name in asked:
            raise _refused(name, f"{name} is not supported: {why}")
    provider = Source.of(solver).provider
    if provider == "local":
        return _for_local(asked)
    return _for_openai(asked) if hasattr(solver, "openai_api_base") else _for_others(solver, asked)


def _for_local(asked: dict[str, Any]) -> dict[str, Any]:
    for name in asked.keys() - LOCAL - NO_EFFECT:
        raise _refused(name, f"{name} is not supported by this solver, a local model; leave it out")
    return {name: value for name, value in asked.items() if name in LOCAL}


def _for_openai(asked: dict[str, Any]) -> dict[str, Any]:
    """The client would parse what it gets a response_format for; in the body it goes through as it is."""
    named = {name: value for name, value in asked.items() if name in OPENAI and name != "response_format"}
    rest = {name: value for name, value in asked.items() if name not in named}
    return {**named, "extra_body": rest} if rest else named


def _for_others(solver: BaseChatModel, asked: dict[str, Any]) -> dict[str, Any]:
    """Tools in the provider's own terms, as LangChain knows them."""
    tools, choice = asked.pop("tools", None), asked.pop("tool_choice", None)
    if not tools:
        return asked
    try:
        bound: Any = solver.bind_tools(tools, tool_choice=choice) if choice else solver.bind_tools(tools)
    except NotImplementedError:
        raise _refused("tools", "tools are not supported by this solver; leave them out") from None
    except (ValueError, TypeError, KeyError) as error:
        raise bad_request(f"tools: {error}", param="tools") from error
    return {**asked, **bound.kwargs}


def _refused(name: str, message: str) -> ApiError:
    return bad_request(message, param=name, code="unsupported_parameter")
