"""Seed noise, ties, intervals and power, against figures worked out elsewhere and against simulated sweeps."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_plan, finished
from mnist_sweep.analysis.combination import Combination, Row
from mnist_sweep.analysis.noise import (
    Disagreement,
    Noise,
    disagreement,
    half_width,
    images_interval,
    largest_tie,
    pooled_noise,
    repeats_needed,
    studentized_range,
)
from mnist_sweep.analysis.summary import Ranking, Summary
from mnist_sweep.journal.events import Curves
from mnist_sweep.plan.sweep_plan import Plan


def test_what_a_repeat_does_to_all_alike_is_no_noise() -> None:
    """Combinations that differ by the same amount in every repeat leave nothing unexplained."""
    noise = pooled_noise([[0.1, 0.5, 0.3], [0.2, 0.6, 0.4]])
    assert noise is not None
    assert pytest.approx(0.0, abs=1e-12) == noise.s
    assert 2 == noise.df


def test_noise_is_the_residual_of_combination_and_repeat() -> None:
    """Two by two with an interaction of 1 leaves residuals of a quarter each, and one degree of freedom."""
    assert Noise(0.5, 1) == pooled_noise([[0.0, 0.0], [0.0, 1.0]])


def test_missing_repeats_leave_the_spread_within_combinations() -> None:
    """With holes, variances are pooled within the combinations: 2 and 8 over 1 + 2 degrees of freedom."""
    noise = pooled_noise([[1.0, 3.0], [0.0, 2.0, 4.0], [7.0]])
    assert noise is not None
    assert pytest.approx(math.sqrt(10 / 3)) == noise.s
    assert 3 == noise.df


@pytest.mark.parametrize("groups", [[], [[1.0]], [[1.0], [2.0]]])
def test_one_repeat_tells_nothing(groups: list[list[float]]) -> None:
    """Without a second repeat there is no noise to know."""
    assert None is pooled_noise(groups)


def test_studentized_range_of_a_printed_table() -> None:
    """3 means and 10 degrees of freedom: 3.88 (the table of Montgomery and of many others)."""
    assert pytest.approx(3.877, abs=0.001) == studentized_range(3, 10)
    assert pytest.approx(3.877 * 2 * math.sqrt(1 / 4), abs=0.001) == largest_tie(Noise(2.0, 10), 3, 4, 4)


def test_half_of_an_interval_of_a_printed_table() -> None:
    """10 degrees of freedom: 2.228 standard errors."""
    assert pytest.approx(2.228 * 2 / 3, abs=0.001) == half_width(Noise(2.0, 10), 9)


@pytest.mark.parametrize(("difference", "repeats"), [(1.0, 17), (0.5, 64), (2.0, 6), (0.1, None), (0.0, None), (50, 2)])
def test_repeats_needed_of_a_printed_table(difference: float, repeats: int | None) -> None:
    """Cohen's table for power 0.8, two-sided 5%: 17 at one standard deviation, 64 at half of one."""
    assert repeats == repeats_needed(difference, 1.0)


def test_without_noise_two_repeats_tell() -> None:
    """Where nothing spreads, any difference shows."""
    assert 2 == repeats_needed(0.1, 0.0)


def test_interval_of_the_images() -> None:
    """Wilson's interval at 98.5% of 10,000, worked out by hand from its formula."""
    z, n, p = 1.959964, 10_000, 0.985
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert pytest.approx((centre - half, centre + half), abs=1e-7) == images_interval(p, n)


def test_models_that_misread_the_same_images() -> None:
    """Only images that one alone misreads count: 2 against 8 is p = 0.109 by the binomial distribution."""
    assert Disagreement(2, 8, 112 / 1024) == disagreement({1, 2, 3}, set(range(3, 12)))
    assert Disagreement(0, 0, 1.0) == disagreement({5}, {5})


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=8))
def test_noise_does_not_depend_on_the_order(groups: list[list[float]]) -> None:
    """The order of the combinations changes nothing."""
    one, other = pooled_noise(groups), pooled_noise(groups[::-1])
    assert one is not None
    assert other is not None
    assert pytest.approx(one.s, abs=1e-12) == other.s


@cache
def _plan(k: int, n: int) -> Plan:
    """A plan of k combinations and n repeats."""
    return a_plan(f"hidden_width: {list(range(1, k + 1))}", repeats=n)


def _ranking(values: np.ndarray, fewest: int) -> Ranking:
    """The ranking of a sweep whose validation accuracies are these: (combinations, repeats).

    Args:
        fewest: so many repeats are all that every other combination has.
    """
    k, n = values.shape
    plan = _plan(k, n)
    rows = []
    for trial, value in zip(plan.trials, values.ravel(), strict=True):
        curves = Curves((0.4,), (0.8,), (0.3,), (float(value),), (1.0,))
        rows.append(Row(trial, finished(trial, curves=curves, best_epoch=1, kept_epoch=1)))
    combinations = (
        Combination(recipe, tuple(rows[i * n : (i + 1) * n][: fewest if i % 2 else n]), plan.data)
        for i, recipe in enumerate(plan.combinations)
    )
    return Summary(plan.spec, tuple(combinations), 0, (), ()).ranking()


def _share(n_sweeps: int, k: int, n: int, good: float, what: str, *, fewest: int = 200) -> float:
    """In what share of simulated sweeps the ranking says this.

    All combinations have the same mean, but for one that is better by `good` standard deviations; each repeat has an
    effect on all of them alike.
    """
    random, sd, hits = np.random.default_rng(20), 0.001, 0
    for _ in range(n_sweeps):
        values = 0.98 + sd * (random.standard_normal((k, n)) + random.standard_normal(n))
        values[k // 2] += good * sd
        ranking = _ranking(values, fewest)
        first, n_tied = ranking.standings[0].combination.recipe.hidden_widths[0] - 1, len(ranking.tied)
        hits += {
            "nobody is worse": n_tied == k,
            "it is first, not all tied": first == k // 2 and n_tied < k,
            "it is alone at the top": first == k // 2 and n_tied == 1,
        }[what]
    return hits / n_sweeps


@pytest.mark.parametrize(("k", "n_sweeps"), [(18, 600), (162, 120)])
def test_equal_combinations_are_called_equal(k: int, n_sweeps: int) -> None:
    """Of sweeps in which all are equal, 3 repeats each, 95% call nobody worse than the first."""
    luck = math.sqrt(0.95 * 0.05 / n_sweeps)  # of the share in so many sweeps, one standard deviation
    assert pytest.approx(0.95, abs=2 * luck) == _share(n_sweeps, k, 3, 0.0, "nobody is worse")


@pytest.mark.parametrize(("k", "n_sweeps"), [(2, 600), (18, 300)])
def test_equal_combinations_with_other_repeats_are_called_equal(k: int, n_sweeps: int) -> None:
    """Where every other combination has 2 repeats and the rest have 4, 95% or more call nobody worse than the first."""
    luck = math.sqrt(0.95 * 0.05 / n_sweeps)
    assert 0.95 - 2 * luck <= _share(n_sweeps, k, 4, 0.0, "nobody is worse", fewest=2)


@pytest.mark.parametrize(("k", "n_sweeps"), [(18, 100), (162, 30)])
def test_a_better_one_is_found(k: int, n_sweeps: int) -> None:
    """One that is better by 4 standard deviations is first, and not all are tied with it, in 95% or more."""
    assert 0.95 <= _share(n_sweeps, k, 3, 4.0, "it is first, not all tied")


def test_a_better_one_stands_alone() -> None:
    """With 5 repeats of 18 combinations, one that is better by 4 standard deviations is alone in 90% or more."""
    assert 0.9 <= _share(200, 18, 5, 4.0, "it is alone at the top")
