"""The eight aspects of LM-Guided CoT's rationale-oriented reward, rated by a judge model from 1 to 5.

The paper rates with FLAN-T5-XXL and trains a reward model on it; here the judge is asked itself. Optional: without a
judge the rationale reward looks at form and copying alone.
"""

import asyncio
import hashlib
import json
import re
from concurrent.futures import Future
from statistics import fmean

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from sg_agent.checks import clean_guidance
from sg_agent.errors import BudgetSpent, ConfigError, MissingExtra, ModelError
from sg_agent.ledger import in_process, price
from sg_agent.metered import metered
from sg_agent.models import model_name
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.grader import Grader, known

ASPECTS = (
    "factuality",
    "relevance",
    "logicality",
    "consistency",
    "coherence",
    "fluency",
    "naturalness",
    "readability",
)
LEAST, MOST = 1, 5
LONGEST = 4000
OBJECT = re.compile(r"\{[^{}]*\}")


class Judge:
    """Asks `model` on the grader's event loop, with its concurrency, deadline, budget and journal.

    The same prompt about the same guidance is asked once, also over restarts.
    """

    def __init__(self, model: BaseChatModel, grader: Grader) -> None:
        self.grader = grader
        deadline_s = None if in_process(model) else grader.asking.call_deadline_s
        most = grader.asking.concurrency
        self.model = metered(model, most=most, budget=grader.budget, deadline_s=deadline_s, prices=grader.prices)
        self._ratings: dict[str, Future[float | None]] = {}

    def rate(self, rows: list[Row], guidance: list[str]) -> list[float | None]:
        """The mean of the aspects of each, 0..1; None where the judge failed or gave no rating."""
        begun = [self._begin(row, clean_guidance(text)) for row, text in zip(rows, guidance, strict=True)]
        return [future.result() for future in begun]

    def _begin(self, row: Row, text: str) -> "Future[float | None]":
        messages = load_prompt("judge", row.task).render(row, guidance=text)
        key = self._key(messages)
        if (rating := self.grader.ratings.get(key)) is not None:
            return known(rating)
        begun = self._ratings.get(key)
        if begun is None or begun.done():
            self._ratings[key] = begun = self.grader.submit(self._ask(key, messages))
        return begun

    def _key(self, messages: list[BaseMessage]) -> str:
        asked = [model_name(self.model), *(message.text for message in messages)]
        return hashlib.sha256(repr(asked).encode()).hexdigest()

    async def _ask(self, key: str, messages: list[BaseMessage]) -> float | None:
        try:
            reply = await asyncio.wait_for(self.model.ainvoke(messages), self.grader.asking.grade_deadline_s)
        except (ConfigError, ModelError, MissingExtra):
            raise
        except BudgetSpent:
            return None
        except Exception as error:  # noqa: BLE001 - the boundary that turns a failed rating into an unknown one
            self.grader.failed(error)
            return None
        rating = read_rating(reply.text)
        if rating is None:
            self.grader.failed(f"the judge gave no rating of all aspects: {reply.text[:100]!r}")
        else:
            self.grader.keep_rating(key, rating, price(self.model, reply.usage_metadata, prices=self.grader.prices))
        return rating


def read_rating(text: str) -> float | None:
    """The mean of the eight aspects in a judge's reply, 0..1; None unless all are there and from 1 to 5."""
    for found in reversed(OBJECT.findall(text[-LONGEST:])):
        try:
            given = json.loads(found)
            ratings = [float(given[aspect]) for aspect in ASPECTS]
        except (ValueError, KeyError, TypeError):
            continue
        if all(LEAST <= rating <= MOST for rating in ratings):
            return fmean((rating - LEAST) / (MOST - LEAST) for rating in ratings)
    return None
