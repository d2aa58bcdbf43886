"""What the trainer asks of a backend; TensorFlow and JAX are known to those that implement it alone."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mnist_sweep.plan.recipe import CompileKey, Seeds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


MAX_STACK = 1024
"""As many members a program holds at most."""
_MAX_PROGRAMS = 8
_P = TypeVar("_P", bound="Program")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean loss over some images, and each image's predicted class."""

    loss: float
    predicted: npt.NDArray[np.int32]  # (n,)


class Program(Protocol):
    """A shape's compiled epochs over the images that it was made with, for one or several members: models side by side.

    No norm, statistic or draw of a member depends on its company. A call that raises MemoryError may have cost all
    members what they were.
    """

    @property
    def n_members(self) -> int:
        """How many members it has room for."""

    def reset(self, member: int, seeds: Seeds) -> None:
        """Begin a training: weights from `seeds.weights`; optimizer and all other state as new."""

    def train(
        self, orders: npt.NDArray[np.int32], rates: npt.NDArray[np.float32], epochs: list[int]
    ) -> list[tuple[float, int]]:
        """Train the first members for an epoch; the last batch may be smaller.

        Args:
            orders: (members, n_training) indices of the training images, in the order of each member.
            rates: (members, steps) the learning rate of each step.
            epochs: for each member the number of its epoch, from 1.

        Returns:
            For each member the loss, averaged over the images as each was seen, and how many were classified rightly.
        """

    def validate(self, indices: npt.NDArray[np.int32]) -> list[Evaluation]:
        """Evaluate the first members on the training images with these indices (members, n)."""

    def test(self, member: int) -> Evaluation:
        """Evaluate a member on all test images."""

    def kept(self, member: int) -> list[npt.NDArray[Any]]:
        """Copies of a member's weights and moving averages, in the order of Keras's `set_weights`."""

    def restore(self, member: int, kept: list[npt.NDArray[Any]]) -> None:
        """Put back what `kept` gave."""

    def move(self, source: int, target: int) -> None:
        """Let a member go on, with everything that it has, in the place of another, whose training is over."""


class Backend(Protocol):
    """Makes programs on one of Keras's backends; the images lie on its device once, as bytes."""

    n_compiled: int

    def program(self, shape: CompileKey, n_members: int) -> Program:
        """The program of a shape, compiled and warmed up now if it is not at hand.

        It has room for so many members, or for some more, or for fewer where memory is short. Where it had room for
        more, the first members go on; all others must be reset.

        Raises:
            ValueError: when so many members cannot be trained side by side.
            MemoryError: when there is no room for one.
        """

    def stack_size(self, shape: CompileKey) -> int:
        """How many members of a shape are best trained side by side here."""

    def check(self) -> None:
        """Compute something on the device; raises whatever that raises when the device is lost."""

    def execution(self) -> dict[str, Any]:
        """On what and how trials are trained here: recorded with each, no part of its identity."""


def keep_last(programs: dict[CompileKey, _P], shape: CompileKey, program: _P) -> _P:
    """Keep a program with the few that were used last: executors bring the trials of a shape one after the other."""
    programs[shape] = program
    if len(programs) > _MAX_PROGRAMS:
        del programs[next(iter(programs))]
        gc.collect()  # what was compiled and its variables refer to each other
    return program


def layer_seeds(seeds: Seeds, epoch: int, n_steps: int, generators: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """What random layers draw from in an epoch: (n_steps, generators, 2), each from 0 to 2³¹ − 3.

    They follow from the training's seeds, the epoch, the step and the layer alone: no two of them share draws, and they
    are the same in any company and after any restart.

    Args:
        generators: for each its layer's index, and its own within that layer.
    """
    import numpy as np

    drawn = np.empty((n_steps, len(generators), 2), np.int64)
    for i, generator in enumerate(generators):
        chance = np.random.default_rng([seeds.weights, seeds.order, epoch, *generator])
        drawn[:, i] = chance.integers(2**31 - 2, size=(n_steps, 2))
    return drawn
