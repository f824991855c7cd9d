"""When attempts can stop: once those that are missing could change neither the vote nor which attempt is chosen.

Attempts are asked in waves: first as few as could settle the vote, then each time as few as still could. The answer is
that of all attempts; what is saved are attempts, what it costs is waiting for one wave after the other.
"""

from collections import Counter
from collections.abc import Sequence

Vote = str | None  # what an attempt votes for; None where no answer was read, or it failed
UNSEEN = "\0"


def settled(votes: Sequence[Vote], missing: int) -> bool:
    """Whether `missing` more votes cannot change the winner: most votes, of equals the one that was first."""
    counts = Counter(vote for vote in votes if vote is not None)  # in the order of first votes
    if missing == 0 or not counts:
        return missing == 0
    first, most = counts.most_common(1)[0]  # of equals the first
    order = list(counts)
    rivals = [(counts[vote], i < order.index(first)) for i, vote in enumerate(order) if vote != first]
    return all(most > held + missing - (not earlier) for held, earlier in [*rivals, (0, False)])


def next_wave(votes: Sequence[Vote], missing: int) -> int:
    """The smallest number of further attempts that could settle the vote, all of them voting for who leads."""
    counts = Counter(vote for vote in votes if vote is not None)
    leader = counts.most_common(1)[0][0] if counts else UNSEEN
    return next(n for n in range(1, missing + 1) if settled([*votes, *[leader] * n], missing - n))
