"""OpenAI's chat completions, as LangChain asks them, but with streamed refusals, and in less processor time."""

from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI as LangChainsChatOpenAI
from langchain_openai.chat_models.base import _handle_openai_api_error, _handle_openai_bad_request

NOT_OF_THE_BODY = {"extra_headers", "extra_query", "extra_body", "timeout"}


class ChatOpenAI(LangChainsChatOpenAI):
    """LangChain's, by its name in traces, with `additional_kwargs["refusal"]` in streamed replies as in whole ones.

    A whole reply is JSON in and out: the client's types, through which LangChain sends and reads it, and the thread it
    reads it in, change nothing of it and take time.
    """

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        if not self._plain(payload):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        try:
            reply = await self.root_async_client.post("/chat/completions", body=payload, cast_to=object)
        except openai.BadRequestError as error:
            _handle_openai_bad_request(error)
        except openai.APIError as error:
            _handle_openai_api_error(error)
        return self._create_chat_result(reply)

    def _plain(self, payload: dict[str, Any]) -> bool:
        """Whether all of it goes into the body of a chat completion, and nothing of the reply's headers is wanted."""
        elsewhere = "response_format" in payload or self._use_responses_api(payload) or NOT_OF_THE_BODY & payload.keys()
        return not (elsewhere or self.include_response_headers or self._uses_gateway)

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        if isinstance(response, dict):
            for choice, generation in zip(response["choices"], result.generations, strict=True):
                generation.message.additional_kwargs["refusal"] = choice["message"].get("refusal")
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or []]
        if made and deltas and (refusal := deltas[0].get("refusal")):
            made.message.additional_kwargs["refusal"] = refusal
        return made
