"""Chat completions as the official SDK, LangChain and plain HTTP see them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from openai import BadRequestError, NotFoundError, OpenAI
from pydantic import SecretStr
from serving import PLAN, TURN, body, guide, serving, solver

from sg_agent.scripted import ScriptedModel, ScriptedReply


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def sdk(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_guidance_is_reasoning_content_and_the_solvers_text_is_content(sdk: Any) -> None:
    reply = sdk.chat.completions.create(model="guided/s", messages=[TURN])
    message = reply.choices[0].message
    assert (message.content, message.reasoning_content) == ("There are 7 pens.", PLAN)
    assert reply.choices[0].finish_reason == "stop"
    told = reply.sg_agent
    assert (told["route"], told["guidance"]) == ("guided", PLAN)
    assert set(told["prompts"]) == {"guide", "solver"}


def test_usage_adds_up_over_the_roles(address: str) -> None:
    with serving() as fresh:
        used = httpx.post(f"{fresh}/v1/chat/completions", json=body()).json()["usage"]
    roles = used["by_role"]
    assert roles["guide"]["completion_tokens"] == len(PLAN.split())
    assert roles["solver"]["completion_tokens"] == 4
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert used[name] == roles["guide"][name] + roles["solver"][name] > 0


def test_a_guide_is_not_paid_twice_for_one_question() -> None:
    writer = guide()
    with serving(guide=writer) as address:
        replies = [httpx.post(f"{address}/v1/chat/completions", json=body()).json() for _ in range(3)]
    assert len(writer.calls) == 1
    assert [reply["usage"]["by_role"]["guide"]["total_tokens"] > 0 for reply in replies] == [True, False, False]
    assert {reply["choices"][0]["message"]["reasoning_content"] for reply in replies} == {PLAN}


def test_headers_carry_cost_retries_and_overhead(address: str) -> None:
    headers = httpx.post(f"{address}/v1/chat/completions", json=body()).headers
    assert float(headers["x-sg-agent-cost-usd"]) == 0
    assert headers["x-sg-agent-retries"] == "0"
    assert 0 < float(headers["x-sg-agent-overhead-ms"]) < 5000


@pytest.mark.parametrize(
    ("model", "field", "arm"),
    [
        ("s", {}, "guided"),
        ("standard/s", {}, "standard"),
        ("cot/s", {}, "cot"),
        ("s", {"arm": "cot"}, "cot"),
        ("guided/s", {"arm": "standard"}, "standard"),
    ],
)
def test_the_arm_is_chosen_by_name_or_field(address: str, model: str, field: dict[str, str], arm: str) -> None:
    reply = httpx.post(f"{address}/v1/chat/completions", json=body(model, sg_agent=field)).json()
    assert reply["sg_agent"]["arm"] == arm
    assert reply["model"] == f"{arm}/s"


def test_text_in_the_prompt_never_chooses_the_arm(address: str) -> None:
    asked = body(
        "standard/s", messages=[{"role": "user", "content": "model: guided/s\n/guided sg_agent: {arm: guided}"}]
    )
    assert httpx.post(f"{address}/v1/chat/completions", json=asked).json()["sg_agent"]["arm"] == "standard"


def test_a_conversation_reaches_the_solver_whole() -> None:
    answerer = solver()
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "reasoning_content": "an earlier plan", "refusal": None},
        TURN,
    ]
    with serving(solvers={"s": answerer}) as address:
        assert httpx.post(f"{address}/v1/chat/completions", json=body(messages=turns)).status_code == 200
    (seen,) = answerer.calls
    assert [message.type for message in seen] == ["system", "human", "ai", "human"]
    assert seen[0].text.startswith("Be brief.")
    assert PLAN in seen[3].text
    assert "an earlier plan" not in str(seen)


def test_a_task_gets_its_parsed_answer(address: str) -> None:
    answerer = solver("3 + 4 = 7\nAnswer: 7")
    with serving(solvers={"s": answerer}) as fresh:
        told = httpx.post(f"{fresh}/v1/chat/completions", json=body(sg_agent={"task": "math"})).json()["sg_agent"]
    assert told["answer"] == "7"


def test_n_choices_are_the_attempts_and_a_vote_is_one_choice() -> None:
    answers = iter(["Answer: 7", "Answer: 8", "Answer: 8"] * 2)
    answerer = ScriptedModel(replies=lambda _: next(answers))
    with serving(solvers={"s": answerer}) as address:
        shown = httpx.post(f"{address}/v1/chat/completions", json=body("cot/s", n=3)).json()
        task = {"task": "math"}
        voted = httpx.post(f"{address}/v1/chat/completions", json=body("cot@3/s", sg_agent=task)).json()
        both = httpx.post(f"{address}/v1/chat/completions", json=body("cot@3/s", n=2))
    assert [choice["index"] for choice in shown["choices"]] == [0, 1, 2]
    assert sorted(choice["message"]["content"] for choice in shown["choices"]) == [
        "Answer: 7",
        "Answer: 8",
        "Answer: 8",
    ]
    assert [choice["message"]["content"] for choice in voted["choices"]] == ["Answer: 8"]
    assert voted["sg_agent"]["answer"] == "8"
    assert both.status_code == 400


@pytest.mark.parametrize(
    ("finish", "reason"), [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter")]
)
def test_finish_reasons_are_openais(finish: str, reason: str) -> None:
    answerer = ScriptedModel(replies=lambda _: ScriptedReply("so far", finish))
    with serving(solvers={"s": answerer}) as address:
        reply = httpx.post(f"{address}/v1/chat/completions", json=body("standard/s")).json()
    assert reply["choices"][0]["finish_reason"] == reason


def test_unusable_guidance_is_said_and_the_question_goes_direct() -> None:
    with serving(guide=guide("nothing")) as address:
        reply = httpx.post(f"{address}/v1/chat/completions", json=body()).json()
    assert reply["sg_agent"]["route"] == "direct"
    assert "not usable" in reply["sg_agent"]["reason"]
    assert "reasoning_content" not in reply["choices"][0]["message"]


def test_a_stream_gives_guidance_then_the_solvers_words_then_what_it_took(sdk: Any) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="guided/s",
            messages=[TURN],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert deltas[0].reasoning_content == PLAN
    assert [delta.content for delta in deltas[1:-1]] == ["There", " are", " 7", " pens."]
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    last = chunks[-1]
    assert last.choices == []
    assert last.usage
    assert last.usage.completion_tokens >= 4
    assert last.sg_agent["cost_usd"] == 0


def test_streamed_choices_are_told_apart(sdk: Any) -> None:
    texts = {0: "", 1: "", 2: ""}
    stream = sdk.chat.completions.create(model="standard/s", messages=[TURN], n=3, stream=True)
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert set(texts.values()) == {"There are 7 pens."}


def test_a_streamed_vote_gives_the_winner_whole(address: str) -> None:
    with httpx.stream("POST", f"{address}/v1/chat/completions", json=body("cot@3/s", stream=True)) as reply:
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    texts = [c["delta"].get("content") for line in lines[:-1] for c in json.loads(line)["choices"]]
    assert texts == ["There are 7 pens.", None]


def test_langchain_reads_reply_and_stream(address: str) -> None:
    model = ChatOpenAI(model="guided/s", base_url=f"{address}/v1", api_key=SecretStr("none"), max_retries=0)
    reply = model.invoke("How many pens?")
    assert reply.text == "There are 7 pens."
    assert reply.usage_metadata
    assert reply.usage_metadata["total_tokens"] > 0
    assert "".join(chunk.text for chunk in model.stream("How many pens?")) == "There are 7 pens."


def test_the_models_are_listed_by_arm_and_solver(sdk: Any) -> None:
    assert {model.id for model in sdk.models.list()} == {"s", "standard/s", "cot/s", "guided/s"}
    assert sdk.models.retrieve("guided/s").id == "guided/s"
    with pytest.raises(NotFoundError):
        sdk.models.retrieve("guided/other")


def test_an_arm_that_is_not_served_is_an_unknown_model(sdk: Any) -> None:
    with pytest.raises(NotFoundError, match="accepted: s, standard/s"):
        sdk.chat.completions.create(model="oracle/s", messages=[TURN])
    with pytest.raises(BadRequestError, match="unknown arm 'oracle'"):
        sdk.chat.completions.create(model="s", messages=[TURN], extra_body={"sg_agent": {"arm": "oracle"}})
