"""What the spans of `sg_agent.tracing` say: the attributes of the GenAI semantic conventions, and a few of our own."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import AIMessage, BaseMessage

from sg_agent.gate.decision import STAGES
from sg_agent.ledger import Source, total_cost
from sg_agent.quoting import without_quotes

Attributes = dict[str, Any]

PROVIDERS = {  # LangChain's names that the conventions have others for
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
ROLES = {"human": "user", "ai": "assistant"}


def asked(source: Source, params: dict[str, Any], settings: dict[str, Any]) -> Attributes:
    """What a model call's span says from its start. `params` are LangChain's for tracers."""
    provider, _, model = source.spec.partition(":")
    server = urlsplit(source.base_url or "")
    return known(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDERS.get(provider, provider),
            "gen_ai.request.model": model,
            "gen_ai.request.temperature": params.get("ls_temperature"),
            "gen_ai.request.max_tokens": params.get("ls_max_tokens"),
            "gen_ai.request.seed": settings.get("seed"),
            "gen_ai.conversation.id": params.get("thread_id"),
            "server.address": server.hostname,
            "server.port": server.port or {"http": 80, "https": 443}.get(server.scheme),
        }
    )


def answered(source: Source, reply: AIMessage) -> Attributes:
    """What it says of the reply. One from LangChain's model cache is marked: its tokens were paid for before."""
    said, usage = reply.response_metadata, reply.usage_metadata
    finish = said.get("finish_reason") or said.get("stop_reason")
    named = source._replace(name=str(said.get("model_name") or source.name))
    return known(
        {
            "gen_ai.response.model": named.spec.partition(":")[2],
            "gen_ai.response.id": said.get("id"),
            "gen_ai.response.finish_reasons": [str(finish)] if finish else None,
            "gen_ai.usage.input_tokens": usage and usage["input_tokens"],
            "gen_ai.usage.output_tokens": usage and usage["output_tokens"],
            "gen_ai.usage.cache_read.input_tokens": usage and usage.get("input_token_details", {}).get("cache_read"),
            "sg_agent.cached": True if usage and usage.get("total_cost") == 0 else None,
        }
    )


def outcome(outputs: dict[str, Any]) -> Attributes:
    """What the output of our graphs and nodes says of the way taken. `reason` without what it quotes of any text."""
    attributes: Attributes = {}
    if outputs.keys() & {"ledger", "problem"} and isinstance(reason := outputs.get("reason"), str):
        attributes = {"sg_agent.route": outputs.get("route"), "sg_agent.reason": without_quotes(reason)}
    for name in STAGES:
        if isinstance(decision := outputs.get(name), dict) and {"route", "scores", "reason"} <= decision.keys():
            attributes |= _decided(f"sg_agent.{name}", decision)
    records = outputs.get("ledger")
    if isinstance(records, list) and records and all(isinstance(it, dict) and "cost_usd" in it for it in records):
        attributes["sg_agent.cost_usd"] = total_cost(records)
        if "route" not in outputs:  # a node's one call
            attributes |= {"sg_agent.role": records[0]["role"], "sg_agent.cached": records[0]["cached"]}
    return known(attributes)


def _decided(name: str, decision: dict[str, Any]) -> Attributes:
    """What a policy decided, and why."""
    reason = without_quotes(str(decision["reason"]))
    said = {"route": decision["route"], "threshold": decision.get("threshold"), "reason": reason}
    scores = {f"{name}.score.{route}": score for route, score in decision["scores"].items()}
    return {**{f"{name}.{key}": value for key, value in said.items()}, **scores}


def known(attributes: Attributes) -> Attributes:
    """OpenTelemetry takes no None."""
    return {name: value for name, value in attributes.items() if value is not None}


def as_json(messages: Sequence[BaseMessage], **more: str) -> str:
    """Messages in the conventions' form, their text only."""
    parts = [{"type": "text", "content": message.text} for message in messages]
    roles = [ROLES.get(message.type, message.type) for message in messages]
    return json.dumps([{"role": role, "parts": [part], **more} for role, part in zip(roles, parts, strict=True)])
