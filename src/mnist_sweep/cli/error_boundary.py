"""Where the command meets its caller: words and exit codes out, crashes into reports."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from mnist_sweep.errors import ConfigError, ExitCode, SweepError
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.system.streams import Stream
from mnist_sweep.terminal.screen import fitted


@dataclass(slots=True)
class Context:
    """What there is to tell of the command when it ends: set as it becomes known.

    Args:
        trains: what it says then matters less than what it does.
        at_end: hears of the exit code of a command that trains, unless nothing was begun.
        until_end: left when all is told, `at_end` included.
    """

    config: Path | None = None
    folder: SweepFolder | None = None
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


_NOTHING_BEGUN = (ExitCode.USAGE, ExitCode.FOLDER_BUSY)


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
    """What is needed to look into the crash, in the folder if there is one; None where it cannot be written."""
    from mnist_sweep.execution.machine import environment

    now = datetime.now(UTC)
    folder = context.folder if context.folder and context.folder.path.is_dir() else SweepFolder(Path())
    config = context.config.read_text("utf-8", "replace") if context.config and context.config.is_file() else "none"
    parts = {
        "command": " ".join(sys.argv),
        "when": now.isoformat(),
        "machine and versions": "\n".join(map(str, environment().items())),
        "sweep file": config,
        "traceback": traceback.format_exc(),
    }
    path = folder.crash(now)
    try:
        content = "\n\n".join(f"== {title}\n{text}" for title, text in parts.items())
        path.write_text(f"{content}\n", "utf-8", "replace")
    except OSError:
        return None
    return path
