"""What a model call used and cost: nothing in this process, a price where one is known, else None."""

from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from sg_agent import ScriptedModel
from sg_agent.evals.stand_in import StandIn
from sg_agent.evals.usage import ran_here
from sg_agent.ledger import Source, as_paid_by, call_record, failed_call, reply_record, total_cost

KEY = SecretStr("none")
SCRIPTED = ScriptedModel(replies=[])
REFUSED = httpx.HTTPStatusError("busy", request=httpx.Request("POST", "http://x"), response=httpx.Response(503))


def reply(*, cached: int = 0) -> AIMessage:
    usage = UsageMetadata(
        input_tokens=1000,
        output_tokens=100,
        total_tokens=1100,
        input_token_details=InputTokenDetails(cache_read=cached),
    )
    return AIMessage("7", usage_metadata=usage)


def test_a_model_of_this_process_costs_nothing() -> None:
    record = call_record("solver", SCRIPTED, reply(), latency_s=0.5, attempt=2)
    assert (record["cost_usd"], record["input_tokens"], record["output_tokens"], record["attempt"]) == (
        0.0,
        1000,
        100,
        2,
    )


def test_a_known_model_is_priced_and_cached_tokens_are_cheaper() -> None:
    model = ChatOpenAI(model="gpt-4.1-mini", api_key=KEY)
    full = call_record("solver", model, reply(), latency_s=1)["cost_usd"]
    assert full == pytest.approx(1000 * 0.4e-6 + 100 * 1.6e-6)
    record = call_record("solver", model, reply(cached=800), latency_s=1)
    assert record["cached_tokens"] == 800
    assert record["cost_usd"] is not None
    assert full is not None
    assert record["cost_usd"] < full


def test_what_a_provider_takes_for_storing_tokens_in_its_cache_is_paid_for() -> None:
    def paid(**details: int) -> float | None:
        usage: Any = {"input_tokens": 1000, "output_tokens": 0, "total_tokens": 1000, "input_token_details": details}
        source = Source("anthropic", "claude-sonnet-4-5")
        return reply_record("solver", source, AIMessage("7", usage_metadata=usage), latency_s=1)["cost_usd"]

    assert paid() == pytest.approx(1000 * 3e-6)
    assert paid(cache_read=800) == pytest.approx(200 * 3e-6 + 800 * 0.3e-6)
    assert paid(cache_creation=800) == pytest.approx(200 * 3e-6 + 800 * 3.75e-6)
    assert paid(cache_creation=0, ephemeral_5m_input_tokens=800) == paid(cache_creation=800)
    assert paid(ephemeral_1h_input_tokens=800) == pytest.approx(200 * 3e-6 + 800 * 6e-6)


@pytest.mark.parametrize(
    "model",
    [
        ChatOpenAI(model="no-such-model", api_key=KEY),
        ChatOpenAI(model="gpt-4.1-mini", api_key=KEY, base_url="http://127.0.0.1:8000/v1"),
    ],
)
def test_an_unknown_price_is_none_and_stays_none_in_a_sum(model: ChatOpenAI) -> None:
    unknown = call_record("solver", model, reply(), latency_s=1)
    assert unknown["cost_usd"] is None
    assert total_cost([call_record("guide", SCRIPTED, reply(), latency_s=1), unknown]) is None


def test_a_reply_that_reports_no_usage_has_no_known_cost() -> None:
    model = ChatOpenAI(model="gpt-4.1-mini", api_key=KEY)
    assert call_record("solver", model, AIMessage("7"), latency_s=1)["cost_usd"] is None


@pytest.mark.parametrize(("raised", "cost_usd"), [(REFUSED, 0.0), (TimeoutError("no answer"), None)])
def test_a_hosted_call_that_was_refused_is_free_and_one_that_broke_off_is_not(
    raised: Exception, cost_usd: float | None
) -> None:
    model = ChatOpenAI(model="gpt-4.1-mini", api_key=KEY)
    assert failed_call("solver", model, raised)["cost_usd"] == cost_usd


def test_a_failed_call_is_a_record_with_its_error() -> None:
    record = failed_call("guide", SCRIPTED, ConnectionError("reset"))
    assert (record["error"], record["cost_usd"]) == ("ConnectionError: reset", 0.0)


def test_a_call_that_another_run_made_is_cached_and_free_in_this_one() -> None:
    record = call_record("solver", SCRIPTED, reply(), latency_s=1, run="a")
    assert as_paid_by("a", record) == call_record("solver", SCRIPTED, reply(), latency_s=1)
    assert as_paid_by("b", record)["cached"]
    assert as_paid_by("b", record)["input_tokens"] == 1000


def test_a_reply_from_langchains_cache_is_free() -> None:
    model, answered = ChatOpenAI(model="gpt-4.1-mini", api_key=KEY), reply()
    answered.usage_metadata = {**answered.usage_metadata, "total_cost": 0}  # type: ignore[assignment, dict-item]
    record = call_record("solver", model, answered, latency_s=0)
    assert (record["cached"], record["cost_usd"]) == (True, 0.0)


@pytest.mark.parametrize("name", ["embedded:solver", "embedded:guide"])
def test_the_embedded_models_are_recorded_by_their_specs_and_not_by_a_machines_path(name: str) -> None:
    stand_in = StandIn.of(name)
    said = reply()
    said.response_metadata = {"model_name": stand_in.model}  # as the local model says it
    for record in (call_record("solver", stand_in, said, latency_s=1), failed_call("guide", stand_in, OSError())):
        assert (record["model"], record["cost_usd"], ran_here(record)) == (name, 0.0, True)
