"""A quick function of the state, as a node or an edge that stays where the run is.

LangGraph runs a plain function of an async run in a thread, which costs more than the function itself.
"""

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig


class Step(Runnable[Any, Any]):
    """`function(state)`, run sync or async in the thread that asks. It must not block."""

    def __init__(self, function: Callable[[Any], Any], *, name: str | None = None) -> None:
        self.name = name or function.__name__
        self._function = function

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002 - LangChain's signature
        return self._function(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002 - LangChain's signature
        return self._function(input)
