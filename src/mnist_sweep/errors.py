"""Every expected error, with the exit code that it ends the command with."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller; a signal that stopped it gives 128 and its number."""

    FINISHED = 0
    SOME_FAILED = 1
    USAGE = 2
    BUG = 3
    FOLDER_BUSY = 4
    SWEEP_MISMATCH = 5
    JOURNAL_CORRUPT = 6
    ALL_FAILED = 7
    LIMIT_REACHED = 8
    STORAGE = 9
    INTERRUPTED = 130


EXIT_CODES: Mapping[str, str] = {
    "0": "All trainings have finished.",
    "1": "Some trainings have failed.",
    "2": "The command line or the sweep file is wrong; nothing was run.",
    "3": "There is a bug in mnist-sweep; a report about it was written into the folder.",
    "4": "Another process works in this folder.",
    "5": "The folder holds results that the sweep file no longer asks for, or that would now be trained differently.",
    "6": "The journal is damaged.",
    "7": "All trainings have failed, or no worker can start.",
    "8": "A limit that you set was reached; trials are left.",
    "9": "Data cannot be read, the disk is full, or permissions are missing.",
    "129, 130, 143": "Hung up, interrupted or terminated; run the same command to continue.",
}
"""What the codes mean, for --help and README."""


class SweepError(Exception):
    """An expected error: its text says where, what was found, what is allowed, what to do."""

    exit_code: ClassVar[ExitCode]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a sweep file, or with what is set on the command line, which has line 0."""

    line: int
    path: str
    text: str

    def words(self, file: str) -> str:
        """Where it is, and what is wrong."""
        where = f"{file}:{self.line}:" if self.line else "--set"
        return f"{where} {self.path}: {self.text}" if self.path else f"{where} {self.text}"


SHOWN_PROBLEMS = 50


class ConfigError(SweepError):
    """A sweep file that cannot be used; it holds all problems that were found at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        shown, n_more = self.problems[:SHOWN_PROBLEMS], len(self.problems) - SHOWN_PROBLEMS
        lines = [problem.words(file) for problem in shown]
        super().__init__("\n".join([*lines, f"{file}: and {n_more:,} more problems"] if n_more > 0 else lines))


class UsageError(SweepError):
    """A command line that cannot be followed; nothing was run."""

    exit_code = ExitCode.USAGE


class FolderBusyError(SweepError):
    """Another process works in this folder."""

    exit_code = ExitCode.FOLDER_BUSY


class SweepMismatchError(SweepError):
    """The folder holds results that the sweep file no longer asks for."""

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
