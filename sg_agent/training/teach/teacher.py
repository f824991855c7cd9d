"""A teacher's call: what it is shown, and its reply with what that used. LangGraph retries transient failures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import END, START, StateGraph

from sg_agent.answer_forms import LETTERS, choice_letter
from sg_agent.finish import finish_of
from sg_agent.graphs.model_node import Answered, Call, ModelNode, retry_policy
from sg_agent.ledger import CallRecord
from sg_agent.prompts import Prompt, load_prompt
from sg_agent.rows import Row
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.store import Draft


class _State(TypedDict, total=False):
    row: Row
    reply: AIMessage
    ledger: list[CallRecord]


class Teacher:
    """Writes guidance for one question at a time, over `model` as it is loaded and metered."""

    def __init__(self, model: BaseChatModel, config: TeachConfig) -> None:
        self.settings = call_settings(config)
        self._config = config
        graph = StateGraph(_State)
        node: ModelNode[_State] = ModelNode("teacher", model, self._prepare, self._conclude, config.own_prices)
        graph.add_node("teach", node, retry_policy=retry_policy(model))
        graph.add_edge(START, "teach")
        graph.add_edge("teach", END)
        self._graph = graph.compile()

    async def write(self, row: Row) -> Draft:
        """The teacher's reply to `row`. Raises what the model does, after retries."""
        done = await self._graph.ainvoke({"row": row})
        return draft_of(row, done["reply"], done["ledger"])

    def _prepare(self, state: _State) -> Call:
        prompt, messages = asked(self._config, state["row"])
        return Call(prompt, messages, dict(self.settings), run="")

    def _conclude(self, state: _State, answered: Answered) -> dict[str, Any]:  # noqa: ARG002 - ModelNode's signature
        return {"reply": answered.reply}


def asked(config: TeachConfig, row: Row) -> tuple[Prompt, list[BaseMessage]]:
    """The prompt and the messages that a teacher is shown for `row`. Raises ConfigError for a template that fails."""
    prompt = teach_prompt(config.prompt, row)
    answer = shown_answer(row) if config.show_answer else None
    return prompt, prompt.render(row, kind=config.kind_of(row), answer=answer)


def teach_prompt(path: str | Path | None, row: Row) -> Prompt:
    """The shipped prompt for the row's task, or the user's own."""
    return load_prompt("teach", row.task, path)


def shown_answer(row: Row) -> str:
    """The gold answer; of a choice its letter and text."""
    letter = choice_letter(row.answer, row.choices) if row.choices else None
    return f"{letter}. {row.choices[LETTERS.index(letter)]}" if letter and row.choices else row.answer


def call_settings(config: TeachConfig) -> dict[str, Any]:
    """How the teacher is sampled."""
    settings = {"max_tokens": config.max_tokens, "temperature": config.temperature}
    return {name: value for name, value in settings.items() if value is not None}


def draft_of(row: Row, reply: AIMessage, calls: list[CallRecord]) -> Draft:
    """A reply as it is written down."""
    made = [_plain(call) for call in calls]
    return Draft(id=row.id, role="teacher", text=reply.text, finish=finish_of(reply), created=now(), calls=made)


def now() -> str:
    """UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(call: CallRecord) -> CallRecord:
    kept = call.copy()
    kept.pop("run", None)
    return kept
