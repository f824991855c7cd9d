"""Policies by name, as flags and config files give them, and a gate's file."""

from pathlib import Path
from typing import Any, cast

from sg_agent.errors import ConfigError
from sg_agent.gate.decision import DEFAULT, GateRoute
from sg_agent.gate.gate import Gate, load_gate
from sg_agent.gate.policy import Always, ByFunction, ByTask, Learned, Never, Policy, WithinBudget, check_route
from sg_agent.own_code import load_named
from sg_agent.rows import Task

ACCEPTED = (
    "always, never, by_task:TASK=ROUTE[,default=ROUTE], learned, budget:USD_PER_1000[,ROUTE=USD_PER_1000], "
    "callable:package.module:function"
)


NAMES = ("always", "never", "by_task", "learned", "budget", "callable")


def named_policy(text: str | None, gate: str | Path | None = None) -> Policy:
    """The policy that `text` names; None is `learned` with a `gate`'s file, and `always` without.

    Raises ConfigError for names, gates and functions that cannot be used.
    """
    name, _, rest = (text if text is not None else "always" if gate is None else "learned").partition(":")
    if gate is not None and name not in ("learned", "budget"):
        raise ConfigError(f"a gate is for the policies learned and budget, not for {text!r}; leave one out")
    if (name in ("by_task", "budget", "callable")) != bool(rest) or name not in NAMES:
        raise ConfigError(f"unknown policy {text!r}; accepted: {ACCEPTED}")
    fitted = None if gate is None else load_gate(gate)
    if name == "by_task":
        routes = {key: check_route(value) for key, value in _pairs(rest, text)}
        return ByTask(cast("dict[Task, GateRoute]", routes), default=routes.pop("default", DEFAULT))
    if name == "budget":
        return _budget(rest, text, fitted)
    if name == "callable":
        return ByFunction(_function(rest))
    if name == "learned":
        if fitted is None:
            raise ConfigError("the policy learned needs a gate: a file of `sg-agent gate fit`")
        return Learned(fitted)
    return Always() if name == "always" else Never()


def _budget(rest: str, text: str | None, gate: Gate | None) -> WithinBudget:
    limit, _, costs = rest.partition(",")
    try:
        given = {check_route(route): float(usd) for route, usd in (_pairs(costs, text) if costs else [])}
        return WithinBudget(float(limit), given, gate)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"policy {text!r}: {error}; accepted: budget:USD[,ROUTE=USD], per 1,000 questions") from error


def _pairs(text: str, policy: str | None) -> list[tuple[str, str]]:
    pairs = [entry.strip().partition("=") for entry in text.split(",")]
    if bad := next((f"{key}{sign}{value}" for key, sign, value in pairs if not (key and value)), None):
        raise ConfigError(f"policy {policy!r}: {bad!r} is no NAME=VALUE")
    return [(key, value) for key, _, value in pairs]


def _function(path: str) -> Any:
    found = load_named(path, "function")
    if not callable(found):
        raise ConfigError(f"{path!r} is of type {type(found).__name__}, not a function")
    return found
