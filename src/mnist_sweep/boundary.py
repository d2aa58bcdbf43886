"""Where the command meets its caller: signals in, words and exit codes out, crashes into reports."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from mnist_sweep.errors import ConfigError, ExitCode, SweepError
from mnist_sweep.home import Home


@dataclass(slots=True)
class Stop:
    """Whether the command is to stop in good order: asked by a signal, or by the user's own time limit."""

    signal: int = 0
    deadline: float = float("inf")  # by time.monotonic()

    def __call__(self) -> bool:
        """Whether it is time to stop."""
        return bool(self.signal) or time.monotonic() > self.deadline


@contextmanager
def stop_signals(max_hours: float | None) -> Iterator[Stop]:
    """Take Ctrl-C and SIGTERM as a wish to stop in good order; a second one ends the process at once."""
    stop = Stop(deadline=time.monotonic() + max_hours * 3600 if max_hours else float("inf"))

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal:
            os.write(2, b"\x1b[?25h" if os.isatty(2) else b"")  # the live lines have hidden the cursor
            os.write(2, b"stopped at once; finished trials are kept; run again without --fresh to continue\n")
            os._exit(128 + number)  # the journal is whole at every moment
        stop.signal = number
        os.write(2, b"\nstopping; once more to stop at once\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Context:
    """What a crash report tells of the command: set as it becomes known."""

    config: Path | None = None
    home: Home | None = None


def run_command(command: Callable[[], int], context: Context) -> int:
    """Run a command; errors become words, and its exit code is what the process ends with."""
    try:
        code = _exit_code(command)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away: not our error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FINISHED
    except OSError as error:  # what the system refuses is no bug, wherever it happens
        click.echo(f"Error: {_refusal(error)}", err=True)
        _tell_where_we_are()
        return ExitCode.STORAGE
    except Exception as error:  # noqa: BLE001  anything else is a bug of ours
        path = _write_crash(context)
        where = f"; report: {path}" if path else f"\n{traceback.format_exc()}"
        click.echo(f"A bug in mnist-sweep: {type(error).__name__}: {error}. Results so far are safe{where}", err=True)
        return ExitCode.BUG
    return code


def _exit_code(command: Callable[[], int]) -> int:
    try:
        return command()
    except SweepError as error:
        click.echo(str(error) if isinstance(error, ConfigError) else f"Error: {error}", err=True)
        _tell_where_we_are()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.STORAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; run the same command to continue", err=True)
        return ExitCode.INTERRUPTED


_REMEDIES = {
    errno.EMFILE: "allow this process more open files: ulimit -n 1024",
    errno.ENFILE: "close programs that hold many files open",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
}


def _refusal(error: OSError) -> str:
    """What the system refused, and what to do, in words."""
    if "temporary" in str(error):  # tempfile says that it found no folder, whatever the cause
        try:
            os.close(os.dup(0))
        except OSError as cause:
            error = cause
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0)
    if "temporary" in str(error):
        remedy = "set TMPDIR to a folder that can be written"
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


def _tell_where_we_are() -> None:
    """Name the cause of errors with every file in the current folder, where that has been removed."""
    try:
        Path.cwd()
    except OSError:
        click.echo("The current folder no longer exists: change to one that does, and try again", err=True)


def _write_crash(context: Context) -> Path | None:
    """All that is needed to look into the crash, in the home if there is one; None where it cannot be written."""
    from mnist_sweep.machine import environment

    now = datetime.now(UTC)
    home = context.home if context.home and context.home.path.is_dir() else Home(Path())
    config = context.config.read_text(errors="replace") if context.config and context.config.is_file() else "none"
    parts = {
        "command": " ".join(sys.argv),
        "when": now.isoformat(),
        "machine and versions": "\n".join(map(str, environment().items())),
        "sweep file": config,
        "traceback": traceback.format_exc(),
    }
    path = home.crash(now)
    try:
        path.write_text("\n\n".join(f"== {title}\n{text}" for title, text in parts.items()) + "\n")
    except OSError:
        return None
    return path
