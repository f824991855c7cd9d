"""The user's own prices: looked up first, and a wrong file named entry by entry."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from sg_agent.errors import ConfigError
from sg_agent.ledger import Source, call_record
from sg_agent.prices import Prices

SERVER = "http://127.0.0.1:8000/v1"
OWN = """
- {model: openai:my-model, input: 1, output: 4, cached_input: 0.5}
- {model: "openai:my-model@http://127.0.0.1:8000/v1/", input: 2, output: 8}
- {model: "anthropic:claude-x", input: 3, output: 15}
"""


def openai(name: str, base_url: str | None = None) -> ChatOpenAI:
    return ChatOpenAI(model=name, api_key=SecretStr("none"), base_url=base_url)


def reply(**metadata: str) -> AIMessage:
    usage = UsageMetadata(
        input_tokens=1000,
        output_tokens=100,
        total_tokens=1100,
        input_token_details=InputTokenDetails(cache_read=400),
    )
    return AIMessage("7", usage_metadata=usage, response_metadata=metadata)


def cost(model: ChatOpenAI, prices: Prices | None, **metadata: str) -> float | None:
    return call_record("solver", model, reply(**metadata), latency_s=1, prices=prices)["cost_usd"]


@pytest.fixture
def own(tmp_path: Path) -> Prices:
    path = tmp_path / "prices.yaml"
    path.write_text(OWN, encoding="utf-8")
    return Prices.load(path)


def test_own_prices_are_looked_up_first_and_cached_input_has_its_own(own: Prices) -> None:
    assert cost(openai("my-model"), own) == pytest.approx((600 * 1 + 400 * 0.5 + 100 * 4) / 1e6)


def test_a_price_on_a_server_comes_before_that_of_the_name(own: Prices) -> None:
    assert cost(openai("my-model", SERVER), own) == pytest.approx((1000 * 2 + 100 * 8) / 1e6)
    elsewhere = cost(openai("my-model", "http://127.0.0.1:9000/v1"), own)
    assert elsewhere == cost(openai("my-model"), own)


def test_the_model_that_was_asked_counts_when_the_reply_names_a_dated_one(own: Prices) -> None:
    assert cost(openai("my-model"), own, model_name="my-model-2026-01-01") == cost(openai("my-model"), own)


def test_what_is_not_in_the_file_has_its_usual_price_and_unknown_stays_unknown(own: Prices) -> None:
    assert cost(openai("gpt-4.1-mini"), own) == cost(openai("gpt-4.1-mini"), None) is not None
    assert cost(openai("no-such-model"), own) is None


def test_json_will_do(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps([{"model": "openai-responses:my-model", "input": 1, "output": 4}]), encoding="utf-8")
    assert cost(openai("my-model"), Prices.load(path)) == pytest.approx((1000 + 400) / 1e6)


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_a_server_of_the_environment_is_not_priced_as_openai(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, SERVER)
    record = call_record("solver", openai("gpt-4.1-mini"), reply(), latency_s=1)
    assert (record["cost_usd"], record["model"]) == (None, "openai-compatible:gpt-4.1-mini")
    monkeypatch.setenv(variable, "https://eu.api.openai.com/v1")
    assert cost(openai("gpt-4.1-mini"), None) is not None
    monkeypatch.setenv(variable, "https://api.openai.com.example.org/v1")
    assert Source.of(openai("gpt-4.1-mini")).provider == "openai-compatible"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"model": "openai:m"}, "must hold a list of entries like {model: openai:my-model"),
        (["openai:m"], "entry 1: must be like"),
        ([{"model": "openai:m", "input": 1}], r"entry 1 \('openai:m'\): 'output': Field required"),
        ([{"model": "openai:m", "input": -1, "output": 1}], "entry 1 .*'input': .*, not -1"),
        ([{"model": "openai:m", "input": "a", "output": 1}], "entry 1 .*'input': .*, not 'a'"),
        ([{"model": "openai:m", "input": 1, "output": 1, "cache": 1}], "'cache': .*accepted: model, input, output"),
        ([{"model": "gpt", "input": 1, "output": 1}], "entry 1: unknown model 'gpt'; accepted"),
        ([{"model": "local:base", "input": 1, "output": 1}], "entry 1: 'local:base' runs in this process"),
        ([{"model": "openai:m", "input": 1, "output": 1}] * 2, "entry 2: 'openai:m' has a price already"),
    ],
)
def test_a_wrong_file_names_the_entry_in_one_line(tmp_path: Path, entries: Any, said: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as raised:
        Prices.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml' cannot be read"):
        Prices.load(tmp_path / "nothing.yaml")
    (tmp_path / "torn.yaml").write_text("- {model: ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"torn\.yaml' cannot be read") as raised:
        Prices.load(tmp_path / "torn.yaml")
    assert "\n" not in str(raised.value)
