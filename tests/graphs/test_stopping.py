"""Attempts that may stop early: the same answers as all of them, and never more than it takes."""

from collections import Counter
from itertools import product

import pytest
from langchain_core.messages import BaseMessage

from sg_agent import ScriptedModel, Settings, cot, guided
from sg_agent.graphs import QuestionInput
from sg_agent.graphs.stopping import Vote, next_wave, settled

QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}
PLAN = "1. Start with the pens.\n2. Add Monday."


def winner(votes: tuple[Vote, ...]) -> int | None:
    """The index that a vote over all attempts chooses."""
    counted = Counter(vote for vote in votes if vote is not None)
    return votes.index(counted.most_common(1)[0][0]) if counted else None


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_it_stops_exactly_when_no_further_vote_can_change_the_winner(k: int) -> None:
    answers: tuple[Vote, ...] = ("a", "b", "c", None)
    for made in range(k + 1):
        for votes in product(answers, repeat=made):
            winners = {winner((*votes, *end)) for end in product((*answers, "d"), repeat=k - made)}
            assert settled(votes, k - made) == (len(winners) == 1), votes


@pytest.mark.parametrize(("k", "first"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (9, 5)])
def test_the_first_wave_is_the_smallest_that_could_settle_it(k: int, first: int) -> None:
    assert next_wave([], k) == first
    assert next_wave([None], k) >= (k + 1) // 2


def asked(replies: list[str | Exception], *, stop_early: bool = True) -> tuple[str | None, int | None, int]:
    """The answer, the attempt chosen and the calls made, of five attempts."""
    solver = ScriptedModel(replies=replies)
    output = cot(solver).compile().invoke(QUESTION, context=Settings(attempts=5, stop_early=stop_early))
    assert [attempt["index"] for attempt in output["attempts"]] == list(range(len(output["attempts"])))
    return output["answer"], output["chosen"], len(solver.calls)


def test_three_of_five_that_agree_are_enough() -> None:
    assert asked(["Answer: 7"] * 5) == ("7", 0, 3)
    assert asked(["Answer: 7"] * 5, stop_early=False) == ("7", 0, 5)


def test_attempts_that_disagree_are_all_made() -> None:
    assert asked([f"Answer: {n}" for n in (1, 2, 3, 4, 4)]) == ("4", 3, 5)
    assert asked(["no idea"] * 5)[2] == 5


def test_a_failed_attempt_is_no_vote() -> None:
    assert asked([RuntimeError("cut"), "Answer: 7", "Answer: 7", "Answer: 7", "Answer: 5"])[0] == "7"


@pytest.mark.parametrize("stop_early", [True, False])
def test_the_fallback_votes_in_the_place_of_the_attempt_that_failed(stop_early: bool) -> None:
    solver = ScriptedModel(replies=lambda messages: RuntimeError("cut"))
    stand_in = ScriptedModel(replies=lambda messages: "Answer: 7")
    graph = guided(ScriptedModel(replies=lambda messages: PLAN), solver, fallback=stand_in).compile()
    output = graph.invoke(QUESTION, context=Settings(attempts=5, stop_early=stop_early))
    tried = 3 if stop_early else 5
    assert (output["answer"], len(solver.calls), len(stand_in.calls)) == ("7", tried, tried)
    assert f"answered {tried} of {tried} attempts" in output["reason"]


async def test_attempts_that_stop_early_have_the_seeds_of_all() -> None:
    seen: list[int] = []

    class Seeded(ScriptedModel):
        seed: int | None = None

        async def _agenerate(self, messages: list[BaseMessage], *args: object, **kwargs: object) -> object:  # type: ignore[override]
            seen.append(int(str(kwargs["seed"])))
            return await super()._agenerate(messages)

    graph = cot(Seeded(replies=["Answer: 1", "Answer: 2", "Answer: 2", "Answer: 2"])).compile()
    output = await graph.ainvoke(QUESTION, context=Settings(attempts=5, seed=10, stop_early=True))
    assert (output["answer"], sorted(seen)) == ("2", [10, 11, 12, 13])
