"""Turns a spec such as `openai:gpt-4.1-mini` into a LangChain chat model, and checks one without loading it."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import MissingExtra, ModelError
from sg_agent.passport import weights_sha256
from sg_agent.weights import find_adapter, find_model

Model = str | BaseChatModel  # what is accepted wherever a model is named

RESPONSES = "openai-responses"  # the prefix of OpenAI's models when asked through the Responses API
EMBEDDED = Path(__file__).parent / "embedded"
EMBEDDED_BASE, EMBEDDED_GUIDE = EMBEDDED / "base", EMBEDDED / "guide"
ACCEPTED = (
    "embedded:solver, embedded:guide, local:<path or hub id>[@<adapter>], openai:<model>[@<base_url>], "
    "openai-responses:<model>[@<base_url>], or <provider>:<model> of LangChain"
)


@dataclass(frozen=True)
class Spec:
    """A spec in its parts. `at` is what follows the @: an adapter, or the base_url of an OpenAI-compatible server.

    `responses`: asked through OpenAI's Responses API.
    """

    kind: Literal["local", "openai", "other"]
    provider: str
    model: str
    at: str | None = None
    responses: bool = False


def parse_spec(spec: str) -> Spec:
    """The parts of a spec, looked at as text only. Raises ModelError naming the accepted forms."""
    provider, colon, model = spec.strip().partition(":")
    if not colon or not provider or not model:
        raise ModelError(f"unknown model {spec!r}; accepted: {ACCEPTED}")
    if provider == "embedded":
        adapters = {"solver": None, "guide": str(EMBEDDED_GUIDE)}
        if model not in adapters:
            raise ModelError(f"unknown model {spec!r}; the embedded ones are embedded:solver and embedded:guide")
        return Spec("local", "local", str(EMBEDDED_BASE), adapters[model])
    if provider not in ("local", "openai", RESPONSES):
        return Spec("other", provider, model)
    name, at, rest = model.rpartition("@") if "@" in model else (model, "", "")
    if not name or (at and not rest):
        raise ModelError(f"unknown model {spec!r}; accepted: {ACCEPTED}")
    if provider == "local":
        return Spec("local", provider, name, rest or None)
    if at and not rest.startswith(("http://", "https://")):
        raise ModelError(f"{spec!r}: the base_url after @ must begin with http:// or https://, not {rest!r}")
    return Spec("openai", "openai", name, rest or None, responses=provider == RESPONSES)


def load_model(
    spec: str | BaseChatModel,
    *,
    temperature: float | None = None,
    seed: int | None = None,
    max_tokens: int | None = None,
    max_retries: int | None = None,
    trust_remote_code: bool = False,
) -> BaseChatModel:
    """The chat model that `spec` names; a ready model is returned as it is. None leaves a setting to the model.

    A model that knows no seed gets none, and `max_retries`, of a hosted model's client, only one that has it.
    Raises ModelError or MissingExtra, in one line.
    """
    if isinstance(spec, BaseChatModel):
        return spec
    parts = parse_spec(spec)
    given = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}
    settings = {name: value for name, value in given.items() if value is not None}
    if parts.kind == "local":
        return _load_local(spec, parts, settings, trust_remote_code)
    if parts.kind == "other":
        return _load_other(spec, parts, settings, max_retries)
    return _load_openai(spec, parts, settings if max_retries is None else {**settings, "max_retries": max_retries})


def check_spec(spec: str | BaseChatModel) -> None:
    """Raises what `load_model` would for a bad spec, a missing path, extra, package or key; loads no weights."""
    if isinstance(spec, BaseChatModel):
        return
    parts = parse_spec(spec)
    if parts.kind == "local":
        _check_local(spec, parts)
    elif parts.provider == "huggingface":
        _require("langchain_huggingface", spec)  # its constructor loads the weights
    else:
        load_model(spec)


def local_path(spec: str) -> str:
    """The path or hub id of the base that a spec of this process names. Raises ModelError for any other."""
    parts = parse_spec(spec)
    if parts.kind != "local":
        raise ModelError(f"{spec!r} is not a local model; accepted: embedded:solver or local:<path or hub id>")
    return parts.model


def fingerprint(model: Model) -> str | None:
    """SHA-256 of the weights that a spec names, base and adapter; None where they are not files of this machine."""
    if isinstance(model, BaseChatModel) or (parts := parse_spec(model)).kind != "local":
        return None
    return weights_sha256(*(Path(folder).expanduser() for folder in (parts.model, parts.at) if folder))


def model_name(model: BaseChatModel) -> str:
    """The model as a spec names it: provider and model, the class alone when it names no model. Holds no secret."""
    params = model._get_ls_params()
    provider, name = params.get("ls_provider", type(model).__name__), params.get("ls_model_name")
    if not name:
        return type(model).__name__
    base_url = getattr(model, "openai_api_base", None) if provider == "openai" else None
    if provider == "openai" and getattr(model, "use_responses_api", None):
        provider = RESPONSES
    full = f"{provider}:{name}@{base_url}" if base_url else f"{provider}:{name}"
    return embedded_name(full)


def openai_server(base_url: str | None) -> str | None:
    """The server that a client of OpenAI's asks, `base_url` or the environment's; None for OpenAI's own."""
    url = base_url or os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
    host = (urlsplit(url).hostname or "") if url else "api.openai.com"
    return None if host == "api.openai.com" or host.endswith(".api.openai.com") else url


def embedded_name(spec: str) -> str:
    """`spec` itself, but for the embedded models: not by where they lie on this machine."""
    base = f"local:{EMBEDDED_BASE}"
    return {base: "embedded:solver", f"{base}@{EMBEDDED_GUIDE}": "embedded:guide"}.get(spec, spec)


def _check_local(spec: str, parts: Spec) -> None:
    for package in ("torch", "transformers", "peft"):
        if find_spec(package) is None:
            raise MissingExtra(repr(spec), "local")
    find_model(parts.model)
    if parts.at:
        find_adapter(parts.at)


def _load_local(spec: str, parts: Spec, settings: dict[str, Any], trust_remote_code: bool) -> BaseChatModel:
    _check_local(spec, parts)
    from sg_agent.local import LocalChatModel

    return LocalChatModel(model=parts.model, adapter=parts.at, trust_remote_code=trust_remote_code, **settings)


def _load_openai(spec: str, parts: Spec, settings: dict[str, Any]) -> BaseChatModel:
    _require("langchain_openai", spec)
    from sg_agent.hosted import ChatOpenAI

    key = os.environ.get("OPENAI_API_KEY")
    if parts.at:
        # A server of one's own rarely asks for a key, the client always does.
        settings = {**settings, "base_url": parts.at, "api_key": key or "none"}
    elif not key:
        raise ModelError(f"{spec!r} needs the environment variable OPENAI_API_KEY")
    if parts.responses:
        settings = {name: value for name, value in settings.items() if name != "seed"}
        settings["use_responses_api"] = True
    return ChatOpenAI(model=parts.model, stream_usage=True, **settings)


def _load_other(spec: str, parts: Spec, settings: dict[str, Any], max_retries: int | None) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    seed = settings.pop("seed", None)
    try:
        model: BaseChatModel = init_chat_model(parts.model, model_provider=parts.provider, **settings)
        if max_retries is not None and "max_retries" in type(model).model_fields:  # its client is made with it
            settings["max_retries"] = max_retries
            model = init_chat_model(parts.model, model_provider=parts.provider, **settings)
    except ImportError as error:
        raise ModelError(f"{spec!r}: {error}") from error
    except Exception as error:  # every provider has its own errors for a missing key or a bad name
        reason = " ".join(str(error).split())
        if "Unsupported provider" in reason:
            reason = f"unknown provider {parts.provider!r}; accepted: {ACCEPTED}"
        raise ModelError(f"{spec!r}: {reason[:300]}") from error
    return model.model_copy(update={"seed": seed}) if seed is not None and "seed" in type(model).model_fields else model


def _require(package: str, spec: str) -> None:
    if find_spec(package) is None:
        raise ModelError(f"{spec!r} needs a package: pip install {package.replace('_', '-')}")
