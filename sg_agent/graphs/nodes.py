"""The nodes: route, guide, check, solve, vote. Each takes state and returns a partial update."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from sg_agent.answers import parse_answer, vote_key
from sg_agent.checks import check_guidance, clean_guidance
from sg_agent.errors import BudgetSpent, ConfigError, DataError, SolverError, UserError
from sg_agent.graphs.chat import CHAT, Chat, reply, split, within
from sg_agent.graphs.model_node import Answered, Call, ModelNode
from sg_agent.graphs.sampling import solver_temperature
from sg_agent.graphs.state import (
    Asked,
    Attempt,
    Draft,
    Finish,
    Settings,
    SolveInput,
    SolverPhase,
    State,
)
from sg_agent.ledger import CallRecord, as_paid_by, failed_call
from sg_agent.prompts import Phase, few_shot, load_prompt
from sg_agent.rows import Row, Task, parse_row

DRAFTS = 2

Prompts = Mapping[Phase, str | Path]
Update = dict[str, Any]
Onward = Callable[[State], list[Send] | str]  # where a question goes once it is settled what guidance it has


def route(state: State, runtime: Runtime[Settings]) -> Update:
    """Check the question and resolve the run's settings, before anything is paid for; forget an earlier question."""
    given = state.get("given_guidance")
    return {
        # as a node of another graph this one is handed that graph's context
        "asked": _asked(state, runtime.context if isinstance(runtime.context, Settings) else Settings()),
        "draft": None if given is None else Draft(text=given, truncated=False, number=0),
        "problem": None,
        "guidance": None,
        "answer": None,
        "chosen": None,
        "route": "direct",
        "reason": "the arm asks the solver directly",
        "attempts": Overwrite([]),
        "prompts": Overwrite({}),
        "ledger": Overwrite([]),
    }


def _asked(state: State, settings: Settings) -> Asked:
    if settings.attempts < 1:
        raise ConfigError(f"attempts must be at least 1, not {settings.attempts}")
    question, chat = _question(state)
    fields = {name: value for name in ("task", "choices", "context") if (value := state.get(name))}
    row = parse_row({"id": "asked", "answer": "unknown", "question": question, **fields}, "question")
    guide = {"temperature": settings.guide_temperature, "max_tokens": settings.guide_max_tokens}
    solver = {
        **settings.solver_options,
        "temperature": solver_temperature(settings),
        "max_tokens": settings.max_tokens,
        "seed": settings.seed,
    }
    examples = [parse_row(example, f"example {number}") for number, example in enumerate(settings.examples, 1)]
    return {
        "run": uuid.uuid4().hex,
        "row": row.model_dump(exclude_none=True),
        "form": CHAT if chat and not fields else row.task,
        "chat": chat,
        "examples": [example.model_dump(exclude_none=True) for example in examples],
        "kind": settings.kind or row.kind,
        "attempts": settings.attempts,
        "guide": {name: value for name, value in guide.items() if value is not None},
        "solver": {name: value for name, value in solver.items() if value is not None},
    }


def _question(state: State) -> tuple[str, dict[str, Any] | None]:
    """What is asked, and the conversation around it when it is asked in one."""
    if state.get("question") is None and state.get("messages"):
        question, chat = split(state["messages"])
        return question, dict(chat)
    if not str(state.get("question") or "").strip():
        raise DataError("the question is empty")
    return state["question"], None


def guide_node(model: BaseChatModel, prompts: Prompts) -> ModelNode[State]:
    """Write a draft; the second time, say what was wrong with the first."""

    def prepare(state: State) -> Call:
        row = Row.model_validate(state["asked"]["row"])
        prompt = load_prompt("guide", row.task, prompts.get("guide"))
        examples = _examples(state["asked"]["examples"])
        messages = few_shot.render(prompt, "guide", row, examples=examples, kind=state["asked"]["kind"])
        if draft := state["draft"]:
            messages += [AIMessage(draft["text"] or "(empty)"), HumanMessage(f"{state['problem']}. Write it again.")]
        return Call(prompt, messages, dict(state["asked"]["guide"]), state["asked"]["run"])

    def conclude(state: State, answered: Answered) -> Update:
        number = state["draft"]["number"] + 1 if state["draft"] else 1
        truncated = finish_of(answered.reply) == "length"
        return {
            "draft": Draft(text=answered.reply.text, truncated=truncated, number=number),
            "prompts": {"guide": answered.call.prompt.stamp},
        }

    return ModelNode("guide", model, prepare, conclude)


def _examples(rows: list[dict[str, Any]]) -> list[Row]:
    return [Row.model_validate(row) for row in rows]


def guide_failed(model: BaseChatModel, onward: Onward) -> Callable[[State, NodeError], Command[str]]:
    """A guide that cannot answer never stops the question: it goes `onward` without.

    User errors and a spent budget do stop it.
    """

    def handle(state: State, error: NodeError) -> Command[str]:
        if isinstance(error.error, UserError | BudgetSpent):
            raise error.error
        reason = f"the guide failed: {type(error.error).__name__}: {error.error}"
        update = {"route": "direct", "reason": reason, "ledger": [failed_call("guide", model, error.error)]}
        return Command(update=update, goto=onward(state))

    return handle


def check(state: State) -> Update:
    """The quality gate: only cleaned guidance of the right form becomes `guidance`."""
    draft = state["draft"]
    assert draft
    text, problem = judged(state["asked"], draft["text"], truncated=draft["truncated"])
    if problem is None:
        source = f"draft {draft['number']} of the guide" if draft["number"] else "given with the question"
        return {"guidance": text, "problem": None, "route": "guided", "reason": f"guidance passed the check ({source})"}
    return {"problem": problem, "reason": f"guidance was not usable: {problem}"}


def judged(asked: Asked, text: str, *, truncated: bool = False) -> tuple[str, str | None]:
    """Guidance cleaned, and what is wrong with it: None when it may reach the solver."""
    cleaned, shown = clean_guidance(text), Row.model_validate(asked["row"]).shown_text
    return cleaned, check_guidance(cleaned, asked["kind"], shown, truncated=truncated)


def after_route(state: State) -> Literal["guide", "check"]:
    """Given guidance needs no guide."""
    return "check" if state["draft"] else "guide"


def after_check(onward: Onward) -> Onward:
    """Back to the guide once with what did not pass, else `onward`."""

    def again_or_onward(state: State) -> list[Send] | str:
        unusable = state["guidance"] is None and state["draft"]
        return "guide" if unusable and 0 < unusable["number"] < DRAFTS else onward(state)

    return again_or_onward


def attempts(state: State, phase: SolverPhase) -> list[Send]:
    """A Send per attempt."""
    asked = state["asked"]
    seed = asked["solver"].get("seed")
    return [
        Send(
            "solve",
            SolveInput(
                run=asked["run"],
                row=asked["row"],
                form=asked["form"],
                chat=asked["chat"],
                examples=asked["examples"],
                guidance=state["guidance"] if phase in ("solver", "leak") else None,
                phase=phase,
                index=index,
                settings=asked["solver"] if seed is None else {**asked["solver"], "seed": seed + index},
            ),
        )
        for index in range(asked["attempts"])
    ]


def solve_node(model: BaseChatModel, prompts: Prompts) -> ModelNode[SolveInput]:
    """One attempt of the solver, its answer parsed."""

    def prepare(state: SolveInput) -> Call:
        row = Row.model_validate(state["row"])
        phase, examples = state["phase"], _examples(state["examples"])
        prompt = load_prompt(phase, state["form"], prompts.get(phase))
        messages = few_shot.render(prompt, phase, row, examples=examples, guidance=state["guidance"])
        if chat := state["chat"]:
            messages = within(cast("Chat", chat), messages)
        return Call(prompt, messages, dict(state["settings"]), state["run"], state["index"])

    def conclude(state: SolveInput, answered: Answered) -> Update:
        text = answered.reply.text
        attempt = Attempt(
            index=state["index"],
            text=text,
            tool_calls=answered.reply.tool_calls,
            answer=_answer(state, text, finish_of(answered.reply)),
            finish=finish_of(answered.reply),
            error=None,
        )
        return {"attempts": [attempt], "prompts": {state["phase"]: answered.call.prompt.stamp}}

    return ModelNode("solver", model, prepare, conclude)


def _answer(state: SolveInput, text: str, finish: Finish) -> str | None:
    """What was asked for in a form is read from it; in a conversation the reply is the answer."""
    if state["form"] == CHAT:
        return text.strip() or None
    return parse_answer(text, state["row"]["task"], state["row"].get("choices"), whole=finish == "stop")


def solve_failed(model: BaseChatModel) -> Callable[[SolveInput, NodeError], Command[str]]:
    """A failed attempt is an error record beside the others; `vote` raises when there are no others."""

    def handle(state: SolveInput, error: NodeError) -> Command[str]:
        if isinstance(error.error, UserError | BudgetSpent):
            raise error.error
        record = failed_call("solver", model, error.error, attempt=state["index"])
        said = f"{type(error.error).__name__}: {error.error}"
        attempt = Attempt(index=state["index"], text="", tool_calls=[], answer=None, finish="error", error=said)
        return Command(update={"attempts": [attempt], "ledger": [record]}, goto="vote")

    return handle


def vote(state: State) -> Update:
    """The majority of the parsed answers, the earliest of equals. Raises SolverError when every attempt failed; a
    question on which the solver was not asked at all has no answer.

    The ledger is complete here: what came from a cache is marked, since nobody paid for it in this run.
    """
    ledger = _paid(state)
    tried = sorted(state["attempts"], key=lambda attempt: attempt["index"])
    if tried and all(attempt["error"] for attempt in tried):
        raise SolverError(f"the solver failed: {tried[-1]['error']}", ledger)
    chosen = _chosen([attempt for attempt in tried if not attempt["error"]], state["asked"]["row"]["task"])
    return {
        "answer": chosen and chosen["answer"],
        "chosen": chosen and chosen["index"],
        "messages": [reply(chosen)] if chosen and state["asked"]["chat"] else [],
        "ledger": Overwrite(ledger),
    }


def _chosen(tried: list[Attempt], task: Task) -> Attempt | None:
    """The first attempt with the answer that most have; the first of all when none has any."""
    keys = {a["index"]: vote_key(a["answer"], task) for a in tried if a["answer"] is not None}
    votes = Counter(keys.values())
    return max(
        tried, key=lambda attempt: votes[keys[attempt["index"]]] if attempt["index"] in keys else 0, default=None
    )


def settle(state: State) -> Update:
    """The end of a graph without a solver: the ledger is complete."""
    return {"ledger": Overwrite(_paid(state))}


def _paid(state: State) -> list[CallRecord]:
    return [as_paid_by(state["asked"]["run"], record) for record in state["ledger"]]


def finish_of(reply: AIMessage) -> Finish:
    """How the model ended, in one vocabulary for all providers."""
    metadata = reply.response_metadata
    reason = str(metadata.get("finish_reason") or metadata.get("stop_reason") or "stop").lower()
    if reason in ("length", "max_tokens", "max_output_tokens"):
        return "length"
    refused = reason in ("refusal", "content_filter", "safety") or reply.additional_kwargs.get("refusal")
    return "refusal" if refused else "stop"
