"""Sentences say what the numbers support, and no more."""

from __future__ import annotations

import pytest

from builders import a_plan, finished
from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.conclusions import (
    axis_sentences,
    decision,
    drop_sentences,
    droppable,
    first_words,
    noise_words,
    power_words,
)
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.analysis.wording import closing_words, cut_words
from mnist_sweep.journal.events import Cause, Curves, Failed, Record
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.sweep_plan import confirmations

_Value = float | str | None
_UNTRAINED = "untrained"


def _summary(grid: str, *values: _Value, repeats: int = 2) -> Summary:
    """A sweep whose validation accuracies are these, in plan order; None failed."""
    plan = a_plan(grid, repeats=repeats)
    ledger = Ledger()
    for trial, value in zip(plan.trials, values, strict=True):
        if value is None:
            ledger.outcomes[trial.key] = Failed(trial, Cause.DIVERGED, "diverged")
        elif isinstance(value, float):
            curves = Curves((0.4,), (0.8,), (0.3,), (value,), (1.0,))
            ledger.outcomes[trial.key] = finished(trial, curves=curves, best_epoch=1, kept_epoch=1)
    return summarize(plan, ledger)


_CLEAR = _summary("hidden_width: [8, 16, 32]", 0.90, 0.91, 0.80, 0.811, 0.80, 0.81)
_EQUAL = _summary("hidden_width: [8, 16]", 0.90, 0.92, 0.92, 0.905)


def test_a_clear_winner_stands_alone() -> None:
    """The decision names the model, its distance to the next, and how much is luck."""
    assert decision(_CLEAR).startswith("Take 2×8 relu batch ")
    words = "Nothing else is as good: the next is behind by 0.0995, more than the seed noise of 2 repeats"
    assert words in decision(_CLEAR)


def test_ties_are_said_with_the_smallest_of_them() -> None:
    """A tie is a tie, and the smaller model is offered."""
    assert "The other one may be as good" in decision(_EQUAL)
    assert "The smallest of these is 2×8 relu" in decision(_EQUAL)
    assert "No value is safe to drop" in drop_sentences(_EQUAL)[0]
    assert axis_sentences(_EQUAL)[0].startswith("Width made no difference that 2 repeats can tell (at most 0.0025")


def test_differences_and_what_to_drop() -> None:
    """Values that are worse beyond luck and in no tied combination are safe to drop."""
    (sentence,) = axis_sentences(_CLEAR)
    assert sentence.startswith("Width 8 is better than 16 by 0.0995 ± 0.00")
    assert ["Safe to drop: width 16; width 32. On average worse, and in no combination that may be the best."] == (
        drop_sentences(_CLEAR)
    )
    assert "Width 8 is the best and the smallest that was tried: try smaller ones." in next_steps(_CLEAR, "output/test")


def test_one_repeat_tells_nothing_about_noise() -> None:
    """With one repeat no sentence claims a difference, and the way out is said."""
    summary = _summary("hidden_width: [8, 16]", 0.9, 0.8, repeats=1)
    assert "With one repeat nothing can be said about chance" in decision(summary)
    assert [] == axis_sentences(summary)
    assert [] == drop_sentences(summary)
    assert "" == power_words(summary)
    assert "Set repeats to 3" in next_steps(summary, "output/test")[0]


def test_nothing_complete_decides_nothing() -> None:
    """Where every combination has a failure, there is no decision, and the failures are named."""
    summary = _summary("hidden_width: [8, 16]", None, 0.9, 0.9, None)
    assert "No decision yet: no combination has all its repeats." == decision(summary)
    assert "2 trials failed" in next_steps(summary, "output/test")[0]
    assert noise_words(summary).startswith("One repeat, or one combination alone")


def test_part_of_a_sweep_is_said_to_be_a_part() -> None:
    """A decision on some of the combinations says on how many."""
    assert decision(_summary("hidden_width: [8, 16]", 0.9, 0.91, None, 0.9)).startswith(
        "Without those that failed (1 of 2 combinations): Take "
    )


@pytest.mark.parametrize(("second", "count"), [(0.9049, "more than 200"), (0.898, "3")])
def test_repeats_for_the_first_two(second: float, count: str) -> None:
    """How many repeats tell the first two apart, if the difference is real."""
    summary = _summary("hidden_width: [8, 16]", 0.90, 0.91, second - 0.003, second + 0.003)
    assert f"takes {count} repeats of each" in power_words(summary)


def test_what_is_not_trained_yet_is_not_dropped() -> None:
    """A value that an incomplete combination has may still win."""
    values = (0.90, 0.91, 0.90, 0.911, 0.80, 0.81, 0.80, None)
    summary = _summary("hidden_width: [8, 16]\nbatch_size: [100, 200]", *values)
    assert [] == droppable(summary)
    everything = _summary("hidden_width: [8, 16]\nbatch_size: [100, 200]", *(value or 0.812 for value in values))
    assert [16] == [level.value for _, level in droppable(everything)]


def test_axes_that_holes_tie_together_get_no_verdict() -> None:
    """Where missing combinations mix two axes up, neither is said to be better."""
    values = (0.90, 0.91, None, None, None, None, 0.80, 0.81)
    sentences = axis_sentences(_summary("hidden_width: [8, 16]\nbatch_size: [100, 200]", *values))
    assert 2 == len(sentences)
    assert all("cannot be told apart from other axes" in sentence for sentence in sentences)


def test_the_first_of_many_was_lucky() -> None:
    """Before it is confirmed, the choice is said to be rated too high, and how to find out."""
    assert "The highest of 3 is likely rated too high: train it again" in decision(_CLEAR)
    assert any("mnist-sweep confirm output/test" in step for step in next_steps(_CLEAR, "output/test"))


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        ((0.95, 0.952, 0.90, 0.901), "Trained again 2 times it got 0.9510, the highest of the 2 that were."),
        (
            (0.90, 0.901, 0.95, 0.952),
            "and 2×16 relu batch 200 adam 0.001 0.9510: take that one, the difference is more",
        ),
        ((0.90, 0.92, 0.92, 0.905), "and 2×16 relu batch 200 adam 0.001 0.9125: which of them is better is open"),
    ],
)
def test_fresh_trainings_have_the_last_word(fresh: tuple[float, ...], words: str) -> None:
    """When both were trained again, the decision says which is better now, or that it is open."""
    plan, ledger = a_plan("hidden_width: [8, 16]"), Ledger()
    trials = [*plan.trials, *confirmations(plan, plan.combinations, 2)]
    for trial, value in zip(trials, (0.94, 0.95, 0.93, 0.92, *fresh), strict=True):
        curves = Curves((0.4,), (0.8,), (0.3,), (value,), (1.0,))
        ledger.apply(Record("t", 0.0, finished(trial, curves=curves, best_epoch=1, kept_epoch=1)))
    assert words in decision(summarize(plan, ledger))


@pytest.mark.parametrize("last", [0.80, None])
def test_while_trials_are_left_nothing_is_decided(last: float | None) -> None:
    """Who leads is said to lead so far; nothing is advised but to go on, nothing is safe to drop."""
    grid = "hidden_width: [8, 16, 32]\nbatch_size: [100, 200]"
    values = (0.90, 0.91, 0.90, 0.911, 0.80, 0.81, 0.80, 0.81, 0.70, 0.71, last, _UNTRAINED)
    summary = _summary(grid, *values)
    assert decision(summary).startswith("Leading so far (5 of 6 combinations have all their repeats): 2×8 relu ")
    assert decision(summary).endswith("(test 0.9512).")
    failed = ["1 trial failed: full.xlsx says why; --retry-failed trains again."] if last is None else []
    assert ["1 trial left to train: run the same command again.", *failed] == next_steps(summary, "output/test")
    assert [] == drop_sentences(summary)
    assert "" == power_words(summary)
    assert "leads so far" in first_words(summary, "test_loss")
    done = _summary(grid, *(0.70 if value in {_UNTRAINED, None} else value for value in values))
    assert "Safe to drop" in drop_sentences(done)[0]
    assert decision(done).startswith("Take ")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.90, 0.91, 0.80, 0.811), "No other may be as good."),
        ((0.90, 0.92, 0.92, 0.905), "The other one may be as good."),
        ((0.90, 0.92, 0.92, 0.905, 0.91, 0.911), "All others may be as good."),
        ((0.90, 0.91, 0.90, 0.911, 0.80, 0.811), "1 of the 2 others may be as good."),
    ],
)
def test_others_are_counted_as_people_count(values: tuple[float, ...], words: str) -> None:
    """None, one, some or all of the others: never 0 of the 1 others."""
    widths = [8, 16, 32][: len(values) // 2]
    assert first_words(_summary(f"hidden_width: {widths}", *values), "val_accuracy").endswith(f". {words}")


def _cut(max_epochs: str, *trainings: tuple[int, int], stopping: str = "{patience: 3}", repeats: int = 2) -> Summary:
    """A sweep of two widths whose trainings had so many epochs, and were best in this one."""
    plan = a_plan(f"hidden_width: [8, 16]\nmax_epochs: {max_epochs}\nearly_stopping: {stopping}", repeats=repeats)
    ledger = Ledger()
    for trial, (n, best) in zip(plan.trials, trainings, strict=False):
        curves = Curves((0.4,) * n, (0.8,) * n, (0.3,) * n, (1 / trial.recipe.hidden_widths[0],) * n, (1.0,) * n)
        ledger.outcomes[trial.key] = finished(trial, curves=curves, best_epoch=best, kept_epoch=best)
    return summarize(plan, ledger)


def test_what_max_epochs_cut_is_said_and_mended_first() -> None:
    """How many of which models were cut, how many of them while they improved, and to raise the limit first of all."""
    summary = _cut("5", (5, 5), (5, 4), (5, 2), (5, 3))
    model = "relu batch 200 adam 0.001"
    assert cut_words(summary) == (
        f"max_epochs ended 3 of 4 trainings before early stopping did: 2×8 {model} (2 of 2), 2×16 {model} (1 of 2). "
        "The last epoch was the best in 1 of these 3."
    )
    assert next_steps(summary, "output/test")[0] == (
        "Raise max_epochs in the sweep file from 5 to 10 or more, and run it under another name or with --fresh: "
        "it ended 3 of 4 trainings before early stopping did."
    )
    assert f"\n{cut_words(summary)}\n" in closing_words(summary, "best.xlsx")


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        (_cut("5", (5, 5), (4, 1), (4, 1), (4, 1)), "Its last epoch was its best."),
        (_cut("5", (5, 4), (4, 1), (4, 1), (4, 1)), "Its last epoch was not its best."),
        (_cut("5", (5, 4), (5, 4), (4, 1), (4, 1)), "The last epoch was the best in none of these 2."),
        (_cut("5", (5, 5), (5, 5), (4, 1), (4, 1)), "The last epoch was the best in all of these 2."),
        (_cut("5", (5, 5), repeats=1), "max_epochs ended 1 of 1 training before early stopping did"),
    ],
)
def test_what_was_cut_is_counted_as_people_count(summary: Summary, words: str) -> None:
    """One, none and all have words of their own."""
    assert words in cut_words(summary)


@pytest.mark.parametrize(
    "summary",
    [
        _cut("5", *[(5, 2)] * 4),
        _cut("5", *[(4, 1)] * 4),
        _cut("5", *[(5, 5)] * 4, stopping="off"),
        _cut("5"),
    ],
)
def test_where_nothing_was_cut_nothing_is_said(summary: Summary) -> None:
    """Patience that ran out, also in the very last epoch, is no cut; neither is a training without early stopping."""
    assert () == summary.cut
    assert "" == cut_words(summary)
    assert not any("max_epochs" in step for step in next_steps(summary, "output/test"))


def test_a_longer_limit_that_was_tried_is_not_advised() -> None:
    """Where limits are varied, only trainings cut by the largest call for a larger one, added beside the others."""
    short = ((5, 5), (5, 5), (9, 6), (9, 6)) * 2
    assert not any("max_epochs" in step for step in next_steps(_cut("[5, 20]", *short), "output/test"))
    long = ((5, 5), (5, 5), (20, 20), (20, 19)) * 2
    assert next_steps(_cut("[5, 20]", *long), "output/test")[0] == (
        "Add a larger value to max_epochs, 40 or more (20 is the largest): it ended 8 of 8 trainings before early "
        "stopping did."
    )
