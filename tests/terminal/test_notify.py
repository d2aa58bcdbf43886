"""Whoever is to be told of a sweep's end is told of every end."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import finished
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.cli import folders
from mnist_sweep.cli import main as cli
from mnist_sweep.cli import train_and_report as drive
from mnist_sweep.cli.error_boundary import Context, run_command
from mnist_sweep.errors import WorkersError
from mnist_sweep.journal.events import Event, Planned, Record, RunEnded, RunStarted
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.journal_file import Journal
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.sweepfile.sweep_file import load_spec
from mnist_sweep.system.locks import locked
from mnist_sweep.terminal import json_facts as facts
from mnist_sweep.terminal.notify import send

_GRID = "name: tiny\nrepeats: 2\ngrid:\n  hidden_width: [8, 16]\n  max_epochs: 5\n"
_HOME = SweepFolder(Path("output/tiny"))


@pytest.fixture(autouse=True)
def _half_done() -> None:
    """A sweep of four trials, three of them done."""
    Path("tiny.yaml").write_text(_GRID)
    plan = make_plan(load_spec(Path("tiny.yaml")), MNIST)
    _HOME.create()
    events: list[Event] = [Planned(plan.spec), RunStarted({}), *map(finished, plan.trials[:3]), RunEnded()]
    with closing(Journal(_HOME.journal)) as journal:
        for event in events:
            journal.append(Record("2026-01-01T00:00:00Z", 1.0, event))


def _end(words: str) -> tuple[int, dict[str, Any] | None]:
    """The exit code of the command, and what was told of it."""
    context = Context()
    arguments = [*shlex.split(words), "--quiet", "--notify", "cat > told.json"]

    def command() -> int:
        with cli.cli.make_context("mnist-sweep", arguments, obj=context) as click_context:
            return int(cli.cli.invoke(click_context) or 0)

    code, told = run_command(command, context), Path("told.json")
    return code, json.loads(told.read_text()) if told.exists() else None


def _facts_of_status() -> dict[str, Any]:
    done = CliRunner().invoke(cli.cli, ["status", str(_HOME.path), "--json"], obj=Context(), catch_exceptions=False)
    data: dict[str, Any] = json.loads(done.stdout)["data"]
    return data


def _raise(error: BaseException) -> Callable[..., Any]:
    def raising(*_: object, **__: object) -> None:
        raise error

    return raising


@pytest.mark.parametrize("words", ["run tiny.yaml", "confirm output/tiny"])
@pytest.mark.parametrize(
    ("error", "code", "why"),
    [
        (ZeroDivisionError("a planted bug"), 3, "A bug in mnist-sweep: ZeroDivisionError: a planted bug."),
        (WorkersError("no worker starts"), 7, "Error: no worker starts"),
        (KeyboardInterrupt(), 130, "Interrupted; run the same command to continue"),
    ],
    ids=["bug", "workers", "interrupt"],
)
def test_a_sweep_that_breaks_is_told_with_its_numbers(
    monkeypatch: pytest.MonkeyPatch, words: str, error: BaseException, code: int, why: str
) -> None:
    """Whatever ends training, the command hears why in words, where, and what is done so far."""
    monkeypatch.setattr(drive, "train_at", _raise(error))
    ended, told = _end(words)
    assert told
    assert (code, code, "tiny", "output/tiny") == (ended, told["exit_code"], told["name"], told["folder"])
    assert told["error"].startswith(why)
    assert (3, 0, 1, None) == (told["n_finished"], told["n_failed"], told["n_left"], told["best_xlsx"])
    assert (2, 1.0) == (told["best"]["n_finished"], told["spent_s"])
    status, more = _facts_of_status(), {"exit_code", "error", "best_xlsx"}
    assert {key: status[key] for key in told if key not in more} == {k: told[k] for k in told if k not in more}
    assert {"n_finished", "n_failed", "n_left", "spent_s", "best", "name", "folder"} <= set(status)


def test_a_changed_sweep_is_told() -> None:
    """Exit code 5: the night was lost to a changed file, and somebody should know."""
    Path("tiny.yaml").write_text(_GRID.replace("[8, 16]", "[16, 32]"))
    code, told = _end("run tiny.yaml")
    assert told
    assert (5, 5, 3) == (code, told["exit_code"], told["n_finished"])
    assert "hidden_width" in told["error"]


def test_a_damaged_journal_is_told_without_numbers() -> None:
    """Exit code 6: no summary can be made, and those facts are null."""
    lines = _HOME.journal.read_bytes().splitlines(keepends=True)
    _HOME.journal.write_bytes(b"".join([*lines[:2], b"{\n", *lines[2:]]))
    for words in ("run tiny.yaml", "confirm output/tiny"):
        code, told = _end(words)
        assert told
        assert (6, "tiny", None, None) == (code, told["name"], told["n_finished"], told["best"])
        assert "journal.jsonl:3" in told["error"]


def test_a_folder_that_cannot_be_made_is_told() -> None:
    """Exit code 9, with the folder that was meant."""
    code, told = _end("run tiny.yaml --output /proc/nowhere")
    assert told
    assert (9, "/proc/nowhere/tiny", "tiny") == (code, told["folder"], told["name"])


def test_what_was_never_begun_is_not_told() -> None:
    """A mistake on the command line or in the file is answered there, and a busy folder's own run will be told."""
    assert (2, None) == _end("run missing.yaml")
    assert (2, None) == _end("confirm nowhere")
    with locked(_HOME.lock):
        assert (4, None) == _end("run tiny.yaml")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_end_costs_no_message(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """One that comes while the numbers for the message are collected changes neither the message nor the exit code."""
    summary_of = folders.summary_of

    def interrupted(folder: Path) -> Summary:
        os.kill(os.getpid(), number)
        return summary_of(folder)

    monkeypatch.setattr(drive, "train_at", _raise(WorkersError("no worker starts")))
    monkeypatch.setattr("mnist_sweep.cli.options.summary_of", interrupted)
    before = signal.getsignal(signal.SIGHUP)
    try:
        code, told = _end("run tiny.yaml")
    finally:
        signal.signal(signal.SIGHUP, before)  # the command leaves it ignored
    assert told
    assert (7, 7, 3) == (code, told["exit_code"], told["n_finished"])


def test_what_breaks_the_message_changes_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of the command stays what it was, and what went wrong with the message is said."""
    monkeypatch.setattr(drive, "train_at", _raise(WorkersError("no worker starts")))
    monkeypatch.setattr(facts, "closing_facts", _raise(ZeroDivisionError("no facts")))
    assert (7, None) == _end("run tiny.yaml")
    assert "The end could not be told (ZeroDivisionError: no facts)" in capsys.readouterr().err


def test_a_command_that_is_interrupted_changes_no_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C during the user's own command ends that command alone."""
    send("kill -INT $$", {})
    assert "--notify kill -INT $$: ended with exit code -2; the sweep itself" in capsys.readouterr().err
