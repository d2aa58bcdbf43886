"""One trial, or one batch of them, after the other, in this process."""

from collections.abc import Generator, Iterator

from mnist_sweep.errors import SweepError, WorkersError
from mnist_sweep.execution.executor import Batch, Limits, MakeWork, TrialEvent, Window, Work, guarded, timed_out
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import CompileKey, Trial
from mnist_sweep.system.clock import running_s
from mnist_sweep.system.quiet import held_stderr


def run_serially(trials: Iterator[Trial | None], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials here; time limits are looked at after each epoch."""
    work, window = _ready(make_work), Window(trials, limits)
    shape: CompileKey | None = None
    while not limits.stop() and (taken := window.take(shape)):
        shape, batch = compile_key(taken[0].recipe), Batch(taken, running_s())
        for event in guarded(work, taken):
            yield event
            batch.see(event)
            if limits.stop():
                return
            if batch.is_late(running_s(), limits):
                yield from timed_out(batch, window, limits)
                break


def _ready(make_work: MakeWork) -> Work:
    try:
        with held_stderr():
            return make_work(0)
    except SweepError:
        raise
    except Exception as error:
        raise WorkersError(f"no trial can be trained: {type(error).__name__}: {error}") from error
