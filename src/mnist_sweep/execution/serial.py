"""One trial after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from mnist_sweep.events import Cause, Failed, Started
from mnist_sweep.execution.executor import TrialEvent, Work
from mnist_sweep.recipe import Trial


def run_serially(trials: Iterator[Trial], work: Work) -> Generator[TrialEvent]:
    """Work on each trial here; one that raises is a failed trial, not the end of the sweep."""
    for trial in trials:
        yield Started(trial)
        try:
            yield from work(trial)
        except Exception as error:  # noqa: BLE001  whatever breaks one training must not cost the others
            yield Failed(trial, Cause.ERROR, f"{type(error).__name__}: {str(error).strip()[:2000]}")
