"""What an executor is: a function from trials and the work on them to events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from mnist_sweep.events import Failed, Finished, Progress, Started
from mnist_sweep.recipe import Trial

TrialEvent = Started | Progress | Finished | Failed
Work = Callable[[Trial], Iterator[Progress | Finished | Failed]]
"""Trains a trial: any number of Progress, then one Finished or Failed."""
Executor = Callable[[Iterator[Trial], Work], Generator[TrialEvent]]
"""Pulls trials lazily, has them worked on, and yields each event before it goes on."""
