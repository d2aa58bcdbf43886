"""The sweeps that lie in a folder, a line each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.wording import leader_words
from mnist_sweep.errors import UsageError
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.system.locks import holder


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder with what is in it, or with why that cannot be told; and who works there."""

    path: Path
    summary: Summary | None
    who: str | None = None
    problem: str | None = None

    @property
    def last_run_began_at(self) -> str | None:
        """When the last run began, as in the journal; None before the first."""
        return self.summary.runs[-1].started_at if self.summary and self.summary.runs else None


def sweeps_in(folder: Path, read: Callable[[Path], Summary]) -> list[Listed]:
    """What `read` finds in each folder of a folder, by name; a damaged one is told and does no harm to the others.

    Raises:
        UsageError: when there is no such folder, or it may not be looked into.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        msg = f"{folder}: cannot be looked into: {error.strerror}; give the folder that the folders of sweeps lie in"
        raise UsageError(msg) from error
    return [_listed(path, read) for path in paths]


def _listed(path: Path, read: Callable[[Path], Summary]) -> Listed:
    try:
        return Listed(path, read(path), holder(SweepFolder(path).lock))
    except Exception as error:  # noqa: BLE001  whatever is wrong with one folder, the others are listed
        return Listed(path, None, problem=" ".join(str(error).split()) or type(error).__name__)


def print_sweeps(folder: str, sweeps: Iterable[Listed]) -> None:
    """A line for each sweep: done, left, failed, when it last ran, and the best by validation."""
    sweeps = list(sweeps)
    if not sweeps:
        click.echo(f"{folder}: no sweeps here")
    width = max((len(sweep.path.name) for sweep in sweeps), default=0)
    for sweep in sweeps:
        told = sweep.problem if sweep.summary is None else _words(sweep, sweep.summary)
        click.echo(f"{sweep.path.name:{width}}  {told}")


def _words(sweep: Listed, summary: Summary) -> str:
    done, failed, left = summary.counts
    began = sweep.last_run_began_at and datetime.fromisoformat(sweep.last_run_began_at).astimezone()
    when = "running now" if sweep.who else f"{began:%Y-%m-%d %H:%M}" if began else "never run"
    return f"{done:>5} done {left:>5} left {failed:>4} failed  {when:16}  {leader_words(summary) or 'no best yet'}"
