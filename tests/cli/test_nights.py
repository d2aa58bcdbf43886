"""A sweep that is left alone for a night: limits, reports of its end, crashes, open workbooks, failures in a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from builders import a_plan, a_trial, finished
from command import TINY, forget_after, run
from mnist_sweep.analysis import wording
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.cli import train_and_report as drive
from mnist_sweep.cli.error_boundary import Context, run_command
from mnist_sweep.cli.main import cli
from mnist_sweep.errors import WorkersError
from mnist_sweep.execution.executor import Limits, TrialEvent
from mnist_sweep.execution.run_sweep import Training, run_sweep
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.execution.setup import Wishes
from mnist_sweep.journal.events import Cause, Event, Failed, Finished, Record, RunStarted, Started
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.ledger import replay
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.reports.build import write_reports
from mnist_sweep.system.locks import holder, locked
from mnist_sweep.system.stop import stop_signals
from mnist_sweep.terminal import progress as terminal
from mnist_sweep.terminal.progress import Look


def test_limits_stop_in_good_order_and_the_rest_follows(tiny: str) -> None:
    """With --max-trials the reports are written, the exit code is 8, status tells the rest, and a rerun finishes."""
    first = run("run", tiny, "--max-trials", "1", "--notify", "cat > told.json")
    assert 8 == first.returncode
    told = json.loads(Path("told.json").read_text())
    names = ("exit_code", "n_finished", "n_left", "best_xlsx")
    assert (8, 1, 3, "output/tiny/best.xlsx") == tuple(told[name] for name in names)
    assert told["error"] in first.stderr
    assert "Limit reached, 3 trials left; to continue: mnist-sweep run tiny.yaml" in first.stderr
    assert ["finished", "pending", "pending", "pending"] == list(pd.read_excel("output/tiny/full.xlsx")["Status"])
    status = run("status", "output/tiny")
    assert "not running" in status.stdout
    assert "1 finished, 0 failed, 3 left" in status.stdout
    assert "Time left: about " in status.stdout
    assert 0 == run("run", tiny, "--quiet", "--workers", "1").returncode


def test_a_limit_on_retries_leaves_the_others_to_retry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: str
) -> None:
    """With two failed and room for one, the exit code is 8; the same command then takes the other one."""
    Path(tiny).write_text(TINY.replace("[8, 16]", "8"))

    def fails(trials: tuple[Trial, ...]) -> Iterator[Started | Failed]:
        for trial in trials:
            yield Started(trial)
            yield Failed(trial, Cause.DIVERGED, "diverged")

    training = Training(run_serially, lambda _: fails, Limits(1), {})
    monkeypatch.setattr(drive, "training", lambda *_, **__: nullcontext(training))
    retry = f"run {tiny} --retry-failed"
    monkeypatch.setattr(sys, "argv", ["mnist-sweep", *retry.split()])
    assert 7 == _end(f"run {tiny}")
    for retried in ([2, 1], [2, 2]):
        capsys.readouterr()
        assert 8 == _end(f"{retry} --max-trials 1")
        assert f"Limit reached, 1 trial left; to continue: mnist-sweep {retry}" in capsys.readouterr().err
        assert retried == list(pd.read_excel("output/tiny/full.xlsx")["Attempts"])
    assert 7 == _end(retry)


def _end(words: str) -> int:
    """The exit code of the command, run within this process."""
    context = Context()

    def command() -> int:
        with cli.make_context("mnist-sweep", words.split(), obj=context) as click_context:
            return int(cli.invoke(click_context) or 0)

    return run_command(command, context)


def test_hours_stop_in_good_order(tiny: str) -> None:
    """With --max-hours running trials are given up, stay pending, and the exit code is 8."""
    done = run("run", tiny, "--max-hours", "0.0001")
    assert 8 == done.returncode
    assert "Limit reached" in done.stderr


def test_hours_pass_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is reached by the clock on the wall, not by the time in which the machine was awake."""
    with stop_signals(max_hours=8) as stop:
        assert not stop()
        for name in ("clock_gettime", "time"):  # those that go on; time.monotonic() stands still on Linux
            read = getattr(time, name)
            monkeypatch.setattr(time, name, lambda *clock, read=read: read(*clock) + 8 * 3600)
        assert stop()


@pytest.mark.usefixtures("trained")
def test_the_end_is_told_to_a_command() -> None:
    """--notify gets the summary as JSON on its standard input; one that fails does the sweep no harm."""
    assert 0 == run("run", "tiny.yaml", "--quiet", "--notify", "tee told.json | wc -c > length.txt").returncode
    told = json.loads(Path("told.json").read_text())
    assert ("tiny", 0, 4, 0, 0) == tuple(
        told[name] for name in ("name", "exit_code", "n_finished", "n_failed", "n_left")
    )
    assert told["best"]["n_finished"] == 2
    assert (None, "output/tiny", "output/tiny/best.xlsx") == tuple(told[k] for k in ("error", "folder", "best_xlsx"))
    again = run("run", "tiny.yaml", "--quiet", "--notify", "no-such-program")
    assert 0 == again.returncode
    assert "--notify no-such-program" in again.stderr


def test_a_log_for_machines(tiny: str) -> None:
    """--log-format json gives a line of JSON for each notice, such as what trains, and for each trial."""
    done = run("run", tiny, "--log-format", "json", "--workers", "1")
    first, *events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"event": "notice", "text": "Training on TensorFlow, the default on a CPU"} == first
    assert [1, 2, 3, 4] == [event["done"] for event in events]
    assert {"finished"} == {event["event"] for event in events}
    assert all(0 < event["test_accuracy"] < 1 for event in events)


@pytest.mark.usefixtures("trained")
def test_every_trial_can_be_listed() -> None:
    """`plan --list` prints a line for each trial with what became of it; `plan` says how long it will take."""
    new = ("plan", "tiny.yaml", "--output", "new")
    assert ["to train"] * 4 == [line.rpartition(": ")[2] for line in run(*new, "--list").stdout.splitlines()]
    assert "by short products of matrices here" in run(*new).stdout
    forget_after(2)
    assert 2 == run("plan", "tiny.yaml", "--list").stdout.count("validation 0.")
    assert "by the measured trials of this folder" in run("plan", "tiny.yaml").stdout


def test_a_bug_leaves_a_report(tiny: str) -> None:
    """A crash of the tool itself is one line and a report in the folder with command, versions and traceback."""
    code = (
        "import sys; sys.argv[1:] = ['run', 'tiny.yaml']\n"
        "import mnist_sweep.execution.run_sweep as sweep\n"
        "def broken(*a, **k): raise ZeroDivisionError('a planted bug')\n"
        "sweep.run_sweep = broken\n"
        "from mnist_sweep.cli.main import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 3 == done.returncode
    assert 1 == len(done.stderr.splitlines())
    (report,) = Path("output/tiny").glob("crash-*.txt")
    assert str(report) in done.stderr
    text = report.read_text()
    assert [True] * 4 == [part in text for part in ("run tiny.yaml", "tensorflow", "name: tiny", "a planted bug")]
    assert tiny in text


@pytest.mark.parametrize("mark", [".~lock.best.xlsx#", "~$best.xlsx"])
def test_a_workbook_that_is_open_is_not_written_over(mark: str) -> None:
    """While a spreadsheet program has best.xlsx open, the new one goes beside it, and the others to their places."""
    plan = a_plan()
    Path(mark).touch()
    Path("best.xlsx").write_bytes(b"old")
    folder = SweepFolder(Path())
    written, missing = write_reports(summarize(plan, replay([])), "output/test", folder.reports, folder.plots)
    assert [] == missing
    assert Path("best.new.xlsx") == written["best"]
    assert Path("full.xlsx") == written["full"]
    assert b"old" == Path("best.xlsx").read_bytes()
    assert Path("best.new.xlsx").is_file()


def _run(plan: object, reason: str, cause: Cause, trains: Callable[[Trial], bool] = lambda _: False) -> list[Event]:
    events: list[Event] = []

    def fails(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        for trial in trials:
            yield Started(trial)
            yield finished(trial) if trains(trial) else Failed(trial, cause, f"{reason} {trial.repeat}")

    def stamp(event: Event) -> Record:
        events.append(event)
        return Record("", 0.0, event)

    training = Training(run_serially, lambda _: fails, Limits(1), {})
    prepare = lambda _: nullcontext(training)  # noqa: E731
    run_sweep(plan, journal_path=Path("journal.jsonl"), prepare=prepare, stamp=stamp)  # type: ignore[arg-type]
    return events


def test_failures_of_one_cause_stop_the_sweep() -> None:
    """Ten failures in a row with one cause end the sweep with that cause instead of failing every trial."""
    plan = a_plan("hidden_width: 32", repeats=50)
    with pytest.raises(WorkersError, match=r"10 trials in a row failed for one cause: ResourceExhausted: no memory 10"):
        _run(plan, "ResourceExhausted: no memory", Cause.ERROR)


@pytest.mark.parametrize(
    "grid", ["hidden_width: [9000, 32]", "hidden_width: [9000, 32]\nlearning_rate: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]"]
)
def test_a_shape_that_cannot_be_trained_does_not_stop_the_others(grid: str) -> None:
    """However many repeats and learning rates of one shape fail in a row for one cause, the other shape is trained."""
    plan = a_plan(grid, repeats=12)
    events = _run(plan, "ResourceExhausted: no memory", Cause.ERROR, lambda trial: 32 in trial.recipe.hidden_widths)
    n_finished, n_failed = (sum(isinstance(event, kind) for event in events) for kind in (Finished, Failed))
    assert n_finished == n_failed == len(plan.trials) / 2


def test_ten_shapes_that_fail_for_one_cause_stop_the_sweep() -> None:
    """Once trials of ten shapes have failed in a row for one cause, those of the others are not tried."""
    plan = a_plan("hidden_width: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", repeats=3)
    with pytest.raises(WorkersError, match=r"28 trials in a row failed for one cause: ResourceExhausted"):
        _run(plan, "ResourceExhausted: no memory", Cause.ERROR)


@pytest.mark.parametrize("watcher", ["write_page", "leader_words"])
def test_whoever_watches_ends_no_night(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], watcher: str
) -> None:
    """Whatever fails while the page or the progress is drawn is said once, and every trial is trained."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no page")

    def works(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        yield from map(Started, trials)
        yield from map(finished, trials)

    monkeypatch.setattr(drive if watcher == "write_page" else wording, watcher, broken)
    monkeypatch.setattr(drive, "_REFRESH_S", 0)
    monkeypatch.setattr(terminal, "_LOOK_S", 0)
    monkeypatch.setattr(
        drive, "training", lambda *_, **__: nullcontext(Training(run_serially, lambda _: works, Limits(1), {}))
    )
    monkeypatch.setattr(drive, "write_all", lambda plan, ledger, *_: (summarize(plan, ledger), {}, []))
    folder = SweepFolder(Path("watched"))
    folder.create()
    ending = drive.train_at(folder, a_plan(), drive.How(Wishes(), Look(), live=True))
    assert (4, 0) == (ending.n_finished, ending.n_left)
    assert 1 == capsys.readouterr().err.count("(ZeroDivisionError: no page); the sweep goes on")


def test_diverging_trials_are_results_however_many() -> None:
    """A grid may hold many combinations that diverge: that is what the sweep found out."""
    plan = a_plan("hidden_width: 32", repeats=50)
    assert 50 == sum(isinstance(event, Failed) for event in _run(plan, "no finite number", Cause.DIVERGED))


def test_who_holds_a_folder_can_be_asked() -> None:
    """The holder of a lock is named as long as it is held, and asking does not take it."""
    lock = Path(".lock")
    assert holder(lock) is None
    with locked(lock):
        assert f"process {os.getpid()} " in str(holder(lock))
    assert holder(lock) is None


def test_attempts_are_counted_and_running_trials_known() -> None:
    """A trial that was begun twice has two attempts; what was begun in the last run and has no end is running."""
    one, two = a_trial(1), a_trial(2)
    events: list[Event] = [RunStarted({}), Started(one), RunStarted({}), Started(one), finished(one), Started(two)]
    ledger = replay(Record("", 0.0, event) for event in events)
    assert (2, 1) == (ledger.attempts[one.key], ledger.attempts[two.key])
    assert {two.key: two} == ledger.running
