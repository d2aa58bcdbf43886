"""Training trials from their first weights to their results."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mnist_sweep.errors import DeviceLostError
from mnist_sweep.journal.events import BFLOAT16, Cause, Curves, Failed, Finished, Progress, Result, Started
from mnist_sweep.mnist.shared import Handle, attach
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.networks import N_CLASSES
from mnist_sweep.plan.recipe import JAX, CompileKey, Trial, exact_accuracy
from mnist_sweep.system.clock import running_s
from mnist_sweep.training.program import Backend, Program
from mnist_sweep.training.rates import Plateau, learning_rates
from mnist_sweep.training.stopping import Stopper

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnist_sweep.mnist.images import Mnist


@lru_cache(maxsize=4)
def split(
    n: int, fraction: float, seed: int, n_trained: int | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Indices of the images to train on and of those held out: the first round(n·fraction) of a permutation of n.

    Args:
        n_trained: how many of the others are trained on, the first ones; None for all.
    """
    import numpy as np

    permutation = np.random.default_rng(seed).permutation(n).astype(np.int32)
    n_held_out = round(n * fraction)
    return permutation[n_held_out:][:n_trained], permutation[:n_held_out]


def epoch_order(training: npt.NDArray[np.int32], seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """The order in which an epoch (from 1) visits the training images: fresh in every epoch, equal in every trial."""
    import numpy as np

    return np.random.default_rng([seed, epoch]).permutation(training)


@lru_cache(maxsize=64)
def _order(parts: tuple[int, float, int, int | None], order_seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """That order, worked out once for all members of a stack that share it."""
    training, _ = split(*parts)
    return epoch_order(training, order_seed, epoch)


@dataclass(slots=True)
class _Member:
    """A trial in training."""

    trial: Trial
    n_train: int  # images, before any are held out
    stack: int  # members that its program had room for when it began
    held_out: npt.NDArray[np.int32]  # indices of the images that it is validated on
    truth: npt.NDArray[np.uint8]  # the labels of these
    stopper: Stopper
    plateau: Plateau
    curves: Curves = field(default_factory=Curves)
    best: list[npt.NDArray[Any]] | None = None

    @property
    def epoch(self) -> int:
        """The number of its next epoch."""
        return len(self.curves.seconds) + 1

    def order(self) -> npt.NDArray[np.int32]:
        """The images in the order in which its next epoch visits them."""
        recipe, seeds = self.trial.recipe, self.trial.seeds
        parts = self.n_train, recipe.validation_fraction, seeds.split, recipe.training_images
        return _order(parts, seeds.order, self.epoch)

    def rates(self, n_training: int) -> npt.NDArray[np.float32]:
        """The learning rate of each step of its next epoch."""
        return learning_rates(self.trial.recipe, n_training, self.epoch, self.plateau.factor)

    @property
    def complete(self) -> bool:
        """Whether it has been trained for as long as it should be."""
        return self.stopper.stops or len(self.curves.seconds) == self.trial.recipe.max_epochs


class Trainer:
    """Trains trials: split, order, rates, stopping and results; what computes is the backend's.

    Args:
        compared: a trial in bfloat16 whose epoch is compared with that of float32 before any trial begins; all results
            hold by how much it takes longer.
    """

    def __init__(self, data: Mnist, backend: Backend, stack: int | None = None, compared: Trial | None = None) -> None:
        self._labels, self._truth = data.y_train, data.y_test
        self._backend, self._stack = backend, stack
        self._execution = backend.execution()
        if compared:
            with suppress(Exception):  # what breaks here breaks that trial too, which tells why
                self._execution |= {BFLOAT16: self._compare(compared)}

    def __call__(self, trials: tuple[Trial, ...]) -> Iterator[Started | Progress | Finished | Failed]:
        """Train trials of one shape: Started when one begins, Progress after every epoch, then Finished or Failed.

        Where memory runs out, those in training begin anew, half as many side by side.

        Raises:
            DeviceLostError: when the device computes nothing any more.
        """
        shape, left = compile_key(trials[0].recipe), dict.fromkeys(trials)
        begun: set[Trial] = set()
        try:
            size = self._stack or self._backend.stack_size(shape)
            while left:
                size = min(size, len(left))
                try:
                    for event in self._side_by_side(shape, tuple(left), size):
                        match event:
                            case Started(trial):
                                if trial in begun:
                                    continue
                                begun.add(trial)
                            case Finished(trial) | Failed(trial):
                                del left[trial]
                        yield event
                except MemoryError:
                    if size == 1:
                        raise
                    size //= 2
        except MemoryError:
            raise
        except Exception as error:
            self._check_device(error)
            raise

    def _check_device(self, error: Exception) -> None:
        """Find out whether an error came from a lost device."""
        try:
            self._backend.check()
        except Exception:  # noqa: BLE001  whatever it says, it does not compute
            raise DeviceLostError(f"the device is lost: {type(error).__name__}: {error}") from error

    def _side_by_side(
        self, shape: CompileKey, trials: tuple[Trial, ...], size: int
    ) -> Iterator[Started | Progress | Finished | Failed]:
        """Train so many trials at a time; whoever ends gives its place to the next trial, or else to the last member.

        What breaks before there is a program is the fault of those with which it would have begun: they have started.
        """
        yield from map(Started, trials[:size])
        program = self._backend.program(shape, size)
        waiting, members = deque(trials), list[_Member]()
        while waiting or members:
            if not waiting and len(members) <= program.n_members // 2:
                program = self._backend.program(shape, len(members))
            while waiting and len(members) < program.n_members:
                yield Started(waiting[0])
                members.append(self._begun(program, len(members), waiting.popleft()))
            validated = _epoch(program, members)
            pairs = list(zip(members, validated, strict=True))
            outcomes = [self._see(program, i, member, *values) for i, (member, values) in enumerate(pairs)]
            for member, values in pairs:
                yield Progress(member.trial, member.epoch - 1, *values)
            yield from filter(None, outcomes)
            for i in reversed([i for i, outcome in enumerate(outcomes) if outcome]):
                if waiting:
                    yield Started(waiting[0])
                    members[i] = self._begun(program, i, waiting.popleft())
                else:
                    last = members.pop()
                    if i < len(members):
                        program.move(len(members), i)
                        members[i] = last

    def _begun(self, program: Program, place: int, trial: Trial) -> _Member:
        """A trial at the beginning of its training, in this place of the program."""
        program.reset(place, trial.seeds)
        n_train = len(self._labels)
        _, held_out = split(n_train, trial.recipe.validation_fraction, trial.seeds.split)
        stopper, plateau = Stopper(trial.recipe.early_stopping), Plateau(trial.recipe)
        return _Member(trial, n_train, program.n_members, held_out, self._labels[held_out], stopper, plateau)

    def _compare(self, trial: Trial) -> dict[str, Any]:
        """Measure how many times as long as in float32 an epoch of this trial takes in bfloat16."""
        seconds = []
        for precision in ("float32", "mixed_bfloat16"):
            program = self._backend.program(compile_key(replace(trial.recipe, precision=precision)), 1)
            members = [self._begun(program, 0, trial)]
            began = time.process_time()  # what else runs here must not decide it
            _epoch(program, members)
            seconds.append(time.process_time() - began)
        recipe = trial.recipe
        model = {"network": str(recipe.network)} if recipe.network else {"widths": recipe.hidden_widths}
        return {"factor": seconds[1] / seconds[0], **model, "batch_size": recipe.batch_size}

    def _see(
        self, program: Program, i: int, member: _Member, val_loss: float, val_accuracy: float
    ) -> Finished | Failed | None:
        """Take in an epoch of the i-th member; its outcome if that was its last."""
        if member.curves.train_loss[-1] is None or member.curves.val_loss[-1] is None:
            return Failed(member.trial, Cause.DIVERGED, _divergence(member), member.curves)
        member.plateau.see(val_loss, val_accuracy)
        if member.stopper.see(val_loss, exact_accuracy(val_accuracy, len(member.truth))) and member.stopper.restores:
            member.best = program.kept(i)
        return self._outcome(program, i, member) if member.complete else None

    def _outcome(self, program: Program, i: int, member: _Member) -> Finished | Failed:
        stopper, truth = member.stopper, self._truth
        test = last = program.test(i)
        if member.best is not None and stopper.best_epoch < len(member.curves.seconds):
            program.restore(i, member.best)
            test = program.test(i)
        if not math.isfinite(test.loss):
            return Failed(member.trial, Cause.DIVERGED, "the test loss was no finite number", member.curves)
        wrong = (test.predicted != truth).nonzero()[0]
        has_last = math.isfinite(last.loss)
        result = Result(
            curves=member.curves,
            best_epoch=stopper.best_epoch,
            kept_epoch=stopper.best_epoch if stopper.restores else len(member.curves.seconds),
            test_loss=test.loss,
            test_accuracy=(len(truth) - len(wrong)) / len(truth),
            confusion=_confusion(truth, test.predicted),
            wrong=tuple((int(i), int(test.predicted[i])) for i in wrong),
            execution={**self._execution, "stack": member.stack},
            last_test_loss=last.loss if has_last else None,
            last_test_accuracy=float((last.predicted == truth).mean()) if has_last else None,
        )
        return Finished(member.trial, result)


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
        gpus: the GPU of each worker as CUDA_VISIBLE_DEVICES names it; none for the CPU.
        compared: for the first worker to compare with float32.
    """

    data: Handle
    backend: str
    gpus: tuple[str, ...] = ()
    stack: int | None = None
    compared: Trial | None = None

    def __call__(self, number: int) -> Trainer:
        """The trainer of the worker with this number, on its own device."""
        os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[number] if self.gpus else "-1"
        data = attach(self.data)
        return Trainer(data, make_backend(self.backend, data), self.stack, self.compared if number == 0 else None)


def make_backend(name: str, data: Mnist) -> Backend:
    """The backend of that name, over these images; its library is imported now, and no other."""
    if name == JAX:
        from mnist_sweep.training.jax_program import JaxBackend

        return JaxBackend(data)
    from mnist_sweep.training.tensorflow_program import TensorFlowBackend

    return TensorFlowBackend(data)


def _epoch(program: Program, members: list[_Member]) -> list[tuple[float, float]]:
    """Train all members for their next epoch; the validation loss and accuracy of each, also where they diverged.

    Each is charged an equal part of the seconds.
    """
    import numpy as np

    began = running_s()
    orders = np.stack([member.order() for member in members])
    rates = np.stack([member.rates(orders.shape[1]) for member in members])
    trained = program.train(orders, rates, [member.epoch for member in members])
    validated = program.validate(np.stack([member.held_out for member in members]))
    seconds = (running_s() - began) / len(members)
    values = [(one.loss, float((one.predicted == m.truth).mean())) for one, m in zip(validated, members, strict=True)]
    for member, (loss, n_correct), of_validation in zip(members, trained, values, strict=True):
        member.curves = member.curves.add(loss, n_correct / orders.shape[1], *of_validation, seconds)
    return values


def _divergence(member: _Member) -> str:
    curves = member.curves
    part = "training" if curves.train_loss[-1] is None else "validation"
    return (
        f"the {part} loss was no finite number in epoch {len(curves.seconds)}; "
        f"a learning rate below {member.trial.recipe.learning_rate:g} may train"
    )
