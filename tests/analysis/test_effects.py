"""What mattered: means by value, Tukey's margins and shares of variance, on designs whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from builders import a_plan
from mnist_sweep.analysis.design import Design
from mnist_sweep.analysis.effects import HIGHER, MIXED, SEEDS, TOGETHER, AxisEffect, Effects, Measured, effects
from mnist_sweep.analysis.noise import Noise, pooled_noise
from mnist_sweep.plan.recipe import Recipe

_GRID = "hidden_width: [10, 20, 30]\nbatch_size: [100, 200]\nlearning_rate: [0.1, 0.2]"


def _recipes(grid: str) -> tuple[Recipe, ...]:
    return a_plan(grid).combinations


def _effects(recipes: tuple[Recipe, ...], result: Callable[[Recipe], float], sd: float = 0.0, n: int = 3) -> Effects:
    """The effects of results that are a function of the recipe, with noise of this standard deviation."""
    random = np.random.default_rng(3)
    results = [[result(recipe) + sd * random.standard_normal() for _ in range(n)] for recipe in recipes]
    return _judged(recipes, results, pooled_noise(results))


def _judged(
    recipes: tuple[Recipe, ...], results: list[list[float]], noise: Noise | None, *, higher: bool = True
) -> Effects:
    return effects(Design(recipes), [Measured(results, noise, higher)])[0]


def _axis(found: Effects, name: str) -> AxisEffect:
    return next(effect for effect in found.axes if effect.axis == name)


def _means(found: Effects, axis: str) -> list[float]:
    return [level.mean for level in _axis(found, axis).levels]


def _shares(found: Effects) -> dict[str, float]:
    return {share.label or " × ".join(share.sources): share.omega2 for share in found.shares}


def test_means_of_a_whole_grid_are_plain_means() -> None:
    """With a full grid, a value's mean is that of its combinations, its interval s over the root of their number."""
    recipes = _recipes("hidden_width: [10, 20]\nbatch_size: [100, 200]")
    results = [[0.1, 0.3], [0.2, 0.2], [0.5, 0.7], [0.6, 0.4]]
    found = _judged(recipes, results, Noise(0.1, 10))
    low, high = _axis(found, "hidden_width").levels
    assert pytest.approx((0.2, 0.55)) == (low.mean, high.mean)
    assert pytest.approx(2.228 * 0.1 / 2, abs=1e-4) == low.half_width  # 2 combinations × 2 repeats
    assert pytest.approx(0.35) == low.behind
    assert pytest.approx(3.151 * 0.1 / 2, abs=1e-4) == low.margin  # q of 2 means and 10 degrees of freedom
    assert (True, False) == (low.worse, high.worse)


def test_means_over_fewer_repeats_are_less_certain() -> None:
    """A combination counts like any other, and the variance of a value's mean is that of its combinations' means."""
    recipes = _recipes("hidden_width: [10, 20]\nbatch_size: [100, 200]")
    results = [[0.1, 0.3], [0.2, 0.2, 0.2, 0.2], [0.5, 0.7], [0.6, 0.4]]
    low, high = _axis(_judged(recipes, results, Noise(0.1, 10)), "hidden_width").levels
    assert pytest.approx((0.2, 0.55)) == (low.mean, high.mean)
    assert pytest.approx(2.228 * 0.1 * (1 / 2 + 1 / 4) ** 0.5 / 2, abs=1e-4) == low.half_width
    assert pytest.approx(2.228 * 0.1 * (1 / 2 + 1 / 2) ** 0.5 / 2, abs=1e-4) == high.half_width
    assert pytest.approx(3.151 / 2**0.5 * 0.1 * (3 / 2 + 1 / 4) ** 0.5 / 2, abs=1e-4) == low.margin


def test_shares_do_not_depend_on_who_has_more_repeats() -> None:
    """With 40 repeats in some combinations and 4 in others, a source explains what it explains with 12 in each."""
    recipes, random = _recipes(_GRID), np.random.default_rng(5)
    sizes = [40 if recipe.hidden_widths[0] == 30 else 4 for recipe in recipes]
    centres = [recipe.hidden_widths[0] / 10 for recipe in recipes]
    uneven = [list(centre + random.standard_normal(n)) for centre, n in zip(centres, sizes, strict=True)]
    shares = _shares(_judged(recipes, uneven, pooled_noise(uneven, paired=False)))
    expected = _shares(_effects(recipes, lambda r: r.hidden_widths[0] / 10, sd=1.0, n=12))
    assert pytest.approx(expected["hidden_width"], abs=0.1) == shares["hidden_width"]
    assert pytest.approx(expected[SEEDS], abs=0.1) == shares[SEEDS]


def test_the_best_of_a_loss_is_the_smallest() -> None:
    """Where less is better, the smallest mean is the best value."""
    recipes = _recipes("hidden_width: [10, 20]")
    found = _judged(recipes, [[0.3, 0.3], [0.1, 0.1]], Noise(0.01, 2), higher=False)
    assert 20 == _axis(found, "hidden_width").best().value


def test_values_that_differ_by_rounding_alone_are_equal() -> None:
    """Of values with the same mean the first of the plan is the best, and none is behind, however sums are rounded."""
    recipes = _recipes("hidden_width: [10, 20, 30]\nbatch_size: [100, 200]")
    random = np.random.default_rng(1)
    for _ in range(50):
        right = random.integers(5000, 5900, (2, 2))
        moved = [right + shift for shift in ([[0, 0], [0, 0]], [[7, -7], [3, -3]], [[-5, 1], [2, 2]])]
        results = (np.concatenate(moved) / 6000).tolist()
        levels = _axis(_judged(recipes, results, Noise(0.001, 4)), "hidden_width").levels
        assert [0.0] * 3 == [level.behind for level in levels]
        assert 1 == len({level.mean for level in levels})


def test_holes_do_not_mix_axes_up() -> None:
    """With combinations missing, an axis that does nothing shows nothing; plain means would show the other."""
    recipes = tuple(r for r in _recipes(_GRID) if r.hidden_widths[0] != 30 or r.batch_size == 100)
    found = _effects(recipes, lambda r: r.hidden_widths[0] / 100)
    assert pytest.approx([0.0, 0.1, 0.2]) == np.subtract(
        _means(found, "hidden_width"), _means(found, "hidden_width")[0]
    )
    assert pytest.approx(0.0, abs=1e-9) == np.ptp(_means(found, "batch_size"))


def test_shares_of_a_worked_example() -> None:
    """Two values, three repeats: SS 6 with 1 degree of freedom, MSE 1, total 10 give ω² of 5 in 11."""
    recipes = _recipes("hidden_width: [10, 20]")
    results = [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    found = _judged(recipes, results, Noise(1.0, 4))
    assert pytest.approx({"hidden_width": 5 / 11, SEEDS: 6 / 11}) == _shares(found)


def test_an_axis_that_does_nothing_explains_nothing() -> None:
    """27 values without effect: η² would be about 0.5 with 2 repeats, ω² is near 0, and seed noise is the rest."""
    shares = _shares(_effects(_recipes(f"hidden_width: {list(range(1, 28))}"), lambda _: 0.0, sd=1.0, n=2))
    assert shares["hidden_width"] < 0.1
    assert shares[SEEDS] > 0.9


def test_axes_that_act_together_have_their_own_share() -> None:
    """An effect of two axes together is neither's own; a third axis has no part in it."""
    found = _effects(_recipes(_GRID), lambda r: float((r.batch_size == 100) == (r.learning_rate == 0.1)), sd=0.01)
    shares = _shares(found)
    assert shares["batch_size × learning_rate"] > 0.98
    assert max(value for name, value in shares.items() if name != "batch_size × learning_rate") < 0.01


def test_three_axes_together_are_the_higher_part() -> None:
    """What no pair explains and seeds do not make is said to be of three or more axes."""

    def parity(recipe: Recipe) -> float:
        return (-1.0) ** sum([recipe.batch_size == 100, recipe.learning_rate == 0.1, recipe.hidden_widths[0] == 10])

    grid = "hidden_width: [10, 20]\nbatch_size: [100, 200]\nlearning_rate: [0.1, 0.2]"
    assert _shares(_effects(_recipes(grid), parity, sd=0.01))[HIGHER] > 0.98


def test_shares_add_up_in_a_whole_grid() -> None:
    """Without holes, and where nothing is clipped, the shares are the whole variance."""
    found = _effects(
        _recipes(_GRID), lambda r: (r.hidden_widths[0] / 10) ** r.batch_size**0.1 * r.learning_rate, sd=0.01
    )
    assert pytest.approx(1.0, abs=0.01) == sum(_shares(found).values())


def test_functions_one_a_layer_are_nested_in_the_number_of_layers() -> None:
    """Functions of two and of three hidden layers are compared among themselves; layers keep their own share."""
    grid = "num_layers: [3, 4]\nhidden_funcs: {each_layer: [relu, tanh]}\nbatch_size: [100, 200]"
    found = _effects(_recipes(grid), lambda r: r.num_layers + (r.hidden_funcs[0] == "tanh") / 2, sd=0.01)
    effect = _axis(found, "hidden_funcs")
    assert effect.nested
    assert (3, 4) == effect.groups
    assert ["relu", "tanh"] == [level.value for level in effect.levels if level.within == 3]
    assert "tanh" == effect.best(3).value
    assert [True, False] == [level.worse for level in effect.levels if level.within == 3]
    assert pytest.approx([3.25, 4.25], abs=0.01) == _means(found, "num_layers")
    shares = _shares(found)
    assert "hidden_funcs × num_layers" not in shares
    assert pytest.approx(0.8, abs=0.05) == shares["num_layers"]
    assert pytest.approx(0.2, abs=0.05) == shares["hidden_funcs"]


def test_one_repeat_has_means_and_no_verdict() -> None:
    """Without noise to judge by, means are there, margins and shares are not."""
    found = _effects(_recipes(_GRID), lambda r: r.batch_size, n=1)
    assert pytest.approx([100, 200]) == _means(found, "batch_size")
    assert {None} == {level.margin for effect in found.axes for level in effect.levels}
    assert () == found.shares


def test_nothing_varied_has_no_axes() -> None:
    """One combination has no axes, and only seeds vary."""
    found = _effects(_recipes("hidden_width: 10"), lambda _: 0.5, sd=0.1)
    assert () == found.axes
    assert {SEEDS: 1.0} == _shares(found)


def test_axes_that_holes_tie_together_are_not_judged() -> None:
    """With the diagonal of a grid alone, nobody can say which of two axes it was: no verdict, no share."""
    whole = _recipes("hidden_width: [8, 16]\nbatch_size: [100, 200]")
    recipes = tuple(r for r in whole if (r.hidden_widths[0] == 8) == (r.batch_size == 100))
    found = _effects(recipes, lambda r: r.hidden_widths[0] / 100, sd=0.001)
    levels = [level for effect in found.axes for level in effect.levels]
    assert {(False, None, None)} == {(level.alone, level.margin, level.half_width) for level in levels}
    shares = _shares(found)
    assert {MIXED, SEEDS} == set(shares)
    assert shares[MIXED] > 0.98


def test_too_many_pairs_are_counted_together() -> None:
    """Where pairs would take minutes, what is beyond single axes is said to be of axes together, not of three."""
    found = _effects(
        _recipes("num_layers: 9\nhidden_funcs: {each_layer: [relu, tanh]}\nbatch_size: [1, 2, 3, 4, 5]"), _together
    )
    assert {"hidden_funcs", "batch_size", TOGETHER, SEEDS} == set(_shares(found))


def _together(recipe: Recipe) -> float:
    """A result that depends on the first function and the batch size together."""
    return float(recipe.batch_size * (recipe.hidden_funcs[0] == "relu"))
