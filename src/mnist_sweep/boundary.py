"""Where the command meets its caller: signals in, words and exit codes out, crashes into reports."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from mnist_sweep.errors import ConfigError, ExitCode, SweepError
from mnist_sweep.home import Home
from mnist_sweep.screen import fitted
from mnist_sweep.streams import Stream


def _clock() -> float:
    """Seconds, also those in which the machine sleeps; a clock that is set counts only where there is no other."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


@dataclass(slots=True)
class Stop:
    """Whether the command is to stop in good order: asked by a signal, or by the user's own time limit."""

    signal: int = 0
    deadline: float = float("inf")  # by _clock()
    shown: bool = False  # by live lines, which what the handler writes would put in disorder

    def __call__(self) -> bool:
        """Whether it is time to stop."""
        return bool(self.signal) or _clock() > self.deadline


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_signals(max_hours: float | None) -> Iterator[Stop]:
    """Take Ctrl-C, SIGTERM and SIGHUP as a wish to stop in good order; a second Ctrl-C or SIGTERM ends at once.

    A terminal that closes sends SIGHUP twice: as it goes, and when its shell ends. So the second is no wish to hurry:
    from the first signal on SIGHUP is ignored, also by what the user has run at the end, and after the block. Where it
    is ignored from the start, as under nohup, it stays so.
    """
    stop = Stop(deadline=_clock() + max_hours * 3600 if max_hours else float("inf"))
    stderr = os.dup(2)  # of its own: what is written to 2 itself is held back while libraries start

    def say_now(text: str) -> None:
        with suppress(OSError):  # the terminal may be what has gone
            os.write(stderr, text.encode())

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal:
            say_now("\x1b[?25h\n" if os.isatty(stderr) else "")  # the live lines have hidden the cursor
            say_now("stopped at once; finished trials are kept; run again without --fresh to continue\n")
            os._exit(128 + number)  # the journal is whole at every moment
        stop.signal = number
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        say_now("" if stop.shown else "stopping; once more to leave at once\n")

    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in _STOPPING if not (ignored and number == signal.SIGHUP)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop.signal and number == signal.SIGHUP else handler)
        os.close(stderr)


@dataclass(slots=True)
class Context:
    """What there is to tell of the command when it ends: set as it becomes known.

    Args:
        trains: what it says then matters less than what it does.
        at_end: hears of the exit code of a command that trains, unless nothing was begun.
        error: what went wrong, in words.
        best: where best.xlsx was written.
        until_end: left when all is told, `at_end` included.
    """

    config: Path | None = None
    home: Home | None = None
    trains: bool = False
    at_end: Callable[[int], None] | None = None
    error: str = ""
    best: Path | None = None
    until_end: ExitStack = field(default_factory=ExitStack)


def fail(context: Context, code: int, text: str) -> int:
    """Say what went wrong; returns the exit code."""
    context.error = text
    click.echo(fitted(text, sys.stderr), err=True)
    return code


_NOTHING_BEGUN = (ExitCode.USAGE, ExitCode.HOME_BUSY)


def run_command(command: Callable[[], int], context: Context) -> int:
    """Run a command; errors become words, and its exit code is what the process ends with."""
    with context.until_end:
        code = _run(command, context)
        if context.at_end and code not in _NOTHING_BEGUN:
            try:
                context.at_end(code)
            except Exception as error:  # noqa: BLE001  whatever it is, the command has ended as it has
                click.echo(f"The end could not be told ({type(error).__name__}: {error})", err=True)
    unsaid = sys.stdout.error if isinstance(sys.stdout, Stream) else None
    if code or context.trains or unsaid is None or isinstance(unsaid, BrokenPipeError):  # a reader may have enough
        return code
    return fail(context, ExitCode.STORAGE, f"Error: standard output cannot be written: {unsaid.strerror}")


def _run(command: Callable[[], int], context: Context) -> int:
    try:
        return _exit_code(command, context)
    except OSError as error:  # what the system refuses is no bug, wherever it happens
        return fail(context, ExitCode.STORAGE, f"Error: {_refusal(error)}{_folder_words()}")
    except Exception as error:  # noqa: BLE001  anything else is a bug of ours
        path = _write_crash(context)
        where = f"; report: {path}" if path else f"\n{traceback.format_exc()}"
        text = f"A bug in mnist-sweep: {type(error).__name__}: {error}. Results so far are safe{where}"
        return fail(context, ExitCode.BUG, text)


def _exit_code(command: Callable[[], int], context: Context) -> int:
    try:
        return command()
    except SweepError as error:
        words = str(error) if isinstance(error, ConfigError) else f"Error: {error}"
        return fail(context, error.exit_code, f"{words}{_folder_words()}")
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        context.error = error.format_message()
        return ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.STORAGE
    except (KeyboardInterrupt, click.Abort):
        return fail(context, ExitCode.INTERRUPTED, "Interrupted; run the same command to continue")


_REMEDIES = {
    errno.EMFILE: "allow this process more open files: ulimit -n 1024",
    errno.ENFILE: "close programs that hold many files open",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
}


def _refusal(error: OSError) -> str:
    """What the system refused, and what to do, in words."""
    if _no_temporary_folder(error):  # whatever the cause
        try:
            os.close(os.dup(0))
        except OSError as cause:
            error = cause
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0)
    if _no_temporary_folder(error):
        remedy = "set TMPDIR to a folder that can be written"
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


def _no_temporary_folder(error: OSError) -> bool:
    """Whether it is what tempfile says when it has found no folder to write in."""
    return str(error.strerror).startswith("No usable temporary directory found in")


def _folder_words() -> str:
    """Where the current folder has been removed, that this is so: the cause of errors with every file in it."""
    try:
        Path.cwd()
    except OSError:
        return "\nThe current folder no longer exists: change to one that does, and try again"
    return ""


def _write_crash(context: Context) -> Path | None:
    """All that is needed to look into the crash, in the home if there is one; None where it cannot be written."""
    from mnist_sweep.machine import environment

    now = datetime.now(UTC)
    home = context.home if context.home and context.home.path.is_dir() else Home(Path())
    config = context.config.read_text("utf-8", "replace") if context.config and context.config.is_file() else "none"
    parts = {
        "command": " ".join(sys.argv),
        "when": now.isoformat(),
        "machine and versions": "\n".join(map(str, environment().items())),
        "sweep file": config,
        "traceback": traceback.format_exc(),
    }
    path = home.crash(now)
    try:
        content = "\n\n".join(f"== {title}\n{text}" for title, text in parts.items())
        path.write_text(f"{content}\n", "utf-8", "replace")
    except OSError:
        return None
    return path
