"""Worker processes that stay warm for the whole sweep, each with a pipe of its own.

A shared queue can die with the worker that holds its lock, and a ProcessPoolExecutor breaks whole when one worker dies
(https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.process.BrokenProcessPool); here a worker
that dies is one closed pipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from mnist_sweep.errors import WorkersError
from mnist_sweep.execution.executor import Batch, Limits, MakeWork, TrialEvent, Window, timed_out
from mnist_sweep.execution.process import Process
from mnist_sweep.execution.worker import DeviceLost, Ready
from mnist_sweep.journal.events import Cause, Failed
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import CompileKey, Trial
from mnist_sweep.system.clock import running_s

_LOOK_S = 0.25  # how often stop signs and deadlines are looked at while no worker says anything
_MAX_FAILED_STARTS = 3
_GROWN_FACTOR, _GROWN_BYTES = 2, 2**30


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker and what it has been given."""

    number: int
    process: Process
    started: bool = False
    idle: bool = False
    talks: bool = True  # it may still write to its standard streams
    batch: Batch = field(default_factory=Batch)
    shape: CompileKey | None = None
    has_lost_device: bool = False
    first_bytes: int = 0
    n_batches: int = 0

    def has_grown(self, n_bytes: int) -> bool:
        """Whether it holds far more memory than after its first trials."""
        self.n_batches += 1
        if self.n_batches <= 2:  # noqa: PLR2004  ready, and after the first trials
            self.first_bytes = n_bytes
        return n_bytes > self.first_bytes * _GROWN_FACTOR + _GROWN_BYTES


class _Pool:
    def __init__(self, trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> None:
        self._window, self._make_work, self._limits = Window(trials, limits), make_work, limits
        self._workers: list[_Worker] = []
        self._deaths: Counter[Trial] = Counter()
        self._failed_starts: Counter[int] = Counter()  # in a row, by the number of the worker
        self._lost_devices: Counter[int] = Counter()  # by the number of the worker
        self._given_up: list[tuple[int, str]] = []  # workers of which the user has not heard yet, and why

    def run(self) -> Generator[TrialEvent]:
        """Hand out and listen until nothing is left to do."""
        try:
            for number in range(self._limits.n_workers if self._window else 0):
                self._start(number)
            while not self._limits.stop():
                self._hand_out()
                if not self._window and not any(worker.batch.left for worker in self._workers):
                    return
                self._tell_given_up()
                yield from self._listen()
        finally:
            for worker in self._workers:
                worker.process.end()

    def _start(self, number: int) -> None:
        """Start the worker of that number, unless that has failed too often."""
        while self._failed_starts[number] < _MAX_FAILED_STARTS:
            try:
                self._workers.append(_Worker(number, Process(self._make_work, number)))
            except OSError as error:
                self._note_failed_start(number, f"cannot be started: {error}")
            else:
                return

    def _note_failed_start(self, number: int, why: str) -> None:
        self._failed_starts[number] += 1
        if self._failed_starts[number] == _MAX_FAILED_STARTS:
            self._given_up.append((number, why))

    def _tell_given_up(self) -> None:
        """Say which workers were given up, once it is known whether others work."""
        if not self._workers:
            raise WorkersError(f"no trial can be trained: no worker can start: the last one {self._given_up[-1][1]}")
        if any(worker.started for worker in self._workers):
            for number, why in self._given_up:
                self._limits.say(
                    f"Worker {number + 1} of {self._limits.n_workers} was given up after {_MAX_FAILED_STARTS} failed "
                    f"starts, and the others go on: it {why.splitlines()[0]}"
                )
            self._given_up.clear()

    def _hand_out(self) -> None:
        for worker in self._workers:
            if not worker.idle:
                continue
            others = frozenset(w.shape for w in self._workers if w is not worker and w.shape is not None)
            trials = self._window.take(worker.shape, others)
            if not trials:
                return
            worker.batch, worker.shape, worker.idle = Batch(trials), compile_key(trials[0].recipe), False
            worker.process.send(trials)

    def _listen(self) -> Generator[TrialEvent]:
        sources: dict[Any, _Worker] = {worker.process.pipe: worker for worker in self._workers}
        sources |= {worker.process.output: worker for worker in self._workers if worker.talks}
        for source in wait(list(sources), timeout=_LOOK_S):
            worker = sources[source]
            if source == worker.process.output:
                worker.talks = worker.process.take_output()
        for worker in tuple(self._workers):
            now = running_s()  # before the messages are taken in: whoever hears of them may take long
            yield from self._hear_all(worker)
            if worker.batch.is_late(now, self._limits) and worker in self._workers:
                yield from timed_out(worker.batch, self._window, self._limits)
                self._replace(worker)

    def _hear_all(self, worker: _Worker) -> Generator[TrialEvent]:
        """All that a worker has said by now, and that it died, if it did."""
        messages, is_dead = [], False
        try:
            while worker.process.pipe.poll():
                messages.append(worker.process.pipe.recv())
        except (EOFError, OSError):
            is_dead = True
        for message in messages:
            yield from self._hear(worker, message)
        if is_dead and worker in self._workers:
            yield from self._bury(worker)

    def _hear(self, worker: _Worker, message: Any) -> Generator[TrialEvent]:
        match message:
            case Ready(n_bytes):
                worker.started = worker.idle = True
                del self._failed_starts[worker.number]
                if worker.has_grown(n_bytes):
                    self._replace(worker)
            case DeviceLost():
                worker.has_lost_device = True
                self._lost_devices[worker.number] += 1
            case _:
                worker.batch.see(message)
                yield message

    def _bury(self, worker: _Worker) -> Generator[TrialEvent]:
        """A worker died: its trials are tried again, suspects in halves, and the one that is to blame up to the limit.

        A lost device is no trial's fault, unless that worker has lost it more often than a trial may lose its worker.
        """
        how, words = worker.process.how_it_ended()
        if not worker.started:
            self._note_failed_start(worker.number, how + words)
        suspects, others = worker.batch.parted()
        if worker.has_lost_device and self._lost_devices[worker.number] <= self._limits.max_attempts:
            suspects, others = [], list(worker.batch.left)
        if len(suspects) == 1:
            (trial,) = suspects
            self._deaths[trial] += 1
            if self._deaths[trial] >= self._limits.max_attempts:
                suspects.clear()
                reason = f"the worker process {how}, {self._limits.max_attempts} times{words}"
                yield Failed(trial, Cause.WORKER_DIED, reason)
        self._window.put_back(suspects, others)
        self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        worker.process.end()
        self._workers.remove(worker)
        self._start(worker.number)


def run_in_pool(trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials in processes of their own; when this generator is closed, none of them is left.

    Raises:
        WorkersError: when no worker can start.
    """
    return _Pool(trials, make_work, limits).run()
