"""Training does what its recipe says, the same each time, and never looks at held-out images."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_recipe
from mnist_sweep.journal.events import Cause, Failed, Finished, Progress, Record, Started, record_to_dict
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.keras_names import OPTIMIZERS
from mnist_sweep.plan.recipe import CompileKey, EarlyStopping, Seeds, Trial, loop_version
from mnist_sweep.training.fingerprint import fingerprint
from mnist_sweep.training.program import Evaluation
from mnist_sweep.training.tensorflow_program import TensorFlowBackend, TensorFlowProgram
from mnist_sweep.training.trainer import Trainer, epoch_order, split
from reference import some_images

Ints = npt.NDArray[np.int32]

_SEEDS = Seeds(weights=11, split=100, order=100)


@pytest.fixture(scope="module")
def trainer(mnist: Mnist) -> Trainer:
    """One process's trainer, kept warm as in a sweep."""
    return Trainer(mnist, TensorFlowBackend(mnist))


def _trial(seeds: Seeds = _SEEDS, **changes: Any) -> Trial:
    small = {"hidden_widths": (16,), "hidden_funcs": ("relu",), "max_epochs": 2, "validation_fraction": 0.9}
    recipe = a_recipe(**{**small, **changes})
    return Trial(recipe, 1, seeds, MNIST.digest, loop_version(recipe, MNIST.n_train))


def _finish(trainer: Callable[[tuple[Trial, ...]], Any], trial: Trial) -> Finished:
    event = list(trainer((trial,)))[-1]
    assert isinstance(event, Finished)
    return event


def _bits(event: Finished) -> str:
    """Everything that was recorded but the times."""
    curves = event.result.curves
    result = replace(event.result, curves=replace(curves, seconds=(0.0,) * len(curves.seconds)))
    return json.dumps(record_to_dict(Record("", 0, Finished(event.trial, result))))


def test_split_is_the_first_part_of_a_permutation() -> None:
    """The held-out images are the first round(n·fraction) entries of a permutation, the others are trained on."""
    training, held_out = split(60_000, 0.1, 100)
    assert (54_000, 6_000) == (len(training), len(held_out))
    assert list(range(60_000)) == sorted([*training.tolist(), *held_out.tolist()])
    assert not np.array_equal(held_out, split(60_000, 0.1, 101)[1])


def test_every_epoch_has_a_fresh_order_of_the_training_images_alone() -> None:
    """Each epoch visits every training image once, in a new order, and none that is held out."""
    training, held_out = split(60_000, 0.1, 100)
    first, second = epoch_order(training, 100, 1), epoch_order(training, 100, 2)
    assert set(training.tolist()) == set(first.tolist()) == set(second.tolist())
    assert not set(held_out.tolist()) & set(first.tolist())
    assert not np.array_equal(first, second)
    assert np.array_equal(first, epoch_order(training, 100, 1))


def test_no_validation_image_is_ever_trained_on(mnist: Mnist) -> None:
    """Replacing all held-out images by noise changes nothing of the training curves: they are never trained on."""
    trial = _trial(early_stopping=None)
    _, held_out = split(60_000, trial.recipe.validation_fraction, _SEEDS.split)
    images = mnist.x_train.copy()
    images[held_out] = np.random.default_rng(0).integers(0, 256, (len(held_out), 784), np.uint8)
    other = replace(mnist, x_train=images)
    clean = _finish(Trainer(mnist, TensorFlowBackend(mnist)), trial).result
    noisy = _finish(Trainer(other, TensorFlowBackend(other)), trial).result
    assert clean.curves.train_loss == noisy.curves.train_loss
    assert clean.curves.val_loss != noisy.curves.val_loss
    assert clean.test_loss == noisy.test_loss


def test_equal_trials_give_equal_bits_whatever_came_before(mnist: Mnist, trainer: Trainer) -> None:
    """A trial gives the same numbers to the last bit: again, after others of its shape and of other shapes, afresh."""
    trial = _trial()
    first = _bits(_finish(trainer, trial))
    _finish(trainer, _trial(Seeds(12, 100, 100), learning_rate=0.1))
    _finish(trainer, _trial(batch_size=1000, optimizer="rmsprop"))
    assert first == _bits(_finish(trainer, trial))
    assert first == _bits(_finish(Trainer(mnist, TensorFlowBackend(mnist)), trial))


def test_the_number_of_images_is_that_of_the_data() -> None:
    """On 2,500 images a trial holds out 250 of them, trains on the rest, and is tested on the 700 test images."""
    data = some_images(2_500, 700)
    result = _finish(Trainer(data, TensorFlowBackend(data)), _trial(batch_size=100, validation_fraction=0.1)).result
    assert 700 == sum(map(sum, result.confusion))
    counts = [(result.curves.train_accuracy, 2_250), (result.curves.val_accuracy, 250), ((result.test_accuracy,), 700)]
    for accuracies, n in counts:
        assert all(value is not None and (value * n).is_integer() for value in accuracies)


@pytest.mark.parametrize("seeds", [Seeds(12, 100, 100), Seeds(11, 101, 100), Seeds(11, 100, 101)])
def test_each_seed_matters(trainer: Trainer, seeds: Seeds) -> None:
    """Another seed for weights, split or order gives another training."""
    assert (
        _finish(trainer, _trial()).result.curves.train_loss != _finish(trainer, _trial(seeds)).result.curves.train_loss
    )


@pytest.mark.full_data
def test_what_is_recorded_fits_together(mnist: Mnist, trainer: Trainer) -> None:
    """Scores, confusion matrix and wrong images of a result tell the same story."""
    result = _finish(trainer, _trial(validation_fraction=0.1)).result
    confusion = np.array(result.confusion)
    assert np.bincount(mnist.y_test).tolist() == confusion.sum(axis=1).tolist()
    assert result.test_accuracy == np.trace(confusion) / 10_000
    assert 10_000 - np.trace(confusion) == len(result.wrong)
    assert all(mnist.y_test[index] != predicted for index, predicted in result.wrong)
    assert {2} == {len(values) for values in (result.curves.train_loss, result.curves.val_loss, result.curves.seconds)}
    assert 0.8 < result.test_accuracy < 1
    assert abs((result.curves.val_accuracy[-1] or 0) - result.test_accuracy) < 0.03


def test_progress_comes_once_an_epoch(trainer: Trainer) -> None:
    """Each epoch is told as it ends, then the result."""
    events = list(trainer((_trial(),)))
    assert [Started, Progress, Progress, Finished] == [type(event) for event in events]
    assert [1, 2] == [event.epoch for event in events if isinstance(event, Progress)]


def test_kept_weights_are_the_best_epochs_or_the_last(trainer: Trainer) -> None:
    """Restoring keeps the best epoch's weights, and the test scores are theirs; otherwise the last epoch's are kept."""
    rough: dict[str, Any] = {"learning_rate": 0.03, "batch_size": 100, "max_epochs": 6, "hidden_widths": (64,)}
    rule = EarlyStopping("val_loss", 0.0, 2, restore_best_weights=True)
    restored = _finish(trainer, _trial(early_stopping=rule, **rough)).result
    last = _finish(trainer, _trial(early_stopping=replace(rule, restore_best_weights=False), **rough)).result
    assert restored.best_epoch == restored.kept_epoch == last.best_epoch < len(restored.curves.seconds)
    assert len(last.curves.seconds) == last.kept_epoch
    short = _finish(trainer, _trial(early_stopping=None, **{**rough, "max_epochs": restored.best_epoch})).result
    assert short.test_loss == restored.test_loss != last.test_loss


def test_divergence_is_a_failure_with_its_curves(trainer: Trainer) -> None:
    """A training whose loss is no number ends as a failed trial that says when, and holds no NaN."""
    events = list(trainer((_trial(optimizer="sgd", hidden_funcs=("exponential",), learning_rate=1e6, max_epochs=9),)))
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert Cause.DIVERGED == failed.cause
    assert "no finite number in epoch" in failed.reason
    assert failed.curves.train_loss[-1] is None
    json.dumps(record_to_dict(Record("", 0, failed)), allow_nan=False)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_the_same_twice(trainer: Trainer, optimizer: str) -> None:
    """Each optimizer that a sweep file may name trains, and starts anew when its compiled program is used again."""
    trial = _trial(optimizer=optimizer, validation_fraction=0.95, batch_size=100)
    first = _finish(trainer, trial)
    before, after = first.result.curves.train_loss
    assert (after or 0) < (before or 0)
    assert _bits(first) == _bits(_finish(trainer, trial))


@pytest.mark.full_data
def test_no_hidden_layer_is_a_model_too(trainer: Trainer) -> None:
    """Two layers are input and output alone: softmax regression."""
    result = _finish(trainer, _trial(hidden_widths=(), hidden_funcs=(), validation_fraction=0.1)).result
    assert 0.85 < result.test_accuracy < 0.94


@pytest.mark.full_data
def test_a_batch_of_all_images(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest batch that a sweep file may ask for is one step an epoch, on all images at once."""
    train, seen = TensorFlowProgram.train, []

    def watched(program: TensorFlowProgram, orders: Any, rates: Any, epochs: list[int]) -> Any:
        seen.append((orders.shape, rates.shape))
        return train(program, orders, rates, epochs)

    monkeypatch.setattr(TensorFlowProgram, "train", watched)
    result = _finish(trainer, _trial(batch_size=54_000, validation_fraction=0.1)).result
    assert [((1, 54_000), (1, 1))] * 2 == seen
    first, second = result.curves.train_loss
    assert (second or 0) < (first or 0)


def _of(trial: Trial, events: list[Any]) -> Finished:
    (event,) = (event for event in events if isinstance(event, Finished) and event.trial == trial)
    return event


class _Side:
    """Programs that know each other for nothing: what members of one program must not differ from."""

    def __init__(self, lone: list[TensorFlowProgram]) -> None:
        self._lone = lone

    @property
    def n_members(self) -> int:
        return len(self._lone)

    def first(self, n: int) -> _Side:
        return _Side(self._lone[:n])

    def reset(self, member: int, seeds: Seeds) -> None:
        self._lone[member].reset(0, seeds)

    def train(self, orders: Ints, rates: npt.NDArray[np.float32], epochs: list[int]) -> list[tuple[float, int]]:
        given = zip(self._lone, orders, rates, epochs, strict=False)
        return [program.train(order[None], rate[None], [epoch])[0] for program, order, rate, epoch in given]

    def validate(self, indices: Ints) -> list[Evaluation]:
        return [self._lone[i].validate(indices[i : i + 1])[0] for i in range(len(indices))]

    def test(self, member: int) -> Evaluation:
        return self._lone[member].test(0)

    def kept(self, member: int) -> list[npt.NDArray[Any]]:
        return self._lone[member].kept(0)

    def restore(self, member: int, kept: list[npt.NDArray[Any]]) -> None:
        self._lone[member].restore(0, kept)

    def move(self, source: int, target: int) -> None:
        self._lone[target], self._lone[source] = self._lone[source], self._lone[target]


class _SideBySide:
    """A backend on which trials train side by side."""

    n_compiled = 0

    def __init__(self, mnist: Mnist, n: int) -> None:
        self._backends = [TensorFlowBackend(mnist) for _ in range(n)]
        self._at_hand: dict[CompileKey, _Side] = {}

    def program(self, shape: CompileKey, n_members: int) -> _Side:
        known = self._at_hand.get(shape)
        if known and known.n_members >= n_members:
            side = known.first(n_members)
        else:
            side = _Side([backend.program(shape, 1) for backend in self._backends[:n_members]])
        self._at_hand[shape] = side
        return side

    def stack_size(self, _shape: CompileKey) -> int:
        return len(self._backends)

    def check(self) -> None:
        pass

    def execution(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def stacking(mnist: Mnist) -> Trainer:
    """A trainer whose backend trains several members."""
    return Trainer(mnist, _SideBySide(mnist, 3))


def test_a_stack_ends_each_member_by_its_own_rule(trainer: Trainer, stacking: Trainer) -> None:
    """Members of a stack stop on their own, the others go on, and each ends where it ends alone."""
    rule = EarlyStopping("val_loss", 0.0, 1, restore_best_weights=True)
    rough: dict[str, Any] = {"learning_rate": 0.03, "batch_size": 500, "early_stopping": rule}
    trials = (
        _trial(Seeds(1, 100, 100), **rough, max_epochs=8),
        _trial(Seeds(2, 100, 100), **{**rough, "learning_rate": 0.001}, max_epochs=3),
        _trial(Seeds(3, 101, 102), **rough, max_epochs=1),
    )
    events = list(stacking(trials))
    assert [1, 3] == [len(_of(trial, events).result.curves.seconds) for trial in reversed(trials[1:])]
    for trial in trials:
        alone, stacked = _finish(trainer, trial).result, _of(trial, events).result
        assert 3 == stacked.execution["stack"]
        assert alone.curves.val_loss == stacked.curves.val_loss
        assert (alone.test_loss, alone.kept_epoch) == (stacked.test_loss, stacked.kept_epoch)


def test_a_diverging_member_leaves_the_others_alone(trainer: Trainer, stacking: Trainer) -> None:
    """A member whose loss is no number any more fails; the others of its stack finish as usual."""
    good = _trial(optimizer="sgd", hidden_funcs=("exponential",), learning_rate=0.001, max_epochs=2)
    bad = _trial(optimizer="sgd", hidden_funcs=("exponential",), learning_rate=1e6, max_epochs=2)
    outcomes = [event for event in stacking((bad, good)) if isinstance(event, Finished | Failed)]
    assert [Failed, Finished] == [type(event) for event in outcomes]
    alone = _finish(trainer, good).result
    assert alone.curves.train_loss == _of(good, outcomes).result.curves.train_loss


def test_each_shape_is_compiled_once(mnist: Mnist) -> None:
    """Repeats, seeds, learning rates, stopping rules and more epochs reuse the compiled program of their shape."""
    backend = TensorFlowBackend(mnist)
    fresh = Trainer(mnist, backend)
    tiny: dict[str, Any] = {"validation_fraction": 0.97, "batch_size": 100}
    rule = EarlyStopping("val_accuracy", 0.1, 0, restore_best_weights=False)
    for seeds in (Seeds(1, 100, 100), Seeds(2, 5, 6)):
        for changes in ({}, {"learning_rate": 0.1}, {"early_stopping": rule}, {"max_epochs": 1}):
            _finish(fresh, _trial(seeds, **{**tiny, **changes}))
    assert 1 == backend.n_compiled
    _finish(fresh, _trial(**{**tiny, "batch_size": 90}))
    assert 2 == backend.n_compiled


def test_results_say_how_they_were_trained(trainer: Trainer) -> None:
    """Host, rounding, device, kind of program, threads, stack and versions stand with every result."""
    execution = _finish(trainer, _trial(max_epochs=1)).result.execution
    assert ("CPU", "graph", 1, 1) == tuple(execution[name] for name in ("device", "program", "threads", "stack"))
    assert (platform.node(), fingerprint()) == (execution["host"], execution["fingerprint"])
    assert {"tensorflow", "keras", "numpy"} == set(execution["versions"])


def test_seconds_of_an_epoch_are_those_in_which_it_was_trained(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch in whose middle the process was stopped for three seconds has not taken them."""
    train = TensorFlowProgram.train

    def interrupted(*args: Any) -> Any:
        subprocess.run(["sh", "-c", f"kill -STOP {os.getpid()}; sleep 3; kill -CONT {os.getpid()}"], check=True)
        return train(*args)

    monkeypatch.setattr(TensorFlowProgram, "train", interrupted)
    events = trainer((_trial(max_epochs=1),))
    next(events)
    began = time.monotonic()
    next(events)
    passed = time.monotonic() - began
    (seconds,) = next(e for e in events if isinstance(e, Finished)).result.curves.seconds
    assert 0 < (seconds or 0) < passed - 2.5
