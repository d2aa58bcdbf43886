"""One trial, or one stack of them, after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from mnist_sweep.events import Failed, Finished, Started
from mnist_sweep.execution.executor import Limits, MakeWork, TrialEvent, Window, guarded, timed_out
from mnist_sweep.recipe import CompileKey, Trial, compile_key


def run_serially(trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials here; time limits are looked at after each epoch."""
    work, window = make_work(0), Window(trials)
    shape: CompileKey | None = None
    while not limits.stop() and (batch := window.take(limits.stack, shape)):
        shape = compile_key(batch[0].recipe)
        yield from (Started(trial) for trial in batch)
        left = dict.fromkeys(batch)
        deadline = time.monotonic() + (limits.trial_timeout_s or float("inf")) * len(batch)
        for event in guarded(work, batch):
            yield event
            if isinstance(event, Finished | Failed):
                left.pop(event.trial)
            if limits.stop():
                return
            if left and time.monotonic() > deadline:
                yield from (timed_out(trial, limits) for trial in left)
                break
