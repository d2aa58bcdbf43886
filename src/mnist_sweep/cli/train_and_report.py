"""Training in a folder and reporting on it: what `run` and `confirm` have in common."""

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.cli.error_boundary import Context, fail
from mnist_sweep.errors import ExitCode, SweepError, WorkersError
from mnist_sweep.execution.backends import RECORDED
from mnist_sweep.execution.executor import TrialEvent
from mnist_sweep.execution.run_sweep import Listener, Training, run_sweep
from mnist_sweep.execution.setup import Wishes, training
from mnist_sweep.journal.events import Event, Failed, Finished, Record, Started
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.journal_file import read_ledger
from mnist_sweep.journal.ledger import Ledger, pending
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import BACKENDS, Trial
from mnist_sweep.plan.sweep_plan import Plan
from mnist_sweep.reports.build import get_ready, load_libraries, write_page, write_reports
from mnist_sweep.reports.charts.plot_library import Plotter
from mnist_sweep.system.clock import running_s
from mnist_sweep.system.locks import locked
from mnist_sweep.system.stop import Stop
from mnist_sweep.system.streams import path_words
from mnist_sweep.terminal.progress import Look, progress, say, tell_emulation

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
    stop: Stop = field(default_factory=Stop)
    backend_why: str = RECORDED


@dataclass(frozen=True, slots=True)
class Ending:
    """How it went: the summary, the trials that were asked for, and what is left.

    Args:
        best: where best.xlsx was written; the folder, when that failed.
    """

    summary: Summary
    best: Path
    n_failed: int
    n_finished: int
    n_left: int


def train_at(
    folder: SweepFolder, plan: Plan, how: How, choose: Callable[[Ledger], tuple[Trial, ...]] | None = None
) -> Ending:
    """Train what the plan asks for, or what `choose` picks from the ledger to confirm, and write the reports.

    Where trials could not be trained, reports are written from what there is.
    """
    stamp = partial(_stamp, running_s())
    ended: set[str] = set()
    with locked(folder.lock), Plotter() as plotter:
        confirmations = choose(read_ledger(folder.journal)) if choose else ()
        try:
            ledger = _train(plan, folder, how, confirmations, ended, plotter=plotter, stamp=stamp)
        except WorkersError:
            write_all(plan, read_ledger(folder.journal), folder, plotter)
            raise
        if how.stop.signal:
            n = len(ledger.running)
            given_up = f"{counted(n, 'trial')} in training {'is' if n == 1 else 'are'} given up"
            say(f"Stopping: {given_up}; writing the reports, Ctrl-C again leaves without them", err=True)
        summary, written, _ = write_all(plan, ledger, folder, plotter)
    outcomes = [ledger.of(trial).get(trial.key) for trial in confirmations or plan.trials]
    n_failed, n_finished = (sum(isinstance(o, kind) for o in outcomes) for kind in (Failed, Finished))
    left = pending(confirmations or plan.trials, ledger, retry_failed=how.look.retry_failed)
    n_left = sum(trial.key not in ended for trial in left)
    return Ending(summary, written.get("best", folder.path), n_failed, n_finished, n_left)


def exit_code(ending: Ending, folder: SweepFolder, how: How, context: Context) -> int:
    """Say what is left or failed, and with which exit code the command ends."""
    if ending.n_left and (how.stop.signal or how.max_hours or how.max_trials):
        again = shlex.join(word for word in sys.argv[1:] if word != "--fresh")
        why = "Stopped" if how.stop.signal else "Limit reached"
        code = 128 + how.stop.signal if how.stop.signal else ExitCode.LIMIT_REACHED
        left = counted(ending.n_left, "trial")
        return fail(context, code, f"{why}, {left} left; to continue: mnist-sweep {again}")
    if not ending.n_failed:
        return ExitCode.FINISHED
    code = ExitCode.SOME_FAILED if ending.n_finished else ExitCode.ALL_FAILED
    failed = counted(ending.n_failed, "trial")
    return fail(context, code, f"{failed} failed; the column Reason of {folder.full} says why")


def write_all(
    plan: Plan, ledger: Ledger, folder: SweepFolder, plotter: Plotter | None = None
) -> tuple[Summary, Mapping[str, Path], list[str]]:
    """Write every report of the folder, and say what could not be written.

    Returns:
        The summary, where each report was written, by its name, and what is missing, in words.
    """
    load_libraries()
    summary = summarize(plan, ledger)
    written, missing = write_reports(summary, path_words(folder.path), folder.reports, folder.plots, plotter)
    for name, path in written.items():
        if path != folder.reports[name]:
            say(f"{folder.reports[name]} is open in a spreadsheet program; written instead: {path}", err=True)
    for text in missing:
        say(f"Error: {text}", err=True)
    if missing:
        say(f"To write what is missing: {shlex.join(['mnist-sweep', 'report', str(folder.path)])}", err=True)
    return summary, written, missing


def _stamp(began: float, event: Event) -> Record:
    """Date an event, with the seconds since then in which this process ran."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Record(at, running_s() - began, event)


def _train(
    plan: Plan,
    folder: SweepFolder,
    how: How,
    confirmations: tuple[Trial, ...],
    ended: set[str],
    *,
    plotter: Plotter,
    stamp: Callable[[Event], Record],
) -> Ledger:
    """Train what is left; the keys of the trials that ended now go into `ended`."""
    n_asked, begun = 0, set[str]()

    def prepare(trials: Sequence[Trial]) -> AbstractContextManager[Training]:
        nonlocal n_asked
        n_asked = len(trials)
        if not how.look.quiet:
            how.look.tell(f"Training on {BACKENDS[plan.backend]}, {how.backend_why}")
        return training(how.wishes, trials, stop=how.stop, say=how.look.tell)

    def count(event: TrialEvent, _ledger: Ledger) -> None:
        if isinstance(event, Finished | Failed):
            ended.add(event.trial.key)
        if isinstance(event, Started):
            begun.add(event.trial.key)
            if len(begun) == n_asked:  # the last trials are in training
                get_ready(plotter)

    with progress(plan, how.look, how.stop, confirmations) as listeners:
        told = [] if how.look.quiet else [tell_emulation(how.look.tell)]
        pages = [_live_page(plan, folder)] if how.live else []
        watchers = [(watch, "The progress cannot be shown") for watch in (*listeners, *told)]
        watchers += [(watch, f"{folder.reports['page']} cannot be renewed") for watch in pages]
        return run_sweep(
            plan,
            journal_path=folder.journal,
            prepare=prepare,
            stamp=stamp,
            confirmations=confirmations,
            retry_failed=how.look.retry_failed,
            max_trials=how.max_trials,
            listeners=[count, *(_harmless(watch, words, how.look.tell) for watch, words in watchers)],
            say=how.look.tell,
        )


def _harmless(hear: Listener, words: str, tell: Callable[[str], None]) -> Listener:
    """A listener whose failures are said once and end nothing: whoever watches a sweep may not cost it a trial.

    Args:
        words: what cannot be done then.
    """
    told = False

    def hear_or_say(event: TrialEvent, ledger: Ledger) -> None:
        nonlocal told
        try:
            hear(event, ledger)
        except Exception as error:  # noqa: BLE001  whatever breaks while something is drawn
            what = str(error) if isinstance(error, SweepError) else f"{type(error).__name__}: {error}"
            if not told:
                tell(f"{words} ({what}); the sweep goes on")
            told = True

    return hear_or_say


def _live_page(plan: Plan, folder: SweepFolder) -> Listener:
    """Writes report.html anew now and then; the page reloads itself."""
    due = 0.0

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        nonlocal due
        began = time.monotonic()
        if began < due or not isinstance(event, Finished | Failed):
            return
        try:
            load_libraries()
            write_page(summarize(plan, ledger), path_words(folder.path), folder.reports["page"], refresh_s=_REFRESH_S)
        finally:
            took = time.monotonic() - began
            due = time.monotonic() + max(_REFRESH_S, _WRITING_SHARE * took)

    return hear
