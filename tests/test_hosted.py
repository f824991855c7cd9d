"""Hosted models over real HTTP: streams, deadlines and budgets of metered ones, and how every reply ends."""

import asyncio
import time

import pytest
from faulty_server import Act, FaultyServer, faulty_server
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from sg_agent.budget import Budget
from sg_agent.finish import broke_off, finish_of
from sg_agent.metered import MeteredModel, metered
from sg_agent.models import load_model
from sg_agent.prices import Prices
from sg_agent.scripted import ScriptedModel, ScriptedReply

APIS = ("openai", "openai-responses")
PRICES = Prices.of([{"model": "openai:solver", "input": 1000, "output": 10_000, "cached_input": 100}])


def hosted(server: FaultyServer, *, api: str = "openai") -> BaseChatModel:
    return load_model(f"{api}:solver@{server.base_url}", max_retries=0, max_tokens=100)


def throttled(server: FaultyServer, *, budget: Budget | None = None, deadline_s: float | None = None) -> MeteredModel:
    model = metered(hosted(server), most=4, budget=budget, deadline_s=deadline_s, prices=PRICES)
    assert isinstance(model, MeteredModel)
    return model


async def streamed(model: BaseChatModel) -> AIMessage:
    whole: AIMessage | None = None
    async for chunk in model.astream("How many?"):
        whole = chunk if whole is None else whole + chunk  # type: ignore[assignment] # chunks add up to a chunk
    assert whole is not None
    return whole


ENDINGS = [
    (Act("Answer: 7"), "stop"),
    (Act("Well, 3 and", "LENGTH"), "length"),
    (Act("", "stop"), "empty"),
    (Act(" \n", "stop"), "empty"),
    (Act("", "content_filter"), "filtered"),
    (Act("One could", "content_filter"), "filtered"),
    (Act("", "stop", refusal="I will not."), "refusal"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("act", "expected"), ENDINGS, ids=lambda value: str(value)[:60])
async def test_a_reply_of_either_api_has_one_ending(act: Act, expected: str, api: str, stream: bool) -> None:
    if act.finish == "LENGTH":
        act = Act(act.text, "length" if api == "openai" else "max_output_tokens")
    with faulty_server(act) as server:
        model = hosted(server, api=api)
        reply = await streamed(model) if stream else await model.ainvoke("How many?")
    assert finish_of(reply) == expected
    assert reply.text.strip() == act.text.strip() * (act.refusal is None)
    assert not broke_off(reply)
    assert reply.usage_metadata is not None
    assert (reply.usage_metadata["input_tokens"], reply.usage_metadata["output_tokens"]) == (50, 5)
    assert server.paths == ["/v1/chat/completions" if api == "openai" else "/v1/responses"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"stop_reason": "end_turn"}, "stop"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"stop_reason": "refusal"}, "refusal"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "SAFETY"}, "filtered"),
        ({"finish_reason": "RECITATION"}, "filtered"),
        ({"stopReason": "guardrail_intervened"}, "filtered"),
        ({"done_reason": "length"}, "length"),
        ({"prompt_feedback": {"block_reason": "OTHER"}}, "filtered"),
        ({}, "stop"),
    ],
    ids=str,
)
def test_other_providers_endings_are_known(metadata: dict[str, object], expected: str) -> None:
    assert finish_of(AIMessage("some text", response_metadata=metadata)) == expected


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("words", [0, 2])
async def test_a_stream_that_is_cut_is_not_taken_for_a_whole_reply(api: str, words: int) -> None:
    with faulty_server(Act("Answer: 7 is what I say", cut=words + 1)) as server:
        assert broke_off(await streamed(hosted(server, api=api)))


async def test_a_refused_stream_is_asked_again_before_its_first_part_and_says_so() -> None:
    with faulty_server(Act(status=429, headers={"retry-after-ms": "200"}), Act()) as server:
        model = throttled(server)
        reply = await streamed(model)
    assert reply.text == "Answer: 7 "
    assert reply.response_metadata["retries"] == 1
    assert server.times[1] - server.times[0] >= 0.2
    assert (model.throttle.load.answered, model.throttle.load.refused, model.throttle.load.in_flight) == (1, 1, 0)


async def test_a_stream_is_handed_on_as_it_comes_and_holds_its_place() -> None:
    with faulty_server(Act("one two three four five six", gap_s=0.05)) as server:
        model, seen, start = throttled(server), list[float](), time.monotonic()
        async for chunk in model.astream("Count"):
            seen.append(time.monotonic() - start)
            assert model.throttle.load.in_flight == (0 if chunk.chunk_position == "last" and not chunk.text else 1)
    assert seen[-1] - seen[0] > 0.2
    assert model.throttle.load.in_flight == 0


async def test_who_stops_listening_gives_the_place_back_and_the_server_is_told() -> None:
    with faulty_server(Act("word " * 2000, gap_s=0.01)) as server:
        budget = Budget(10.0)
        model = throttled(server, budget=budget)
        stream = model.astream("Count")
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined] # an async generator, whatever its annotation says
        assert model.throttle.load.in_flight == 0
        assert (budget.reserved_usd, budget.spent_usd) == (0.0, 0.0)
        assert budget.left_usd < 10.0, "what it cost is not known, so its worst case is held"
        for _ in range(100):
            if server.gone:
                break
            await asyncio.sleep(0.05)
        assert server.gone == 1


@pytest.mark.parametrize(
    "act", [Act(wait_s=2.0), Act("one two three four five six seven", gap_s=0.3)], ids=["hang", "slow"]
)
async def test_the_deadline_covers_the_whole_stream(act: Act) -> None:
    with faulty_server(act) as server:
        model, start = throttled(server, deadline_s=0.7), time.monotonic()
        with pytest.raises(TimeoutError):
            await streamed(model)
        assert time.monotonic() - start < 1.5
        assert model.throttle.load.in_flight == 0


async def test_a_slow_reader_is_not_interrupted_by_the_deadline() -> None:
    with faulty_server(Act("one two three")) as server:
        model = throttled(server, deadline_s=0.5)
        stream = model.astream("Count")
        await anext(stream)
        await asyncio.sleep(0.05)
        assert [chunk.text async for chunk in stream][:2] == ["two ", "three "]


async def test_a_streams_usage_settles_the_budget() -> None:
    with faulty_server(Act()) as server:
        budget = Budget(10.0)
        await streamed(throttled(server, budget=budget))
    assert budget.spent_usd == pytest.approx((50 * 1000 + 5 * 10_000) / 1e6)
    assert budget.reserved_usd == 0


async def test_a_cut_stream_is_paid_for_at_worst_and_a_refused_one_not_at_all() -> None:
    worst = Budget(10.0)
    with faulty_server(Act("Answer: 7", cut=1)) as server:
        await streamed(throttled(server, budget=worst))
    assert worst.spent_usd > 1.0
    free = Budget(10.0)
    with faulty_server(Act(status=400)) as server, pytest.raises(Exception, match="400"):
        await streamed(throttled(server, budget=free))
    assert free.spent_usd == 0.0


async def test_a_metered_model_whose_inner_one_cannot_stream_answers_whole() -> None:
    class Whole(ScriptedModel):
        disable_streaming: bool = True

    model = metered(Whole(replies=[ScriptedReply("a b c")]), most=1, deadline_s=5.0)
    chunks = [chunk.text async for chunk in model.astream("x")]
    assert chunks[0] == "a b c"


def test_a_metered_model_says_that_it_is_for_async_runs() -> None:
    with pytest.raises(NotImplementedError, match="ask it in an async run"):
        metered(ScriptedModel(replies=["x"]), most=1, deadline_s=5.0).invoke("x")
