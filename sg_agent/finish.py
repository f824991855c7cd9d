"""How a model's reply ended, in one vocabulary for all providers."""

from typing import Literal

from langchain_core.messages import AIMessage

ReplyFinish = Literal["stop", "length", "refusal", "filtered", "empty"]

LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"}
FILTERED = {
    "content_filter", "content_filtered", "guardrail_intervened", "safety", "image_safety", "recitation", "blocklist",
    "prohibited_content", "spii", "error_toxic",
}  # fmt: skip


def finish_of(reply: AIMessage) -> ReplyFinish:
    """What became of the reply.

    stop       the model ended it, and there is text or a call of a tool
    length     cut at a token limit
    refusal    the model declined, as the provider marks it; a refusal in plain words is text
    filtered   the provider withheld it, or the rest of it
    empty      nothing was written, and nobody says why
    """
    reason = _reason(reply)
    if reason in LENGTH:
        return "length"
    if reason in FILTERED:
        return "filtered"
    if reason == "refusal" or reply.additional_kwargs.get("refusal") or _has_refusal_block(reply):
        return "refusal"
    return "stop" if reply.text.strip() or reply.tool_calls else "empty"


def broke_off(reply: AIMessage) -> bool:
    """Whether a streamed reply of OpenAI's client ended without its end: the client takes a cut stream for a whole one.

    A whole one says why it ended, or at least what it used.
    """
    metadata = reply.response_metadata
    ended = reply.usage_metadata is not None or metadata.get("finish_reason") or metadata.get("status")
    return metadata.get("model_provider") == "openai" and not ended


def _reason(reply: AIMessage) -> str:
    """Why it ended, lower case: chat completions, Google and Mistral; Anthropic; Bedrock; Ollama; the Responses API."""
    metadata = reply.response_metadata
    details = metadata.get("incomplete_details") or {}
    named = (metadata.get(name) for name in ("finish_reason", "stop_reason", "stopReason", "done_reason"))
    feedback = metadata.get("prompt_feedback") or {}  # Google's, of a question that it did not pass on
    found = [*named, details.get("reason"), feedback.get("block_reason") and "safety"]
    return str(next(filter(None, found), "")).lower()


def _has_refusal_block(reply: AIMessage) -> bool:
    """The Responses API marks a refusal as a block of the content."""
    return isinstance(reply.content, list) and any(
        isinstance(block, dict) and (block.get("type") == "refusal" or block.get("refusal")) for block in reply.content
    )
