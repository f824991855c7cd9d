"""Errors that a node's handler took care of, held until their run is over.

LangGraph knows the errors it need not raise by their id() and keeps no reference to them. Python may give the id of an
error that is gone to the next one, and then a run that failed would end without an error, and without an answer.
"""

from collections import OrderedDict

MOST_RUNS = 4096  # of those that were called off nobody says that they are over
_held: OrderedDict[str, list[BaseException]] = OrderedDict()


def hold(run: str, error: BaseException) -> None:
    """Keep an error that was handled in the run."""
    _held.setdefault(run, []).append(error)
    while len(_held) > MOST_RUNS:
        _held.popitem(last=False)


def let_go(run: str) -> list[BaseException]:
    """The run ends: whoever raises now does so while the caller has these."""
    return _held.pop(run, [])
