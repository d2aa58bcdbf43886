"""Trials, outcomes and sweeps in the words that people read on a terminal and in a log."""

from collections import Counter
from collections.abc import Collection, Container, Iterable
from dataclasses import replace
from typing import Any

from mnist_sweep.analysis.combination import Combination, Spread, Status
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.events import BFLOAT16, Failed, Finished
from mnist_sweep.plan.axes import recipe_words
from mnist_sweep.plan.choices import widths_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import Trial

_FROM = 1.5  # a unit is used from this many of it


def outcome_words(outcome: Finished | Failed) -> str:
    """What became of a trial, in one short phrase."""
    if isinstance(outcome, Failed):
        return f"failed ({outcome.cause}): {outcome.reason.splitlines()[0] if outcome.reason else ''}"
    result = outcome.result
    validation, test, seconds = (
        METRICS[name].amount(METRICS[name].of(result) or 0.0) for name in (CHOSEN_BY, "test_accuracy", "train_time")
    )
    return f"validation {validation}, test {test}, {counted(len(result.curves.seconds), 'epoch')}, {seconds}"


def trial_facts(event: Finished | Failed, varied: Container[str] = ()) -> dict[str, Any]:
    """A trial that ended as plain JSON values, without its curves and lists."""
    facts: dict[str, Any] = {"model": recipe_words(event.trial.recipe, varied), "repeat": event.trial.repeat}
    if isinstance(event, Failed):
        return {**facts, "cause": event.cause, "reason": event.reason}
    return {**facts, **{name: metric.of(event.result) for name, metric in METRICS.items()}}


def emulation_words(event: Finished) -> str:
    """How much longer a training in bfloat16 takes than in float32; empty where that was not measured."""
    measured = event.result.execution.get(BFLOAT16)
    if not measured:
        return ""
    return (
        f"mixed_bfloat16 takes {measured['factor']:.1f} times as long as float32 on this processor, which emulates it "
        f"(measured with {measured.get('network') or widths_words(measured['widths'])}, batch {measured['batch_size']})"
    )


def duration_words(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= _FROM:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= _FROM else f"{seconds:.0f} s"


def spread_words(spread: Spread) -> str:
    """A mean with its standard deviation: 0.9801 ± 0.0010."""
    return f"{spread.mean:.4f}" + ("" if spread.sd is None else f" ± {spread.sd:.4f}")


def closing_words(summary: Summary, best_path: str) -> str:
    """The sweep in some lines: its counts, its best row, what max_epochs cut, and where best.xlsx lies."""
    return "\n".join(filter(None, [counts_words(summary), best_words(summary), cut_words(summary), best_path]))


def counts_words(summary: Summary) -> str:
    """How many trials finished, failed and are left, and how long that took."""
    n_finished, n_failed, n_left = summary.counts
    spent = duration_words(summary.seconds) + (" in all runs" if len(summary.runs) > 1 else "")
    return f"Trials: {n_finished} finished, {n_failed} failed, {n_left} left; {spent}"


def best_words(summary: Summary) -> str:
    """The choice by validation in one line, and how much it rests on."""
    head = "Leading so far" if summary.unfinished else "Best by validation"
    if not summary.picks:
        return f"{head}: none yet, no combination has all its repeats"
    of_how_many = f" ({complete_words(summary)})" if summary.incomplete else ""
    best = summary.picks[0].combination
    validation, test = best.spread("val_accuracy"), best.spread("test_accuracy")
    repeats = counted(test.n, "repeat") + (", mean ± sd" if test.n > 1 else "")
    return (
        f"{head}{of_how_many}: {summary.model_words(best.recipe)}: validation accuracy {spread_words(validation)}, "
        f"test accuracy {spread_words(test)} ({repeats})"
    )


def complete_words(summary: Summary) -> str:
    """How many of the combinations are complete."""
    n, of_all = len(summary.ranked), counted(len(summary.combinations), "combination")
    return f"{n:,} of {of_all} {'has all its' if n == 1 else 'have all their'} repeats"


def repeats_words(combinations: Iterable[Combination]) -> str:
    """How many repeats each of these combinations has in the plan: 3 repeats, 2 to 4 repeats."""
    sizes = [len(combination.rows) for combination in combinations]
    fewest, most = min(sizes), max(sizes)
    return counted(most, "repeat") if fewest == most else f"{fewest:,} to {counted(most, 'repeat')}"


def leader_words(summary: Summary) -> str:
    """Who leads by validation for a narrow terminal: the figure first."""
    if not summary.picks:
        return ""
    best, head = summary.picks[0].combination, "leading so far" if summary.unfinished else "best by validation"
    return f"{head}: {spread_words(best.spread('val_accuracy'))}, {summary.model_words(best.recipe)}"


_CONFIRMING = 5


def confirming_words(summary: Summary, trials: Collection[Trial]) -> str:
    """A line for each combination that these trials confirm: how many are done, their mean, and what it had before."""
    wanted, fresh = Counter(trial.recipe for trial in trials), frozenset(trials)
    confirmed = {one.recipe: one for one in summary.confirmed}
    lines = []
    for combination in summary.ranked:
        n = wanted[combination.recipe]
        known = confirmed[combination.recipe].rows if combination.recipe in confirmed else ()
        done = replace(combination, rows=tuple(row for row in known if row.trial in fresh and row.result))
        now = f", validation {spread_words(done.spread(CHOSEN_BY))}" if done.rows else ""
        before = spread_words(combination.spread(CHOSEN_BY))
        name = summary.model_words(combination.recipe)
        lines += [f"confirming {len(done.rows)} of {n}{now} (was {before}): {name}"] if n else []
    more = [f"and {len(lines) - _CONFIRMING} more"] if len(lines) > _CONFIRMING else []
    return "\n".join([*lines[:_CONFIRMING], *more])


def cut_words(summary: Summary) -> str:
    """Which trainings max_epochs ended before early stopping did; empty where there are none."""
    cut = summary.cut
    if not cut:
        return ""
    rows = [row for combination in cut for row in combination.rows if row.cut]
    n, n_all = len(rows), summary.n(Status.FINISHED)
    n_rising = sum(row.result.best_epoch == len(row.curves.seconds) for row in rows if row.result)
    models = (f"{summary.model_words(c.recipe)} ({c.n_cut} of {len(c.rows)})" for c in cut)
    part = "all" if n_rising == n else f"{n_rising}" if n_rising else "none"
    last = (
        f"Its last epoch was {'' if n_rising else 'not '}its best."
        if n == 1
        else f"The last epoch was the best in {part} of these {n:,}."
    )
    part_of_all = f"{n:,} of {counted(n_all, 'training')}"
    return f"max_epochs ended {part_of_all} before early stopping did: {listed(models, most=4)}. {last}"


def listed(words: Iterable[str], most: int = 8) -> str:
    """Words with commas between; of many the first ones, and how many more there are."""
    words = list(words)
    return ", ".join(words) if len(words) <= most else f"{', '.join(words[:most])} and {len(words) - most:,} more"
