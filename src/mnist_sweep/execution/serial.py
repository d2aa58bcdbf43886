"""One trial, or one stack of them, after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from mnist_sweep.clock import running_s
from mnist_sweep.errors import SweepError, WorkersError
from mnist_sweep.events import Failed, Finished, Started
from mnist_sweep.execution.executor import Limits, MakeWork, TrialEvent, Window, Work, allowed_s, guarded, timed_out
from mnist_sweep.quiet import held_stderr
from mnist_sweep.recipe import CompileKey, Trial, compile_key


def run_serially(trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials here; time limits are looked at after each epoch.

    Raises:
        WorkersError: when the work cannot be made ready.
    """
    work, window = _ready(make_work), Window(trials)
    shape: CompileKey | None = None
    while not limits.stop() and (batch := window.take(limits.stack, shape)):
        shape = compile_key(batch[0].recipe)
        yield from (Started(trial) for trial in batch)
        left = dict.fromkeys(batch)
        deadline = running_s() + allowed_s(batch, limits)
        for event in guarded(work, batch):
            yield event
            if isinstance(event, Finished | Failed):
                left.pop(event.trial)
            if limits.stop():
                return
            if left and running_s() > deadline:
                yield from timed_out(left, window, limits)
                break


def _ready(make_work: MakeWork) -> Work:
    try:
        with held_stderr():
            return make_work(0)
    except SweepError:
        raise
    except Exception as error:
        raise WorkersError(f"no trial can be trained: {type(error).__name__}: {error}") from error
