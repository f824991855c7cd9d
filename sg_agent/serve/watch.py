"""What happens in one request's model calls: their time, and what failed. Fed by a LangChain callback."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from sg_agent.throttle import Asker


@dataclass
class Watch:
    """`calls` were made so far, `hosted` of them to models that may cost; `busy_s` is the time with at least one under
    way; `failures` are those of all calls.

    A call that a throttle makes again is one call here: `asker` counts those.
    """

    calls: int = 0
    hosted: int = 0
    busy_s: float = 0.0
    failures: list[BaseException] = field(default_factory=list)
    asker: Asker = field(default_factory=Asker)
    _under_way: int = 0
    _since: float = 0.0

    def begin(self, *, hosted: bool) -> None:
        """A call begins."""
        if not self._under_way:
            self._since = time.perf_counter()
        self.calls += 1
        self.hosted += hosted
        self._under_way += 1

    def end(self) -> None:
        """A call has ended."""
        self._under_way -= 1
        if not self._under_way:
            self.busy_s += time.perf_counter() - self._since


watching: ContextVar[Watch | None] = ContextVar("watching", default=None)
"""The request that the running code works for."""


class _Watcher(BaseCallbackHandler):
    """Tells the request's watch. Which request it is, the context says."""

    run_inline = True

    def __init__(self, *, hosted: bool) -> None:
        self._hosted = hosted

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        if watch := watching.get():
            watch.begin(hosted=self._hosted)

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        if watch := watching.get():
            watch.end()

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        if watch := watching.get():
            watch.end()
            watch.failures.append(error)


HERE, HOSTED = _Watcher(hosted=False), _Watcher(hosted=True)
"""For all models in this process, and for all others."""
