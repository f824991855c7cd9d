"""What an eval runs on once its input has been accepted: everything that can be refused is refused here.

No model is loaded and nothing is written, so that a dry run refuses what the run would.
"""

from dataclasses import dataclass

from sg_agent.evals.arms import Arm, joined_names, make_arms
from sg_agent.evals.baseline import Baseline, load_baseline
from sg_agent.evals.config import EvalConfig, rows_hash
from sg_agent.evals.run_dir import RunDir, check_run_dir, earlier_run
from sg_agent.evals.spending import check_budget
from sg_agent.evals.suites import Suite


@dataclass(frozen=True)
class PreparedRun:
    """An eval whose input has been accepted. Its directory need not be there yet."""

    config: EvalConfig
    suite: Suite
    arms: list[Arm]
    run_dir: RunDir
    baseline: Baseline | None

    @property
    def asked_arms(self) -> tuple[str, ...]:
        """The arms of this config by the names that results have."""
        return tuple(arm.name for arm in self.arms)


def prepare(config: EvalConfig) -> PreparedRun:
    """Read the rows and make the arms. Raises a UserError for whatever would stop the run before its first question."""
    config.check()
    baseline = None if config.baseline is None else load_baseline(config.baseline)
    suite = config.load_suite()
    arms = make_arms(config.arms, config.setup(suite.rows))
    if config.max_cost is not None:
        check_budget(arms, max_tokens=config.max_tokens, prices=config.own_prices)
    run = PreparedRun(config, suite, arms, check_run_dir(config.run_dir(suite)), baseline)
    if baseline:
        baseline.check(suite.name, rows_hash(suite.rows), run.asked_arms, own=run.run_dir.result)
    if before := earlier_run(run.run_dir, config.identity(suite)):
        joined_names(before.arms, config.arms, repr(str(run.run_dir.path)))
    return run
