"""Training in a home and reporting on it: what `run` and `confirm` have in common."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mnist_sweep.boundary import Stop, stop_signals
from mnist_sweep.engine import Wishes, training
from mnist_sweep.errors import ExitCode, StorageError, WorkersError
from mnist_sweep.events import Event, Failed, Finished, Record
from mnist_sweep.execution.executor import TrialEvent
from mnist_sweep.home import Home
from mnist_sweep.journal import locked, read_records
from mnist_sweep.ledger import Ledger, pending, replay
from mnist_sweep.plan import Plan
from mnist_sweep.recipe import Trial
from mnist_sweep.reports.build import write_page, write_reports
from mnist_sweep.summary import Summary, summarize
from mnist_sweep.sweep import Listener, Training, run_sweep
from mnist_sweep.terminal import Look, progress, say, tell_emulation

_REFRESH_S = 30
_WRITING_SHARE = 20  # the page may take one part in so many of the command's time


@dataclass(frozen=True, slots=True)
class How:
    """How the user wants trials trained and told about."""

    wishes: Wishes
    look: Look
    max_hours: float | None = None
    max_trials: int | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How it went: the summary, where best.xlsx is, the trials that were asked for, and what stopped it."""

    summary: Summary
    best: Path
    n_failed: int
    n_finished: int
    n_left: int
    stop: Stop


def train_at(home: Home, plan: Plan, how: How, choose: Callable[[Ledger], tuple[Trial, ...]] | None = None) -> Ending:
    """Train what the plan asks for, or what `choose` picks from the ledger to confirm, and write the reports.

    Raises:
        HomeBusyError, StorageError, SweepMismatchError, WorkersError: as the parts do; reports are written from what
            there is where trials could not be trained.
    """
    stamp = _stamper()
    with locked(home.lock), stop_signals(how.max_hours) as stop:
        confirmations = choose(replay(read_records(home.journal))) if choose else ()
        try:
            ledger = _train(plan, home, how, confirmations, stamp=stamp, stop=stop)
        except WorkersError:
            write_all(plan, replay(read_records(home.journal)), home)
            raise
        summary, best, _ = write_all(plan, ledger, home)
    outcomes = [ledger.of(trial).get(trial.key) for trial in confirmations or plan.trials]
    n_failed, n_finished = (sum(isinstance(o, kind) for o in outcomes) for kind in (Failed, Finished))
    return Ending(summary, best, n_failed, n_finished, len(pending(confirmations or plan.trials, ledger)), stop)


def exit_code(ending: Ending, home: Home, how: How) -> int:
    """Say what is left or failed, and with which exit code the command ends."""
    if ending.n_left and (ending.stop.signal or how.max_hours or how.max_trials):
        again = shlex.join(word for word in sys.argv[1:] if word != "--fresh")
        why = "Stopped" if ending.stop.signal else "Limit reached"
        say(f"{why}, {ending.n_left} trials left; to continue: mnist-sweep {again}", err=True)
        return 128 + ending.stop.signal if ending.stop.signal else ExitCode.LIMIT_REACHED
    if not ending.n_failed:
        return ExitCode.FINISHED
    say(f"{ending.n_failed} trials failed; the column Reason of {home.full} says why", err=True)
    return ExitCode.SOME_FAILED if ending.n_finished else ExitCode.ALL_FAILED


def write_all(plan: Plan, ledger: Ledger, home: Home) -> tuple[Summary, Path, list[str]]:
    """Write every report of the home, and say what could not be written.

    Returns:
        The summary, where best.xlsx was written (the folder, when it was not), and what is missing, in words.
    """
    summary = summarize(plan, ledger)
    written, missing = write_reports(summary, str(home.path), home.reports, home.plots)
    for name, path in written.items():
        if path != home.reports[name]:
            say(f"{home.reports[name]} is open in a spreadsheet program; written instead: {path}", err=True)
    for text in missing:
        say(f"Error: {text}", err=True)
    if missing:
        say(f"To write what is missing: {shlex.join(['mnist-sweep', 'report', str(home.path)])}", err=True)
    return summary, written.get("best", home.path), missing


def _stamper() -> Callable[[Event], Record]:
    """Dates events, and counts the seconds from now; the monotonic clock leaves out a laptop's sleep."""
    began = time.monotonic()

    def stamp(event: Event) -> Record:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Record(at, time.monotonic() - began, event)

    return stamp


def _train(
    plan: Plan, home: Home, how: How, confirmations: tuple[Trial, ...], *, stamp: Callable[[Event], Record], stop: Stop
) -> Ledger:
    repeats = max((trial.repeat for trial in confirmations), default=plan.spec.repeats)

    def prepare(n_trials: int) -> AbstractContextManager[Training]:
        return training(how.wishes, n_trials=n_trials, repeats=repeats, stop=stop, say=partial(say, err=True))

    told = [] if how.look.quiet else [tell_emulation()]
    with progress(plan, how.look, confirmations) as listeners:
        return run_sweep(
            plan,
            journal_path=home.journal,
            prepare=prepare,
            stamp=stamp,
            confirmations=confirmations,
            retry_failed=how.look.retry_failed,
            max_trials=how.max_trials,
            listeners=[*listeners, *told, *([_live_page(plan, home)] if how.live else [])],
            say=partial(say, err=True),
        )


def _live_page(plan: Plan, home: Home) -> Listener:
    """Writes report.html anew now and then; the page reloads itself, and is never the reason that a trial is lost."""
    due = 0.0

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        nonlocal due
        began = time.monotonic()
        if began < due or not isinstance(event, Finished | Failed):
            return
        try:
            write_page(summarize(plan, ledger), str(home.path), home.reports["page"], refresh_s=_REFRESH_S)
        except StorageError as error:
            say(f"{error}; the sweep goes on", err=True)
        took = time.monotonic() - began
        due = time.monotonic() + max(_REFRESH_S, _WRITING_SHARE * took)

    return hear
