"""Which trials the trainer has side by side: places are taken again, stacks become smaller, memory may run out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_trial
from mnist_sweep.errors import DeviceLostError
from mnist_sweep.journal.events import Finished, Progress, Started
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.recipe import CompileKey, EarlyStopping, Seeds, Trial
from mnist_sweep.training.program import Evaluation
from mnist_sweep.training.trainer import Trainer

Ints = npt.NDArray[np.int32]
_LABELS = np.zeros(60_000, np.uint8)
_DATA = Mnist(np.empty((0, 784), np.uint8), _LABELS, np.empty((0, 784), np.uint8), _LABELS[:10_000], source="none")


class _Backend:
    """Trains nothing: a member's losses tell which epoch of its training it is in and which weights it began with.

    Args:
        most: for how many members there is room.
        breaks: called with the name of each method of a program before it does anything.
    """

    n_compiled = 0

    def __init__(self, most: int = 1024, breaks: Callable[[str, int], None] = lambda *_: None) -> None:
        self.asked: list[int] = []
        self.trained: list[list[tuple[int, int]]] = []  # weights seed and epoch of each member, call by call
        self.is_lost = False
        self.breaks, self._most = breaks, most
        self._places: list[tuple[int, int]] = []

    @property
    def n_members(self) -> int:
        return len(self._places)

    def program(self, _shape: CompileKey, n_members: int) -> _Backend:
        self.asked.append(n_members)
        size = min(1 << (n_members - 1).bit_length(), self._most)
        self._places = self._places[:size] if size <= len(self._places) else [(-1, 0)] * size
        return self

    def reset(self, member: int, seeds: Seeds) -> None:
        self._places[member] = seeds.weights, 0

    def train(self, orders: Ints, _rates: Any, epochs: list[int]) -> list[tuple[float, int]]:
        self.breaks("train", self.n_members)
        self._places[: len(orders)] = [(seed, n + 1) for seed, n in self._places[: len(orders)]]
        assert epochs == [n for _, n in self._places[: len(orders)]]
        self.trained.append(self._places[: len(orders)])
        return [(self._loss(i), 0) for i in range(len(orders))]

    def validate(self, indices: Ints) -> list[Evaluation]:
        self.breaks("validate", self.n_members)
        return [Evaluation(self._loss(i), np.zeros(indices.shape[1], np.int32)) for i in range(len(indices))]

    def test(self, member: int) -> Evaluation:
        self.breaks("test", self.n_members)
        return Evaluation(self._loss(member), np.zeros(10_000, np.int32))

    def kept(self, member: int) -> list[npt.NDArray[Any]]:
        return [np.array(self._places[member])]

    def restore(self, member: int, kept: list[npt.NDArray[Any]]) -> None:
        seed, epoch = kept[0].tolist()
        self._places[member] = seed, epoch

    def move(self, source: int, target: int) -> None:
        self._places[target] = self._places[source]

    def stack_size(self, _shape: CompileKey) -> int:
        return 4

    def check(self) -> None:
        if self.is_lost:
            raise RuntimeError("no device")

    def execution(self) -> dict[str, Any]:
        return {}

    def _loss(self, member: int) -> float:
        seed, epoch = self._places[member]
        return seed + 1 / epoch


def _trials(*lengths: int) -> tuple[Trial, ...]:
    """Trials of one shape that take so many epochs."""
    return tuple(a_trial(i, max_epochs=n, early_stopping=None) for i, n in enumerate(lengths, 1))


def _told(events: list[Any]) -> list[str]:
    """Each event in a word: S1 for the start of the first trial, its epochs as 1.1, 1.2, F1 for its result."""
    kinds = {Started: "S{0}", Progress: "{0}.{1}", Finished: "F{0}"}
    return [kinds[type(event)].format(event.trial.repeat, getattr(event, "epoch", 0)) for event in events]


def _check_results(trials: tuple[Trial, ...], events: list[Any]) -> None:
    """Each trial ended once, with the losses of its own epochs."""
    results = {event.trial: event.result for event in events if isinstance(event, Finished)}
    assert len(trials) == len(results) == sum(isinstance(event, Finished) for event in events)
    for trial in trials:
        expected = tuple(trial.repeat + 1 / epoch for epoch in range(1, trial.recipe.max_epochs + 1))
        assert expected == results[trial].curves.val_loss == results[trial].curves.train_loss
        assert expected[-1] == results[trial].test_loss


def test_a_place_that_becomes_free_is_taken_at_the_next_epoch() -> None:
    """Trials start when they really begin, in order; at the end the last member moves and the stack becomes smaller."""
    backend, trials = _Backend(), _trials(1, 3, 2, 2, 1)
    events = list(Trainer(_DATA, backend, stack=2)(trials))
    expected = "S1 S2 1.1 2.1 F1 S3 3.1 2.2 3.2 2.3 F3 F2 S4 S5 5.1 4.1 F5 4.2 F4"
    assert expected.split()[:10] == _told(events)[:10]
    assert sorted(expected.split()) == sorted(_told(events))
    _check_results(trials, events)
    assert [2, 1] == backend.asked
    assert 5 == len(backend.trained)


def test_a_stack_becomes_smaller_by_powers_of_two() -> None:
    """Whoever is left at the end goes on in a program for half as many; nobody begins anew for it."""
    backend, trials = _Backend(), _trials(4, 1, 3, 1, 1, 2, 2)
    events = list(Trainer(_DATA, backend, stack=8)(trials))
    _check_results(trials, events)
    assert [7, 4, 2, 1] == backend.asked
    assert [7, 4, 2, 1] == list(map(len, backend.trained))
    assert {8} == {event.result.execution["stack"] for event in events if isinstance(event, Finished)}


def test_the_backend_decides_unless_the_user_does() -> None:
    """So many are side by side as the backend says, or as many as there are."""
    for stack, n_trials, n_asked in ((None, 9, 4), (None, 3, 3), (2, 9, 2), (16, 9, 9)):
        backend = _Backend()
        list(Trainer(_DATA, backend, stack)(_trials(*[1] * n_trials)))
        assert n_asked == backend.asked[0]


def test_a_program_with_room_for_fewer_has_the_others_wait() -> None:
    """Where the backend has room for two alone, two train side by side, and results say so."""
    backend, trials = _Backend(most=2), _trials(2, 2, 2, 2)
    events = list(Trainer(_DATA, backend)(trials))
    _check_results(trials, events)
    assert [2] * 4 == list(map(len, backend.trained))
    assert [2] * 4 == [event.result.execution["stack"] for event in events if isinstance(event, Finished)]


@pytest.mark.parametrize("method", ["train", "validate", "test"])
def test_where_memory_runs_out_half_as_many_begin_anew(method: str) -> None:
    """What was in training begins again without another start, what has ended is not trained again."""

    def no_room(name: str, n_members: int) -> None:
        if n_members > 2 and name == method and (name == "test" or len(backend.trained) == 2):
            raise MemoryError("no room")

    backend, trials = _Backend(breaks=no_room), _trials(3, 2, 3, 3, 1)
    events = list(Trainer(_DATA, backend)(trials))
    _check_results(trials, events)
    assert 5 == sum(isinstance(event, Started) for event in events)
    assert [4, 2] == backend.asked[:2]
    assert 1 in [event.epoch for event in events[8:] if isinstance(event, Progress) and event.trial == trials[0]]


def test_what_does_not_fit_alone_breaks() -> None:
    """The error comes out once the stack cannot be halved any more."""

    def no_room(_name: str, _n_members: int) -> None:
        raise MemoryError("no room")

    backend = _Backend(breaks=no_room)
    with pytest.raises(MemoryError, match="no room"):
        list(Trainer(_DATA, backend)(_trials(1, 1, 1)))
    assert [3, 1] == backend.asked


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_error_of_a_lost_device_is_told_from_others(*, is_lost: bool) -> None:
    """After an error the device is asked for something small: when that fails too, no trial is to blame."""

    def breaks(_name: str, _n_members: int) -> None:
        raise ValueError("broken")

    backend = _Backend(breaks=breaks)
    backend.is_lost = is_lost
    expected = "the device is lost: ValueError: broken" if is_lost else "broken"
    with pytest.raises(DeviceLostError if is_lost else ValueError, match=expected):
        list(Trainer(_DATA, backend)(_trials(1)))


def test_members_stop_by_their_own_rules_wherever_they_are() -> None:
    """Each of many trials of random lengths has its own epochs, whatever place it began in and moved to."""
    lengths = np.random.default_rng(5).integers(1, 9, 60).tolist()
    trials = _trials(*lengths)
    backend = _Backend()
    events = list(Trainer(_DATA, backend, stack=16)(trials))
    _check_results(trials, events)
    assert sum(lengths) == sum(map(len, backend.trained))
    assert list(trials) == [event.trial for event in events if isinstance(event, Started)]


@pytest.mark.parametrize(
    ("min_delta", "restores", "kept", "n_tests"), [(0.3, True, 2, 2), (0.0, True, 4, 1), (0.3, False, 4, 1)]
)
def test_the_last_weights_are_tested_beside_the_kept_ones(
    *, min_delta: float, restores: bool, kept: int, n_tests: int
) -> None:
    """Once more, after training, where the last epoch was not the one whose weights are kept."""
    calls: list[str] = []
    backend = _Backend(breaks=lambda name, _: calls.append(name))
    rule = EarlyStopping("val_loss", min_delta, 2, restore_best_weights=restores)
    trial = a_trial(1, max_epochs=4, early_stopping=rule)
    (result,) = [event.result for event in Trainer(_DATA, backend)((trial,)) if isinstance(event, Finished)]
    assert (1 + 1 / kept, 1 + 1 / 4) == (result.test_loss, result.last_test_loss)
    assert (kept, 1.0, 1.0) == (result.kept_epoch, result.test_accuracy, result.last_test_accuracy)
    assert ["test"] * n_tests == [name for name in calls if name == "test"]
