"""How many calls may be under way: halved by a burst of refusals once, growing with answers, given in order."""

import asyncio

import pytest

from sg_agent import limit
from sg_agent.limit import AdaptiveLimit


def test_a_burst_of_refusals_halves_once_and_never_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    places = AdaptiveLimit(8)
    for _ in range(5):
        places.refused()
    assert places.now == 4
    monkeypatch.setattr(limit, "COOLDOWN_S", 0.0)
    for _ in range(5):
        places.refused()
    assert places.now == 1


def test_one_fewer_is_never_below_one() -> None:
    places, seen = AdaptiveLimit(3), list[int]()
    for _ in range(4):
        places.lower()
        seen.append(places.now)
    assert seen == [2, 1, 1, 1]


def test_answers_bring_back_a_tenth_a_round_up_to_the_most() -> None:
    places = AdaptiveLimit(100)
    places.refused()
    for _ in range(50):
        places.answered()
    assert 58 <= places.now <= 60
    for _ in range(1000):
        places.answered()
    assert places.now == 100


async def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    places, order = AdaptiveLimit(1), list[str]()

    async def work(name: str) -> None:
        async with places.place():
            order.append(name)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(work(name)) for name in "abc"]
    await asyncio.sleep(0.001)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (order, places.in_flight) == (["a", "c"], 0)


async def test_who_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    places, order = AdaptiveLimit(1), list[str]()

    async def wait(name: str) -> None:
        async with places.place():
            order.append(name)

    async with places.place():
        second, third = asyncio.create_task(wait("second")), asyncio.create_task(wait("third"))
        await asyncio.sleep(0)
    second.cancel()  # its turn was given as the place came free
    await asyncio.gather(second, third, return_exceptions=True)
    assert (order, places.in_flight) == (["third"], 0)


async def test_a_limit_works_in_one_event_loop_after_another() -> None:
    places = AdaptiveLimit(1)

    async def crowd() -> None:
        async def one() -> None:
            async with places.place():
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(5)))

    await asyncio.to_thread(asyncio.run, crowd())
    await crowd()
    assert places.in_flight == 0
