from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import StatisticsError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_plan, a_spec, a_trial, finished
from mnist_sweep.analysis.combination import Combination, Row, Spread, Status
from mnist_sweep.analysis.conclusions import decision
from mnist_sweep.analysis.noise import Disagreement, images_interval
from mnist_sweep.analysis.summary import CHOICE, Summary, summarize
from mnist_sweep.journal.events import Cause, Curves, Failed
from mnist_sweep.journal.ledger import Ledger, Outcome, Run
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import Plan, make_plan

_Make = Callable[[Trial], Outcome | None]
_TITLES = [CHOICE, "TEST ACCURACY", "TEST LOSS", "TEST LOSS EFFICIENCY"]


def _scored(
    *,
    val_accuracy: float = 0.9,
    val_loss: float = 0.3,
    test_accuracy: float = 0.9,
    test_loss: float = 0.3,
    seconds: float = 1.0,
) -> _Make:
    curves = Curves((0.4,), (0.8,), (val_loss,), (val_accuracy,), (seconds,))
    values: dict[str, Any] = {"test_accuracy": test_accuracy, "test_loss": test_loss}
    return lambda trial: finished(trial, curves=curves, best_epoch=1, kept_epoch=1, **values)


def _failed(trial: Trial) -> Failed:
    return Failed(trial, Cause.DIVERGED, "diverged", Curves((0.5,), (0.6,), (0.7,), (0.99,), (0.9,)))


def _untrained(_trial: Trial) -> None:
    return None


def _summary(plan: Plan, *makes: _Make) -> Summary:
    """The summary of a plan whose trials got these outcomes, one each, in the plan's order."""
    ledger = Ledger()
    for trial, make in zip(plan.trials, makes, strict=True):
        outcome = make(trial)
        if outcome is not None:
            ledger.outcomes[trial.key] = outcome
    return summarize(plan, ledger)


def _repeated(*makes: _Make) -> Combination:
    """A combination with one repeat for each of these outcomes."""
    return _summary(a_plan("hidden_width: 32", repeats=len(makes)), *makes).combinations[0]


def _picked(summary: Summary) -> list[tuple[int, ...]]:
    """The hidden widths of each pick."""
    return [pick.combination.recipe.hidden_widths for pick in summary.picks]


def test_spread_is_mean_and_sample_deviation() -> None:
    """Three repeats give their mean and their standard deviation with one degree of freedom less."""
    spread = _repeated(*(_scored(test_accuracy=value) for value in (0.90, 0.92, 0.97))).spread("test_accuracy")

    assert pytest.approx(0.93) == spread.mean
    assert pytest.approx(0.0013**0.5) == spread.sd
    assert 3 == spread.n


def test_one_repeat_has_no_deviation() -> None:
    """Nothing is said about the spread of a single value."""
    assert Spread(0.95, None, 1) == _repeated(_scored(test_accuracy=0.95)).spread("test_accuracy")


def test_only_finished_repeats_count_in_a_spread() -> None:
    """Failed and untrained repeats are left out of mean, deviation and count."""
    combination = _repeated(_scored(test_loss=0.25), _failed, _untrained)

    assert Spread(0.25, None, 1) == combination.spread("test_loss")


def test_nothing_finished_has_no_spread() -> None:
    """Asking for the mean of nothing is an error, not a number."""
    with pytest.raises(StatisticsError):
        _repeated(_failed, _untrained).spread("test_loss")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("train_loss", 0.2),
        ("train_accuracy", 0.95),
        ("val_loss", 0.12),
        ("val_accuracy", 0.97),
        ("test_loss", 0.5),
        ("test_accuracy", 0.9),
        ("train_time", 7.0),
        ("loss_time", 3.5),
        ("epochs", 3.0),
    ],
)
def test_metrics_belong_to_the_kept_weights(metric: str, expected: float) -> None:
    """Losses and accuracies are those of the kept epoch, not of the last; times and epochs count all of them."""
    curves = Curves((0.6, 0.2, 0.1), (0.8, 0.95, 0.99), (0.3, 0.12, 0.4), (0.9, 0.97, 0.91), (1.0, 2.0, 4.0))
    done = _repeated(
        lambda trial: finished(trial, curves=curves, best_epoch=2, kept_epoch=2, test_loss=0.5, test_accuracy=0.9)
    )

    assert Spread(expected, None, 1) == done.spread(metric)


def test_loss_time_is_taken_per_repeat() -> None:
    """Loss times seconds is the mean of the products, not the product of the means."""
    combination = _repeated(_scored(test_loss=0.1, seconds=1.0), _scored(test_loss=0.3, seconds=3.0))

    assert pytest.approx(0.5) == combination.spread("loss_time").mean


def test_a_value_that_was_not_finite_is_left_out() -> None:
    """A missing training value of the kept epoch does not count in the mean, and missing seconds count as none."""
    curves = Curves((None,), (0.8,), (0.3,), (0.9,), (None,))
    combination = _repeated(
        _scored(seconds=2.0), lambda trial: finished(trial, curves=curves, best_epoch=1, kept_epoch=1)
    )

    assert Spread(0.4, None, 1) == combination.spread("train_loss")
    assert 1.0 == combination.spread("train_time").mean


def test_each_pick_has_its_own_rule() -> None:
    """Validation, test accuracy, test loss and loss times seconds can each be won by another combination."""
    plan = a_plan("hidden_width: [16, 32, 64, 128, 256]", repeats=1)
    summary = _summary(
        plan,
        _scored(),
        _scored(val_accuracy=0.99, val_loss=0.9),
        _scored(test_accuracy=0.99, test_loss=0.4),
        _scored(test_loss=0.1, seconds=50.0),
        _scored(test_loss=0.2, seconds=0.1),
    )

    assert _TITLES == [pick.title for pick in summary.picks]
    assert ["val_accuracy", "test_accuracy", "test_loss", "loss_time"] == [pick.metric for pick in summary.picks]
    assert [(32, 32), (64, 64), (128, 128), (256, 256)] == _picked(summary)


def test_the_test_images_do_not_choose() -> None:
    """The best on the test images is not the choice when another one is best on validation, though by little."""
    summary = _summary(
        a_plan("hidden_width: [32, 64]", repeats=1),
        _scored(val_accuracy=0.901, test_accuracy=0.8, test_loss=0.9),
        _scored(val_accuracy=0.900, test_accuracy=0.99, test_loss=0.01),
    )

    assert [(32, 32), (64, 64), (64, 64), (64, 64)] == _picked(summary)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (_scored(val_accuracy=0.90), _scored(val_accuracy=0.91, val_loss=0.9), 32),
        (_scored(val_accuracy=0.91, val_loss=0.9), _scored(val_accuracy=0.90), 64),
        (_scored(val_loss=0.31), _scored(val_loss=0.30), 32),
        (_scored(val_loss=0.30), _scored(val_loss=0.31), 64),
        (_scored(), _scored(), 32),
    ],
)
def test_choice_is_by_accuracy_then_loss_then_size(first: _Make, second: _Make, expected: int) -> None:
    """Equal validation accuracy leaves it to the validation loss, and that to the smaller model; plan order is last."""
    summary = _summary(a_plan("hidden_width: [64, 32]", repeats=1), first, second)

    assert (expected, expected) == _picked(summary)[0]


def test_a_tie_in_mean_accuracy_is_left_to_the_loss() -> None:
    """263 and 260 of 300 right are as good as 264 and 259, though the means of their quotients are not equal."""
    plan = a_plan("hidden_width: [32, 64]", repeats=2, validation_fraction=0.005)
    losses = {263: 0.385, 260: 0.458, 264: 0.384, 259: 0.452}
    makes = [_scored(val_accuracy=right / 300, val_loss=loss) for right, loss in losses.items()]
    summary = _summary(plan, *makes)
    first, second = summary.ranking().standings
    assert [(64, 64), (32, 32)] == [standing.combination.recipe.hidden_widths for standing in (first, second)]
    assert (64, 64) == _picked(summary)[0]
    assert 0.0 == second.behind
    assert first.spread.mean == second.spread.mean


_THREE_EACH = a_plan("hidden_width: [32, 64]", repeats=3)
_RIGHT = st.lists(st.integers(2000, 5000), min_size=3, max_size=3)


@settings(max_examples=50, deadline=None)
@given(_RIGHT, st.permutations([-700, 1, 699]), st.sampled_from([0, 1]))
def test_equal_counts_are_equal_means(right: list[int], moved: list[int], more: int) -> None:
    """Whatever the counts, equal sums tie in every metric that counts images, and one image more is better."""
    others = [count + by for count, by in zip(right, moved, strict=True)]
    others[0] += more
    makes = [
        _scored(val_accuracy=count / 6000, test_accuracy=count / 10_000, val_loss=loss)
        for counts, loss in ((right, 0.3), (others, 0.2))
        for count in counts
    ]
    summary = _summary(_THREE_EACH, *makes)
    for metric, n_images in (("val_accuracy", 6000), ("test_accuracy", 10_000)):
        first, second = summary.ranking(metric).standings
        assert 64 == first.combination.recipe.hidden_widths[0]
        assert (0.0 if not more else pytest.approx(1 / (3 * n_images))) == second.behind
    assert [(64, 64)] * 2 == _picked(summary)[:2]


def test_means_over_more_or_fewer_repeats_can_be_equal() -> None:
    """Seven repeats with the mean of one alone have the very same number."""
    counts = (5001, 5003, 5007, 4999, 4990, 5002, 4998)
    makes = [_scored(val_accuracy=count / 6000) for count in counts]
    assert 5000 / 6000 == _repeated(*makes).spread("val_accuracy").mean


def test_ties_by_test_results_are_left_to_the_choice() -> None:
    """Of equal test results the one comes first that is better by validation, in the picks as in the ranking."""
    summary = _summary(
        a_plan("hidden_width: [32, 64]", repeats=1), _scored(val_accuracy=0.9), _scored(val_accuracy=0.91)
    )
    assert [(64, 64)] * 4 == _picked(summary)
    for pick in summary.picks[:3]:
        assert pick.combination is summary.ranking(pick.metric).standings[0].combination


def test_the_mean_chooses_and_not_the_luckiest_repeat() -> None:
    """One outstanding repeat does not make a combination the choice."""
    summary = _summary(
        a_plan("hidden_width: [32, 64]", repeats=2),
        _scored(val_accuracy=0.99, test_accuracy=0.99, test_loss=0.01),
        _scored(val_accuracy=0.80, test_accuracy=0.80, test_loss=0.99),
        _scored(val_accuracy=0.95, test_accuracy=0.95, test_loss=0.30),
        _scored(val_accuracy=0.95, test_accuracy=0.95, test_loss=0.30),
    )

    assert [(64, 64)] * 4 == _picked(summary)


@pytest.mark.parametrize("other", [_failed, _untrained])
def test_only_complete_combinations_are_picked(other: _Make) -> None:
    """A combination with a failed or untrained repeat comes first in nothing, however good the others are."""
    best = _scored(val_accuracy=0.99, val_loss=0.01, test_accuracy=0.99, test_loss=0.01, seconds=0.01)
    summary = _summary(a_plan("hidden_width: [32, 64]", repeats=2), best, other, _scored(), _scored())

    assert [(64, 64)] * 4 == _picked(summary)
    assert [False, True] == [combination.complete for combination in summary.combinations]


@pytest.mark.parametrize("other", [_failed, _untrained])
def test_nothing_complete_has_no_picks(other: _Make) -> None:
    """As long as every combination lacks a repeat, there is no best one."""
    summary = _summary(a_plan("hidden_width: [32, 64]", repeats=2), _scored(), other, other, _scored())

    assert () == summary.picks


def test_the_choice_looks_at_the_kept_epoch() -> None:
    """A last epoch that is better than the kept one does not count."""
    better_last = Curves((0.4,) * 2, (0.8,) * 2, (0.3, 0.01), (0.9, 0.99), (1.0,) * 2)
    summary = _summary(
        a_plan("hidden_width: [32, 64]", repeats=1),
        lambda trial: finished(trial, curves=better_last, best_epoch=1, kept_epoch=1),
        _scored(val_accuracy=0.95),
    )

    assert (64, 64) == _picked(summary)[0]


def test_rows_are_the_plan_in_its_order() -> None:
    """Every planned trial is in the summary, by combination and repeat, with what became of it."""
    plan = a_plan("hidden_width: [32, 64, 32]", repeats=2)
    summary = _summary(plan, _scored(), _failed, _untrained, _scored())

    assert list(plan.trials) == [row.trial for row in summary.rows]
    assert [Status.FINISHED, Status.FAILED, Status.PENDING, Status.FINISHED] == [row.status for row in summary.rows]
    assert [2, 1, 1] == [summary.n(status) for status in (Status.FINISHED, Status.FAILED, Status.PENDING)]
    assert [[1, 2], [1, 2]] == [[row.trial.repeat for row in c.rows] for c in summary.combinations]
    assert list(plan.combinations) == [combination.recipe for combination in summary.combinations]
    assert 1 == summary.n_duplicates


def test_outcomes_that_are_not_planned_are_left_out() -> None:
    """An outcome of a trial that the plan does not have is in no row."""
    stranger = finished(a_trial())
    summary = summarize(a_plan(), Ledger({stranger.trial.key: stranger}))

    assert 0 == summary.n(Status.FINISHED)


def test_a_row_has_the_curves_of_its_outcome() -> None:
    """Curves are those of the result or those before the failure; an untrained trial has none."""
    done, broken = finished(a_trial()), _failed(a_trial())
    rows = [Row(a_trial(), outcome) for outcome in (done, broken, None)]

    assert [done.result.curves, broken.curves, Curves()] == [row.curves for row in rows]
    assert [done.result, None, None] == [row.result for row in rows]


def test_a_summary_has_the_runs_of_the_ledger() -> None:
    """Runs are passed on, and their seconds are summed."""
    runs = [Run({"cores": 8}, "yesterday", 2.5), Run({"cores": 8}, "today", 4.0)]
    summary = summarize(a_plan(), Ledger(runs=runs))

    assert tuple(runs) == summary.runs
    assert 6.5 == summary.seconds
    assert a_plan().spec == summary.spec


def test_one_that_spreads_far_wider_is_unstable() -> None:
    """Of twelve combinations the one with far more than the spread of the others is marked, and no other."""
    makes = [_scored(val_accuracy=0.9 + 0.0001 * (i * i % 7)) for i in range(33)]
    makes += [_scored(val_accuracy=value) for value in (0.80, 0.60, 0.70)]
    summary = _summary(a_plan(f"hidden_width: {list(range(1, 13))}", repeats=3), *makes)
    assert [False] * 11 == [
        s.unstable for s in summary.ranking().standings if s.combination is not summary.combinations[11]
    ]
    assert [True] == [s.unstable for s in summary.ranking().standings if s.combination is summary.combinations[11]]


@pytest.mark.parametrize("split_seed", ["100", "each_repeat"])
def test_what_repeats_do_to_all_alike(split_seed: str) -> None:
    """It never makes a combination unstable; other held-out images in each repeat widen the interval of a mean."""
    makes = [_scored(val_accuracy=0.9 + shift) for _ in range(12) for shift in (0.0, 0.02, 0.01)]
    summary = _summary(a_plan(f"hidden_width: {list(range(1, 13))}", repeats=3, split_seed=split_seed), *makes)
    standings = summary.ranking().standings
    assert {False} == {standing.unstable for standing in standings}
    assert {True} == {standing.tied for standing in standings}
    expected = 0.0 if split_seed == "100" else 2.0860 * 0.01 / 3**0.5  # t of 10 × 2 degrees of freedom
    assert pytest.approx(expected, abs=1e-5) == standings[0].half_width


def _uneven(*makes: _Make) -> Summary:
    """The summary of two combinations, of which the plan asks for two repeats and for four."""
    plan = a_plan("hidden_width: [32, 64]", repeats=4)
    return _summary(replace(plan, trials=(*plan.trials[:2], *plan.trials[4:])), *makes)


def test_complete_is_what_has_all_that_its_plan_asks_for() -> None:
    """Two of two is complete, and three of four is not."""
    summary = _uneven(*[_scored()] * 5, _untrained)
    assert [(2, True), (4, False)] == [(len(c.rows), c.complete) for c in summary.combinations]


def test_margins_depend_on_the_repeats_of_the_two() -> None:
    """What repeats do to all alike is noise where they differ, and fewer repeats may be farther behind by luck."""
    accuracies = (0.90, 0.92, 0.91, 0.93, 0.95, 0.97)
    ranking = _uneven(*(_scored(val_accuracy=value) for value in accuracies)).ranking()
    first, second = ranking.standings
    s, q = (0.0022 / 4) ** 0.5, 3.9265  # squares within the two, over 1 + 3 degrees of freedom; Tukey's q of 2 means
    assert (4, 2) == (first.spread.n, second.spread.n)
    assert ranking.noise is not None
    assert 4 == ranking.noise.df
    assert pytest.approx(s) == ranking.noise.s
    assert pytest.approx(q * s * (3 / 8) ** 0.5, rel=1e-4) == second.margin
    assert pytest.approx(q * s * (1 / 2) ** 0.5, rel=1e-4) == ranking.telling
    assert ranking.tie is None


def test_one_alone_at_the_top_is_farther_ahead_than_these_two_differ_by_luck() -> None:
    """The sentence has the margin of the next, not that of two combinations with the fewest repeats."""
    accuracies = (0.900, 0.901, 0.950, 0.951, 0.952, 0.953)
    summary = _uneven(*(_scored(val_accuracy=value) for value in accuracies))
    margin = summary.ranking().standings[1].margin
    assert f"behind by 0.0510, more than the seed noise of 2 to 4 repeats ({margin:.4f})" in decision(summary)


def test_other_repeats_are_not_paired() -> None:
    """As many repeats are not the same ones, where each combination has had other failures."""
    plan = a_plan("hidden_width: [32, 64]", repeats=3)
    trials = (*plan.trials[:2], *plan.trials[4:])  # repeats 1 and 2 of the one, 2 and 3 of the other
    makes = [_scored(val_accuracy=value) for value in (0.90, 0.92, 0.92, 0.94)]
    ranking = _summary(replace(plan, trials=trials), *makes).ranking()
    assert ranking.noise is not None
    assert 2 == ranking.noise.df
    assert pytest.approx(0.0002**0.5) == ranking.noise.s


def test_the_first_two_are_compared_by_the_repeats_that_both_have() -> None:
    """The images that one alone misreads are those of one repeat."""
    wrong = {1: ((1, 0),), 2: ((2, 0),), 3: ((3, 0),), 4: ((4, 0),)}
    summary = _uneven(*[lambda trial: finished(trial, wrong=wrong[trial.repeat])] * 6)
    assert {1: Disagreement(0, 0, 1.0), 2: Disagreement(0, 0, 1.0)} == summary.first_against_second


def test_accuracies_are_counted_over_the_images_of_the_data() -> None:
    """Means are quotients of counts over as many images as the data set has."""
    spec = a_spec("hidden_width: 32")
    plan = make_plan(spec, DataSet("e" * 64, n_train=70, n_test=7))
    makes = [_scored(val_accuracy=right / 7, test_accuracy=right / 7) for right in (3, 5)]
    summary = _summary(plan, *makes)
    (combination,) = summary.combinations
    assert [4 / 7, 4 / 7] == [combination.spread(metric).mean for metric in ("val_accuracy", "test_accuracy")]
    assert images_interval(4 / 7, 7) == summary.images(combination)


def test_axes_of_one_choice_can_vary() -> None:
    """One each_layer is one choice with many values."""
    assert {"hidden_funcs"} == summarize(a_plan("hidden_funcs: {each_layer: [relu, tanh]}"), Ledger()).varied
