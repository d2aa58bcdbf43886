"""What an executor is: a function from trials and the work on them to events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from mnist_sweep.events import Cause, Failed, Finished, Progress, Started
from mnist_sweep.recipe import CompileKey, Trial, compile_key

TrialEvent = Started | Progress | Finished | Failed
Work = Callable[[tuple[Trial, ...]], Iterator[Progress | Finished | Failed]]
"""Trains trials of one shape: any number of Progress, and one Finished or Failed for each trial."""
MakeWork = Callable[[int], Work]
"""Gets the worker of that number (from 0) ready; can be pickled."""

_WINDOW = 512
"""Trials seen ahead, so that those of one shape can be brought together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, for how long, how often.

    Args:
        n_workers: processes.
        stack: trials that a worker trains side by side.
        trial_timeout_s: a trial that takes longer has failed; None for no limit.
        max_attempts: how often a trial may lose its worker before it has failed.
        stop: once it is true, the executor ends; trials in training stay without an outcome.
        say: hears what the user should know.
    """

    n_workers: int
    stack: int = 1
    trial_timeout_s: float | None = None
    max_attempts: int = 3
    stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _: None


Executor = Callable[[Iterator[Trial], MakeWork, Limits], Generator[TrialEvent]]
"""Pulls trials lazily, has them worked on, and yields each event before it goes on."""


class Window:
    """The next trials, handed out by shape: a worker gets the shape that it has compiled as long as there is any."""

    def __init__(self, trials: Iterator[Trial]) -> None:
        self._trials = trials
        self._by_shape: dict[CompileKey, deque[Trial]] = {}
        self._alone: set[Trial] = set()

    def __bool__(self) -> bool:
        self._refill()
        return bool(self._by_shape)

    def take(
        self, n: int, mine: CompileKey | None = None, others: frozenset[CompileKey] = frozenset()
    ) -> tuple[Trial, ...]:
        """Up to n trials of one shape: of mine, else of one that no other has, else of the first; () at the end."""
        self._refill()
        shapes = list(self._by_shape)
        if not shapes:
            return ()
        unclaimed = [shape for shape in shapes if shape not in others]
        shape = mine if mine in self._by_shape else (unclaimed or shapes)[0]
        queue = self._by_shape[shape]
        taken = tuple(queue.popleft() for _ in range(1 if queue[0] in self._alone else min(n, len(queue))))
        if not queue:
            del self._by_shape[shape]
        return taken

    def put_back(self, trials: Iterable[Trial]) -> None:
        """Hand these out again, before others of their shape, and each alone, since one may have harmed the others."""
        for trial in reversed(tuple(trials)):
            self._alone.add(trial)
            self._by_shape.setdefault(compile_key(trial.recipe), deque()).appendleft(trial)

    def _refill(self) -> None:
        n_held = sum(map(len, self._by_shape.values()))
        for trial in islice(self._trials, max(0, _WINDOW - n_held)):
            self._by_shape.setdefault(compile_key(trial.recipe), deque()).append(trial)


def guarded(work: Work, trials: tuple[Trial, ...]) -> Iterator[Progress | Finished | Failed]:
    """The work's events; a trial that makes it raise has failed, found by trying those of a stack one by one."""
    left = dict.fromkeys(trials)
    try:
        for event in work(trials):
            if isinstance(event, Finished | Failed):
                left.pop(event.trial)
            yield event
    except Exception as error:  # noqa: BLE001  whatever breaks one training must not cost the others
        reason = f"{type(error).__name__}: {str(error).strip()[:2000]}"
    else:
        return
    if len(left) > 1:
        for trial in left:
            yield from guarded(work, (trial,))
    else:
        yield from (Failed(trial, Cause.ERROR, reason) for trial in left)


def allowed_s(batch: Collection[Trial], limits: Limits) -> float:
    """Seconds that these trials may take together."""
    return (limits.trial_timeout_s or float("inf")) * len(batch)


def timed_out(left: Collection[Trial], window: Window, limits: Limits) -> Iterator[Failed]:
    """The failure of a trial that took too long; of several side by side, each gets its own time alone."""
    if len(left) > 1:
        window.put_back(left)
        return
    reason = f"took longer than the {limits.trial_timeout_s:g} s allowed to a trial"
    yield from (Failed(trial, Cause.TIMEOUT, reason) for trial in left)
