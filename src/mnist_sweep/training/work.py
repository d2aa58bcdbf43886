"""Training one trial from its first weights to its result."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_sweep.events import Cause, Curves, Failed, Finished, Progress, Result
from mnist_sweep.recipe import N_CLASSES, N_TRAINING_IMAGES, Trial, compile_key
from mnist_sweep.training.loop import Program, Programs
from mnist_sweep.training.runtime import tensorflow
from mnist_sweep.training.stopping import Stopper

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnist_sweep.training.data import Mnist


@lru_cache(maxsize=4)
def split(n: int, fraction: float, seed: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Indices of the images to train on and of those held out: the first round(n·fraction) of a permutation of n."""
    import numpy as np

    permutation = np.random.default_rng(seed).permutation(n).astype(np.int32)
    n_held_out = round(n * fraction)
    return permutation[n_held_out:], permutation[:n_held_out]


def epoch_order(training: npt.NDArray[np.int32], seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """The order in which an epoch (from 1) visits the training images: fresh in every epoch, equal in every trial."""
    import numpy as np

    return np.random.default_rng([seed, epoch]).permutation(training)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images on the device, with their labels there and here."""

    images: Any  # tf.uint8 (n, 784)
    labels: Any  # tf.int32 (n,)
    truth: npt.NDArray[np.uint8]  # (n,)


class Trainer:
    """Trains trials on the data it holds; compiled programs are kept from one trial to the next."""

    def __init__(self, data: Mnist) -> None:
        self._train = _on_device(data.x_train, data.y_train)
        self._test = _on_device(data.x_test, data.y_test)
        self._programs = Programs(self._train.images, self._train.labels)
        self._execution = execution()
        self._held_out = lru_cache(maxsize=2)(self._take)

    def __call__(self, trial: Trial) -> Iterator[Progress | Finished | Failed]:
        """Train the trial: a Progress after every epoch, then its Finished or Failed."""
        recipe, seeds = trial.recipe, trial.seeds
        training, _ = split(N_TRAINING_IMAGES, recipe.validation_fraction, seeds.split)
        validation = self._held_out(recipe.validation_fraction, seeds.split)
        pairs = [(part.images, part.labels) for part in (validation, self._test)]
        program = self._programs.get(compile_key(recipe), *pairs)
        program.reset(seeds.weights, recipe.learning_rate)
        stopper, curves, best_weights = Stopper(recipe.early_stopping), Curves(), None
        for epoch in range(1, recipe.max_epochs + 1):
            values = _epoch(program, epoch_order(training, seeds.order, epoch), validation)
            curves = curves.add(*values)
            if None in (curves.train_loss[-1], curves.val_loss[-1]):
                yield Failed(trial, Cause.DIVERGED, _divergence(curves, recipe.learning_rate), curves)
                return
            if stopper.see(values.val_loss, values.val_accuracy) and stopper.restores:
                best_weights = program.get_weights()
            yield Progress(trial, epoch, values.val_loss, values.val_accuracy)
            if stopper.stops:
                break
        if best_weights is not None:
            program.set_weights(best_weights)
        kept_epoch = stopper.best_epoch if stopper.restores else epoch
        result = self._result(program, curves, stopper.best_epoch, kept_epoch)
        if math.isfinite(result.test_loss):
            yield Finished(trial, result)
        else:
            yield Failed(trial, Cause.DIVERGED, "the test loss was no finite number", curves)

    def _take(self, fraction: float, seed: int) -> LabelledImages:
        tf = tensorflow()
        _, indices = split(N_TRAINING_IMAGES, fraction, seed)
        images, labels = tf.gather(self._train.images, indices), tf.gather(self._train.labels, indices)
        return LabelledImages(images, labels, self._train.truth[indices])

    def _result(self, program: Program, curves: Curves, best_epoch: int, kept_epoch: int) -> Result:
        test, truth = program.evaluate(self._test.images, self._test.labels), self._test.truth
        confusion = [[0] * N_CLASSES for _ in range(N_CLASSES)]
        for label, predicted in zip(truth.tolist(), test.predicted.tolist(), strict=True):
            confusion[label][predicted] += 1
        wrong = (test.predicted != truth).nonzero()[0]
        return Result(
            curves=curves,
            best_epoch=best_epoch,
            kept_epoch=kept_epoch,
            test_loss=test.loss,
            test_accuracy=(len(truth) - len(wrong)) / len(truth),
            confusion=tuple(map(tuple, confusion)),
            wrong=tuple((int(i), int(test.predicted[i])) for i in wrong),
            execution=self._execution,
        )


class EpochValues(NamedTuple):
    """What an epoch is remembered by, in the order of the fields of Curves."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


def _epoch(program: Program, order: npt.NDArray[np.int32], validation: LabelledImages) -> EpochValues:
    began = time.perf_counter()
    train_loss, n_correct = program.train(order)
    evaluation = program.evaluate(validation.images, validation.labels)
    seconds = time.perf_counter() - began
    val_accuracy = float((evaluation.predicted == validation.truth).mean())
    return EpochValues(train_loss, n_correct / len(order), evaluation.loss, val_accuracy, seconds)


def _divergence(curves: Curves, learning_rate: float) -> str:
    part = "training" if curves.train_loss[-1] is None else "validation"
    return (
        f"the {part} loss was no finite number in epoch {len(curves.seconds)}; "
        f"a learning rate below {learning_rate:g} may train"
    )


def _on_device(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> LabelledImages:
    tf = tensorflow()
    return LabelledImages(tf.constant(images), tf.constant(labels, tf.int32), labels)


def execution() -> dict[str, Any]:
    """On what and how trials are trained here: recorded with each, no part of its identity."""
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"
    return {
        "device": device,
        "program": "graph",
        "threads": 1,
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
    }
