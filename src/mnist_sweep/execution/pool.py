"""Worker processes that stay warm for the whole sweep, each with a pipe of its own.

A shared queue can die with the worker that holds its lock, and a ProcessPoolExecutor breaks whole when one worker dies
(https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.process.BrokenProcessPool); here a worker
that dies is one closed pipe.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mnist_sweep.errors import WorkersError
from mnist_sweep.events import Cause, Failed, Finished, Started
from mnist_sweep.execution.executor import Limits, MakeWork, TrialEvent, Window, guarded, timed_out
from mnist_sweep.recipe import CompileKey, Trial, compile_key

_LOOK_S = 0.25  # how often stop signs and deadlines are looked at while no worker says anything
_MAX_FAILED_STARTS = 3
_GROWN_FACTOR, _GROWN_BYTES = 2, 2**30


@dataclass(frozen=True, slots=True)
class _Ready:
    """A worker can take trials; it holds this many bytes of memory."""

    n_bytes: int


@dataclass(frozen=True, slots=True)
class _Broken:
    """A worker could not get ready."""

    reason: str


def _serve(pipe: Connection, make_work: MakeWork, number: int) -> None:
    """The worker's life: get ready, then trials in and events out until the pipe closes."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone: so are we
        try:
            work = make_work(number)
        except Exception as error:  # noqa: BLE001  told to the parent, which decides
            pipe.send(_Broken(f"{type(error).__name__}: {error}"))
            return
        while True:
            pipe.send(_Ready(_memory()))
            for event in guarded(work, pipe.recv()):
                pipe.send(event)


def _memory() -> int:
    """Bytes that this process holds in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


@dataclass(slots=True)
class _Worker:
    """A worker process as its parent sees it."""

    number: int
    process: Any
    pipe: Connection
    ready: bool = False
    batch: dict[Trial, None] = field(default_factory=dict)  # trials without an outcome yet, in order
    shape: CompileKey | None = None
    deadline: float = float("inf")
    first_bytes: int = 0
    n_batches: int = 0

    def has_grown(self, n_bytes: int) -> bool:
        """Whether it holds far more memory than after its first trials."""
        self.n_batches += 1
        if self.n_batches <= 2:  # noqa: PLR2004  ready, and after the first trials
            self.first_bytes = n_bytes
        return n_bytes > self.first_bytes * _GROWN_FACTOR + _GROWN_BYTES

    def end(self) -> None:
        """Kill the process; it holds nothing that is not with the parent."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    def __init__(self, trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> None:
        self._window, self._make_work, self._limits = Window(trials), make_work, limits
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._deaths: Counter[Trial] = Counter()
        self._n_failed_starts = 0

    def run(self) -> Generator[TrialEvent]:
        """Hand out and listen until nothing is left to do."""
        first = self._window.take(self._limits.stack)
        self._window.put_back(first)
        if not first:
            return
        self._workers = [self._start(number) for number in range(self._limits.n_workers)]
        try:
            while not self._limits.stop():
                yield from self._hand_out()
                if not any(worker.batch for worker in self._workers) and not self._waiting_for_a_start():
                    return
                yield from self._listen()
        finally:
            for worker in self._workers:
                worker.end()

    def _waiting_for_a_start(self) -> bool:
        """Whether trials are left that no worker could be given because none is ready."""
        batch = self._window.take(self._limits.stack)
        self._window.put_back(batch)
        return bool(batch)

    def _start(self, number: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._make_work, number), daemon=True)
        # These reach the whole group, and the parent decides: a worker is born with them blocked, and stays so.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(number, process, ours)

    def _hand_out(self) -> Generator[TrialEvent]:
        for worker in self._workers:
            if not worker.ready or worker.batch:
                continue
            others = frozenset(w.shape for w in self._workers if w is not worker and w.shape is not None)
            batch = self._window.take(self._limits.stack, worker.shape, others)
            if not batch:
                continue
            yield from (Started(trial) for trial in batch)
            worker.batch, worker.shape = dict.fromkeys(batch), compile_key(batch[0].recipe)
            worker.deadline = time.monotonic() + (self._limits.trial_timeout_s or float("inf")) * len(batch)
            worker.ready = False
            with suppress(OSError):  # a worker that just died is noticed when its pipe is read
                worker.pipe.send(batch)

    def _listen(self) -> Generator[TrialEvent]:
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(by_pipe), timeout=_LOOK_S):
            worker = by_pipe[pipe]
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._bury(worker)
            else:
                yield from self._hear(worker, message)
        for worker in list(self._workers):
            if worker.batch and time.monotonic() > worker.deadline:
                yield from (timed_out(trial, self._limits) for trial in worker.batch)
                self._replace(worker)

    def _hear(self, worker: _Worker, message: Any) -> Generator[TrialEvent]:
        match message:
            case _Broken(reason):
                raise WorkersError(f"no trial can be trained: a worker could not get ready: {reason}")
            case _Ready(n_bytes):
                worker.ready, self._n_failed_starts = True, 0
                if worker.has_grown(n_bytes):
                    self._replace(worker)
            case Finished() | Failed():
                del worker.batch[message.trial]
                yield message
            case _:
                yield message

    def _bury(self, worker: _Worker) -> Generator[TrialEvent]:
        """A worker died: its trials are tried again, up to the limit, by the one that takes its place."""
        worker.process.join()
        how = _how_it_ended(worker.process.exitcode)
        again = []
        for trial in worker.batch:
            self._deaths[trial] += 1
            if self._deaths[trial] < self._limits.max_attempts:
                again.append(trial)
            else:
                reason = f"the worker process {how}, {self._limits.max_attempts} times"
                yield Failed(trial, Cause.WORKER_DIED, reason)
        if not worker.batch and not worker.ready:
            self._n_failed_starts += 1
            if self._n_failed_starts >= _MAX_FAILED_STARTS:
                raise WorkersError(f"no trial can be trained: workers do not start: the last one {how}")
        self._window.put_back(tuple(again))
        self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        worker.end()
        self._workers[self._workers.index(worker)] = self._start(worker.number)


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        memory = " (often: out of memory)" if name == "SIGKILL" else ""
        return f"was ended by {name}{memory}"
    return f"ended with exit code {exit_code}"


def run_in_pool(trials: Iterator[Trial], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials in processes of their own; when this generator is closed, none of them is left.

    Raises:
        WorkersError: when no worker can get ready.
    """
    return _Pool(trials, make_work, limits).run()
