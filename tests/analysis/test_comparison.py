"""Two sweeps side by side: what they share, and whether it differs beyond luck."""

from __future__ import annotations

import pytest

from builders import a_plan, finished
from mnist_sweep.analysis.comparison import shared
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.journal.events import Curves
from mnist_sweep.journal.ledger import Ledger


def _summary(widths: list[int], values: list[float], repeats: int = 2, seed: int = 1) -> Summary:
    plan = a_plan(f"hidden_width: {widths}", repeats=repeats, seed=seed)
    ledger = Ledger()
    for trial, value in zip(plan.trials, values, strict=True):
        curves = Curves((0.4,), (0.8,), (0.3,), (value,), (1.0,))
        ledger.outcomes[trial.key] = finished(trial, curves=curves, best_epoch=1, kept_epoch=1)
    return summarize(plan, ledger)


_FIRST = _summary([8, 16], [0.80, 0.81, 0.900, 0.911])


def test_only_what_both_have_is_compared() -> None:
    """Combinations are matched by their recipe, wherever they stand in their grids."""
    (pair,) = shared(_FIRST, _summary([32, 16], [0.7, 0.7, 0.95, 0.961], seed=2))
    assert (16, 16) == pair.recipe.hidden_widths
    assert pytest.approx(0.05) == pair.difference
    assert pair.differs
    assert not pair.same


def test_small_differences_are_luck() -> None:
    """A difference within the noise of both is none."""
    (first, *_) = shared(_FIRST, _summary([8, 16], [0.80, 0.805, 0.901, 0.908], seed=2))
    assert not first.differs


def test_the_same_trainings_are_known() -> None:
    """Two folders with the same seeds hold the same trainings: no evidence of anything."""
    assert [True, True] == [pair.same for pair in shared(_FIRST, _FIRST)]
    assert not any(pair.differs for pair in shared(_FIRST, _FIRST))


def test_one_repeat_cannot_be_judged() -> None:
    """Without repeats on either side there is no margin; with repeats on one side theirs is used."""
    single = _summary([8, 16], [0.80, 0.95], repeats=1, seed=2)
    assert {None} == {pair.margin for pair in shared(single, single)}
    assert all(pair.margin for pair in shared(_FIRST, single))


def test_nothing_in_common() -> None:
    """Sweeps of different models share nothing."""
    assert [] == shared(_FIRST, _summary([32], [0.9, 0.91]))


def test_what_repeats_do_to_all_alike_does_not_cancel_between_sweeps() -> None:
    """A shift of one whole repeat is within the margin of two sweeps with other seeds."""
    first = _summary([8, 16], [0.80, 0.82, 0.90, 0.92])
    second = _summary([8, 16], [0.82, 0.84, 0.92, 0.94], seed=2)
    assert [False, False] == [pair.differs for pair in shared(first, second)]


def test_other_held_out_images_get_no_verdict() -> None:
    """Sweeps that hold out other images differ by these too, which no margin covers."""
    plan = a_plan("hidden_width: [8, 16]", split_seed=7)
    other = summarize(plan, Ledger({trial.key: finished(trial) for trial in plan.trials}))
    assert [(True, False)] * 2 == [(pair.other_images, pair.differs) for pair in shared(_FIRST, other)]
