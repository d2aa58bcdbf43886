"""What people see while a sweep runs: live lines on a terminal, plain lines or JSON elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from mnist_sweep.analysis import wording
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.execution.executor import TrialEvent
from mnist_sweep.execution.run_sweep import Listener
from mnist_sweep.execution.time_left import time_left
from mnist_sweep.journal.events import Failed, Finished, Progress, Started
from mnist_sweep.journal.ledger import Ledger, pending
from mnist_sweep.plan.axes import trial_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import Plan
from mnist_sweep.system.clock import running_s
from mnist_sweep.system.stop import Stop
from mnist_sweep.terminal.screen import fitted

if TYPE_CHECKING:
    from rich.console import RenderableType


def say(text: str, *, err: bool = False) -> None:
    """Print a line."""
    click.echo(fitted(text, sys.stderr if err else sys.stdout), err=err)


_LOOK_S = 1.0


@dataclass(slots=True)
class Pace:
    """How many trials are done, what runs, how long the rest will take, and who leads, or what is confirmed."""

    plan: Plan
    trials: tuple[Trial, ...]
    ledger: Ledger
    n_done: int
    retry_failed: bool
    began: float = 0.0
    running: dict[Trial, str] = field(default_factory=dict)
    ended: set[Trial] = field(default_factory=set)  # since this run began
    news: str = ""  # who leads by validation, or how far each confirmation is
    left: str = ""  # how long it will still take; empty before anything was measured
    _looked: float = float("-inf")

    def see(self, event: TrialEvent) -> None:
        """Take in an event; the clock begins with the first one, when the workers are up."""
        self.began = self.began or running_s()
        match event:
            case Started(trial):
                self.running[trial] = "starting"
            case Progress(trial, epoch, val_loss, val_accuracy):
                self.running[trial] = f"epoch {epoch}, val_loss {val_loss:.4f}, val_accuracy {val_accuracy:.4f}"
            case Finished(trial) | Failed(trial):
                self.running.pop(trial, None)
                self.ended.add(trial)
                self.n_done += 1
                self.look()

    def look(self) -> None:
        """Find the news and the time left anew, now and then: in a large sweep each look takes long."""
        if time.monotonic() - self._looked < _LOOK_S and self.n_done < len(self.trials):
            return
        summary = summarize(self.plan, self.ledger)
        self.news = (
            wording.confirming_words(summary, self.trials) if self.trials[0].confirms else wording.leader_words(summary)
        )
        ledger = self.ledger
        left = [t for t in pending(self.trials, ledger, retry_failed=self.retry_failed) if t not in self.ended]
        likely = time_left(left, ledger, self.plan.data, ledger.n_workers, 0.0, spent=ledger.spent()).likely
        self.left = f"left {wording.duration_words(likely)}" if likely else ""
        self._looked = time.monotonic()


@dataclass(frozen=True, slots=True)
class Look:
    """How progress is shown."""

    quiet: bool = False
    log_format: str = "text"
    retry_failed: bool = False

    def tell(self, text: str) -> None:
        """Say on stderr what the user should know; in lines of JSON where these were asked for."""
        if self.log_format == "json":
            _say_json({"event": "notice", "text": text})
        else:
            say(text, err=True)


def _say_json(facts: Mapping[str, Any]) -> None:
    """Print an object on stderr in a line of its own, however wide the terminal is."""
    click.echo(json.dumps(facts), err=True)


@contextmanager
def progress(plan: Plan, look: Look, stop: Stop, confirmations: tuple[Trial, ...] = ()) -> Iterator[list[Listener]]:
    """Listeners that show how the plan or its confirmations go on stderr: live on a terminal, lines elsewhere."""
    trials = confirmations or plan.trials
    if look.quiet:
        yield []
    elif look.log_format == "json":
        yield [_listener(plan, trials, look, _json_line)]
    elif sys.stderr.isatty():
        with _live(plan, trials, look, stop) as listener:
            yield [listener]
    else:
        yield [_listener(plan, trials, look, _plain_line)]


def tell_emulation(tell: Callable[[str], None]) -> Listener:
    """Says once how much longer bfloat16 takes than float32 on a processor that has no products of it."""
    told = False

    def hear(event: TrialEvent, _ledger: Ledger) -> None:
        nonlocal told
        words = "" if told or not isinstance(event, Finished) else wording.emulation_words(event)
        if words:
            tell(words)
            told = True

    return hear


def _listener(plan: Plan, trials: tuple[Trial, ...], look: Look, show: Callable[[Pace, TrialEvent], None]) -> Listener:
    """Keeps the pace from the first event on, and shows each event with it."""
    pace: Pace | None = None

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        nonlocal pace
        if pace is None:  # the ledger has seen the event already
            n_done = len(trials) - len(pending(trials, ledger, retry_failed=look.retry_failed))
            pace = Pace(plan, trials, ledger, n_done - isinstance(event, Finished | Failed), look.retry_failed)
            pace.look()
        pace.see(event)
        show(pace, event)

    return hear


def _plain_line(pace: Pace, event: TrialEvent) -> None:
    """A line of text for each trial that ends."""
    if isinstance(event, Finished | Failed):
        rest = f" ({pace.left})" if pace.left else ""
        say(f"[{pace.n_done}/{len(pace.trials)}] {_ended_words(pace, event)}{rest}", err=True)


def _json_line(pace: Pace, event: TrialEvent) -> None:
    """A line of JSON for each trial that ends, without its curves and lists."""
    if isinstance(event, Finished | Failed):
        kind, facts = type(event).__name__.lower(), wording.trial_facts(event, pace.plan.spec.varied)
        _say_json({"event": kind, **facts, "done": pace.n_done, "trials": len(pace.trials)})


def _ended_words(pace: Pace, event: Finished | Failed) -> str:
    return f"{trial_words(event.trial, pace.plan.spec.varied)}: {wording.outcome_words(event)}"


@contextmanager
def _live(plan: Plan, trials: tuple[Trial, ...], look: Look, stop: Stop) -> Iterator[Listener]:
    """A bar with the counts and the time left, and under it a line for each trial that is being trained.

    A thread of rich draws them, so that a wish to stop is seen at once, whatever this process waits for. The last line
    is empty: a terminal echoes Ctrl-C where the cursor is; behind a full line that begins another one, and the first of
    these lines would stay on the screen for good.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    seen: Pace | None = None
    picture: RenderableType = Text("starting the workers")

    def drawn() -> RenderableType:
        lines = [picture, Text(_stopping_words(seen, stop), style="bold")] if stop() else [picture]
        return Group(*lines, Text())

    live = Live(get_renderable=drawn, console=console, transient=True, refresh_per_second=8)

    def show(pace: Pace, event: TrialEvent) -> None:
        nonlocal seen, picture
        if isinstance(event, Finished | Failed):
            console.print(fitted(_ended_words(pace, event), sys.stderr), markup=False, highlight=False, soft_wrap=True)
        seen, picture = pace, _picture(pace, console.width)

    with _shown(stop), live:
        yield _listener(plan, trials, look, show)


@contextmanager
def _shown(stop: Stop) -> Iterator[None]:
    """While this lasts, live lines tell of a wish to stop, and the handler of signals writes nothing between them."""
    stop.shown = True
    try:
        yield
    finally:
        stop.shown = False


def _stopping_words(pace: Pace | None, stop: Stop) -> str:
    n = len(pace.running) if pace else 0
    why, more = ("stopping", ", Ctrl-C again leaves at once") if stop.signal else ("time is up", "")
    return f"{why}: {counted(n, 'trial')} in training {'is' if n == 1 else 'are'} given up{more}"


def _picture(pace: Pace, columns: int) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    spent = wording.duration_words(running_s() - pace.began)
    bar = ProgressBar(total=len(pace.trials), completed=pace.n_done, width=min(24, columns // 5))
    head.add_row(
        bar, Text(f"{pace.n_done}/{len(pace.trials)} trials", no_wrap=True), Text(f"{spent} so far"), Text(pace.left)
    )
    lines = [
        Text(
            f"  {state}: {trial_words(trial, pace.plan.spec.varied)}",
            no_wrap=True,
            overflow="ellipsis",
            style="dim",
        )
        for trial, state in pace.running.items()
    ]
    news = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in pace.news.splitlines()]
    return Group(head, *lines, *news)
