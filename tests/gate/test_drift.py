"""Drift: the tests keep their promise of few false alarms, and see what has moved."""

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean, pstdev

import numpy as np
import pytest
from scipy import stats

from sg_agent.gate.drift import (
    ALARM,
    CALM,
    EVERY,
    LEAST,
    WINDOW,
    Test,
    Watch,
    chi_square_tail,
    fisher,
    mean_test,
    rate_test,
    score_test,
)
from sg_agent.gate.reference import Agreement, Rate, Scores, binned

Draw = Callable[[random.Random], float]


def scores(values: Sequence[float]) -> Test:
    return score_test(Scores.of(values))


def rates(values: Sequence[float]) -> Test:
    return rate_test(Rate(n=len(values), hits=round(sum(values))))


def means(values: Sequence[float]) -> Test:
    return mean_test(Agreement(attempts=5, n=len(values), mean=fmean(values), sd=pstdev(values)))


KINDS: list[tuple[Callable[[Sequence[float]], Test], Draw, Draw]] = [
    (scores, lambda dice: dice.betavariate(4, 2), lambda dice: dice.betavariate(3, 3)),
    (scores, lambda dice: dice.choice((0.1, 0.5, 0.5, 0.9)), lambda dice: dice.choice((0.1, 0.1, 0.5, 0.9))),
    (rates, lambda dice: float(dice.random() < 0.95), lambda dice: float(dice.random() < 0.8)),
    (rates, lambda dice: 1.0, lambda dice: float(dice.random() < 0.9)),
    (means, lambda dice: dice.randint(3, 5) / 5, lambda dice: dice.randint(2, 5) / 5),
]


@pytest.mark.parametrize(("test_of", "same", "_"), KINDS)
@pytest.mark.parametrize("held_out", [60, 300, 2000])
def test_values_of_the_same_kind_hardly_ever_raise_an_alarm(
    test_of: Callable[[Sequence[float]], Test], same: Draw, _: Draw, held_out: int
) -> None:
    """40 servers, each against a calibration of its own, 2,000 answers each: 37 tests of each."""
    dice, alarms, below = random.Random(held_out), 0, 0
    for _server in range(40):
        watch = Watch(test_of([same(dice) for _ in range(held_out)]))
        for _answer in range(2000):
            alarms += watch.add(same(dice))
        below += watch.found is not None and watch.found.p < 0.05
    assert alarms <= 4  # two that came and went, of 1,480 tests
    assert below <= 8  # of 40 tests at 5%, as good as never more


@pytest.mark.parametrize(("test_of", "same", "moved"), KINDS)
def test_what_moves_raises_one_alarm_and_what_returns_ends_it(
    test_of: Callable[[Sequence[float]], Test], same: Draw, moved: Draw
) -> None:
    dice = random.Random(5)
    watch = Watch(test_of([same(dice) for _ in range(400)]))
    kinds = [moved if 1500 <= i < 3000 else same for i in range(4500)]
    said = [(i, watch.moved) for i, kind in enumerate(kinds) if watch.add(kind(dice))]
    assert [state for _, state in said] == [True, False]
    assert 1500 < said[0][0] <= 1500 + WINDOW + EVERY
    assert 3000 < said[1][0] <= 3000 + WINDOW + EVERY


def test_nothing_is_said_before_there_is_enough() -> None:
    watch = Watch(rates([1.0] * 100))
    assert not any(watch.add(0.0) for _ in range(LEAST - 1))
    assert not watch.moved
    assert watch.add(0.0)
    assert watch.found
    assert watch.found.p < ALARM < CALM


def test_fisher_and_chi_square_are_scipys() -> None:
    for hits, n, others, other_n in ((3, 50, 9, 60), (0, 40, 0, 9), (200, 500, 180, 300), (500, 500, 290, 300)):
        table = [[hits, n - hits], [others, other_n - others]]
        one_sided = min(float(stats.fisher_exact(np.array(table), side).pvalue) for side in ("less", "greater"))
        assert fisher(hits, n, others, other_n) == pytest.approx(min(1.0, 2 * one_sided), rel=1e-6)
    for value, freedom in ((16.9, 9), (33.7, 9), (3.84, 1), (15.1, 1), (27.9, 5)):
        assert chi_square_tail(value, freedom) == pytest.approx(float(stats.chi2.sf(value, freedom)))
    assert chi_square_tail(0, 9) == 1


def test_bins_are_deciles_or_fewer_where_values_are_few_or_the_same() -> None:
    dice = random.Random(1)
    many = Scores.of([dice.random() for _ in range(1000)])
    assert (len(many.cuts), many.n) == (9, 1000)
    assert max(many.counts) - min(many.counts) <= 1
    assert len(Scores.of([dice.random() for _ in range(60)]).counts) <= 4
    two = Scores.of([0.2] * 50 + [0.7] * 50)
    assert (two.cuts, two.counts) == ([0.7], [50, 50])
    assert Scores.of([0.5] * 90).counts == [90]
    assert binned([0.5], [0.4, 0.5, math.inf]) == [1, 2]
    assert scores([0.5] * 90)([0.1] * 90).p == 1
