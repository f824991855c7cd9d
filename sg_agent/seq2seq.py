"""Runs a sequence-to-sequence model (T5 and its like) behind the same queue as the causal ones.

Requests that wait together are decoded together, to their end: a group neither takes in a late request nor shrinks.
There is no chat template; the model reads the text of the messages, one after the other.
"""

import torch
from langchain_core.messages import BaseMessage
from torch import Tensor

from sg_agent.batching import Batch, Engine, Request, groups
from sg_agent.chat_template import ChatTemplate, message_text
from sg_agent.decoding import choose


class PlainText(ChatTemplate):
    """Messages as one text, ended as the tokenizer ends a source text."""

    def encode(self, messages: list[BaseMessage]) -> list[int]:
        """The token ids of the messages' texts. Raises ModelError for what is no text."""
        text = plain_text([message_text(message) for message in messages])
        with self._lock:
            return [int(token) for token in self.tokenizer(self.clean(text))["input_ids"]]


def plain_text(texts: list[str]) -> str:
    """What a model without a chat template reads of a conversation."""
    return "\n\n".join(texts)


class Seq2SeqEngine(Engine):
    """An encoder-decoder model behind a queue."""

    def _advance(self, batch: Batch | None, new: list[Request]) -> None:
        assert batch is None
        for group in groups(new):
            self._decode(group)

    def _decode(self, rows: list[Request]) -> None:
        width = max(len(row.prompt) for row in rows)
        padding = [width - len(row.prompt) for row in rows]
        ids = torch.tensor([row.prompt + [0] * n for n, row in zip(padding, rows, strict=True)])
        mask = torch.tensor([[1] * (width - n) + [0] * n for n in padding], device=self.model.device)
        encoded = self.model.get_encoder()(input_ids=ids.to(self.model.device), attention_mask=mask)
        tokens = [int(self.model.config.decoder_start_token_id)] * len(rows)
        cache = None
        while not all(row.future.done() for row in rows):
            self.forwards += 1
            output = self.model(
                encoder_outputs=encoded,
                attention_mask=mask,
                decoder_input_ids=torch.tensor(tokens, device=self.model.device)[:, None],
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            tokens = self._choose(output.logits[:, -1], rows)

    def _choose(self, logits: Tensor, rows: list[Request]) -> list[int]:
        chosen = choose(logits, [row.sampling for row in rows], [row.generator for row in rows])
        for row, one in zip(rows, chosen, strict=True):
            if not row.future.done():
                row.push(one, self.ends)
        return [one.token for one in chosen]
