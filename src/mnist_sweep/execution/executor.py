"""What an executor is: a function from trials and the work on them to events."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from mnist_sweep.errors import DeviceLostError
from mnist_sweep.journal.events import Cause, Failed, Finished, Progress, Started
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import CompileKey, Trial

TrialEvent = Started | Progress | Finished | Failed
Work = Callable[[tuple[Trial, ...]], Iterator[TrialEvent]]
"""Trains trials of one shape: for each Started when it begins, any number of Progress, and one Finished or Failed."""
MakeWork = Callable[[int], Work]
"""Gets the worker of that number (from 0) ready; can be pickled."""

_WINDOW = 512
"""Trials seen ahead at least, so that those of one shape can be brought together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, for how long, how often.

    Args:
        batch: trials of one shape that a worker is given at once.
        trial_timeout_s: a trial that takes longer has failed; None for no limit.
        max_attempts: how often a trial may lose its worker before it has failed.
        stop: once it is true, the executor ends; trials in training stay without an outcome.
    """

    n_workers: int
    batch: int = 1
    trial_timeout_s: float | None = None
    max_attempts: int = 3
    stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _: None


Executor = Callable[[Iterator[Trial | None], MakeWork, Limits], Generator[TrialEvent]]
"""Pulls trials lazily, has them worked on, and yields each event before it goes on.

Where None comes instead of a trial, the next one depends on results that are still out: it pulls again when events have
been heard, and ends when nothing is out.
"""


class Batch:
    """Trials that were handed out together: which of them have no outcome yet, and which have begun."""

    def __init__(self, trials: Sequence[Trial] = (), since_s: float = 0.0) -> None:
        self.left = dict.fromkeys(trials)
        self._begun: set[Trial] = set()
        self._since_s = since_s

    def see(self, event: TrialEvent) -> None:
        """Take in what became of one of them."""
        match event:
            case Started(trial):
                self._begun.add(trial)
            case Finished(trial) | Failed(trial):
                self.left.pop(trial)

    def parted(self) -> tuple[list[Trial], list[Trial]]:
        """Those one of which is to blame if the work broke just now, and the others, which had not begun."""
        begun = [trial for trial in self.left if trial in self._begun]
        return (begun, [trial for trial in self.left if trial not in self._begun]) if begun else (list(self.left), [])

    def is_late(self, now_s: float, limits: Limits) -> bool:
        """Whether it takes longer than those that have begun may take together."""
        allowed_s = (limits.trial_timeout_s or float("inf")) * max(1, len(self._begun))
        return bool(self.left) and now_s > self._since_s + allowed_s


def _halves(trials: Sequence[Trial]) -> list[tuple[Trial, ...]]:
    middle = (len(trials) + 1) // 2
    return [tuple(half) for half in (trials[:middle], trials[middle:]) if half]


class Window:
    """The next trials, handed out by shape: a worker gets the shape that it has compiled as long as there is any."""

    def __init__(self, trials: Iterator[Trial | None], limits: Limits) -> None:
        self._trials, self._limits = trials, limits
        self._by_shape: dict[CompileKey, deque[Trial]] = {}
        self._suspects: deque[tuple[Trial, ...]] = deque()

    def __bool__(self) -> bool:
        self._refill()
        return bool(self._by_shape or self._suspects)

    def take(self, mine: CompileKey | None = None, others: frozenset[CompileKey] = frozenset()) -> tuple[Trial, ...]:
        """A batch of one shape: of mine, else of one that no other has, else of the first; () when there are none now.

        It is no more than a worker's share of what is left, so that all of them have work to the end.
        """
        if self._suspects:
            return self._suspects.popleft()
        n_held = self._refill()
        shapes = list(self._by_shape)
        if not shapes:
            return ()
        unclaimed = [shape for shape in shapes if shape not in others]
        shape = mine if mine in self._by_shape else (unclaimed or shapes)[0]
        queue = self._by_shape[shape]
        n = min(self._limits.batch, -(-n_held // self._limits.n_workers), len(queue))
        taken = tuple(queue.popleft() for _ in range(n))
        if not queue:
            del self._by_shape[shape]
        return taken

    def put_back(self, suspects: Sequence[Trial], others: Sequence[Trial] = ()) -> None:
        """Hand these out before the rest: suspects in two halves, each a batch of its own, as one harms the others."""
        self._suspects.extendleft(reversed(_halves(suspects)))
        for trial in reversed(others):
            self._by_shape.setdefault(compile_key(trial.recipe), deque()).appendleft(trial)

    def _refill(self) -> int:
        """How many trials are held, after looking ahead."""
        n_held = sum(map(len, self._by_shape.values()))
        n_wanted = max(_WINDOW, self._limits.batch * self._limits.n_workers)
        while n_held < n_wanted and (trial := next(self._trials, None)):
            self._by_shape.setdefault(compile_key(trial.recipe), deque()).append(trial)
            n_held += 1
        return n_held


def guarded(work: Work, trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
    """The work's events; a trial that makes it raise has failed, found by trying those in training in halves."""
    groups = [trials]
    while groups:
        batch = Batch(groups.pop())
        try:
            for event in work(tuple(batch.left)):
                batch.see(event)
                yield event
        except DeviceLostError:
            raise
        except Exception as error:  # noqa: BLE001  whatever breaks one training must not cost the others
            reason = f"{type(error).__name__}: {str(error).strip()[:2000]}"
        else:
            continue
        suspects, others = batch.parted()
        if len(suspects) == 1:
            yield Failed(suspects.pop(), Cause.ERROR, reason)
        groups += [group for group in (tuple(others), *reversed(_halves(suspects))) if group]


def timed_out(batch: Batch, window: Window, limits: Limits) -> Iterator[Failed]:
    """The failure of a trial that took too long; of several side by side, each half gets its own time."""
    suspects, others = batch.parted()
    if len(suspects) == 1:
        reason = f"took longer than the {limits.trial_timeout_s:g} s allowed to a trial"
        yield Failed(suspects.pop(), Cause.TIMEOUT, reason)
    window.put_back(suspects, others)
