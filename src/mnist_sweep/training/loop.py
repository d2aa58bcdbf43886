"""The compiled epoch: one call trains on all batches, one call evaluates, and no data crosses over in between.

A program trains one or several members: models of one shape side by side, each with its own weights, optimizer state,
learning rate and order of images. Losses are summed over members, so no gradient depends on the company.
"""

from __future__ import annotations

import gc
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_sweep.recipe import CompileKey
from mnist_sweep.training.model import build_variables, initial_weights
from mnist_sweep.training.optimizers import Optimizer, make_optimizer
from mnist_sweep.training.runtime import tensorflow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAX_PROGRAMS = 8
"""Compiled shapes kept at a time; executors bring the trials of a shape one after the other."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean loss over some images, and each image's predicted class."""

    loss: float
    predicted: npt.NDArray[np.int32]  # (n,)


@dataclass(frozen=True, slots=True)
class _Member:
    """One model: kernel and bias by layer as tf.float32 variables, and its optimizer."""

    weights: list[Any]
    optimizer: Optimizer


class Program:
    """A shape's members and compiled epochs over the training images that it was made with.

    Args:
        images: tf.uint8 tensor (60000, 784).
        labels: tf.int32 tensor (60000,).
    """

    def __init__(self, shape: CompileKey, images: Any, labels: Any) -> None:
        tf = tensorflow()
        keras = importlib.import_module("keras")
        self._shape = shape
        self._images, self._labels = images, labels
        self._activations = [keras.activations.get(name) for name in shape.hidden_funcs]
        self._members: list[_Member] = []
        self._epochs: dict[int, Any] = {}
        self._evaluate = tf.function(self._evaluate_on, autograph=False)
        self._n_whole, self._n_left_over = divmod(shape.n_training, shape.batch_size)
        self._n_partial = int(self._n_left_over > 0)

    def compile(self, n_members: int, *evaluated: tuple[Any, Any]) -> bool:
        """Make everything ready for this many members; true when something had to be compiled.

        It traces and optimises now, on a call that takes no step, so that no epoch's time holds it.

        Args:
            evaluated: the pairs of images and labels that `evaluate` will be asked about.
        """
        if n_members in self._epochs:
            return False
        tf = tensorflow()
        while len(self._members) < n_members:
            self._members.append(_new_member(self._shape))
        self._epochs[n_members] = tf.function(self._train_on, autograph=False)
        orders = tf.zeros((n_members, self._shape.n_training), tf.int32)
        self._epochs[n_members](orders, tf.zeros(n_members), tf.constant(0), tf.constant(0), tf.constant(0.0))
        for images, labels in evaluated:
            self.evaluate(0, images, labels)
        return True

    def warm_up(self, n_members: int) -> None:
        """Take a step of each kind, since a program's first step costs extra; weights and optimizers are reset next."""
        tf = tensorflow()
        orders = tf.zeros((n_members, self._shape.n_training), tf.int32)
        n_partial = tf.constant(self._n_partial)
        self._epochs[n_members](orders, tf.zeros(n_members), tf.constant(1), n_partial, tf.constant(0.0))

    def reset(self, member: int, seed: int, learning_rate: float) -> None:
        """Begin a training: fresh weights from `seed`, the optimizer as new."""
        chosen = self._members[member]
        for variable, fresh in zip(chosen.weights, initial_weights(self._shape, seed), strict=True):
            variable.assign(fresh)
        chosen.optimizer.reset(learning_rate)

    def train(self, orders: npt.NDArray[np.int32], learning_rates: list[float], epoch: int) -> list[tuple[float, int]]:
        """Train the first members for an epoch; the last batch may be smaller.

        Args:
            orders: (members, images) indices of the images to train on, in the order of each member.
            learning_rates: one for each member.
            epoch: its number from 1.

        Returns:
            For each member the loss, averaged over the images as each was seen, and how many were classified rightly.
        """
        tf = tensorflow()
        steps_before = float((epoch - 1) * (self._n_whole + self._n_partial))
        inputs = (orders, learning_rates, self._n_whole, self._n_partial, steps_before)
        loss_sums, n_correct = self._epochs[len(orders)](*map(tf.constant, inputs))
        n_images = orders.shape[1]
        return [
            (loss / n_images, int(n)) for loss, n in zip(loss_sums.numpy().tolist(), n_correct.numpy(), strict=True)
        ]

    def evaluate(self, member: int, images: Any, labels: Any) -> Evaluation:
        """Loss and predictions of a member's present weights on tf.uint8 (n, 784) images, tf.int32 (n,) labels."""
        weights = [weight.read_value() for weight in self._members[member].weights]
        loss, predicted = self._evaluate(images, labels, weights)
        return Evaluation(float(loss), predicted.numpy())

    def get_weights(self, member: int) -> list[npt.NDArray[np.float32]]:
        """Copies of a member's weights, kernel and bias by layer, as Keras's `set_weights` takes them."""
        return [weight.numpy() for weight in self._members[member].weights]

    def set_weights(self, member: int, weights: list[npt.NDArray[np.float32]]) -> None:
        """Put back weights that `get_weights` gave."""
        for variable, value in zip(self._members[member].weights, weights, strict=True):
            variable.assign(value)

    def move(self, source: int, target: int) -> None:
        """Let a member go on in the place of another, whose training is over."""
        old, new = self._members[source], self._members[target]
        for variable, value in zip(
            [*new.weights, *new.optimizer.state], [*old.weights, *old.optimizer.state], strict=True
        ):
            variable.assign(value)

    def _train_on(
        self, orders: Any, learning_rates: Any, n_whole: Any, n_partial: Any, steps_before: Any
    ) -> tuple[Any, Any]:
        tf = tensorflow()
        n_members, size = orders.shape[0], self._shape.batch_size

        def whole(i: Any, loss_sums: Any, n_correct: Any) -> tuple[Any, Any, Any]:
            return add(i, loss_sums, n_correct, tf.slice(orders, [0, i * size], [n_members, size]))

        def partial(i: Any, loss_sums: Any, n_correct: Any) -> tuple[Any, Any, Any]:
            return add(i, loss_sums, n_correct, orders[:, -self._n_left_over :])

        def add(i: Any, loss_sums: Any, n_correct: Any, batch: Any) -> tuple[Any, Any, Any]:
            losses, correct = self._step(batch, learning_rates, steps_before + tf.cast(i + 1, tf.float32))
            return i + 1, loss_sums + losses, n_correct + correct

        state = (0, tf.zeros(n_members, tf.float64), tf.zeros(n_members, tf.int32))
        state = tf.while_loop(lambda i, *_: i < n_whole, whole, state, parallel_iterations=1)
        if self._n_left_over:
            state = tf.while_loop(lambda i, *_: i < n_whole + n_partial, partial, state, parallel_iterations=1)
        return state[1], state[2]

    def _step(self, batch: Any, learning_rates: Any, step: Any) -> tuple[Any, Any]:
        """One step of every optimizer on its member's batch (members, images); summed losses and right answers."""
        tf = tensorflow()
        members = self._members[: batch.shape[0]]
        y = tf.gather(self._labels, batch)
        weights = [weight for member in members for weight in member.weights]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = self._logits(_scaled(tf.gather(self._images, batch)), [member.weights for member in members])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            total = tf.reduce_sum(losses) / batch.shape[1]
        gradients = tape.gradient(total, weights)
        per_member = len(weights) // len(members)
        for i, member in enumerate(members):
            member.optimizer.apply(gradients[i * per_member : (i + 1) * per_member], learning_rates[i], step)
        correct = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), y)
        return (
            tf.reduce_sum(tf.cast(losses, tf.float64), -1),
            tf.math.count_nonzero(correct, -1, dtype=tf.int32),
        )

    def _logits(self, x: Any, weights: list[list[Any]]) -> Any:
        """The models' outputs before the softmax: float32 (members, images, 10) from x (members, images, 784)."""
        tf = tensorflow()
        inner = tf.bfloat16 if self._shape.precision == "mixed_bfloat16" else tf.float32
        layers = list(zip(*weights, strict=True))
        for i, activation in enumerate(self._activations):
            x = activation(_dense(tf.cast(x, inner), layers[2 * i], layers[2 * i + 1]))
        return _dense(tf.cast(x, tf.float32), layers[-2], layers[-1])

    def _evaluate_on(self, images: Any, labels: Any, weights: list[Any]) -> tuple[Any, Any]:
        tf = tensorflow()
        logits = self._logits(_scaled(images)[tf.newaxis], [weights])[0]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_mean(tf.cast(losses, tf.float64)), tf.argmax(logits, 1, output_type=tf.int32)


def _new_member(shape: CompileKey) -> _Member:
    weights = build_variables(shape)
    return _Member([weight.value for weight in weights], make_optimizer(shape, weights))


def _dense(x: Any, kernels: tuple[Any, ...], biases: tuple[Any, ...]) -> Any:
    """X (members, images, in) times each member's kernel (in, out), plus its bias (out,): (members, images, out)."""
    tf = tensorflow()
    if len(kernels) == 1:  # a product of matrices is faster than a batch of one such product
        return tf.nn.bias_add(tf.matmul(x[0], tf.cast(kernels[0], x.dtype)), tf.cast(biases[0], x.dtype))[tf.newaxis]
    return tf.matmul(x, tf.cast(tf.stack(kernels), x.dtype)) + tf.cast(tf.stack(biases), x.dtype)[:, tf.newaxis]


def _scaled(images: Any) -> Any:
    """Bytes 0 to 255 as float32 in [0, 1]."""
    tf = tensorflow()
    return tf.cast(images, tf.float32) / 255.0


class Programs:
    """The compiled shapes of a process, the most recently used of them; each is compiled once while it is kept."""

    def __init__(self, images: Any, labels: Any) -> None:
        self._images, self._labels = images, labels
        self._by_shape: dict[CompileKey, Program] = {}
        self.n_compiled = 0

    def get(self, shape: CompileKey, n_members: int, *evaluated: tuple[Any, Any]) -> Program:
        """The program of a shape, ready for this many new members: compiled now if it is not at hand."""
        program = self._by_shape.pop(shape, None) or Program(shape, self._images, self._labels)
        if program.compile(n_members, *evaluated):
            self.n_compiled += 1
            program.warm_up(n_members)
        self._by_shape[shape] = program
        if len(self._by_shape) > _MAX_PROGRAMS:
            del self._by_shape[next(iter(self._by_shape))]
            gc.collect()  # graphs and their variables refer to each other
        return program
