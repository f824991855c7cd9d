"""Budgets: never overshot, refused without a price, and a run that ends on one continues."""

import json
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted
from langchain_core.messages import BaseMessage

from sg_agent.errors import BudgetSpent, ConfigError, RunError
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.run import run_eval
from sg_agent.evals.run_dir import claim_run_dir
from sg_agent.evals.spending import open_budget, spent
from sg_agent.evals.store import ResultStore
from sg_agent.scripted import ScriptedModel

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")

N = 8
PRICED, UNKNOWN = "gpt-4.1-mini", "a-model-without-a-price"


def reply(messages: list[BaseMessage]) -> str:
    return "1. Read.\n2. Count." if "Write a" in str(messages[0].content) else "Answer: 1"


def hosted(name: str = PRICED) -> Hosted:
    return Hosted(replies=reply, model=name)


def config(model: Hosted, out: Path, **changed: Any) -> EvalConfig:
    given = {"arms": ("standard", "cot"), "guide": model, "solver": model, "limit": N, "max_tokens": 100, "out": out}
    return EvalConfig("depot", **{**given, **changed})


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def recorded(out: Path) -> float:
    return sum(float(call["cost_usd"]) for line in lines(out) for call in line["ledger"])


def test_a_spent_budget_ends_the_run_keeps_answers_and_continues(tmp_path: Path) -> None:
    model, out, limit = hosted(), tmp_path / "run", 0.0006
    with pytest.raises(BudgetSpent, match=r"budget of \$0.0006 is spent.*are missing.*--max-cost 0.0012"):
        run_eval(config(model, out, max_cost=limit, concurrency=4))
    kept = lines(out)
    assert 0 < len(kept) < 2 * N
    assert {line["outcome"] for line in kept} <= {"wrong", "correct"}
    assert 0 < recorded(out) <= limit
    assert json.loads((out / "result.json").read_text())["n"] == N
    result = run_eval(config(model, out, max_cost=1.0))
    assert [arm["n"] for arm in result["arms"].values()] == [N, N]
    assert len(lines(out)) == len(model.calls) == 2 * N


def test_what_a_directory_has_cost_counts(tmp_path: Path) -> None:
    model, out = hosted(), tmp_path / "run"
    run_eval(config(model, out, limit=N))
    with pytest.raises(BudgetSpent):
        run_eval(config(model, out, arms=("oracle",), max_cost=recorded(out) + 1e-6))
    assert len(model.calls) == 2 * N


def test_guidance_that_was_paid_for_and_not_used_counts_when_the_run_continues(tmp_path: Path) -> None:
    model, out = hosted(), tmp_path / "run"
    # Enough for the guide's worst case, not for the solver's 5,000 tokens.
    wanted = config(model, out, arms=("guided",), max_tokens=5000, max_cost=0.008, concurrency=1)
    spent = [0.0]
    for _ in range(2):
        with pytest.raises(BudgetSpent):
            run_eval(wanted)
        spent.append(json.loads((out / "spend.json").read_text())["unrecorded_usd"])
    assert 0 == spent[0] < spent[1] < spent[2]
    assert lines(out) == []
    assert len(model.calls) == 2


def test_an_unknown_price_refuses_a_budget_before_anything_is_asked(tmp_path: Path) -> None:
    model = hosted(UNKNOWN)
    with pytest.raises(ConfigError, match=f"price of 'openai:{UNKNOWN}' is unknown"):
        run_eval(config(model, tmp_path / "run", max_cost=1.0))
    assert model.calls == []
    assert not (tmp_path / "run").exists()


def test_only_models_that_the_arms_use_need_a_price(tmp_path: Path) -> None:
    run_eval(config(hosted(), tmp_path / "run", guide=hosted(UNKNOWN), max_cost=1.0))


def test_a_reply_without_a_bound_refuses_a_budget(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give --max-tokens"):
        run_eval(config(hosted(), tmp_path / "run", max_tokens=None, max_cost=1.0))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_must_be_a_sum_of_money(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ConfigError, match="max_cost must be above 0"):
        run_eval(config(hosted(), tmp_path / "run", max_cost=limit))


def test_models_in_this_process_cost_nothing_and_need_no_price(tmp_path: Path) -> None:
    local = ScriptedModel(replies=reply)
    made = EvalConfig("depot", arms=("cot",), guide=local, solver=local, limit=2, max_cost=0.01, out=tmp_path / "run")
    assert run_eval(made)["arms"]["cot"]["cost_usd"] == 0


def test_a_run_with_a_budget_that_is_stopped_before_it_is_written_down_can_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    wanted = config(hosted(), tmp_path / "run", limit=1, max_cost=1.0)
    with monkeypatch.context() as patched:
        patched.setattr("sg_agent.evals.run.record_run", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_eval(wanted)
    assert run_eval(wanted)["arms"]["cot"]["n"] == 1


def test_a_full_disk_does_not_hide_what_ended_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    run_dir = claim_run_dir(tmp_path / "run")
    monkeypatch.setattr("sg_agent.evals.spending.write_whole", full)
    with ResultStore(run_dir.results) as store:
        with pytest.raises(RunError, match="the real reason"), open_budget(1.0, run_dir, store):
            raise RunError("the real reason")
        with pytest.raises(OSError, match="No space left"), open_budget(1.0, run_dir, store):
            pass


async def test_a_torn_write_leaves_the_spending_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = claim_run_dir(tmp_path / "run")
    with ResultStore(run_dir.results) as store:
        with open_budget(1.0, run_dir, store) as budget:
            assert budget
            async with budget.payment(0.25):
                pass

        def torn(path: Path, data: bytes) -> int:
            path.open("wb").close()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", torn)
        with pytest.raises(OSError, match="No space left"), open_budget(1.0, run_dir, store):
            pass
        assert spent(run_dir, store) == 0.25
