"""Training one trial from its first weights to its result."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_sweep.clock import running_s
from mnist_sweep.events import BFLOAT16, Cause, Curves, Failed, Finished, Progress, Result
from mnist_sweep.recipe import N_CLASSES, N_TRAINING_IMAGES, CompileKey, Trial, compile_key, exact_accuracy
from mnist_sweep.training.fingerprint import fingerprint
from mnist_sweep.training.loop import Evaluation, Program, Programs
from mnist_sweep.training.runtime import set_precision, tensorflow
from mnist_sweep.training.shared import Handle, attach
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


@dataclass(slots=True)
class _Member:
    """A trial in training."""

    trial: Trial
    stack: int  # members that began together, itself among them
    training: npt.NDArray[np.int32]  # indices of the images that it is trained on
    validation: LabelledImages
    stopper: Stopper
    curves: Curves = field(default_factory=Curves)
    best_weights: list[npt.NDArray[np.float32]] | None = None

    def order(self, epoch: int) -> npt.NDArray[np.int32]:
        """The images in the order in which this epoch visits them."""
        return epoch_order(self.training, self.trial.seeds.order, epoch)

    @property
    def complete(self) -> bool:
        """Whether it has been trained for as long as it should be."""
        return self.stopper.stops or len(self.curves.seconds) == self.trial.recipe.max_epochs


class Trainer:
    """Trains trials on the data it holds; compiled programs are kept from one trial to the next.

    Args:
        compared: a trial in bfloat16 whose epoch is compared with that of float32 before any trial begins; all results
            hold by how much it takes longer.
    """

    def __init__(self, data: Mnist, compared: Trial | None = None) -> None:
        self._train = _on_device(data.x_train, data.y_train)
        self._test = _on_device(data.x_test, data.y_test)
        self.programs = Programs(self._train.images, self._train.labels)
        self._execution = execution()
        self._held_out = lru_cache(maxsize=2)(self._take)
        if compared:
            with suppress(Exception):  # what breaks here breaks that trial too, which tells why
                self._execution |= {BFLOAT16: self._compare(compared)}

    def __call__(self, trials: tuple[Trial, ...]) -> Iterator[Progress | Finished | Failed]:
        """Train trials of one shape side by side: a Progress after every epoch of each, then its Finished or Failed."""
        members = [self._member(trial, len(trials)) for trial in trials]
        set_precision(trials[0].recipe.precision)
        pairs = [(part.images, part.labels) for part in (members[0].validation, self._test)]
        program = self._ready(compile_key(trials[0].recipe), members, pairs)
        epoch = 0
        while members:
            epoch += 1
            values = _epoch(program, members, epoch)
            outcomes = [self._see(program, i, *pair) for i, pair in enumerate(zip(members, values, strict=True))]
            for member, one in zip(members, values, strict=True):
                yield Progress(member.trial, epoch, one.val_loss, one.val_accuracy)
            yield from filter(None, outcomes)
            left = [i for i, outcome in enumerate(outcomes) if outcome is None]
            if 0 < len(left) < len(members):
                _close_ranks(program, left)
            members = [members[i] for i in left]

    def _ready(self, shape: CompileKey, members: list[_Member], pairs: list[tuple[Any, Any]]) -> Program:
        """The program of a shape at the beginning of these members' trainings."""
        program = self.programs.get(shape, len(members), *pairs)
        for i, member in enumerate(members):
            program.reset(i, member.trial.seeds.weights, member.trial.recipe.learning_rate)
        return program

    def _compare(self, trial: Trial) -> dict[str, Any]:
        """Measure how many times as long as in float32 an epoch of this trial takes in bfloat16."""
        members, seconds = [self._member(trial, 1)], []
        pairs = [(part.images, part.labels) for part in (members[0].validation, self._test)]
        for precision in ("float32", "mixed_bfloat16"):
            set_precision(precision)
            program = self._ready(replace(compile_key(trial.recipe), precision=precision), members, pairs)
            began = time.process_time()  # what else runs here must not decide it
            _epoch(program, members, 1)
            seconds.append(time.process_time() - began)
        recipe = trial.recipe
        return {"factor": seconds[1] / seconds[0], "widths": recipe.hidden_widths, "batch_size": recipe.batch_size}

    def _member(self, trial: Trial, stack: int) -> _Member:
        fraction, seed = trial.recipe.validation_fraction, trial.seeds.split
        training, _ = split(N_TRAINING_IMAGES, fraction, seed)
        return _Member(trial, stack, training, self._held_out(fraction, seed), Stopper(trial.recipe.early_stopping))

    def _see(self, program: Program, i: int, member: _Member, values: EpochValues) -> Finished | Failed | None:
        """Take in an epoch of the i-th member; its outcome if that was its last."""
        member.curves = member.curves.add(*values)
        if not (math.isfinite(values.train_loss) and math.isfinite(values.val_loss)):
            return Failed(member.trial, Cause.DIVERGED, _divergence(member), member.curves)
        val_accuracy = exact_accuracy(values.val_accuracy, len(member.validation.truth))
        if member.stopper.see(values.val_loss, val_accuracy) and member.stopper.restores:
            member.best_weights = program.get_weights(i)
        return self._outcome(program, i, member) if member.complete else None

    def _outcome(self, program: Program, i: int, member: _Member) -> Finished | Failed:
        if member.best_weights is not None:
            program.set_weights(i, member.best_weights)
        test, truth = program.evaluate(i, self._test.images, self._test.labels), self._test.truth
        if not math.isfinite(test.loss):
            return Failed(member.trial, Cause.DIVERGED, "the test loss was no finite number", member.curves)
        stopper, wrong = member.stopper, (test.predicted != truth).nonzero()[0]
        result = Result(
            curves=member.curves,
            best_epoch=stopper.best_epoch,
            kept_epoch=stopper.best_epoch if stopper.restores else len(member.curves.seconds),
            test_loss=test.loss,
            test_accuracy=(len(truth) - len(wrong)) / len(truth),
            confusion=_confusion(truth, test.predicted),
            wrong=tuple((int(i), int(test.predicted[i])) for i in wrong),
            execution={**self._execution, "stack": member.stack},
        )
        return Finished(member.trial, result)

    def _take(self, fraction: float, seed: int) -> LabelledImages:
        tf = tensorflow()
        _, indices = split(N_TRAINING_IMAGES, fraction, seed)
        images, labels = tf.gather(self._train.images, indices), tf.gather(self._train.labels, indices)
        return LabelledImages(images, labels, self._train.truth[indices])


def _close_ranks(program: Program, left: list[int]) -> None:
    """Move the members that are left to the first places, so that those that ended cost nothing more."""
    for target, source in enumerate(left):
        if target != source:
            program.move(source, target)
    program.compile(len(left))


def _confusion(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.int32]) -> tuple[tuple[int, ...], ...]:
    """10 × 10 counts: rows are labels, columns predictions."""
    counts = [[0] * N_CLASSES for _ in range(N_CLASSES)]
    for label, guess in zip(truth.tolist(), predicted.tolist(), strict=True):
        counts[label][guess] += 1
    return tuple(map(tuple, counts))


@dataclass(frozen=True, slots=True)
class MakeTrainer:
    """Makes the trainer of a worker; can be pickled.

    Args:
        data: where MNIST lies.
        gpus: the GPU of each worker as CUDA_VISIBLE_DEVICES names it; none for the CPU.
        compared: a trial in bfloat16, for the first worker to compare with float32.
    """

    data: Handle
    gpus: tuple[str, ...] = ()
    compared: Trial | None = None

    def __call__(self, number: int) -> Trainer:
        """The trainer of the worker with this number, on its own device."""
        os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[number] if self.gpus else "-1"
        return Trainer(attach(self.data), self.compared if number == 0 else None)


class EpochValues(NamedTuple):
    """What an epoch is remembered by, in the order of the fields of Curves."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


def _epoch(program: Program, members: list[_Member], epoch: int) -> list[EpochValues]:
    """Train and validate all members for an epoch; each is charged an equal part of the seconds."""
    import numpy as np

    began = running_s()
    orders = np.stack([member.order(epoch) for member in members])
    trained = program.train(orders, [member.trial.recipe.learning_rate for member in members], epoch)
    validated = [program.evaluate(i, m.validation.images, m.validation.labels) for i, m in enumerate(members)]
    seconds = (running_s() - began) / len(members)
    return [
        EpochValues(loss, n_correct / orders.shape[1], one.loss, _accuracy(one, member), seconds)
        for (loss, n_correct), one, member in zip(trained, validated, members, strict=True)
    ]


def _accuracy(evaluation: Evaluation, member: _Member) -> float:
    return float((evaluation.predicted == member.validation.truth).mean())


def _divergence(member: _Member) -> str:
    curves = member.curves
    part = "training" if curves.train_loss[-1] is None else "validation"
    return (
        f"the {part} loss was no finite number in epoch {len(curves.seconds)}; "
        f"a learning rate below {member.trial.recipe.learning_rate:g} may train"
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
        "host": platform.node(),
        "fingerprint": fingerprint(),
        "device": device,
        "program": "graph",
        "threads": 1,
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
    }
