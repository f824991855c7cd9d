"""What a run directory holds, read back: who asked what, every result that counts, and the numbers summed up from them.

Needs no model, so that a report can be made again at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sg_agent.evals.arms import shown_name
from sg_agent.evals.baseline import marks_of
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.leak_meter import Leaks, find_leaks
from sg_agent.evals.result import EvalResult, compare_arms, correct_by_id, summarise_arm
from sg_agent.evals.run_dir import RunDir, RunRecord, read_record, read_rows
from sg_agent.evals.store import ResultStore
from sg_agent.evals.suites import Suite
from sg_agent.ledger import CallRecord
from sg_agent.rows import Row


@dataclass(frozen=True)
class Evidence:
    """A run as far as it has come. `results` has every arm of the directory that has an answer, `superseded` the
    ledgers of answers that no longer count.
    """

    record: RunRecord
    rows: tuple[Row, ...]
    results: Mapping[str, Sequence[ArmResult]]
    superseded: Mapping[str, Sequence[Sequence[CallRecord]]]
    result: EvalResult

    @cached_property
    def answers(self) -> dict[str, dict[str, ArmResult]]:
        """Question id -> arm -> its result, questions in the order asked."""
        by_question: dict[str, dict[str, ArmResult]] = {row.id: {} for row in self.rows}
        for arm, results in self.results.items():
            for result in results:
                by_question[result["id"]][arm] = result
        return by_question

    @cached_property
    def leaks(self) -> Leaks:
        """Where guidance gave the answer away."""
        return find_leaks(self.rows, self.results)

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Pair -> (arm, baseline). Looked up, because an arm's own name may hold "-vs-"."""
        names = {f"{arm}-vs-{baseline}": (arm, baseline) for arm in self.results for baseline in self.results}
        return {pair: names[pair] for pair in self.result["pairs"] if pair in names}


def gather(run_dir: RunDir, store: ResultStore) -> Evidence:
    """Sum up what the directory holds by now. Raises ConfigError for what is no run directory or damaged."""
    record, rows = read_record(run_dir), read_rows(run_dir)
    suite = Suite(record.config["suite"], rows)
    ids, seed = [row.id for row in rows], record.config["seed"]
    groups = {row.id: row.group for row in rows}
    results = {arm: found for arm in map(shown_name, record.arms) if (found := store.results(arm, ids))}
    result: EvalResult = {
        "suite": suite.name,
        "n": len(ids),
        "seed": seed,
        "guide": record.config["guide"],
        "solver": record.config["solver"],
        "revision": record.revisions[-1],
        "run_dir": str(run_dir.path),
        "arms": {
            arm: summarise_arm(found, multihop=suite.multihop, groups=groups, superseded=store.superseded[arm])
            for arm, found in results.items()
        },
        "pairs": compare_arms(results, seed=seed, groups=groups),
        "rows_sha256": record.config["rows_sha256"],
        "marks": {arm: marks_of(correct_by_id(found), ids) for arm, found in results.items()},
    }
    return Evidence(record, rows, results, {arm: store.superseded[arm] for arm in results}, result)
