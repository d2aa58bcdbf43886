"""What people see while a sweep runs: live lines on a terminal, plain lines elsewhere; and the plan as a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from mnist_sweep.events import Failed, Finished, Progress, Started
from mnist_sweep.execution.executor import TrialEvent
from mnist_sweep.ledger import Ledger, pending
from mnist_sweep.plan import Plan
from mnist_sweep.recipe import Trial
from mnist_sweep.sweep import Listener
from mnist_sweep.words import duration_words, outcome_words, shape_words, trial_words

if TYPE_CHECKING:
    from rich.console import RenderableType


def say(text: str, *, err: bool = False) -> None:
    """Print a line; a reader who went away must not cost the sweep anything."""
    with suppress(BrokenPipeError):
        click.echo(text, err=err)


@dataclass(slots=True)
class Pace:
    """How many trials are done, and how long the rest will take if they are like those of this run."""

    n_trials: int
    n_done: int
    varied: frozenset[str]
    began: float = 0.0
    n_ended: int = 0  # in this run
    running: dict[Trial, str] = field(default_factory=dict)

    def see(self, event: TrialEvent) -> None:
        """Take in an event; the clock begins with the first one, when the workers are up."""
        self.began = self.began or time.monotonic()
        match event:
            case Started(trial):
                self.running[trial] = "starting"
            case Progress(trial, epoch, val_loss, val_accuracy):
                self.running[trial] = f"epoch {epoch}, val_loss {val_loss:.4f}, val_accuracy {val_accuracy:.4f}"
            case Finished(trial) | Failed(trial):
                self.running.pop(trial, None)
                self.n_ended += 1
                self.n_done += 1

    @property
    def left(self) -> str:
        """How long it will still take, in words; empty before the first trial has ended."""
        n_left = self.n_trials - self.n_done
        if not self.n_ended or not n_left:
            return ""
        return f"left {duration_words((time.monotonic() - self.began) / self.n_ended * n_left)}"


@contextmanager
def progress(plan: Plan, *, quiet: bool, retry_failed: bool = False) -> Iterator[list[Listener]]:
    """Listeners that show how the sweep goes on stderr: live on a terminal, a line for each trial elsewhere."""
    if quiet:
        yield []
    elif sys.stderr.isatty():
        with _live(plan, retry_failed=retry_failed) as listener:
            yield [listener]
    else:
        yield [_plain_lines(plan, retry_failed=retry_failed)]


def _pace(plan: Plan, ledger: Ledger, event: TrialEvent, *, retry_failed: bool) -> Pace:
    """The pace before the first event, which the ledger has seen already."""
    n_done = len(plan.trials) - len(pending(plan.trials, ledger, retry_failed=retry_failed))
    return Pace(len(plan.trials), n_done - isinstance(event, Finished | Failed), plan.spec.varied)


def _plain_lines(plan: Plan, *, retry_failed: bool) -> Listener:
    pace: Pace | None = None

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        nonlocal pace
        pace = pace or _pace(plan, ledger, event, retry_failed=retry_failed)
        pace.see(event)
        if isinstance(event, Finished | Failed):
            rest = f" ({pace.left})" if pace.left else ""
            head = f"[{pace.n_done}/{pace.n_trials}]"
            say(f"{head} {trial_words(event.trial, plan.spec.varied)}: {outcome_words(event)}{rest}", err=True)

    return hear


@contextmanager
def _live(plan: Plan, *, retry_failed: bool) -> Iterator[Listener]:
    """A bar with the counts and the time left, and under it a line for each trial that is being trained."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    pace: Pace | None = None
    with Live(Text("starting the workers"), console=console, transient=True, refresh_per_second=8) as live:

        def hear(event: TrialEvent, ledger: Ledger) -> None:
            nonlocal pace
            pace = pace or _pace(plan, ledger, event, retry_failed=retry_failed)
            pace.see(event)
            if isinstance(event, Finished | Failed):
                line = f"{trial_words(event.trial, plan.spec.varied)}: {outcome_words(event)}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            live.update(_picture(pace))

        yield hear


def _picture(pace: Pace) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    spent = duration_words(time.monotonic() - pace.began)
    bar = ProgressBar(total=pace.n_trials, completed=pace.n_done, width=24)
    head.add_row(
        bar, Text(f"{pace.n_done}/{pace.n_trials} trials", no_wrap=True), Text(f"{spent} so far"), Text(pace.left)
    )
    lines = [
        Text(f"  {state}: {trial_words(trial, pace.varied)}", no_wrap=True, overflow="ellipsis", style="dim")
        for trial, state in pace.running.items()
    ]
    return Group(head, *lines)


_SHOWN_SHAPES = 8


def print_plan(plan: Plan, ledger: Ledger, home: str, devices: str) -> None:
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
    for name, text in _facts(plan, ledger, home, devices).items():
        console.print(f"{name:13} {text}", markup=False, highlight=False, soft_wrap=True)


def _facts(plan: Plan, ledger: Ledger, home: str, devices: str) -> dict[str, str]:
    n_trials, n_left = len(plan.trials), len(pending(plan.trials, ledger))
    removed = f" ({plan.n_duplicates:,} duplicates removed)" if plan.n_duplicates else ""
    return {
        "combinations": f"{len(plan.combinations):,}{removed}",
        "repeats": f"{plan.spec.repeats}",
        "trials": f"{n_trials:,} ({n_trials - n_left:,} done, {n_left:,} to train)",
        "parameters": _parameters(plan),
        "devices": devices,
        "home": home,
    }


def _parameters(plan: Plan) -> str:
    """The parameters of each model, smallest first; of many models the smallest and the largest."""
    by_shape = {shape_words(recipe): recipe.n_parameters for recipe in plan.combinations}
    models = [f"{n:,} ({shape})" for shape, n in sorted(by_shape.items(), key=lambda item: item[1])]
    if len(models) > _SHOWN_SHAPES:
        return f"{models[0]} to {models[-1]}, {len(models)} sizes"
    return ", ".join(models)
