"""The ledger: one record for every model call, what it used and what it cost.

An unknown price is None and stays None in every sum it enters. Models that run in this process cost 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NotRequired

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.faults import unbilled
from sg_agent.gate.decision import Decision
from sg_agent.likelihood import likelihood_of
from sg_agent.models import embedded_name, openai_server
from sg_agent.prices import Prices

Role = Literal["guide", "solver", "teacher", "judge"]
IN_PROCESS = {"local", "scriptedmodel", "embedded"}  # the last in records only: its provider is local
CUSTOM = "openai-compatible"
RETRIES = "retries"  # where a model that asks again by itself says how often it did, in a reply's response_metadata


class CallRecord(TypedDict):
    """One model call. Plain data, so that any checkpointer can store it.

    `cached` is True when the reply came from LangChain's model cache or LangGraph's node cache: it cost nothing.
    `retries` is there when the call was made again, as often as we know: what a client does by itself we do not see.
    `lost` is there when tries before the last one failed and may have been billed: their errors. What they cost nobody
    knows, so the cost of the call is None; tokens are the last try's.
    `fingerprint` is there when the provider says which of its systems replied. `run` is there while a graph runs and
    names the run that made the call. `decision` is there in the `auto` graph: what led to the call. `mean_logprob` and
    `least_logprob`, of the tokens that it wrote, are there of a guide that says them.
    """

    role: Role
    model: str
    attempt: int | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    latency_s: float
    cached: bool
    error: str | None
    retries: NotRequired[int]
    lost: NotRequired[list[str]]
    fingerprint: NotRequired[str]
    run: NotRequired[str]
    decision: NotRequired[Decision]
    mean_logprob: NotRequired[float]
    least_logprob: NotRequired[float]


class Source(NamedTuple):
    """Where replies come from, as LangChain names it to tracers. `base_url` is a custom server's, else None."""

    provider: str
    name: str
    base_url: str | None = None

    @classmethod
    def of(cls, model: BaseChatModel) -> "Source":
        """The source of a model."""
        base_url = getattr(model, "openai_api_base", None)
        return cls.traced(dict(model._get_ls_params()), base_url, unnamed=type(model).__name__)

    @classmethod
    def traced(cls, params: Mapping[str, Any], base_url: str | None, *, unnamed: str) -> "Source":
        """What a tracer's `params` (ls_provider, ls_model_name) name. A custom server is its own provider."""
        provider, name = str(params.get("ls_provider", "unknown")), str(params.get("ls_model_name") or unnamed)
        server = openai_server(base_url) if provider == "openai" else None
        return cls(CUSTOM if server else provider, name, server)

    @property
    def spec(self) -> str:
        """The model as records name it."""
        return embedded_name(f"{self.provider}:{self.name}")


def call_record(
    role: Role,
    model: BaseChatModel,
    reply: AIMessage,
    *,
    latency_s: float,
    attempt: int | None = None,
    run: str | None = None,
    retries: int = 0,
    lost: Sequence[str] = (),
    prices: Prices | None = None,
) -> CallRecord:
    """The record of a call that was answered. `retries`, and those `lost`, are those of whoever called the model."""
    record = reply_record(role, Source.of(model), reply, latency_s=latency_s, attempt=attempt, prices=prices)
    if known := retries + int(reply.response_metadata.get(RETRIES, 0)):
        record["retries"] = known
    record = _with_lost(record, lost)
    return record if run is None else {**record, "run": run}


def reply_record(
    role: Role,
    source: Source,
    reply: AIMessage,
    *,
    latency_s: float,
    attempt: int | None = None,
    prices: Prices | None = None,
) -> CallRecord:
    """The record of a reply from `source`."""
    usage = reply.usage_metadata
    cached = bool(usage and usage.get("total_cost") == 0)
    reported = str(reply.response_metadata.get("model_name") or source.name)
    free = cached or source.provider in IN_PROCESS
    record: CallRecord = {
        "role": role,
        "model": source._replace(name=reported).spec,
        "attempt": attempt,
        "input_tokens": usage["input_tokens"] if usage else 0,
        "output_tokens": usage["output_tokens"] if usage else 0,
        "cached_tokens": _tokens_from_cache(usage),
        "cost_usd": 0.0 if free else _cost(source, usage, prices, reported=reported),
        "latency_s": round(latency_s, 4),
        "cached": cached,
        "error": None,
    }
    if fingerprint := reply.response_metadata.get("system_fingerprint"):
        record["fingerprint"] = str(fingerprint)
    if role == "guide" and (said := likelihood_of(reply)):
        record["mean_logprob"], record["least_logprob"] = said.values()
    return record


def version_role(role: Role, *, stronger: bool) -> str:
    """Whose version a call tells of: the stronger solver is none of the solver's."""
    return "stronger" if stronger and role == "solver" else role


def as_paid_by(run: str, record: CallRecord) -> CallRecord:
    """`record` as the ledger of `run` shows it: cached and free when another run made the call."""
    mine = record.copy()
    if mine.pop("run", run) == run:
        return mine
    return {**mine, "cached": True, "cost_usd": 0.0, "latency_s": 0.0}


def failed_call(
    role: Role,
    model: BaseChatModel,
    error: BaseException,
    *,
    attempt: int | None = None,
    lost: Sequence[str] = (),
) -> CallRecord:
    """The record of a call that ended in an error: what it cost is not known, unless nothing was generated."""
    free = in_process(model) or unbilled(error)
    record: CallRecord = {
        "role": role,
        "model": Source.of(model).spec,
        "attempt": attempt,
        "input_tokens": 0,
        "output_tokens": 0,
        "cached_tokens": 0,
        "cost_usd": 0.0 if free else None,
        "latency_s": 0.0,
        "cached": False,
        "error": f"{type(error).__name__}: {error}",
    }
    return _with_lost(record, lost)


def _with_lost(record: CallRecord, lost: Sequence[str]) -> CallRecord:
    return {**record, "lost": list(lost), "cost_usd": None} if lost else record


def price(model: BaseChatModel, usage: UsageMetadata | None, *, prices: Prices | None = None) -> float | None:
    """US dollars of a call to `model` that used so much; 0 in this process, None where price or usage is unknown."""
    return 0.0 if in_process(model) else _cost(Source.of(model), usage, prices)


def usage_of(input_tokens: int, output_tokens: int) -> UsageMetadata:
    """So many tokens, as LangChain counts them."""
    return UsageMetadata(
        input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=input_tokens + output_tokens
    )


def in_process(model: BaseChatModel) -> bool:
    """Whether the model runs here, and costs nothing but time."""
    return Source.of(model).provider in IN_PROCESS


def _cost(
    source: Source, usage: UsageMetadata | None, prices: Prices | None, *, reported: str | None = None
) -> float | None:
    """US dollars by the user's own prices, else by genai-prices' shipped table; None when neither knows.

    `reported` is the model that the reply names, which may be a dated version of the one that was asked.
    """
    if usage is None:
        return None
    names, read = list(dict.fromkeys([reported or source.name, source.name])), _tokens_from_cache(usage)
    provider = "openai" if source.provider == CUSTOM else source.provider
    if own := prices and prices.find(provider, names, source.base_url):
        return own.cost(input_tokens=usage["input_tokens"], cached_tokens=read, output_tokens=usage["output_tokens"])
    return _shipped_price(source._replace(name=names[0]), usage, read)


def _shipped_price(source: Source, usage: UsageMetadata, read: int) -> float | None:
    """By genai-prices' table, which knows some servers by their address."""
    from genai_prices import Usage, calc_price

    used = Usage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=read,
        **_tokens_to_cache(usage),
    )
    try:
        if source.provider == CUSTOM:
            price = calc_price(used, model_ref=source.name, provider_api_url=str(source.base_url))
        else:
            price = calc_price(used, model_ref=source.name, provider_id=source.provider)
    except (LookupError, ValueError):
        return None
    return float(price.total_price)


def _tokens_from_cache(usage: UsageMetadata | None) -> int:
    return (usage.get("input_token_details", {}).get("cache_read") or 0) if usage else 0


def _tokens_to_cache(usage: UsageMetadata) -> dict[str, int]:
    """Input tokens that a provider stored in its cache, for which some take more; Anthropic by how long they live."""
    stored: Mapping[str, Any] = usage.get("input_token_details", {})
    minutes, hour = (stored.get(f"ephemeral_{life}_input_tokens") or 0 for life in ("5m", "1h"))
    written = (stored.get("cache_creation") or 0) + minutes + hour
    return {"cache_write_tokens": written, "cache_write_1h_tokens": hour} if written else {}


def total_cost(records: Iterable[CallRecord]) -> float | None:
    """Sum of the costs, None as soon as one of them is unknown."""
    total = 0.0
    for record in records:
        if record["cost_usd"] is None:
            return None
        total += record["cost_usd"]
    return total
