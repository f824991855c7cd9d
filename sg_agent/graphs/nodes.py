"""The nodes: route, guide, check, solve; vote is in vote.py. Each takes state and returns a partial update."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from sg_agent.answers import parse_answer, vote_key
from sg_agent.checks import break_tokens, check_guidance, clean_guidance
from sg_agent.errors import ConfigError, DataError
from sg_agent.finish import ReplyFinish, finish_of
from sg_agent.graphs.chat import CHAT, Chat, split, within
from sg_agent.graphs.handled import hold
from sg_agent.graphs.model_node import Answered, Call, ModelNode, lost_before
from sg_agent.graphs.sampling import solver_temperature
from sg_agent.graphs.state import (
    Asked,
    Attempt,
    Draft,
    Settings,
    SolveInput,
    SolverPhase,
    State,
)
from sg_agent.graphs.stopping import Vote, next_wave, settled
from sg_agent.ledger import failed_call
from sg_agent.models import model_name
from sg_agent.prices import Prices
from sg_agent.prompts import Phase, few_shot, load_prompt
from sg_agent.quoting import quoted
from sg_agent.rows import Row, parse_row

DRAFTS = 2

Prompts = Mapping[Phase, str | Path]
Update = dict[str, Any]
Instead = Literal["fallback", "stronger"]  # who answers in the place of the solver
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
        "failed": Overwrite([]),
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
        "stop_early": settings.stop_early,
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


def guide_node(model: BaseChatModel, prompts: Prompts, prices: Prices | None) -> ModelNode[State]:
    """Write a draft; the second time, say what was wrong with the first."""

    def prepare(state: State) -> Call:
        row = Row.model_validate(state["asked"]["row"])
        prompt = load_prompt("guide", row.task, prompts.get("guide"))
        examples = _examples(state["asked"]["examples"])
        messages = few_shot.render(prompt, "guide", row, examples=examples, kind=state["asked"]["kind"])
        if draft := state["draft"]:
            messages += [AIMessage(draft["text"] or "(empty)"), HumanMessage(f"{state['problem']}. Write it again.")]
        for message in messages:
            message.content = break_tokens(message.text)
        return Call(prompt, messages, dict(state["asked"]["guide"]), state["asked"]["run"])

    def conclude(state: State, answered: Answered) -> Update:
        number = state["draft"]["number"] + 1 if state["draft"] else 1
        truncated = finish_of(answered.reply) in ("length", "filtered")
        return {
            "draft": Draft(text=answered.reply.text, truncated=truncated, number=number),
            "prompts": {"guide": answered.call.prompt.stamp},
        }

    return ModelNode("guide", model, prepare, conclude, prices)


def _examples(rows: list[dict[str, Any]]) -> list[Row]:
    return [Row.model_validate(row) for row in rows]


def guide_failed(model: BaseChatModel, onward: Onward) -> Callable[[State, NodeError], Command[str]]:
    """A guide that cannot answer never stops the question: it goes `onward` without."""

    def handle(state: State, error: NodeError) -> Command[str]:
        hold(state["asked"]["run"], error.error)
        reason = f"the guide failed: {type(error.error).__name__}: {quoted(error.error)}"
        record = failed_call("guide", model, error.error, lost=lost_before(error.error))
        return Command(update={"route": "direct", "reason": reason, "ledger": [record]}, goto=onward(state))

    return handle


def check(state: State) -> Update:
    """The quality gate: only cleaned guidance of the right form becomes `guidance`."""
    draft = state["draft"]
    assert draft
    text, problem = judged(state["asked"], draft["text"], truncated=draft["truncated"])
    if problem is None:
        source = f"draft {draft['number']} of the guide" if draft["number"] else "given with the question"
        return {"guidance": text, "problem": None, "route": "guided", "reason": f"guidance passed the check ({source})"}
    said, _, value = problem.partition(": ")
    shown = f"{said}: {quoted(value)}" if value else said
    return {"problem": problem, "reason": f"guidance was not usable: {shown}"}


def judged(asked: Asked, text: str, *, truncated: bool = False) -> tuple[str, str | None]:
    """Guidance cleaned, and what is wrong with it: None when it may reach the solver."""
    cleaned, shown = clean_guidance(text), Row.model_validate(asked["row"]).shown_text
    return cleaned, check_guidance(cleaned, asked["kind"], shown, truncated=truncated)


def after_route(state: State) -> Literal["guide", "check"]:
    """Given guidance needs no guide."""
    return "check" if state["draft"] else "guide"


def checked_then(onward: Onward) -> Onward:
    """Back to the guide once with what did not pass, else `onward`."""

    def after_check(state: State) -> list[Send] | str:
        draft = state["draft"]
        return "guide" if state["problem"] and draft and 0 < draft["number"] < DRAFTS else onward(state)

    return after_check


def attempts(state: State, phase: SolverPhase) -> list[Send]:
    """A Send per attempt; of attempts that may stop early, the next wave."""
    asked, made = state["asked"], len(state["attempts"])
    seed, missing = asked["solver"].get("seed"), asked["attempts"] - made
    wave = next_wave(_votes(state), missing) if asked["stop_early"] else missing
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
                stop_early=asked["stop_early"],
                settings=asked["solver"] if seed is None else {**asked["solver"], "seed": seed + index},
            ),
        )
        for index in range(made, made + wave)
    ]


def _votes(state: State) -> list[Vote]:
    """What the attempts so far vote for, in their order."""
    tried, task = sorted(state["attempts"], key=lambda attempt: attempt["index"]), state["asked"]["row"]["task"]
    return [None if attempt["answer"] is None else vote_key(attempt["answer"], task) for attempt in tried]


def solve_node(
    model: BaseChatModel, prompts: Prompts, prices: Prices | None, *, instead: Instead | None = None
) -> ModelNode[SolveInput]:
    """One attempt of the solver, or of what answers in its place, its answer parsed."""

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
        if instead:
            attempt[instead] = model_name(model)
        return {"attempts": [attempt], "prompts": {state["phase"]: answered.call.prompt.stamp}}

    return ModelNode("solver", model, prepare, conclude, prices)


def _answer(state: SolveInput, text: str, finish: ReplyFinish) -> str | None:
    """What was asked for in a form is read from it; in a conversation the reply is the answer."""
    if state["form"] == CHAT:
        return text.strip() or None
    return parse_answer(text, state["row"]["task"], state["row"].get("choices"), whole=finish == "stop")


def solve_failed(
    model: BaseChatModel, *, fallback: bool = False, gathers: bool = False, instead: Instead | None = None
) -> Callable[[SolveInput, NodeError], Command[str]]:
    """A failed attempt goes to the `fallback` if there is one. Else it is an error record beside the others; `vote`
    raises when there are no others. `gathers`: what follows the attempts is `gather`, even if none may stop early.
    """

    def handle(state: SolveInput, error: NodeError) -> Command[str]:
        lost = lost_before(error.error)
        hold(state["run"], error.error)
        record = failed_call("solver", model, error.error, attempt=state["index"], lost=lost)
        if fallback:
            return Command(update={"failed": [state], "ledger": [record]}, goto="gather")
        said = f"{type(error.error).__name__}: {error.error}"
        attempt = Attempt(index=state["index"], text="", tool_calls=[], answer=None, finish="error", error=said)
        if instead:
            attempt[instead] = model_name(model)
        update = {"attempts": [attempt], "ledger": [record]}
        return Command(update=update, goto="gather" if gathers or state["stop_early"] else "vote")

    return handle


def gather(state: State) -> Update:  # noqa: ARG001 - a node takes state
    """Wait for all attempts of a wave, so that what follows sees them all."""
    return {}


def gathered_then(ask: Onward, then: str) -> Onward:
    """Failed attempts to the fallback, if there is one; the next wave of attempts by `ask`; at last `then`."""

    def after_gather(state: State) -> list[Send] | str:
        made = {attempt["index"] for attempt in state["attempts"]}
        if unanswered := [attempt for attempt in state["failed"] if attempt["index"] not in made]:
            return [Send("fallback", attempt) for attempt in unanswered]
        return then if settled(_votes(state), state["asked"]["attempts"] - len(made)) else ask(state)

    return after_gather


def solved_then(then: str) -> Callable[[State], str]:
    """Attempts that may stop early are gathered first; others need no further step."""
    return lambda state: "gather" if state["asked"]["stop_early"] else then
