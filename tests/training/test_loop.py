"""The compiled epoch computes what model.fit computes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_recipe
from mnist_sweep.recipe import CompileKey, compile_key
from mnist_sweep.training.data import Mnist
from mnist_sweep.training.loop import Program
from mnist_sweep.training.model import build_model, build_optimizer
from mnist_sweep.training.runtime import tensorflow

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


def _program(mnist: Mnist, shape: CompileKey, n_members: int = 1) -> Program:
    tf = tensorflow()
    program = Program(shape, tf.constant(mnist.x_train), tf.constant(mnist.y_train, tf.int32))
    assert program.compile(n_members)
    return program


def _orders(n_members: int, n_images: int) -> npt.NDArray[np.int32]:
    rng = np.random.default_rng(5)
    return np.stack([rng.permutation(60_000)[:n_images].astype(np.int32) for _ in range(n_members)])


def _ours(program: Program, orders: npt.NDArray[np.int32], rates: list[float]) -> list[tuple[float, Weights]]:
    """Mean loss and weights of each member after an epoch, the first from seed 0, the next from 1 and so on."""
    for i, rate in enumerate(rates):
        program.reset(i, i, rate)
    losses = program.train(orders, rates, epoch=1)
    return [(loss, program.get_weights(i)) for i, (loss, _) in enumerate(losses)]


def _of_model_fit(
    mnist: Mnist, shape: CompileKey, order: npt.NDArray[np.int32], rate: float, seed: int
) -> tuple[float, Weights]:
    model = build_model(shape, seed)
    optimizer = build_optimizer(shape, rate, model.trainable_variables)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = mnist.x_train[order].astype("float32") / 255, mnist.y_train[order]
    history = model.fit(x, y, batch_size=shape.batch_size, shuffle=False, verbose=0)
    return history.history["loss"][0], model.get_weights()


def _distance(first: Weights, second: Weights) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("changes", _FUSED, ids=str)
def test_twenty_steps_of_a_fused_kernel_equal_model_fit(mnist: Mnist, changes: dict[str, Any]) -> None:
    """From the same weights on the same batches, 20 steps agree with model.fit to 1e-6, partial batch included."""
    shape, rate = _shape(_N_20, **changes), changes.get("learning_rate", 0.001)
    orders = _orders(1, _N_20)
    ((loss, weights),) = _ours(_program(mnist, shape), orders, [rate])
    expected_loss, expected = _of_model_fit(mnist, shape, orders[0], rate, seed=0)
    assert pytest.approx(expected_loss, abs=1e-5) == loss
    assert _distance(expected, weights) < 1e-6


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "adamw", "adagrad"])
def test_an_epoch_equals_model_fit(mnist: Mnist, optimizer: str) -> None:
    """A longer epoch agrees with model.fit to 1e-4, with the fused kernel and with Keras's own optimizers."""
    shape, orders = _shape(9_050, optimizer=optimizer), _orders(1, 9_050)
    ((loss, weights),) = _ours(_program(mnist, shape), orders, [0.001])
    expected_loss, expected = _of_model_fit(mnist, shape, orders[0], 0.001, seed=0)
    assert pytest.approx(expected_loss, abs=1e-4) == loss
    assert _distance(expected, weights) < 1e-4


def _distances_from_plain_keras(mnist: Mnist, name: str, n_steps: int, *, built: bool = False) -> tuple[float, float]:
    """How far our weights are after so many steps from those of a model of nothing but Keras, and from their start.

    Args:
        built: whether Keras's optimizer is built before model.fit, as ours is, and not inside it.
    """
    keras = importlib.import_module("keras")
    shape = _shape(_SIZE * n_steps, optimizer=name, hidden_funcs=("tanh", "tanh"))
    program, orders = _program(mnist, shape), _orders(1, _SIZE * n_steps)
    program.reset(0, 0, 0.01)
    start = program.get_weights(0)
    program.train(orders, [0.01], epoch=1)
    layers = [keras.layers.Dense(width, "tanh") for width in shape.hidden_widths]
    model = keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(10, "softmax", name="last")])
    model.set_weights(start)
    config = {"learning_rate": 0.01, **({"exclude_layers": ["last"]} if name == "muon" else {})}
    optimizer = keras.optimizers.get({"class_name": name, "config": config})
    if built:
        optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    x, y = mnist.x_train[orders[0]].astype("float32") / 255, mnist.y_train[orders[0]]
    model.fit(x, y, batch_size=_SIZE, shuffle=False, verbose=0)
    return _distance(model.get_weights(), program.get_weights(0)), _distance(start, program.get_weights(0))


@pytest.mark.parametrize("n_steps", [1, 5])
def test_steps_of_muon_equal_those_of_keras_with_the_output_layer_excluded(mnist: Mnist, n_steps: int) -> None:
    """The output layer is left to AdamW, as Keras's documentation asks, and all matrices before it to Muon."""
    ours, moved = _distances_from_plain_keras(mnist, "muon", n_steps)
    assert ours < 1e-6
    assert moved > 1e-2


@pytest.mark.parametrize("name", ["adadelta", "adafactor", "adamax", "ftrl", "lion"])
def test_steps_of_other_optimizers_equal_those_of_keras(mnist: Mnist, name: str) -> None:
    """Those that no test above has move the weights as they do in model.fit by their name alone."""
    ours, moved = _distances_from_plain_keras(mnist, name, 5)
    assert ours < 2e-5
    assert moved > 1e-4


def test_schedulefreeadamw_starts_from_the_weights(mnist: Mnist) -> None:
    """It does so in Keras too where it is built before model.fit, inside which it starts from zeros, as we say."""
    assert _distances_from_plain_keras(mnist, "schedulefreeadamw", 5, built=True)[0] < 2e-5
    assert _distances_from_plain_keras(mnist, "schedulefreeadamw", 1)[0] > 0.1


@pytest.mark.parametrize("changes", [*_FUSED, {"optimizer": "nadam"}], ids=str)
def test_a_stacked_member_equals_the_lone_one(mnist: Mnist, changes: dict[str, Any]) -> None:
    """Each of three members with seeds, orders and rates of their own agrees with its lone training to 1e-6."""
    shape, orders = _shape(_N_20, **changes), _orders(3, _N_20)
    rates = [0.001, 0.0005, 0.002]
    stacked = _program(mnist, shape, n_members=3)
    lone = _program(mnist, shape)
    for i, (loss, weights) in enumerate(_ours(stacked, orders, rates)):
        lone.reset(0, i, rates[i])
        ((expected, _),) = lone.train(orders[i : i + 1], rates[i : i + 1], epoch=1)
        assert pytest.approx(expected, abs=1e-6) == loss
        assert _distance(lone.get_weights(0), weights) < 1e-6


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_a_member_that_moves_up_goes_on_as_before(mnist: Mnist, optimizer: str) -> None:
    """Moved to another place between two epochs, a member ends with the weights that it has alone."""
    shape, orders = _shape(_N_20, optimizer=optimizer), _orders(2, _N_20)
    stacked, lone = _program(mnist, shape, n_members=2), _program(mnist, shape)
    _ours(stacked, orders, [0.001, 0.001])
    stacked.move(1, 0)
    stacked.compile(1)
    stacked.train(orders[1:], [0.001], epoch=2)
    lone.reset(0, 1, 0.001)
    for epoch in (1, 2):
        lone.train(orders[1:], [0.001], epoch)
    assert _distance(lone.get_weights(0), stacked.get_weights(0)) < 1e-5


def test_bfloat16_is_the_mixed_precision_of_keras(mnist: Mnist) -> None:
    """With bfloat16 in the hidden layers the training is that of Keras's policy, as near as its rounding allows."""
    shape, orders = _shape(_N_20, precision="mixed_bfloat16"), _orders(1, _N_20)
    ((loss, weights),) = _ours(_program(mnist, shape), orders, [0.001])
    expected_loss, expected = _of_model_fit(mnist, shape, orders[0], 0.001, seed=0)
    assert pytest.approx(expected_loss, abs=0.01) == loss
    assert _distance(expected, weights) < 0.02
    assert all(weight.dtype == np.float32 for weight in weights)


def test_weights_go_into_a_plain_keras_model(mnist: Mnist) -> None:
    """Keras's own model with a member's weights predicts what the member predicts."""
    tf = tensorflow()
    shape, orders = _shape(_N_20), _orders(2, _N_20)
    program = _program(mnist, shape, n_members=2)
    _ours(program, orders, [0.001, 0.01])
    model = build_model(shape, seed=0)
    model.set_weights(program.get_weights(1))
    model.compile(loss="sparse_categorical_crossentropy")
    evaluation = program.evaluate(1, tf.constant(mnist.x_test), tf.constant(mnist.y_test, tf.int32))
    x = mnist.x_test.astype("float32") / 255
    assert pytest.approx(model.evaluate(x, mnist.y_test, verbose=0, batch_size=1000), abs=1e-5) == evaluation.loss
    assert np.array_equal(model.predict(x, verbose=0, batch_size=1000).argmax(1), evaluation.predicted)
