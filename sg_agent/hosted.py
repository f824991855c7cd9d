"""OpenAI's chat completions, as LangChain asks them, with what LangChain leaves out: a streamed reply's refusal."""

from typing import Any

from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI as WithoutRefusals


class ChatOpenAI(WithoutRefusals):
    """LangChain's, by its name in traces, with `additional_kwargs["refusal"]` in streamed replies as in whole ones."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or []]
        if made and deltas and (refusal := deltas[0].get("refusal")):
            made.message.additional_kwargs["refusal"] = refusal
        return made
