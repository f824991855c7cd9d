"""The `auto` graph: a policy chooses per question whether to guide, and what looks wrong may be escalated once.

START -> route -> gate -+-> guide -> check -> solve -+-> gather -> judge -+-> vote -> END
                        |-- direct ------> solve ----+                    |
                        `-- escalate --------------------> stronger ------+

`check` also lets the policy look at guidance that passed: it may drop it, and the solver is asked alone. `judge` is
there with a stronger solver only. It looks at the answer that was voted for: the policy's own recheck, else
whether at least `agreement` of the attempts gave it.
"""

from typing import Any, Protocol

from langgraph.types import CachePolicy, Send

from sg_agent.errors import ConfigError
from sg_agent.gate.decision import DEFAULT, Decision, plain
from sg_agent.gate.guidance import Guidance
from sg_agent.gate.policy import Always, ByTask, Learned, Models, Never, Policy, WithinBudget, check_route
from sg_agent.gate.reply import CheapAnswer
from sg_agent.graphs.build import Calls, Graph, Timeout, add_guide_nodes, around, solver_graph
from sg_agent.graphs.chat import CHAT
from sg_agent.graphs.guided import solve
from sg_agent.graphs.model_node import retry_policy
from sg_agent.graphs.nodes import Prompts, Update, after_route, attempts, check, solve_failed, solve_node
from sg_agent.graphs.state import State
from sg_agent.graphs.vote import winner
from sg_agent.models import Model, load_model
from sg_agent.prices import Prices
from sg_agent.quoting import quoted
from sg_agent.rows import Row

AGREEMENT = 0.5
OURS = (Always, ByTask, Learned, Never, WithinBudget)  # whose reasons quote nothing


class Node(Protocol):
    """A node that needs the state alone."""

    def __call__(self, state: State) -> Update: ...


def auto(
    guide: Model,
    solver: Model,
    *,
    policy: Policy,
    stronger: Model | None = None,
    agreement: float = AGREEMENT,
    prompts: Prompts | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: Timeout = None,
    guide_timeout: Timeout = None,
    fallback: Model | None = None,
    prices: Prices | None = None,
) -> Graph:
    """The uncompiled graph over models or specs; further arguments as in `guided`.

    `policy` is one of `sg_agent.gate.policy`, or a class of your own; when it raises, the question is guided and the
    reason says so. With a `stronger` solver, a question whose answer cannot be read, or that less than the share
    `agreement` of the attempts gave, goes to it once, by chain of thought, unless the policy decides that itself; its
    answer then stands. `decision`, `reconsidered` and `recheck` say what was decided and why, in the output and in the
    ledger. Raises ModelError for a gate that was fitted for other models, ConfigError for an agreement that is no
    share.
    """
    policy.check(Models(guide, solver, stronger))
    calls = Calls(prompts or {}, cache_policy, timeout, guide_timeout, fallback, prices)
    return auto_graph(guide, solver, calls, policy=policy, stronger=stronger, agreement=agreement)


def auto_graph(
    guide: Model,
    solver: Model,
    calls: Calls,
    *,
    policy: Policy,
    stronger: Model | None = None,
    agreement: float = AGREEMENT,
) -> Graph:
    """`auto` with a policy that has been checked."""
    if not 0 <= agreement <= 1:
        raise ConfigError(f"agreement is a share of the attempts, 0 to 1, not {agreement!r}")
    graph = solver_graph(solver, calls, solve, then="vote" if stronger is None else "judge")
    add_guide_nodes(graph, guide, calls, onward=solve, ends=["solve"], check=check_node(policy))
    graph.add_node("gate", gate_node(policy, can_escalate=stronger is not None))
    graph.add_edge("route", "gate")
    ways = ["guide", "check", "solve"]
    if stronger is not None:
        model = load_model(stronger)
        node = solve_node(model, calls.prompts, calls.prices, instead="stronger")
        on_error = solve_failed(model, instead="stronger")
        graph.add_node("stronger", node, **around(model, calls, on_error, calls.timeout, retry_policy(model)))
        graph.add_node("judge", judge_node(policy, agreement))
        graph.add_conditional_edges("judge", after_judge, ["stronger", "vote"])
        graph.add_edge("stronger", "vote")
        ways.append("stronger")
    graph.add_conditional_edges("gate", after_gate, ways)
    return graph


def gate_node(policy: Policy, *, can_escalate: bool) -> Node:
    """Decide. Guidance that came with the question is used; a policy that fails leaves the question guided."""

    def gate(state: State) -> Update:
        if state["draft"]:
            decision = plain("guided", "guidance was given with the question")
        else:
            decision = _decided(policy, Row.model_validate(state["asked"]["row"]), can_escalate=can_escalate)
        reason = f"the policy chose {decision['route']}: {decision['reason']}"
        # guidance is not there yet: `check` says when it is
        route = "escalate" if decision["route"] == "escalate" else "direct"
        return {"decision": decision, "reconsidered": None, "recheck": None, "route": route, "reason": reason}

    return gate


def _decided(policy: Policy, row: Row, *, can_escalate: bool) -> Decision:
    try:
        decision = _marked(policy, policy.decide(row))
        if check_route(decision["route"]) == "escalate" and not can_escalate:
            raise ConfigError("it chose 'escalate', and there is no stronger solver")
    except Exception as error:  # noqa: BLE001 - a policy may be anybody's, and no question is lost by it
        return plain(DEFAULT, f"{_failed(error)}; guided, to be safe")
    return decision


def _marked(policy: Policy, decision: Decision) -> Decision:
    """The decision, its reason marked as a quote where it is in the words of somebody else's policy."""
    if type(policy) in OURS:
        return decision
    return Decision(
        route=decision["route"],
        scores=decision["scores"],
        threshold=decision["threshold"],
        reason=f"the policy's own: {quoted(decision['reason'])}",
    )


def _failed(error: Exception) -> str:
    return f"the policy failed: {type(error).__name__}: {quoted(error)}"


def after_gate(state: State) -> list[Send] | str:
    """To the guide, to the solver or to the stronger one."""
    route = state["decision"]["route"]
    if route == "escalate":
        return [_escalated(state)]
    return after_route(state) if route == "guided" else solve(state)


def check_node(policy: Policy) -> Node:
    """The quality gate, then the policy's look at what passed, unless it was given with the question."""

    def check_and_reconsider(state: State) -> Update:
        update, draft = check(state), state["draft"]
        reconsidered = None
        if draft and draft["number"] and "guidance" in update:
            row = Row.model_validate(state["asked"]["row"])
            reconsidered = _reconsidered(policy, row, Guidance.of(update["guidance"], state["ledger"]))
        if reconsidered and reconsidered["route"] == "direct":
            update |= {"guidance": None, "route": "direct", "reason": f"guidance was dropped: {reconsidered['reason']}"}
        return {**update, "reconsidered": reconsidered}

    return check_and_reconsider


def _reconsidered(policy: Policy, row: Row, guidance: Guidance) -> Decision | None:
    try:
        decision = policy.reconsider(row, guidance)
        if decision and check_route(decision["route"]) == "escalate":
            raise ConfigError("of guidance it chose 'escalate'; accepted: guided, direct, None")
        return decision and _marked(policy, decision)
    except Exception as error:  # noqa: BLE001 - as above
        return plain("guided", f"{_failed(error)}; the guidance is kept")


def judge_node(policy: Policy, agreement: float) -> Node:
    """Look at the answer at hand: does it stand, or is the stronger solver asked?"""

    def judge(state: State) -> Update:
        row = Row.model_validate(state["asked"]["row"])
        tried = sorted(state["attempts"], key=lambda attempt: attempt["index"])
        chosen = winner(tried, row.task)
        if chosen and chosen["tool_calls"]:
            return {"recheck": plain(state["route"], "it calls a tool: the answer is yet to come")}
        reply = CheapAnswer.of(tried, chosen and chosen["answer"], row.task)
        recheck = _rechecked(policy, row, state, reply) or _by_agreement(state, reply, agreement)
        if recheck["route"] != "escalate":
            return {"recheck": recheck}
        return {"recheck": recheck, "route": "escalate", "reason": f"escalated: {recheck['reason']}"}

    return judge


def _rechecked(policy: Policy, row: Row, state: State, reply: CheapAnswer) -> Decision | None:
    try:
        decision = policy.recheck(row, state["route"], reply)
        return decision and _marked(policy, decision)
    except Exception as error:  # noqa: BLE001 - as above; whether to pay for the stronger solver is then not guessed
        return plain(state["route"], f"{_failed(error)}; not escalated")


def _by_agreement(state: State, reply: CheapAnswer, agreement: float) -> Decision:
    worded = state["asked"]["form"] == CHAT  # freely: no two attempts are the same
    doubted = reply.answer is None or (reply.agreement < agreement and not worded)
    said = "no answer could be read" if reply.answer is None else f"{reply.agreement:.0%} of the attempts agree"
    scores = {"agreement": round(reply.agreement, 6)}
    route = "escalate" if doubted else state["route"]
    return {"route": route, "scores": scores, "threshold": agreement, "reason": f"{said}, {agreement:.0%} must"}


def after_judge(state: State) -> list[Send] | str:
    """Once to the stronger solver, or on to the vote."""
    recheck = state["recheck"]
    return [_escalated(state)] if recheck and recheck["route"] == "escalate" else "vote"


def _escalated(state: State) -> Send:
    """One attempt by chain of thought, numbered after all of the solver's, so that no cache takes it for one."""
    asked = state["asked"]
    single = {**asked, "attempts": 1, "stop_early": False}
    (send,) = attempts({**state, "asked": single, "attempts": []}, "cot")  # type: ignore[typeddict-item]
    return Send("stronger", {**send.arg, "index": asked["attempts"]})
