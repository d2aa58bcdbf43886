"""Every expected error, with the exit code that it ends the command with.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller; the README explains them to users."""

    FINISHED = 0
    SOME_FAILED = 1
    USAGE = 2
    BUG = 3
    HOME_BUSY = 4
    SWEEP_MISMATCH = 5
    JOURNAL_CORRUPT = 6
    ALL_FAILED = 7
    LIMIT_REACHED = 8
    STORAGE = 9
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class SweepError(Exception):
    """An expected error: its text says where, what was found, what is allowed, what to do."""

    exit_code: ClassVar[ExitCode]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a sweep file."""

    line: int
    path: str
    text: str


SHOWN_PROBLEMS = 50


class ConfigError(SweepError):
    """A sweep file that cannot be used; it holds all problems that were found at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        shown, n_more = self.problems[:SHOWN_PROBLEMS], len(self.problems) - SHOWN_PROBLEMS
        lines = [f"{file}:{p.line}: {p.path}: {p.text}" if p.path else f"{file}:{p.line}: {p.text}" for p in shown]
        super().__init__("\n".join([*lines, f"{file}: and {n_more:,} more problems"] if n_more > 0 else lines))


class UsageError(SweepError):
    """A command line that cannot be followed; nothing was run."""

    exit_code = ExitCode.USAGE


class HomeBusyError(SweepError):
    """Another process works in this home."""

    exit_code = ExitCode.HOME_BUSY


class SweepMismatchError(SweepError):
    """The home holds results that the sweep file no longer asks for."""

    exit_code = ExitCode.SWEEP_MISMATCH


class JournalCorruptError(SweepError):
    """A line in the middle of the journal cannot be read."""

    exit_code = ExitCode.JOURNAL_CORRUPT


class WorkersError(SweepError):
    """No trial can be trained: what stopped one would stop them all."""

    exit_code = ExitCode.ALL_FAILED


class DeviceLostError(WorkersError):
    """A device that computes nothing any more, so that no trial is to blame for what broke on it."""


class StorageError(SweepError):
    """Data, disk or permissions: the machine could not read or write what was needed."""

    exit_code = ExitCode.STORAGE
