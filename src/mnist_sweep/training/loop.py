"""The compiled epoch: one call trains on all batches, one call evaluates, and no data crosses over in between."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_sweep.recipe import CompileKey
from mnist_sweep.training.model import build_model, build_optimizer
from mnist_sweep.training.runtime import tensorflow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAX_PROGRAMS = 8
"""Compiled shapes kept at a time; a plan brings the trials of a shape one after the other."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean loss over some images, and each image's predicted class."""

    loss: float
    predicted: npt.NDArray[np.int32]  # (n,)


class Program:
    """A shape's model, optimizer and compiled epoch over the training images that it was made with.

    Args:
        images: tf.uint8 tensor (60000, 784).
        labels: tf.int32 tensor (60000,).
    """

    def __init__(self, shape: CompileKey, images: Any, labels: Any) -> None:
        tf = tensorflow()
        self._shape = shape
        self._images, self._labels = images, labels
        self._loss = importlib.import_module("keras").losses.sparse_categorical_crossentropy
        self._model = build_model(shape, seed=0)
        self._optimizer = build_optimizer(shape, 0.001, self._model.trainable_variables)
        self._epoch = tf.function(self._train_on, autograph=False)
        self._evaluate = tf.function(self._evaluate_on, autograph=False)
        self._n_whole = shape.n_training // shape.batch_size

    def compile(self, *evaluated: tuple[Any, Any]) -> None:
        """Trace and optimise the programs now, so that no epoch's time holds it; the weights are of no use after it.

        Args:
            evaluated: the pairs of images and labels that `evaluate` will be asked about.
        """
        tf = tensorflow()
        self._epoch(tf.zeros(self._shape.n_training, tf.int32), tf.constant(0))
        for images, labels in evaluated:
            self._evaluate(images, labels)

    def reset(self, seed: int, learning_rate: float) -> None:
        """Begin a training: fresh weights from `seed`, the optimizer as new."""
        for variable, fresh in zip(self._model.variables, build_model(self._shape, seed).variables, strict=True):
            variable.assign(fresh)
        # Some optimizers start from the weights themselves, so the fresh state is taken after they are set.
        fresh_state = build_optimizer(self._shape, learning_rate, self._model.trainable_variables).variables
        for variable, fresh in zip(self._optimizer.variables, fresh_state, strict=True):
            variable.assign(fresh)

    def train(self, order: npt.NDArray[np.int32]) -> tuple[float, int]:
        """Train one epoch on the images with these indices (n,) in this order; the last batch may be smaller.

        Returns the loss, averaged over the images as each was seen, and how many were classified rightly then.
        """
        tf = tensorflow()
        loss_sum, n_correct = self._epoch(tf.constant(order), tf.constant(self._n_whole))
        return float(loss_sum) / len(order), int(n_correct)

    def evaluate(self, images: Any, labels: Any) -> Evaluation:
        """Loss and predictions of the present weights on tf.uint8 (n, 784) images, tf.int32 (n,) labels."""
        loss, predicted = self._evaluate(images, labels)
        return Evaluation(float(loss), predicted.numpy())

    def get_weights(self) -> list[Any]:
        """Copies of the weights, kernel and bias by layer."""
        return list(self._model.get_weights())

    def set_weights(self, weights: list[Any]) -> None:
        """Put back weights that `get_weights` gave."""
        self._model.set_weights(weights)

    def _train_on(self, order: Any, n_whole: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        size = self._shape.batch_size
        n_rest = self._shape.n_training % size

        def body(i: Any, loss_sum: Any, n_correct: Any) -> tuple[Any, Any, Any]:
            loss, correct = self._step(tf.slice(order, [i * size], [size]))
            return i + 1, loss_sum + loss, n_correct + correct

        start = (0, tf.zeros((), tf.float64), 0)
        _, loss_sum, n_correct = tf.while_loop(lambda i, *_: i < n_whole, body, start, parallel_iterations=1)
        if n_rest:
            loss, correct = self._step(order[-n_rest:])
            loss_sum, n_correct = loss_sum + loss, n_correct + correct
        return loss_sum, n_correct

    def _step(self, batch: Any) -> tuple[Any, Any]:
        """One step of the optimizer on the images with these indices; the batch's summed loss and correct answers."""
        tf = tensorflow()
        x, y = _scaled(tf.gather(self._images, batch)), tf.gather(self._labels, batch)
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            probabilities = self._model(x, training=True)
            losses = self._loss(y, probabilities)
            loss = tf.reduce_mean(losses)
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        correct = tf.equal(tf.argmax(probabilities, 1, output_type=tf.int32), y)
        return tf.reduce_sum(tf.cast(losses, tf.float64)), tf.math.count_nonzero(correct, dtype=tf.int32)

    def _evaluate_on(self, images: Any, labels: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        probabilities = self._model(_scaled(images), training=False)
        losses = self._loss(labels, probabilities)
        return tf.reduce_mean(tf.cast(losses, tf.float64)), tf.argmax(probabilities, 1, output_type=tf.int32)


def _scaled(images: Any) -> Any:
    """Bytes 0 to 255 as float32 in [0, 1]."""
    tf = tensorflow()
    return tf.cast(images, tf.float32) / 255.0


class Programs:
    """The compiled shapes of a process, the most recently used of them; each is compiled once while it is kept."""

    def __init__(self, images: Any, labels: Any) -> None:
        self._images, self._labels = images, labels
        self._by_shape: dict[CompileKey, Program] = {}

    def get(self, shape: CompileKey, *evaluated: tuple[Any, Any]) -> Program:
        """The program of a shape, compiled now if it is not at hand."""
        program = self._by_shape.pop(shape, None)
        if program is None:
            program = Program(shape, self._images, self._labels)
            program.compile(*evaluated)
        self._by_shape[shape] = program
        if len(self._by_shape) > _MAX_PROGRAMS:
            del self._by_shape[next(iter(self._by_shape))]
        return program
