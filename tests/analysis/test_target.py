"""What a sweep is after: what reaches it, how surely, and which of that is smallest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from books import a_summary, three_by_three, with_accuracy
from builders import a_plan, finished
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import reached, target_sentences
from mnist_sweep.journal.events import Curves, Event
from mnist_sweep.plan.spec import Target
from mnist_sweep.reports.result_tables import target_table


def _with(target: Target, summary: Summary | None = None) -> Summary:
    summary = summary or three_by_three()
    return replace(summary, spec=replace(summary.spec, target=target))


_SURE = _with(Target("val_accuracy", 0.95))
_OPEN = _with(Target("val_accuracy", 0.972))


def test_what_reaches_it_stands_the_smallest_first() -> None:
    """The mean decides; the interval says how surely; repeats that reach it are counted."""
    assert [(64, 3, True), (128, 3, True)] == [
        (one.combination.recipe.hidden_widths[0], one.n_repeats, one.surely) for one in reached(_SURE)
    ]
    assert [(64, 2, False), (128, 3, False)] == [
        (one.combination.recipe.hidden_widths[0], one.n_repeats, one.surely) for one in reached(_OPEN)
    ]
    assert () == reached(three_by_three())


def test_exactly_the_target_reaches_it() -> None:
    """Accuracies are counts: a mean of exactly 0.9 is at least 0.9."""
    plan = a_plan("hidden_width: 8", repeats=3)
    summary = a_summary(plan, *map(with_accuracy, plan.trials, (0.8, 0.9, 1.0)))
    (one,) = reached(_with(Target("val_accuracy", 0.9), summary))
    assert (2, False) == (one.n_repeats, one.surely)
    assert () == reached(_with(Target("val_accuracy", 0.9001), summary))


def test_the_epoch_is_the_first_that_reached_it() -> None:
    """The mean over the repeats that ever did, also where their kept weights do not."""
    plan = a_plan("hidden_width: 8", repeats=3)
    events: list[Event] = []
    for trial, values in zip(plan.trials, ((0.9, 0.96, 0.97), (0.95, 0.96, 0.97), (0.8, 0.9, 0.94)), strict=True):
        curves = Curves((0.1,) * 3, (0.9,) * 3, (0.1,) * 3, values, (1.0,) * 3)
        events.append(finished(trial, curves=curves, kept_epoch=3))
    (one,) = reached(_with(Target("val_accuracy", 0.95), a_summary(plan, *events)))
    assert (2, 1.5) == (one.n_repeats, one.first_epoch)
    (by_test,) = reached(_with(Target("test_accuracy", 0.5), a_summary(plan, *events)))
    assert by_test.first_epoch is None


def test_one_repeat_tells_nothing_of_how_surely() -> None:
    """Neither yes nor no."""
    plan = a_plan("hidden_width: 8", repeats=1)
    summary = _with(Target("test_accuracy", 0.9), a_summary(plan, with_accuracy(plan.trials[0], 0.95)))
    assert [None] == [one.surely for one in reached(summary)]
    assert "unknown" in next(target_table(summary).words())
    assert "1 of 1 complete combination reaches it; one repeat does not tell how surely." in target_sentences(summary)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("val_accuracy", 0.95), "2 of 3 complete combinations reach it, 2 of them surely"),
        (Target("val_accuracy", 0.95), "The smallest is 2×64 relu batch 200 adam 0.001 (55,050 parameters): 0.9720 ±"),
        (Target("val_accuracy", 0.972), "in 2 of 3 repeats, first in epoch 2.0 on average."),
        (Target("test_accuracy", 0.95), "best is not for test accuracy to say: the choice goes by validation."),
        (Target("test_accuracy", 0.99), "No combination reaches it; the closest is 2×128"),
        (
            Target("val_accuracy", 0.95, 30_000),
            "the closest of those that are small enough is 2×32 relu batch 200 adam 0.001: 0.9010",
        ),
        (
            Target("val_accuracy", 0.95, 100),
            "No complete combination is as small; the smallest is 2×32 relu batch 200 adam 0.001, 26,506 parameters.",
        ),
        (Target("val_accuracy", 0.95, 60_000), "1 of 3 complete combinations reaches it, 1 of them surely"),
        (
            Target("test_accuracy", 0.994, 8000),
            "The target is a test accuracy of at least 0.994 with at most 8,000 parameters, as the mean",
        ),
    ],
)
def test_sentences_say_it(target: Target, words: str) -> None:
    """What is asked for, how many reach it, the smallest of them; else who comes closest."""
    assert words in " ".join(target_sentences(_with(target)))


def test_the_smallest_sure_one_is_named_where_it_is_another() -> None:
    """The smallest reaches it by its mean, a larger one surely."""
    plan = a_plan("hidden_width: [8, 16, 32]", repeats=3)
    accuracies = [0.951, 0.950, 0.950, 0.990, 0.991, 0.990, 0.99, 0.991, 0.992]
    summary = _with(Target("val_accuracy", 0.95), a_summary(plan, *map(with_accuracy, plan.trials, accuracies)))
    assert [False, True, True] == [one.surely for one in reached(summary)]
    assert "The smallest that surely does is 2×16 relu" in " ".join(target_sentences(summary))


def test_nothing_is_said_before_there_is_a_result() -> None:
    """Without a complete combination there is none to judge."""
    plan = a_plan("hidden_width: 8")
    summary = _with(Target("val_accuracy", 0.95), a_summary(plan))
    assert "No combination has all its repeats yet." == target_sentences(summary)[-1]
    assert () == target_table(summary).rows
