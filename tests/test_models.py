"""Specs: their parts, the models they load, and what is said about those that cannot be loaded."""

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from tiny import tiny_adapter, tiny_model

from sg_agent.errors import MissingExtra, ModelError
from sg_agent.local import LocalChatModel
from sg_agent.models import (
    EMBEDDED_BASE,
    EMBEDDED_GUIDE,
    Spec,
    check_spec,
    load_model,
    local_path,
    model_name,
    parse_spec,
)
from sg_agent.scripted import ScriptedModel


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"))


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Makes `package` look like one that is not installed."""

    def found(name: str) -> ModuleSpec | None:
        return None if name == package else find_spec(name)

    monkeypatch.setattr("sg_agent.models.find_spec", found)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("embedded:solver", Spec("local", "local", str(EMBEDDED_BASE))),
        ("embedded:guide", Spec("local", "local", str(EMBEDDED_BASE), str(EMBEDDED_GUIDE))),
        ("local:runs/base", Spec("local", "local", "runs/base")),
        ("local:org/base@org/adapter", Spec("local", "local", "org/base", "org/adapter")),
        ("openai:gpt-4.1-mini", Spec("openai", "openai", "gpt-4.1-mini")),
        ("openai:ft:gpt:me::1", Spec("openai", "openai", "ft:gpt:me::1")),
        ("openai:qwen@http://127.0.0.1:8000/v1", Spec("openai", "openai", "qwen", "http://127.0.0.1:8000/v1")),
        ("openai-responses:o4-mini", Spec("openai", "openai", "o4-mini", responses=True)),
        ("openai-responses:m@http://h/v1", Spec("openai", "openai", "m", "http://h/v1", responses=True)),
        ("anthropic:claude@latest", Spec("other", "anthropic", "claude@latest")),
    ],
)
def test_a_spec_has_these_parts(spec: str, parts: Spec) -> None:
    assert parse_spec(spec) == parts


@pytest.mark.parametrize(
    "spec", ["", "gpt-4", "openai:", ":gpt", "local:@adapter", "local:base@", "embedded:teacher", "openai:m@ftp://x"]
)
def test_a_malformed_spec_is_named_with_what_is_accepted(spec: str) -> None:
    for use in (parse_spec, check_spec, load_model):
        with pytest.raises(ModelError, match=r"accepted|embedded ones|must begin with") as raised:
            use(spec)
        assert repr(spec) in str(raised.value)


def test_a_ready_model_is_returned_as_it_is() -> None:
    model = ScriptedModel(replies=["x"])
    assert load_model(model, temperature=1.0) is model
    check_spec(model)


def test_a_local_model_gets_its_settings_and_its_name(base: Path, tmp_path: Path) -> None:
    adapter = tiny_adapter(base, tmp_path / "adapter")
    spec = f"local:{base}@{adapter}"
    check_spec(spec)
    model = load_model(spec, temperature=0.5, seed=3, max_tokens=7)
    assert isinstance(model, LocalChatModel)
    assert (model.temperature, model.seed, model.max_tokens) == (0.5, 3, 7)
    assert model_name(model) == spec
    assert model_name(load_model(f"local:{base}")) == f"local:{base}"


def test_embedded_models_are_named_as_such(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = tiny_adapter(base, tmp_path / "adapter")
    monkeypatch.setattr("sg_agent.models.EMBEDDED_BASE", base)
    monkeypatch.setattr("sg_agent.models.EMBEDDED_GUIDE", adapter)
    for spec in ("embedded:solver", "embedded:guide"):
        assert model_name(load_model(spec)) == spec
        assert local_path(spec) == str(base)


def test_only_a_local_spec_has_a_path() -> None:
    assert local_path("local:org/base@adapter") == "org/base"
    with pytest.raises(ModelError, match="'openai:m' is not a local model"):
        local_path("openai:m")


def test_a_missing_path_is_told_without_loading(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model directory: '.*nothing'"):
        check_spec(f"local:{tmp_path / 'nothing'}")
    with pytest.raises(ModelError, match=r"has no adapter_config.json"):
        check_spec(f"local:{base}@{base}")


def test_missing_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    hide(monkeypatch, "torch")
    for use in (check_spec, load_model):
        with pytest.raises(MissingExtra, match=r'pip install "sg-agent\[local\]"'):
            use(f"local:{base}")


def test_openai_needs_its_key() -> None:
    for use in (check_spec, load_model):
        with pytest.raises(ModelError, match=r"'openai:gpt-4.1-mini' needs the environment variable OPENAI_API_KEY"):
            use("openai:gpt-4.1-mini")


def test_openai_gets_its_settings_and_streams_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = load_model("openai:gpt-4.1-mini", temperature=0.2, seed=1, max_tokens=9)
    assert isinstance(model, ChatOpenAI)
    assert (model.model_name, model.temperature, model.seed, model.max_tokens) == ("gpt-4.1-mini", 0.2, 1, 9)
    assert model.stream_usage
    assert model_name(model) == "openai:gpt-4.1-mini"


def test_a_server_of_ones_own_needs_no_key() -> None:
    spec = "openai:qwen@http://127.0.0.1:8000/v1"
    check_spec(spec)
    model = load_model(spec)
    assert isinstance(model, ChatOpenAI)
    assert model.openai_api_base == "http://127.0.0.1:8000/v1"
    assert model_name(model) == spec


def test_the_responses_api_is_named_in_the_spec_and_gets_no_seed() -> None:
    spec = "openai-responses:solver@http://127.0.0.1:8000/v1"
    model = load_model(spec, seed=3, max_tokens=9, max_retries=0)
    assert isinstance(model, ChatOpenAI)
    assert (model.use_responses_api, model.seed, model.max_tokens, model.max_retries) == (True, None, 9, 0)
    assert model_name(model) == spec


def test_another_provider_names_the_package_it_needs() -> None:
    for use in (check_spec, load_model):
        with pytest.raises(ModelError, match=r"'anthropic:claude': .*pip install langchain-anthropic"):
            use("anthropic:claude")
    with pytest.raises(ModelError, match="pip install langchain-huggingface"):
        check_spec("huggingface:org/model")


def test_an_unknown_provider_is_named_in_one_line() -> None:
    with pytest.raises(ModelError, match="unknown provider 'acme'; accepted: embedded:solver") as raised:
        load_model("acme:rocket")
    assert "\n" not in str(raised.value)


def test_a_ready_model_is_named_by_class_and_model() -> None:
    assert model_name(ScriptedModel(replies=["x"], model="fake")) == "scriptedmodel:fake"
