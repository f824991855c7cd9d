"""Evals: suites, arms side by side on the same questions, scoring, statistics and the report.

Start with `run_eval(EvalConfig(suite="depot"))` from `sg_agent.evals.run` and `sg_agent.evals.config`.
"""
