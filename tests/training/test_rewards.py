"""Rewards: each part's value, and that what is not known is None in all of them."""

from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted

from sg_agent.budget import Budget, worst_case
from sg_agent.errors import ConfigError
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedModel
from sg_agent.training.grader import Asking, Grader
from sg_agent.training.judge import ASPECTS, Judge, read_rating
from sg_agent.training.rewards import Part, Rewards, check_weights, copied_share

ROW = Row(id="1", question="There are 3 boxes of 4 pens. How many pens are there in all?", answer="12", task="math")
PLAN = "1. Start with the pens of a box.\n2. Multiply by the boxes."
OTHER = "1. Start with the boxes.\n2. Add the pens."
LEAK = "1. Multiply them.\n2. The answer is 12."
ENDS = frozenset({1})
ALL: dict[Part, float] = {"task": 1.0, "uplift": 1.0, "rationale": 1.0, "brevity": 1.0}


def solver(*, alone: str = "Answer: 7") -> ScriptedModel:
    """Right when it is shown PLAN."""
    return ScriptedModel(
        replies=lambda messages: (
            "Answer: 12" if PLAN in messages[-1].text else "Answer: 5" if "guidance" in messages[-1].text else alone
        )
    )


def rewarded(rewards: Rewards, texts: list[str], *, tokens: int = 10) -> dict[str, list[float | None]]:
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    batch: dict[str, Any] = {
        "completions": completions,
        "completion_ids": [[1] * tokens] * len(texts),
        "row_id": ["1"] * len(texts),
    }
    return {function.__name__: function(**batch) for function in rewards.functions}


def test_every_part_is_a_reward_of_its_own_by_its_name() -> None:
    with Grader(solver(), Asking()) as grader:
        found = rewarded(Rewards({"1": ROW}, grader, ALL, most_tokens=40, ends=ENDS), [PLAN, OTHER, LEAK])
    assert found == {
        "task": [1.0, 0.0, 0.0],
        "uplift": [1.0, 0.0, 0.0],
        "rationale": [1.0, 1.0, 0.0],
        "brevity": [0.75, 0.75, 0.0],
    }


def test_a_leak_counts_as_a_break_where_the_solver_alone_was_right() -> None:
    with Grader(solver(alone="Answer: 12"), Asking()) as grader:
        found = rewarded(Rewards({"1": ROW}, grader, {"uplift": 1.0}, most_tokens=40, ends=ENDS), [PLAN, OTHER, LEAK])
    assert found == {"uplift": [0.0, -1.0, -1.0]}


def test_the_solver_alone_is_asked_once_for_a_question() -> None:
    model = solver()
    with Grader(model, Asking()) as grader:
        rewarded(Rewards({"1": ROW}, grader, ALL, most_tokens=40, ends=ENDS), [PLAN] * 4)
    assert len(model.calls) == 2


def test_an_outage_leaves_a_completion_out_of_every_reward() -> None:
    model = ScriptedModel(replies=lambda messages: ValueError("down") if OTHER in messages[-1].text else "Answer: 12")
    with Grader(model, Asking(max_error_rate=1.0)) as grader:
        found = rewarded(Rewards({"1": ROW}, grader, ALL, most_tokens=40, ends=ENDS), [PLAN, OTHER])
    assert {name: values[1] for name, values in found.items()} == dict.fromkeys(ALL)
    assert found["task"][0] == 1.0


def test_a_judge_enters_the_rationale_reward_and_its_failure_is_unknown() -> None:
    said = iter(['{"' + '": 5, "'.join(ASPECTS) + '": 3}', "no rating"])
    judge_model = ScriptedModel(replies=lambda _: next(said))
    with Grader(solver(), Asking()) as grader:
        rewards = Rewards(
            {"1": ROW}, grader, {"rationale": 1.0}, most_tokens=40, ends=ENDS, judge=Judge(judge_model, grader)
        )
        first, second = rewarded(rewards, [PLAN]), rewarded(rewards, [OTHER])
    assert first["rationale"] == [pytest.approx((1 + (7 + 0.5) / 8) / 2)]
    assert second["rationale"] == [None]


def test_a_restarted_run_pays_for_no_rating_twice(tmp_path: Path) -> None:
    rating = '{"' + '": 3, "'.join(ASPECTS) + '": 3}'
    journal = tmp_path / "grades.jsonl"
    with Grader(solver(), Asking(), journal=journal) as grader:
        assert Judge(ScriptedModel(replies=lambda _: rating), grader).rate([ROW, ROW], [PLAN, PLAN]) == [0.5, 0.5]
    again = ScriptedModel(replies=lambda _: "no rating")
    with Grader(solver(), Asking(max_error_rate=1.0), journal=journal) as grader:
        assert Judge(again, grader).rate([ROW, ROW], [PLAN, OTHER]) == [0.5, None]
        assert grader.grades([ROW], [PLAN])[0].score == 1.0
    assert len(again.calls) == 1
    assert len(journal.read_text().splitlines()) == 2


def test_another_judge_is_asked_again(tmp_path: Path) -> None:
    rating = '{"' + '": 3, "'.join(ASPECTS) + '": 3}'
    with Grader(solver(), Asking(), journal=tmp_path / "grades.jsonl") as grader:
        Judge(ScriptedModel(replies=lambda _: rating, model="one"), grader).rate([ROW], [PLAN])
        other = ScriptedModel(replies=lambda _: rating, model="other")
        Judge(other, grader).rate([ROW], [PLAN])
    assert len(other.calls) == 1


def test_when_the_budget_runs_out_only_whole_groups_are_rewarded() -> None:
    rows = {"1": ROW, "2": ROW.model_copy(update={"id": "2", "question": ROW.question.replace("box", "bag")})}
    model = Hosted(replies=solver().replies, model="gpt-4.1-mini")
    asking = Asking(max_tokens=1000, concurrency=1, max_error_rate=1.0)
    with Grader(model, asking, budget=Budget(1.0)) as grader:
        assert grader.grades([ROW], [PLAN])[0].cost_usd
    one_usd, worst_usd = grader.spent_usd, worst_case(model, model.calls[0], {"max_tokens": 1000})
    assert one_usd is not None
    with Grader(model, asking, budget=Budget(worst_usd + 2.5 * one_usd)) as grader:
        rewards = Rewards(rows, grader, {"task": 1.0}, most_tokens=40, ends=ENDS)
        completions = [[{"role": "assistant", "content": text}] for text in (PLAN, OTHER, PLAN, OTHER)]
        found = rewards.functions[0](completions, [[1]] * 4, ["1", "1", "2", "2"])
    assert len(model.calls) == 1 + 3  # the second group's first completion was paid for
    assert found == [1.0, 0.0, None, None]


def test_a_rating_needs_all_aspects_within_the_scale() -> None:
    assert read_rating("{}") is None
    assert read_rating('{"' + '": 6, "'.join(ASPECTS) + '": 3}') is None
    assert read_rating('Here: {"' + '": 1, "'.join(ASPECTS) + '": 1} done') == 0.0


def test_copying_the_question_costs() -> None:
    assert copied_share(ROW.question, ROW.question) == 1.0
    assert copied_share(PLAN, ROW.question) == 0.0
    assert copied_share("short", ROW.question) == 0.0


def test_unknown_parts_and_no_weight_at_all_are_refused() -> None:
    with pytest.raises(ConfigError, match="'taste'"):
        check_weights({"taste": 1.0})  # type: ignore[dict-item] # what a user may write
    with pytest.raises(ConfigError, match="no reward has a weight"):
        check_weights({"task": 0.0})
