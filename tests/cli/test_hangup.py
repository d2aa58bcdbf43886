"""A terminal that closes, and signals that reach the whole group of processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from command import command
from mnist_sweep.system.locks import holder

_LONG = """\
name: long
repeats: 2
validation_fraction: 0.95
grid:
  hidden_width: 8
  batch_size: 100
  max_epochs: 100000
  early_stopping: off
"""
_RUN = command("run", "long.yaml", "--workers", "1")
_TELL = ["--notify", "cat > told.json"]


@pytest.fixture(autouse=True)
def _sweep_file(mnist: object) -> None:
    """A sweep that goes on for as long as nobody stops it; MNIST is in the cache."""
    assert mnist
    Path("long.yaml").write_text(_LONG)


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """That command in a session of its own, which does not outlive a test that fails."""
    with subprocess.Popen(command, start_new_session=True, **options) as running:
        try:
            yield running
        finally:
            running.kill()


def _events() -> list[str]:
    journal = Path("output/long/journal.jsonl")
    lines = journal.read_text().splitlines()[1:] if journal.exists() else []
    return [json.loads(line)["event"] for line in lines]


def _wait_for(event: str, times: int = 1) -> None:
    end = time.monotonic() + 120
    while _events().count(event) < times:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_terminal_that_closes_ends_a_sweep_in_good_order() -> None:
    """The reports are written, a command of the user's is told how to go on, and the exit code is 129."""
    terminal, inner = pty.openpty()
    take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", take, *_RUN, *_TELL]
    with _running(command, stdin=inner, stdout=inner, stderr=inner) as running:
        os.close(inner)
        _wait_for("started")
        os.close(terminal)
        assert 129 == running.wait(timeout=60)
    told = json.loads(Path("told.json").read_text())
    assert (129, 2) == (told["exit_code"], told["n_left"])
    assert "to continue: mnist-sweep run long.yaml" in told["error"]
    assert Path("output/long/best.xlsx").is_file()
    assert "run_ended" in _events()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_for_the_whole_group_is_the_parents_to_obey(number: signal.Signals, code: int) -> None:
    """Workers do not die of it first, also while they start, so that no trial seems to have cost a worker its life."""
    with _running(command("run", "long.yaml", "--workers", "3"), stdout=-3, stderr=-1) as running:
        _wait_for("run_started")
        time.sleep(0.5)
        os.killpg(running.pid, number)
        error = running.communicate(timeout=60)[1].decode()
    assert code == running.returncode, error
    assert "to continue: mnist-sweep run long.yaml" in error
    assert holder(Path("output/long/.lock")) is None


def test_the_reports_are_written_however_often_the_terminal_hangs_up() -> None:
    """A closing terminal and the end of its shell send one SIGHUP each; the plots are there all the same."""
    Path("long.yaml").write_text(_LONG.replace("max_epochs: 100000", "max_epochs: [1, 100000]"))
    with _running([*_RUN, *_TELL], stdout=-3, stderr=-1) as running:
        _wait_for("finished", 2)
        while running.poll() is None:
            os.killpg(running.pid, signal.SIGHUP)
            time.sleep(0.02)
        error = running.communicate()[1].decode()
    assert 129 == running.returncode
    assert 129 == json.loads(Path("told.json").read_text())["exit_code"]
    assert "missing" not in error
    assert Path("output/long/plots/ranking.png").is_file()
    assert Path("output/long/report.html").is_file()


def test_nohup_holds() -> None:
    """Where SIGHUP is ignored from the start, it stays so."""
    with _running(["nohup", *_RUN], stdout=-3, stderr=-3) as running:
        _wait_for("started")
        os.killpg(running.pid, signal.SIGHUP)
        time.sleep(2)
        assert running.poll() is None
        running.terminate()
        assert 143 == running.wait(timeout=60)
