"""A budget: never overshot by parallel calls, paid for what is received, free where nothing was."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hosted import Hosted
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from pydantic import BaseModel

from sg_agent.budget import Budget, worst_case
from sg_agent.errors import BudgetSpent


class Refused(Exception):
    status_code = 400


async def paid(budget: Budget, worst_usd: float, ask: Callable[[], Awaitable[str]], cost_usd: float | None) -> str:
    """The reply of `ask`, which turns out to cost `cost_usd`."""
    async with budget.payment(worst_usd) as payment:
        reply = await ask()
        payment.cost_usd = cost_usd
        return reply


async def test_parallel_calls_never_reserve_or_spend_more_than_the_budget() -> None:
    budget, seen = Budget(1.0), list[float]()

    async def ask() -> str:
        await asyncio.sleep(0.001)
        seen.append(budget.spent_usd + budget.reserved_usd)
        return "reply"

    calls = [paid(budget, 0.3, ask, 0.05) for _ in range(40)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert max(seen) <= 1.0 + 1e-9
    assert budget.exhausted
    # 0.05 each, until the worst case of the next one no longer fits.
    assert done.count("reply") == 15
    assert sum(isinstance(end, BudgetSpent) for end in done) == 25
    assert budget.spent_usd == pytest.approx(0.75)
    assert budget.reserved_usd == pytest.approx(0)


async def test_a_call_waits_for_those_in_flight_rather_than_ending_the_run() -> None:
    budget = Budget(1.0)
    calls = [paid(budget, 0.6, lambda: asyncio.sleep(0.001, "reply"), 0.1) for _ in range(3)]
    assert await asyncio.gather(*calls) == ["reply"] * 3
    assert not budget.exhausted


async def test_what_a_call_cost_is_its_worst_case_when_nobody_says() -> None:
    budget = Budget(1.0)
    await paid(budget, 0.25, lambda: asyncio.sleep(0, "reply"), None)
    assert budget.spent_usd == 0.25


@pytest.mark.parametrize(("error", "charged"), [(Refused("bad request"), 0.0), (TimeoutError("lost"), 0.25)])
async def test_a_refused_call_is_free_and_a_lost_one_is_not(error: Exception, charged: float) -> None:
    budget = Budget(1.0)

    async def ask() -> str:
        raise error

    with pytest.raises(type(error)):
        await paid(budget, 0.25, ask, 0.0)
    assert (budget.spent_usd, budget.reserved_usd) == (charged, 0.0)


async def test_a_cancelled_call_keeps_its_reservation() -> None:
    budget = Budget(1.0)
    task = asyncio.create_task(paid(budget, 0.75, lambda: asyncio.sleep(60, "reply"), 0.0))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (budget.spent_usd, budget.left_usd) == (0.0, 0.25)
    with pytest.raises(BudgetSpent):
        await paid(budget, 0.5, lambda: asyncio.sleep(0, "reply"), 0.0)


def test_the_worst_case_is_a_token_per_byte_and_the_longest_reply() -> None:
    model, messages = Hosted(replies=[], model="gpt-4.1-mini"), list[BaseMessage]([HumanMessage("é" * 1000)])
    assert worst_case(model, messages, {"max_tokens": 1000}) == pytest.approx((2016 * 0.4 + 1000 * 1.6) / 1e6)


class Reply(BaseModel):
    """A reply in a form."""

    answer: str


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"tools": [{"type": "function", "function": {"name": "look"}}]}, 52),
        ({"response_format": {"type": "json_object"}}, 23),
        ({"response_format": Reply}, len(json.dumps(Reply.model_json_schema()))),
        ({"tools": [], "response_format": None, "seed": 7, "temperature": 0.5}, 0),
    ],
    ids=["tools", "form", "class", "none"],
)
def test_schemas_are_read_and_paid_for_too(settings: dict[str, Any], length: int) -> None:
    model, messages = Hosted(replies=[], model="gpt-4.1-mini"), [HumanMessage("x" * 100)]
    plain = worst_case(model, messages, {"max_tokens": 10})
    assert worst_case(model, messages, {"max_tokens": 10, **settings}) - plain == pytest.approx(length * 0.4 / 1e6)


def test_calls_of_tools_are_read_too() -> None:
    calls = [ToolCall(name="look", args={"at": "y" * 500}, id="1")]
    model = Hosted(replies=[], model="gpt-4.1-mini")
    plain = worst_case(model, [AIMessage("")], {"max_tokens": 10})
    assert worst_case(model, [AIMessage("", tool_calls=calls)], {"max_tokens": 10}) - plain > 500 * 0.4 / 1e6
