"""The compiled epoch on TensorFlow: one call trains on all batches, one evaluates, and no data crosses in between."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mnist_sweep.plan.recipe import CompileKey, Seeds
from mnist_sweep.training.model import (
    build_model,
    for_training,
    initialize,
    initializer_seeds,
    seed_generators,
    trained_losses,
)
from mnist_sweep.training.optimizers import make_optimizer
from mnist_sweep.training.program import Evaluation, keep_last, layer_seeds
from mnist_sweep.training.runtime import execution, set_precision, tensorflow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnist_sweep.mnist.images import Mnist


_N_EVALUATED = 500
"""Images on which a network of layers is evaluated at a time."""


class TensorFlowProgram:
    """One model with its compiled epochs, ready: traced, and with a step of each kind behind it.

    Args:
        train: tf.uint8 (n, 784) images and their tf.int32 (n,) labels.
    """

    def __init__(self, shape: CompileKey, train: tuple[Any, Any], test: tuple[Any, Any]) -> None:
        tf = tensorflow()
        self._shape, self._train_images, self._test_images = shape, train, test
        self._model = _apart(for_training(shape.recipe, build_model(shape.recipe)))
        self._optimizer = make_optimizer(shape.recipe, self._model.trainable_variables)
        self._averages = list(zip(self._model.trainable_variables, self._optimizer.averages, strict=False))
        self._generators = seed_generators(self._model)
        n_training = shape.recipe.n_training(len(train[1]))
        self._n_whole, self._n_left_over = divmod(n_training, shape.recipe.batch_size)
        self._n_partial = int(self._n_left_over > 0)
        self._begin = tf.function(self._begin_from, autograph=False)
        self._epoch = tf.function(self._train_on, autograph=False)
        self._evaluate = tf.function(self._evaluate_on, autograph=False)
        self._warm_up(n_training)

    def _warm_up(self, n_training: int) -> None:
        """Trace, and take a step of each kind, since a program's first one costs extra: no epoch's time holds them."""
        tf = tensorflow()
        self.reset(0, Seeds(0, 0, 0))
        n_steps = self._n_whole + self._n_partial
        one, n_held_out = (
            tf.constant(min(1, self._n_whole)),
            self._shape.recipe.n_validation(len(self._train_images[1])),
        )
        seeds = tf.zeros((n_steps, len(self._generators), 2), tf.int64)
        n_partial, none_before = tf.constant(self._n_partial), tf.constant(0.0)
        order = tf.zeros(n_training, tf.int32)
        self._epoch(order, tf.zeros(n_steps), seeds, (one, n_partial), none_before)
        self.validate(tf.zeros((1, n_held_out), tf.int32).numpy())
        self.test(0)

    @property
    def n_members(self) -> int:
        return 1

    def reset(self, member: int, seeds: Seeds) -> None:  # noqa: ARG002  it has one member
        tf = tensorflow()
        self._seeds = seeds
        self._begin(tf.constant(initializer_seeds(self._model, seeds.weights), tf.int64))

    def train(
        self, orders: npt.NDArray[np.int32], rates: npt.NDArray[np.float32], epochs: list[int]
    ) -> list[tuple[float, int]]:
        tf, (epoch,) = tensorflow(), epochs
        n_steps = self._n_whole + self._n_partial
        seeds = layer_seeds(self._seeds, epoch, n_steps, list(self._generators))
        steps = tf.constant(self._n_whole), tf.constant(self._n_partial)
        inputs = map(tf.constant, (orders[0], rates[0], seeds))
        loss_sum, n_correct = self._epoch(*inputs, steps, tf.constant(float((epoch - 1) * n_steps)))
        return [(float(loss_sum) / orders.shape[1], int(n_correct))]

    def validate(self, indices: npt.NDArray[np.int32]) -> list[Evaluation]:
        tf = tensorflow()
        return [self._evaluation(*(tf.gather(part, indices[0]) for part in self._train_images))]

    def test(self, member: int) -> Evaluation:  # noqa: ARG002
        return self._evaluation(*self._test_images)

    def _evaluation(self, images: Any, labels: Any) -> Evaluation:
        """On all images at once, or in parts where a network makes many images of one."""
        import numpy as np

        n_images = len(labels)
        n_at_once = _N_EVALUATED if self._shape.recipe.network else n_images
        parts = [(images[i : i + n_at_once], labels[i : i + n_at_once]) for i in range(0, n_images, n_at_once)]
        told = [self._evaluate(*part) for part in parts]
        loss = sum(float(mean) * (len(part[1]) / n_images) for (mean, _), part in zip(told, parts, strict=True))
        return Evaluation(loss, np.concatenate([predicted.numpy() for _, predicted in told]))

    def kept(self, member: int) -> list[npt.NDArray[Any]]:  # noqa: ARG002
        averages = {id(weight): average for weight, average in self._averages}
        return [averages.get(id(weight), weight).numpy() for weight in self._model.weights]

    def restore(self, member: int, kept: list[npt.NDArray[Any]]) -> None:  # noqa: ARG002
        self._model.set_weights(kept)
        for weight, average in self._averages:
            average.assign(weight)

    def move(self, source: int, target: int) -> None:
        """The one member stays where it is."""

    def _begin_from(self, seeds: Any) -> None:
        initialize(self._model, tensorflow().unstack(seeds))
        self._optimizer.reset()

    def _train_on(self, order: Any, rates: Any, seeds: Any, n_steps: Any, steps_before: Any) -> tuple[Any, Any]:
        """As many steps with whole batches and with a partial one as `n_steps` says; rates and seeds are by step."""
        tf = tensorflow()
        n_whole, n_partial = n_steps
        size = self._shape.recipe.batch_size

        def whole(i: Any, loss_sum: Any, n_correct: Any) -> tuple[Any, Any, Any]:
            return add(i, loss_sum, n_correct, i, tf.slice(order, [i * size], [size]))

        def partial(i: Any, loss_sum: Any, n_correct: Any) -> tuple[Any, Any, Any]:
            return add(i, loss_sum, n_correct, -1, order[-self._n_left_over :])

        def add(i: Any, loss_sum: Any, n_correct: Any, place: Any, batch: Any) -> tuple[Any, Any, Any]:
            step = steps_before + tf.cast(i + 1, tf.float32)
            loss, correct = self._step(batch, rates[place], seeds[place], step)
            return i + 1, loss_sum + loss, n_correct + correct

        state = (0, tf.constant(0.0, tf.float64), tf.constant(0))
        state = tf.while_loop(lambda i, *_: i < n_whole, whole, state, parallel_iterations=1)
        if self._n_left_over:
            state = tf.while_loop(lambda i, *_: i < n_whole + n_partial, partial, state, parallel_iterations=1)
        return state[1], state[2]

    def _step(self, batch: Any, rate: Any, seeds: Any, step: Any) -> tuple[Any, Any]:
        """One step on a batch (images,); summed losses and right answers."""
        tf = tensorflow()
        for state, seed in zip(self._generators.values(), tf.unstack(seeds), strict=True):
            state.assign(seed)
        images, labels = self._train_images
        y = tf.gather(labels, batch)
        weights = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            logits = self._model(_scaled(tf.gather(images, batch)), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            losses = trained_losses(self._shape.recipe, losses, logits, self._model.losses)
            mean = tf.reduce_sum(losses) / batch.shape[0]
        self._optimizer.apply(tape.gradient(mean, weights), rate, step)
        correct = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), y)
        return tf.reduce_sum(tf.cast(losses, tf.float64)), tf.math.count_nonzero(correct, dtype=tf.int32)

    def _evaluate_on(self, images: Any, labels: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        trained = [tf.identity(weight.value) for weight, _ in self._averages]
        for weight, average in self._averages:
            weight.assign(average)
        logits = self._model(_scaled(images), training=False)
        for (weight, _), value in zip(self._averages, trained, strict=True):
            weight.assign(value)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_mean(tf.cast(losses, tf.float64)), tf.argmax(logits, 1, output_type=tf.int32)


def _apart(model: Any) -> Any:
    """The model with each activation that rounds kept apart from the product before it.

    TensorFlow would compute both in one kernel, with an approximation of its own of tanh and the like.
    """
    activations = importlib.import_module("keras").activations
    for layer in model.layers:
        if getattr(layer, "activation", None) not in {
            None,
            activations.linear,
            activations.relu,
        }:  # none of them rounds
            layer.activation = _behind_an_axis(layer.activation)
    return model


def _behind_an_axis(activation: Any) -> Any:
    """The same function; an axis of length 1 stands between it and what was computed before."""
    return lambda x: activation(x[tensorflow().newaxis])[0]


def _scaled(images: Any) -> Any:
    """Bytes 0 to 255 as float32 in [0, 1]."""
    return tensorflow().cast(images, "float32") / 255.0


class TensorFlowBackend:
    """Keeps the programs that were used last; each shape is compiled once while it is kept."""

    def __init__(self, data: Mnist) -> None:
        tf = tensorflow()
        self._train = tf.constant(data.x_train), tf.constant(data.y_train, tf.int32)
        self._test = tf.constant(data.x_test), tf.constant(data.y_test, tf.int32)
        self._programs: dict[CompileKey, TensorFlowProgram] = {}
        self.n_compiled = 0

    def program(self, shape: CompileKey, n_members: int) -> TensorFlowProgram:
        if n_members > 1:
            raise ValueError("on TensorFlow a program trains one model")
        set_precision(shape.recipe.precision)
        program = self._programs.pop(shape, None)
        if program is None:
            program = TensorFlowProgram(shape, self._train, self._test)
            self.n_compiled += 1
        return keep_last(self._programs, shape, program)

    def stack_size(self, shape: CompileKey) -> int:  # noqa: ARG002
        return 1

    def check(self) -> None:
        tf = tensorflow()
        tf.reduce_sum(tf.range(8)).numpy()

    def execution(self) -> dict[str, Any]:
        config = tensorflow().config
        gpus = config.list_physical_devices("GPU")
        device = config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"
        return execution(device, "graph", "tensorflow", "keras", "numpy")
