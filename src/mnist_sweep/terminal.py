"""What people see while a sweep runs and after it: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mnist_sweep.events import Failed, Finished, Progress, Started
from mnist_sweep.execution.executor import TrialEvent
from mnist_sweep.ledger import Ledger, pending
from mnist_sweep.plan import Plan
from mnist_sweep.recipe import Recipe, Trial
from mnist_sweep.summary import Combination, Spread, Status, Summary

if TYPE_CHECKING:
    from rich.progress import TaskID

from mnist_sweep.sweep import Listener

_FROM = 1.5  # a unit is used from this many of it


def recipe_words(recipe: Recipe) -> str:
    """A recipe in one short phrase: width, functions, batch size, learning rate, optimizer."""
    widths = [str(width) for width in recipe.hidden_widths]
    shape = f"{len(widths)}×{widths[0]}" if len(set(widths)) == 1 else "-".join(widths) or "no hidden layer"
    funcs = " ".join(dict.fromkeys(recipe.hidden_funcs) if len(set(recipe.hidden_funcs)) == 1 else recipe.hidden_funcs)
    return f"{shape} {funcs} batch {recipe.batch_size} {recipe.optimizer} {recipe.learning_rate:g}".replace("  ", " ")


def trial_words(trial: Trial) -> str:
    """A trial in one short phrase."""
    return f"{recipe_words(trial.recipe)}, repeat {trial.repeat}"


def outcome_words(outcome: Finished | Failed) -> str:
    """What became of a trial, in one short phrase."""
    if isinstance(outcome, Failed):
        return f"failed ({outcome.cause}): {outcome.reason.splitlines()[0] if outcome.reason else ''}"
    result = outcome.result
    val_accuracy = result.curves.val_accuracy[result.kept_epoch - 1] or 0.0
    seconds = sum(second or 0.0 for second in result.curves.seconds)
    return (
        f"validation {val_accuracy:.4f}, test {result.test_accuracy:.4f}, "
        f"{len(result.curves.seconds)} epochs, {seconds:.1f} s"
    )


def duration_words(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= _FROM:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= _FROM else f"{seconds:.0f} s"


@dataclass(slots=True)
class Pace:
    """How many trials are done, and how long the rest will take if they are like those of this run."""

    plan: Plan
    began: float = 0.0
    n_done: int = 0

    def see(self, event: TrialEvent) -> None:
        """Count an event; the clock begins with the first one, when TensorFlow is up."""
        self.began = self.began or time.monotonic()
        self.n_done += isinstance(event, Finished | Failed)

    def time_left(self, ledger: Ledger) -> float | None:
        """Seconds, or None before the first trial has ended."""
        left = len(pending(self.plan.trials, ledger))
        return (time.monotonic() - self.began) / self.n_done * left if self.n_done else None


@contextmanager
def progress(plan: Plan, *, quiet: bool) -> Iterator[list[Listener]]:
    """Listeners that show how the sweep goes on stderr: live on a terminal, a line for each trial elsewhere."""
    if quiet:
        yield []
    elif sys.stderr.isatty():
        with _live_line(plan) as listener:
            yield [listener]
    else:
        yield [_plain_lines(plan)]


def _plain_lines(plan: Plan) -> Listener:
    pace = Pace(plan)

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        pace.see(event)
        if isinstance(event, Finished | Failed):
            done, left = _n_done(plan, ledger), pace.time_left(ledger)
            rest = f" (left: {duration_words(left)})" if left else ""
            head = f"[{done}/{len(plan.trials)}]"
            click.echo(f"{head} {trial_words(event.trial)}: {outcome_words(event)}{rest}", err=True)

    return hear


def _n_done(plan: Plan, ledger: Ledger) -> int:
    return sum(key in ledger.outcomes for key in plan.keys)


@contextmanager
def _live_line(plan: Plan) -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = [
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}", markup=False),
    ]
    pace = Pace(plan)
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting TensorFlow", total=len(plan.trials), left="")

        def hear(event: TrialEvent, ledger: Ledger) -> None:
            pace.see(event)
            _show(bar, task, event, ledger, pace)

        yield hear


def _show(bar: Any, task: TaskID, event: TrialEvent, ledger: Ledger, pace: Pace) -> None:
    match event:
        case Started(trial):
            bar.update(task, completed=_n_done(pace.plan, ledger), description=trial_words(trial))
        case Progress(trial, epoch, val_loss):
            bar.update(task, description=f"{trial_words(trial)}, epoch {epoch}, val_loss {val_loss:.4f}")
        case Finished() | Failed():
            left = pace.time_left(ledger)
            bar.update(task, completed=_n_done(pace.plan, ledger), left=f"left {duration_words(left)}" if left else "")
            bar.console.print(
                f"{trial_words(event.trial)}: {outcome_words(event)}", markup=False, highlight=False, soft_wrap=True
            )


def spread_words(spread: Spread) -> str:
    """A mean with its standard deviation: 0.9801 ± 0.0010."""
    return f"{spread.mean:.4f}" + ("" if spread.sd is None else f" ± {spread.sd:.4f}")


def closing_words(summary: Summary, best_path: str) -> str:
    """The sweep in two lines: its best row, and where best.xlsx lies."""
    n_finished, n_failed, n_pending = (summary.n(status) for status in (Status.FINISHED, Status.FAILED, Status.PENDING))
    counts = f"{n_finished} trials finished, {n_failed} failed, {n_pending} left, {duration_words(summary.seconds)}"
    if not summary.picks:
        best = "Best by validation: none yet, no combination has all its repeats"
    else:
        best = f"Best by validation: {combination_words(summary.picks[0].combination)}"
    return f"{counts}\n{best}\n{best_path}"


def combination_words(combination: Combination) -> str:
    """A combination with its accuracies."""
    validation, test = combination.spread("val_accuracy"), combination.spread("test_accuracy")
    repeats = f"{test.n} repeats, mean ± sd" if test.n > 1 else "1 repeat"
    return (
        f"{recipe_words(combination.recipe)}: validation accuracy {spread_words(validation)}, "
        f"test accuracy {spread_words(test)} ({repeats})"
    )


def print_plan(plan: Plan, ledger: Ledger, home: str) -> None:
    """What a sweep will train, as tables on stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mnist_sweep.reports.tables import axis_words

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, title=plan.spec.name, title_justify="left")
    table.add_column("axis")
    table.add_column("values")
    for axis in plan.spec.axes:
        table.add_row(axis.name, str(axis_words(plan.spec, axis.name)), style="bold" if len(axis.choices) > 1 else "")
    console.print(table)
    parameters = sorted({recipe.n_parameters for recipe in plan.combinations})
    todo = len(pending(plan.trials, ledger))
    n_trials, n_combinations = len(plan.trials), len(plan.combinations)
    facts = {
        "combinations": f"{n_combinations:,}"
        + (f" ({plan.n_duplicates:,} duplicates removed)" if plan.n_duplicates else ""),
        "repeats": f"{plan.spec.repeats}",
        "trials": f"{n_trials:,} ({n_trials - todo:,} done, {todo:,} to train)",
        "parameters": f"{parameters[0]:,}" + (f" to {parameters[-1]:,}" if len(parameters) > 1 else ""),
        "home": home,
    }
    for name, text in facts.items():
        console.print(f"{name:13} {text}", markup=False, highlight=False, soft_wrap=True)
