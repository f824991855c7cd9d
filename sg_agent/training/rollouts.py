"""Rollouts by the local model's engine: each completion goes to the solver as soon as it is written.

TRL generates a whole batch and then scores it; here scoring overlaps with generation, since rows of a batch end at
different times. Every completion has a seed of its own (run, step, place), so a resumed run samples what an
uninterrupted one would have. Leaves out logprobs: TRL computes them with the policy itself.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, convert_to_messages

from sg_agent.local import LocalChatModel

if TYPE_CHECKING:
    from sg_agent.batching import Reply

OnText = Callable[[str, str, bool], None]


class Rollouts:
    """TRL's `rollout_func`. `policy` is the runtime's model over the trainer's weights, made at the first call.

    `on_text(user message, completion, truncated)` is told of every completion as soon as it has ended.
    """

    def __init__(self, loaded: LocalChatModel, *, seed: int, temperature: float, on_text: OnText) -> None:
        self.loaded, self.seed, self.temperature, self.on_text = loaded, seed, temperature, on_text
        self.policy: LocalChatModel | None = None

    def __call__(self, prompts: list[list[dict[str, str]]], trainer: Any) -> dict[str, list[Any]]:
        """prompt_ids and completion_ids of every prompt, ends of text included."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        if self.policy is None:
            self.policy = self.loaded.with_model(model)
        model.eval()
        place = (self.seed, trainer.state.global_step)
        first = trainer.accelerator.process_index * len(prompts)  # so that it does not matter how many processes share
        try:
            with self.policy.together():
                begun = [
                    self._begin(convert_to_messages(prompt), (*place, i)) for i, prompt in enumerate(prompts, first)
                ]
            replies = [future.result() for _, future in begun]
        finally:
            model.train()
        return {
            "prompt_ids": [ids for ids, _ in begun],
            "completion_ids": [list(reply.tokens) for reply in replies],
            "logprobs": None,  # type: ignore[dict-item] # TRL's word for "not known"
        }

    def _begin(self, messages: list[BaseMessage], place: tuple[int, ...]) -> "tuple[list[int], Future[Reply]]":
        assert self.policy is not None
        seed = int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "big")
        ids, future = self.policy.submit(messages, temperature=self.temperature, seed=seed)
        question = messages[-1].text

        def tell(done: "Future[Reply]") -> None:
            if not done.cancelled() and done.exception() is None:
                self.on_text(question, done.result().text, done.result().finish == "length")

        future.add_done_callback(tell)
        return ids, future
