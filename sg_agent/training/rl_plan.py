"""`sg-agent rl --dry-run`: what a run would ask, take and need, without loading a weight.

Memory and training time by the rules of a distillation of the same size (dry_run.py, memory.py); what the solver takes
is counted, not timed. Calls and cost are the most there can be: guidance that is unfit or was graded before costs none.
"""

from typing import Any

from sg_agent.ledger import price, usage_of
from sg_agent.models import load_model, local_path, parse_spec
from sg_agent.training.dry_run import count_tokens, fit, seconds
from sg_agent.training.memory import GIB, available
from sg_agent.training.rl import check, load_all
from sg_agent.training.rl_recipe import RlRecipe
from sg_agent.weights import described_files

REPLY_TOKENS = 256  # of a solver whose replies have no bound


def plan_rl(recipe: RlRecipe) -> dict[str, Any]:
    """Everything that can be told before a run. Raises what `rl` would raise before it trains."""
    import torch

    check(recipe)
    asked = load_all(recipe)
    alike = recipe.as_distillation()
    path = described_files(local_path(recipe.base))
    prompts, _ = count_tokens(alike, path, asked.train)
    size, memory = fit(alike, path, longest=max(prompts) + recipe.guide_max_tokens)
    mean = sum(prompts) / len(prompts)
    trained = int(recipe.steps * recipe.batch_size * (mean + recipe.guide_max_tokens))
    calls = recipe.steps * recipe.batch_size * recipe.attempts
    calls += len(asked.train) * recipe.attempts if recipe.rewards.get("uplift") else 0
    there, device = available()
    return {
        "recipe": recipe.model_dump(mode="json"),
        "rows": len(asked.train),
        "validation_rows": len(asked.validation),
        "longest_prompt": max(prompts),
        "solver_calls": calls,
        "cost_usd": most_cost(recipe, calls, int(mean)),
        "parameters": size.parameters,
        "trainable": size.trainable,
        "memory_bytes": memory.as_dict(),
        "device": device,
        "device_bytes": there,
        "seconds": round(seconds(alike, size, trained, gpu=torch.cuda.is_available(), threads=torch.get_num_threads())),
    }


def most_cost(recipe: RlRecipe, calls: int, prompt_tokens: int) -> float | None:
    """US dollars of so many solver calls, None where the price is unknown; the judge's are not counted."""
    if parse_spec(recipe.solver).kind == "local":
        return 0.0
    one = usage_of(prompt_tokens + recipe.guide_max_tokens, recipe.solver_max_tokens or REPLY_TOKENS)
    cost = price(load_model(recipe.solver), one, prices=recipe.own_prices)
    return None if cost is None else calls * cost


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan for a reader."""
    memory, cost = plan["memory_bytes"], plan["cost_usd"]
    return [
        *(f"{key:<18} {value}" for key, value in plan["recipe"].items() if value not in (None, [])),
        f"{'rows':<18} {plan['rows']} (the longest prompt has {plan['longest_prompt']} tokens), "
        f"{plan['validation_rows']} for validation",
        f"{'solver calls':<18} at most {plan['solver_calls']:,}, "
        + ("cost unknown" if cost is None else f"at most ${cost:,.2f}"),
        f"{'parameters':<18} {plan['parameters']:,}, of which {plan['trainable']:,} are trained",
        f"{'memory, estimated':<18} {memory['total'] / GIB:.2f} GiB of {plan['device_bytes'] / GIB:.1f} "
        f"({plan['device']})",
        f"{'time, estimated':<18} {plan['seconds'] / 60:.0f} min of updates, beside the rollouts and the solver",
    ]
