"""Who of several workers trains what, and what follows from what they say, wherever they are."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mnist_sweep.errors import WorkersError
from mnist_sweep.execution.executor import Batch, Limits, TrialEvent, Window, timed_out
from mnist_sweep.journal.events import Cause, Failed
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import CompileKey, Trial

_MAX_FAILED_STARTS = 3
_GROWN_FACTOR, _GROWN_BYTES = 2, 2**30


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker can take trials; it holds this many bytes of memory."""

    n_bytes: int


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A worker is about to end since its device is lost; none of its trials is to blame."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has ended, or could not be started: how, as what follows "it", and what it wrote last."""

    how: str
    words: str = ""


Message = TrialEvent | Ready | DeviceLost | Ended


@dataclass(slots=True)
class _Worker:
    """What is known of a worker, and what it has been given."""

    started: bool = False
    idle: bool = False
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


class Schedule:
    """Decides what workers, known by their numbers from 0, are to do; it is told what they say."""

    def __init__(self, trials: Iterator[Trial | None], limits: Limits) -> None:
        self._window, self._limits = Window(trials, limits), limits
        self._workers: dict[int, _Worker] = {}
        self._dismissed: list[int] = []
        self._deaths: Counter[Trial] = Counter()
        self._failed_starts: Counter[int] = Counter()  # in a row, by the number of the worker
        self._lost_devices: Counter[int] = Counter()  # by the number of the worker
        self._given_up: list[tuple[int, str]] = []  # workers of which the user has not heard yet, and why

    def is_over(self) -> bool:
        """Whether nothing is in training and nothing comes: no result is out on which the next trial could depend."""
        return not self._window and not any(worker.batch.left for worker in self._workers.values())

    def to_start(self) -> list[int]:
        """The workers that are to be started now: those that are not there, unless they failed to start too often."""
        numbers = range(self._limits.n_workers)
        new = [n for n in numbers if n not in self._workers and self._failed_starts[n] < _MAX_FAILED_STARTS]
        self._workers |= {number: _Worker() for number in new}
        return new

    def to_send(self, now_s: float) -> list[tuple[int, tuple[Trial, ...]]]:
        """Which worker is to be given which trials now."""
        handed: list[tuple[int, tuple[Trial, ...]]] = []
        for number, worker in self._workers.items():
            if not worker.idle:
                continue
            others = frozenset(w.shape for w in self._workers.values() if w is not worker and w.shape is not None)
            trials = self._window.take(worker.shape, others)
            if not trials:
                break
            worker.batch, worker.shape, worker.idle = Batch(trials, now_s), compile_key(trials[0].recipe), False
            handed.append((number, trials))
        return handed

    def to_kill(self) -> list[int]:
        """The workers that have ended or are no longer wanted; others may take their numbers."""
        numbers, self._dismissed = self._dismissed, []
        return numbers

    def to_say(self) -> list[str]:
        """Which workers were given up, once it is known whether others work; if none does, that is an error."""
        if not self._workers:
            raise WorkersError(f"no trial can be trained: no worker can start: the last one {self._given_up[-1][1]}")
        if not any(worker.started for worker in self._workers.values()):
            return []
        given_up, self._given_up = self._given_up, []
        return [
            f"Worker {number + 1} of {self._limits.n_workers} was given up after {_MAX_FAILED_STARTS} failed starts, "
            f"and the others go on: it {why.splitlines()[0]}"
            for number, why in given_up
        ]

    def hear(self, number: int, message: Message) -> list[TrialEvent]:
        """Take in what a worker said: what became of trials by that; nothing if it has been dismissed."""
        if not (worker := self._workers.get(number)):
            return []
        match message:
            case Ready(n_bytes):
                worker.started = worker.idle = True
                worker.batch = Batch()  # a trial without an outcome is not in training any more either
                del self._failed_starts[number]
                if worker.has_grown(n_bytes):
                    self._dismiss(number)
            case DeviceLost():
                worker.has_lost_device = True
                self._lost_devices[number] += 1
            case Ended():
                return self._bury(number, message)
            case _:
                worker.batch.see(message)
                return [message]
        return []

    def overdue(self, now_s: float) -> list[TrialEvent]:
        """The failures of trials that take too long; their workers are dismissed.

        Args:
            now_s: when everything had been heard that was said before.
        """
        failed: list[TrialEvent] = []
        for number, worker in tuple(self._workers.items()):
            if worker.batch.is_late(now_s, self._limits):
                failed += timed_out(worker.batch, self._window, self._limits)
                self._dismiss(number)
        return failed

    def _bury(self, number: int, ended: Ended) -> list[TrialEvent]:
        """A worker died: its trials are tried again, suspects in halves, and the one that is to blame up to the limit.

        A lost device is no trial's fault, unless that worker has lost it more often than a trial may lose its worker.
        """
        worker, failed = self._workers[number], list[TrialEvent]()
        if not worker.started:
            self._failed_starts[number] += 1
            if self._failed_starts[number] == _MAX_FAILED_STARTS:
                self._given_up.append((number, ended.how + ended.words))
        suspects, others = worker.batch.parted()
        if worker.has_lost_device and self._lost_devices[number] <= self._limits.max_attempts:
            suspects, others = [], list(worker.batch.left)
        if len(suspects) == 1:
            (trial,) = suspects
            self._deaths[trial] += 1
            if self._deaths[trial] >= self._limits.max_attempts:
                suspects.clear()
                reason = f"the worker process {ended.how}, {self._limits.max_attempts} times{ended.words}"
                failed.append(Failed(trial, Cause.WORKER_DIED, reason))
        self._window.put_back(suspects, others)
        self._dismiss(number)
        return failed

    def _dismiss(self, number: int) -> None:
        del self._workers[number]
        self._dismissed.append(number)
