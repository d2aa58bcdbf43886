"""The compiled epoch computes what model.fit computes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_recipe
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.keras_names import ACTIVATIONS
from mnist_sweep.plan.recipe import CompileKey, Seeds, own_weight_decay
from mnist_sweep.training.model import build_model, build_optimizer, initialize, initializer_seeds
from mnist_sweep.training.runtime import tensorflow
from mnist_sweep.training.tensorflow_program import TensorFlowBackend, TensorFlowProgram

Weights = list[npt.NDArray[np.float32]]

_SIZE, _STEPS = 100, 20
_N_20 = _SIZE * (_STEPS - 1) + 37  # twenty steps, the last one with a partial batch
_FUSED = [
    {"optimizer": "adam"},
    {"optimizer": "sgd", "learning_rate": 0.1},
    {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1},
    {"optimizer": "rmsprop"},
]


def _shape(n_images: int, **changes: Any) -> CompileKey:
    """The shape of a small model that trains on so many images."""
    recipe = a_recipe(
        **{
            "hidden_widths": (32, 24),
            "hidden_funcs": ("relu", "tanh"),
            "batch_size": _SIZE,
            "validation_fraction": 1 - n_images / 60_000,
            **{name: value for name, value in changes.items() if name != "learning_rate"},
        }
    )
    return compile_key(recipe)


@pytest.fixture(scope="module")
def backend(mnist: Mnist) -> TensorFlowBackend:
    """One process's backend, kept warm as in a sweep."""
    return TensorFlowBackend(mnist)


def _order(n_images: int) -> npt.NDArray[np.int32]:
    return np.random.default_rng(5).permutation(60_000)[:n_images].astype(np.int32)


def _train(program: TensorFlowProgram, shape: CompileKey, order: npt.NDArray[np.int32], rate: float) -> float:
    """Mean loss of a first epoch from seed 0."""
    program.reset(0, Seeds(0, 0, 0))
    rates = np.full((1, -(-len(order) // shape.recipe.batch_size)), rate, np.float32)
    ((loss, _),) = program.train(order[np.newaxis], rates, epochs=[1])
    return loss


def _of_model_fit(mnist: Mnist, shape: CompileKey, order: npt.NDArray[np.int32], rate: float) -> tuple[float, Weights]:
    model = build_model(shape.recipe)
    initialize(model, initializer_seeds(model, 0))
    optimizer = build_optimizer(shape.recipe, rate, model.trainable_variables)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = mnist.x_train[order].astype("float32") / 255, mnist.y_train[order]
    history = model.fit(x, y, batch_size=shape.recipe.batch_size, shuffle=False, verbose=0)
    return history.history["loss"][0], model.get_weights()


def _distance(first: Weights, second: Weights) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("changes", _FUSED, ids=str)
def test_twenty_steps_of_a_fused_kernel_equal_model_fit(
    mnist: Mnist, backend: TensorFlowBackend, changes: dict[str, Any]
) -> None:
    """From the same weights on the same batches, 20 steps agree with model.fit to 1e-6, partial batch included."""
    shape, rate = _shape(_N_20, **changes), changes.get("learning_rate", 0.001)
    program, order = backend.program(shape, 1), _order(_N_20)
    loss = _train(program, shape, order, rate)
    expected_loss, expected = _of_model_fit(mnist, shape, order, rate)
    assert pytest.approx(expected_loss, abs=1e-5) == loss
    assert _distance(expected, program.kept(0)) < 1e-6


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "adamw", "adagrad"])
def test_an_epoch_equals_model_fit(mnist: Mnist, backend: TensorFlowBackend, optimizer: str) -> None:
    """A longer epoch agrees with model.fit to 1e-4, with the fused kernel and with Keras's own optimizers."""
    shape, order = _shape(9_050, optimizer=optimizer), _order(9_050)
    program = backend.program(shape, 1)
    loss = _train(program, shape, order, 0.001)
    expected_loss, expected = _of_model_fit(mnist, shape, order, 0.001)
    assert pytest.approx(expected_loss, abs=1e-4) == loss
    assert _distance(expected, program.kept(0)) < 1e-4


def _distances_from_plain_keras(
    mnist: Mnist,
    backend: TensorFlowBackend,
    name: str,
    n_steps: int,
    *,
    widths: tuple[int, ...] = (32, 24),
    built: bool = False,
) -> tuple[float, float]:
    """How far our weights are after so many steps from those of a model of nothing but Keras, and from their start.

    Args:
        built: whether Keras's optimizer is built before model.fit, as ours is, and not inside it.
    """
    keras = importlib.import_module("keras")
    decay = own_weight_decay(name)
    dense = {"hidden_widths": widths, "hidden_funcs": ("tanh",) * len(widths)}
    shape = _shape(_SIZE * n_steps, optimizer=name, weight_decay=decay, **dense)
    program, order = backend.program(shape, 1), _order(_SIZE * n_steps)
    program.reset(0, Seeds(0, 0, 0))
    start = program.kept(0)
    _train(program, shape, order, 0.01)
    layers = [keras.layers.Dense(width, "tanh") for width in shape.recipe.hidden_widths]
    model = keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(10, "softmax", name="last")])
    model.set_weights(start)
    config = {"learning_rate": 0.01, **({"exclude_layers": ["last"]} if name == "muon" else {})}
    optimizer = keras.optimizers.get({"class_name": name, "config": config})
    if name == "muon":  # whose weights decay in kernels alone here
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    if built:
        optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    x, y = mnist.x_train[order].astype("float32") / 255, mnist.y_train[order]
    model.fit(x, y, batch_size=_SIZE, shuffle=False, verbose=0)
    return _distance(model.get_weights(), program.kept(0)), _distance(start, program.kept(0))


@pytest.mark.parametrize("n_steps", [1, 5])
def test_steps_of_muon_equal_those_of_keras_with_the_output_layer_excluded(
    mnist: Mnist, backend: TensorFlowBackend, n_steps: int
) -> None:
    """The output layer is left to AdamW, as Keras's documentation asks, and all matrices before it to Muon."""
    ours, moved = _distances_from_plain_keras(mnist, backend, "muon", n_steps)
    assert ours < 1e-6
    assert moved > 1e-2


@pytest.mark.parametrize("name", ["adadelta", "adafactor", "adamax", "ftrl", "lion"])
def test_steps_of_other_optimizers_equal_those_of_keras(mnist: Mnist, backend: TensorFlowBackend, name: str) -> None:
    """Those that no test above has move the weights as they do in model.fit by their name alone."""
    ours, moved = _distances_from_plain_keras(mnist, backend, name, 5)
    assert ours < 2e-5
    assert moved > 1e-4


def test_schedulefreeadamw_starts_from_the_weights(mnist: Mnist, backend: TensorFlowBackend) -> None:
    """It does so in Keras too where it is built before model.fit, inside which it starts from zeros, as we say."""
    alike = (24, 24, 24)  # of kernels of one form, each is started from its own
    assert _distances_from_plain_keras(mnist, backend, "schedulefreeadamw", 5, widths=alike, built=True)[0] < 2e-5
    assert _distances_from_plain_keras(mnist, backend, "schedulefreeadamw", 1)[0] > 0.1


def test_bfloat16_is_the_mixed_precision_of_keras(mnist: Mnist, backend: TensorFlowBackend) -> None:
    """With bfloat16 in the hidden layers the training is that of Keras's policy, as near as its rounding allows."""
    shape, order = _shape(_N_20, precision="mixed_bfloat16"), _order(_N_20)
    program = backend.program(shape, 1)
    loss = _train(program, shape, order, 0.001)
    expected_loss, expected = _of_model_fit(mnist, shape, order, 0.001)
    assert pytest.approx(expected_loss, abs=0.01) == loss
    assert _distance(expected, program.kept(0)) < 0.02
    assert all(weight.dtype == np.float32 for weight in program.kept(0))


def test_weights_go_into_a_plain_keras_model(mnist: Mnist, backend: TensorFlowBackend) -> None:
    """Keras's own model with the program's weights predicts what the program predicts."""
    shape = _shape(_N_20)
    program = backend.program(shape, 1)
    _train(program, shape, _order(_N_20), 0.01)
    model = build_model(shape.recipe)
    model.set_weights(program.kept(0))
    model.compile(loss="sparse_categorical_crossentropy")
    evaluation, x = program.test(0), mnist.x_test.astype("float32") / 255
    assert pytest.approx(model.evaluate(x, mnist.y_test, verbose=0, batch_size=1000), abs=1e-5) == evaluation.loss
    assert np.array_equal(model.predict(x, verbose=0, batch_size=1000).argmax(1), evaluation.predicted)


@pytest.mark.parametrize("func", ["relu", "tanh", "gelu", "elu", "sigmoid"])
def test_layers_round_as_they_did_when_they_were_written_by_hand(
    mnist: Mnist, backend: TensorFlowBackend, func: str
) -> None:
    """Losses equal to the last bit those of a product, a bias and an activation that no kernel computes together."""
    tf, keras = tensorflow(), importlib.import_module("keras")
    program = backend.program(_shape(_N_20, hidden_funcs=(func, func)), 1)
    program.reset(0, Seeds(3, 0, 0))

    def dense(x: Any, kernel: Any, bias: Any) -> Any:
        return tf.nn.bias_add(tf.matmul(x[0], kernel), bias)[tf.newaxis]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def by_hand(images: Any, labels: Any, weights: Any) -> Any:
        x = (tf.cast(images, tf.float32) / 255.0)[tf.newaxis]
        for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            x = keras.activations.get(func)(dense(x, kernel, bias))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, dense(x, *weights[-2:])[0])
        return tf.reduce_mean(tf.cast(losses, tf.float64))

    labels, weights = tf.constant(mnist.y_test, tf.int32), [tf.constant(weight) for weight in program.kept(0)]
    assert float(by_hand(tf.constant(mnist.x_test), labels, weights)) == program.test(0).loss


@pytest.mark.parametrize("func", ACTIVATIONS)
def test_every_activation_trains(mnist: Mnist, backend: TensorFlowBackend, func: str) -> None:
    """The loss falls and all weights move, those before the activation too; outputs are those of Keras's function."""
    keras, order = importlib.import_module("keras"), _order(_N_20)
    program, shape = backend.program(_shape(_N_20, hidden_widths=(16,), hidden_funcs=(func,)), 1), _shape(_N_20)
    program.reset(0, Seeds(0, 0, 0))
    before, start = program.test(0).loss, program.kept(0)
    _train(program, shape, order, 0.001)
    after, end = program.test(0), program.kept(0)
    assert after.loss < before
    assert min(_distance([a], [b]) for a, b in zip(start, end, strict=True)) > 1e-3
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(16), keras.layers.Dense(10)])
    model.set_weights(end)
    hidden, last = model.layers
    activations = keras.activations.get(func)(hidden(mnist.x_test.astype("float32") / 255))
    logits = last(activations)
    losses = keras.losses.sparse_categorical_crossentropy(mnist.y_test, logits, from_logits=True)
    assert pytest.approx(float(keras.ops.mean(losses)), abs=1e-5) == after.loss


def test_models_side_by_side_are_refused(backend: TensorFlowBackend) -> None:
    """A program holds one model."""
    with pytest.raises(ValueError, match="on TensorFlow a program trains one model"):
        backend.program(_shape(_N_20), 2)
