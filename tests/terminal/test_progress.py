"""What the lines of a running sweep say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import a_plan, finished
from mnist_sweep.cli import train_and_report as drive
from mnist_sweep.cli.train_and_report import How, train_at
from mnist_sweep.execution.run_sweep import Listener
from mnist_sweep.execution.setup import Wishes
from mnist_sweep.journal.events import Cause, Event, Failed, Record, RunStarted, Started
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.ledger import Ledger, replay
from mnist_sweep.system.stop import Stop
from mnist_sweep.terminal import screen
from mnist_sweep.terminal.progress import Look, Pace, progress


def _ledger(plan_width: str = "hidden_width: [32, 64]") -> Ledger:
    """All trials ended, the last one failed."""
    *done, last = a_plan(plan_width).trials
    events: list[Event] = [RunStarted({}), *map(finished, done), Failed(last, Cause.ERROR, "no memory")]
    return replay(Record("2026-01-02T03:04:05Z", 1.0, event) for event in events)


@pytest.mark.parametrize("failed_again", [False, True])
def test_failed_trials_that_are_trained_again_have_time_left(*, failed_again: bool) -> None:
    """With --retry-failed the time left is that of the failed trials, until each has ended in this run too."""
    plan, ledger = a_plan(), _ledger()
    trial = plan.trials[-1]
    ledger.apply(Record("2026-01-02T03:04:06Z", 2.0, Started(trial)))
    pace = Pace(plan, plan.trials, ledger, 3, retry_failed=True)
    pace.see(Started(trial))
    pace.look()
    assert pace.left.startswith("left ")
    outcome = Failed(trial, Cause.ERROR, "no memory") if failed_again else finished(trial)
    ledger.apply(Record("2026-01-02T03:04:07Z", 3.0, outcome))
    pace.see(outcome)
    assert "" == pace.left


def test_lines_of_json_are_whole_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However narrow the terminal is, each object is one line: those of trials, and those of notices."""
    monkeypatch.setattr(screen, "_columns", lambda _: 40)
    plan, look = a_plan(), Look(log_format="json")
    with progress(plan, look, Stop()) as (hear,):
        hear(finished(plan.trials[0]), _ledger())
    look.tell("This sweep goes on with other settings or versions than it began with, so that bits may differ")
    lines = capsys.readouterr().err.splitlines()
    assert ["finished", "notice"] == [json.loads(line)["event"] for line in lines]
    Look().tell("words " * 20)
    assert len(capsys.readouterr().err.splitlines()) > 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("_live_page", "output/test/report.html cannot be renewed (ZeroDivisionError: planted); the sweep goes on"),
        ("tell_emulation", "The progress cannot be shown (ZeroDivisionError: planted); the sweep goes on"),
    ],
)
def test_what_cannot_be_shown_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str, words: str
) -> None:
    """Whoever breaks, the sweep goes on, and the user hears once what he will not see."""

    def breaks(*_: object) -> Listener:
        def hear(*_: object) -> None:
            raise ZeroDivisionError("planted")

        return hear

    def run_sweep(*_: object, listeners: list[Listener], **__: object) -> Ledger:
        ledger = _ledger()
        for hear in [*listeners, *listeners]:
            hear(finished(a_plan().trials[0]), ledger)
        return ledger

    monkeypatch.setattr(drive, what, breaks)
    monkeypatch.setattr(drive, "run_sweep", run_sweep)
    monkeypatch.setattr(drive, "write_all", lambda *_: (None, {}, []))
    folder = SweepFolder(Path("output/test"))
    folder.create()
    train_at(folder, a_plan(), How(Wishes(), Look(log_format="json"), live=True))
    told = [json.loads(line).get("text") for line in capsys.readouterr().err.splitlines()]
    assert [words] == [text for text in told if text]
