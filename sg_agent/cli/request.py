"""What `ask` does once its flags are read: check the question against the models, run one arm, show the reply."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, get_args

import typer

from sg_agent.cli.context_file import load_context
from sg_agent.errors import ConfigError
from sg_agent.evals.arms import ARMS, Arm, Load, Setup
from sg_agent.evals.usage import Tokens, format_cost, tokens_by_role
from sg_agent.gate import Decision
from sg_agent.gate.decision import decided
from sg_agent.gate.routing import Routing
from sg_agent.graphs.state import Attempt, GraphOutput, Settings
from sg_agent.ledger import CallRecord, total_cost
from sg_agent.models import check_spec, load_model
from sg_agent.prices import Prices
from sg_agent.rows import Passage, Row, Task
from sg_agent.worlds.scope import unknown_words, world_of

ASKABLE = ("standard", "cot", "guided", "auto")


class Reply(TypedDict):
    """What `ask --json` prints."""

    question: str
    arm: str
    task: Task
    guide: str
    solver: str
    answer: str | None
    guidance: str | None
    route: str
    reason: str
    attempts: list[Attempt]
    tokens: dict[str, Tokens]
    cost_usd: float | None
    latency_s: float
    prompts: dict[str, str]
    decision: NotRequired[Decision]
    reconsidered: NotRequired[Decision | None]
    recheck: NotRequired[Decision | None]


@dataclass(frozen=True)
class Request:
    """A question that has been accepted: what to ask, of whom and how."""

    row: Row
    arm: Arm
    guide: str
    solver: str
    settings: Settings
    trust_remote_code: bool

    @classmethod
    def of(
        cls,
        question: str,
        *,
        arm: str = "guided",
        guide: str = "embedded:guide",
        solver: str = "embedded:solver",
        fallback: str | None = None,
        task: str | None = None,
        context_file: Path | None = None,
        policy: str | None = None,
        gate: Path | None = None,
        stronger: str | None = None,
        samples: int = 1,
        stop_early: bool = False,
        temperature: float | None = None,
        max_tokens: int | None = None,
        guide_max_tokens: int | None = None,
        seed: int = 0,
        prices: Path | None = None,
        trust_remote_code: bool = False,
    ) -> "Request":
        """Raises ConfigError, DataError or ModelError for what these models cannot be asked, before loading any."""
        if not question.strip():
            raise ConfigError("the question is empty")
        if arm not in ASKABLE:
            raise ConfigError(f"unknown arm {arm!r}; accepted: {', '.join(ASKABLE)}")
        if task is not None and task not in get_args(Task):
            raise ConfigError(f"unknown task {task!r}; accepted: {', '.join(get_args(Task))}")
        routing = Routing(policy, gate, stronger)
        routing.check([arm])
        used = [solver, *([guide] if arm in ("guided", "auto") else []), *filter(None, (stronger, fallback))]
        for spec in used:
            check_spec(spec)
        passages = load_context(context_file) if context_file else []
        if any(spec.startswith("embedded:") for spec in used):
            _check_scope(question, passages, solver)
        row = _row(question, task, passages)
        own_prices = None if prices is None else Prices.load(prices)
        chosen = ARMS[arm](Setup((row,), guide, solver, own_prices, routing, fallback))
        settings = Settings(
            attempts=samples,
            stop_early=stop_early,
            temperature=temperature,
            seed=seed,
            max_tokens=max_tokens,
            guide_max_tokens=guide_max_tokens or Settings.guide_max_tokens,
        )
        return cls(row, chosen, guide, solver, chosen.settings(settings), trust_remote_code)

    @classmethod
    def about(cls, row: Row, *, arm: str = "guided") -> "Request":
        """A row of the embedded worlds, for the embedded pair."""
        guide, solver = "embedded:guide", "embedded:solver"
        chosen = ARMS[arm](Setup((row,), guide, solver))
        return cls(row, chosen, guide, solver, chosen.settings(Settings()), False)


def answer(request: Request) -> Reply:
    """Ask and wait."""
    compiled, start = request.arm.graph(_loader(request)).compile(name=request.arm.name), time.perf_counter()
    output = compiled.invoke(request.arm.question(request.row), context=request.settings)
    return _reply(request, output, time.perf_counter() - start)


def watch(request: Request) -> Reply:
    """Ask and print guidance and reply as they come. Several attempts come at once, so only their guidance is shown."""
    compiled, start = request.arm.graph(_loader(request)).compile(name=request.arm.name), time.perf_counter()
    output: GraphOutput | dict[str, Any] = {}
    question = request.arm.question(request.row)
    stream = compiled.stream(question, context=request.settings, stream_mode=["messages", "values"])
    shown = None
    for mode, part in _parts(stream):
        if mode == "values":
            output = part
            continue
        chunk, metadata = part
        node = metadata["langgraph_node"]
        if request.settings.attempts > 1 and node != "guide":
            continue
        if shown != (node, chunk.id):
            typer.echo(f"{chr(10) if shown else ''}{'guidance' if node == 'guide' else 'reply'}:")
            shown = (node, chunk.id)
        typer.echo(chunk.text, nl=False)
    typer.echo()
    return _reply(request, output, time.perf_counter() - start)


def report(reply: Reply, *, streamed: bool) -> None:
    """Print a reply for people: guidance, answer, then what it took."""
    if reply["guidance"] and not streamed:
        typer.echo(f"guidance:\n{reply['guidance']}\n")
    if reply["arm"] == "guided" and reply["route"] == "direct":
        typer.echo(f"answered without guidance: {reply['reason']}")
    elif any("fallback" in attempt for attempt in reply["attempts"]):
        typer.echo(reply["reason"])
    for decision in decided(reply).values():
        if decision:
            typer.echo(f"{decision['route']}: {decision['reason']}")
    if reply["answer"] is None and not streamed:
        typer.echo("\n".join(attempt["text"] for attempt in reply["attempts"]))
    typer.echo(f"answer: {reply['answer']}")
    used = ", ".join(
        f"{role} {tokens['input']} + {tokens['output']} tokens" for role, tokens in reply["tokens"].items()
    )
    typer.echo(f"{used}, {format_cost(reply['cost_usd'])}, {reply['latency_s']:.1f} s")


def _parts(stream: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    yield from stream


def _check_scope(question: str, passages: list[Passage], solver: str) -> None:
    """Raise ConfigError for a question that the embedded models cannot read, saying which models could."""
    world = world_of(question, passages)
    if world == "archive" and not passages:
        raise ConfigError("a question about archive records needs its cards: --context FILE, lines like 'Kara: ...'")
    if world is not None:
        return
    unknown = ", ".join(map(repr, unknown_words(question)[:3]))
    why = f"it does not know {unknown}" if unknown else "the question and its passages are of neither"
    whose = "pair knows" if solver.startswith("embedded:") else "guide knows"
    raise ConfigError(
        f"the embedded {whose} only its two worlds, depot stock problems and archive records, and {why}; for any "
        "other question name models: --solver openai:gpt-4.1-mini or --solver local:BASE, with --guide "
        "local:BASE@ADAPTER or --arm cot"
    )


def _row(question: str, task: str | None, passages: list[Passage]) -> Row:
    """The question as a row. Its answer is a placeholder that no graph is ever given."""
    fields = {"id": "asked", "question": question, "answer": "?", "context": passages or None}
    if task is None:
        task = "multihop_qa" if passages else "math" if world_of(question) == "depot" else "open"
    return Row.model_validate({**fields, "task": task})


def _loader(request: Request) -> Load:
    return lambda model: load_model(model, trust_remote_code=request.trust_remote_code)


def _reply(request: Request, output: GraphOutput | dict[str, Any], latency_s: float) -> Reply:
    ledger: list[CallRecord] = output["ledger"]
    reply: Reply = {
        "question": request.row.question,
        "arm": request.arm.name,
        "task": request.row.task,
        "guide": request.guide,
        "solver": request.solver,
        "answer": output["answer"],
        "guidance": output["guidance"],
        "route": output["route"],
        "reason": output["reason"],
        "attempts": output["attempts"],
        "tokens": tokens_by_role(ledger),
        "cost_usd": total_cost(ledger),
        "latency_s": round(latency_s, 3),
        "prompts": output["prompts"],
    }
    reply |= decided(output)  # type: ignore[typeddict-item] # its keys are three of the TypedDict's
    return reply
