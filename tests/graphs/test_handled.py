"""No error is taken for one that was handled: what a handler took care of lives as long as its run."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from sg_agent import ScriptedModel, guided, standard
from sg_agent.errors import SolverError
from sg_agent.graphs import handled
from sg_agent.graphs import vote as vote_module

FAILED: list[weakref.ref[BaseException]] = []


class Cut(RuntimeError):
    """May be referred to weakly, as no builtin error may."""


def fails(_: Any) -> Exception:
    error = Cut("cut")
    FAILED.append(weakref.ref(error))
    return error


class Watched(SolverError):
    """Made while everything that was handled before still lives."""

    def __init__(self, *args: Any) -> None:
        gc.collect()
        assert FAILED
        assert all(error() is not None for error in FAILED)
        super().__init__(*args)


@pytest.mark.parametrize("graph", [standard, lambda solver: guided(ScriptedModel(replies=fails), solver)])
async def test_errors_live_until_the_run_has_failed(
    graph: Callable[[ScriptedModel], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vote_module, "SolverError", Watched)
    FAILED.clear()
    with pytest.raises(SolverError, match="the solver failed: Cut: cut"):
        await graph(ScriptedModel(replies=fails)).compile().ainvoke({"question": "1 + 1?", "task": "math"})
    assert not handled._held


def test_runs_that_nobody_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handled, "MOST_RUNS", 2)
    for run in ("a", "b", "c"):
        handled.hold(run, OSError(run))
    assert (handled.let_go("a"), len(handled.let_go("b")), len(handled.let_go("c"))) == ([], 1, 1)
