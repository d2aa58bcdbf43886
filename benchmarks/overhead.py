"""What a trial costs beside its training: dispatch over the pipe, the journal with its fsync, the ledger, progress."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from mnist_sweep.execution.executor import Limits, TrialEvent, Work
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.run_sweep import Training, run_sweep
from mnist_sweep.journal.events import Curves, Event, Finished, Progress, Record, Result, Started
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.sweepfile.sweep_file import parse_spec
from mnist_sweep.system.stop import Stop
from mnist_sweep.terminal.progress import Look, progress

_EPOCHS, _TRIALS = 20, 400


def instant(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
    """Finishes at once, with as much to record as a real training of 20 epochs."""
    value = (0.123456789,) * _EPOCHS
    wrong = tuple((i, i % 10) for i in range(160))
    matrix = ((100,) * 10,) * 10
    result = Result(Curves(value, value, value, value, value), 10, 10, 0.07, 0.984, matrix, wrong, {"device": "CPU"})
    for trial in trials:
        yield Started(trial)
        yield from (Progress(trial, epoch, 0.1, 0.98) for epoch in range(1, _EPOCHS + 1))
        yield Finished(trial, result)


def make_instant(_number: int) -> Work:
    """The work of every worker."""
    return instant


def measure_overhead() -> list[str]:
    """The median time between two outcomes when training takes none, with one worker, as lines of Markdown."""
    times: list[float] = []

    def hear(event: TrialEvent, _ledger: Ledger) -> None:
        if isinstance(event, Finished):
            times.append(time.perf_counter())

    def stamp(event: Event) -> Record:
        return Record("", 0.0, event)

    spec = parse_spec(f"name: overhead\nrepeats: {_TRIALS}\ngrid:\n  hidden_width: 32\n".encode(), "overhead")
    plan = make_plan(spec, MNIST)
    training = Training(run_in_pool, make_instant, Limits(1), {})
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, progress(plan, Look(), Stop()) as listeners:
        run_sweep(
            plan,
            journal_path=Path(folder) / "journal.jsonl",
            prepare=lambda _: nullcontext(training),
            stamp=stamp,
            listeners=[*listeners, hear],
        )
    costs = [(later - earlier) * 1000 for earlier, later in zip(times[20:], times[21:], strict=False)]
    return [
        f"A trial costs {median(costs):.1f} ms in the median beside its training (target: under 5 ms): {_TRIALS} trials of "
        f"{_EPOCHS} epochs that take no time, one worker, every event on disk before the next."
    ]


if __name__ == "__main__":
    import overhead  # by this name the workers know it too

    print("\n".join(overhead.measure_overhead()))
