"""Every setting means what Keras means by it; test_backends.py runs this in a process of its own for each backend.

Twenty steps of ours are compared with twenty steps of a model that is written by hand in plain Keras, from the same
first weights, on the same batches. Both compute in float32 and add up in other orders, so their weights drift apart by
some 1e-7 a step; a setting that meant anything else would move them by 1e-4 and more.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_recipe
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS
from mnist_sweep.plan.named import Named, Scalar
from mnist_sweep.plan.recipe import Recipe, Seeds
from mnist_sweep.sweepfile.layers import LayerOfNetwork, network_of
from mnist_sweep.training.model import seed_generators
from mnist_sweep.training.program import Backend, Program, layer_seeds
from mnist_sweep.training.rates import learning_rates

_SEEDS = Seeds(weights=7, split=100, order=9)
_SIZE, _N_STEPS, _N_EPOCHS = 30, 5, 4
_TOLERANCE = 1e-5
_RATE = 0.005
_IS_JAX = "jax" in os.environ["MNIST_SWEEP_BACKEND"]
_ENOUGH_ON_JAX = ("nothing", "dropout", "muon", "network", "everything")
"""What needs code of ours there, and all settings at once: it takes seconds to compile each."""
Weights = list[npt.NDArray[np.float32]]


def _keras() -> Any:
    return importlib.import_module("keras")


def _dense(**options: Any) -> list[Any]:
    """The dense net of most cases, each of its layers with these options."""
    dense = _keras().layers.Dense
    return [dense(12, "relu", **options), dense(8, "tanh", **options), dense(10, name="last", **options)]


def _normalised() -> list[Any]:
    layers = _keras().layers
    hidden = [(12, "relu"), (8, "tanh")]
    return [
        *(
            layer
            for width, func in hidden
            for layer in (
                layers.Dense(width, use_bias=False),
                layers.BatchNormalization(),
                layers.Activation(func),
            )
        ),
        layers.Dense(10),
    ]


def _dropping() -> list[Any]:
    drop, dense = _keras().layers.Dropout, _keras().layers.Dense
    return [drop(0.1), dense(12, "relu"), drop(0.2), dense(8, "tanh"), drop(0.3), dense(10)]


_CONVOLUTIONS = (
    {"Conv2D": {"filters": 4, "kernel_size": 5, "strides": 3, "activation": "tanh", "l2": 0.01, "max_norm": 0.7}},
    {"BatchNormalization": {"momentum": 0.9}},
    {"DepthwiseConv2D": {"kernel_size": 3, "padding": "same", "depth_multiplier": 2, "max_norm": 0.7}},
    {"SpatialDropout2D": 0.2},
    "PReLU",
    {"AveragePooling2D": 2},
    {"SeparableConv2D": {"filters": 12, "kernel_size": 3, "initializer": "he_normal", "l2": 0.01, "max_norm": 0.7}},
    "LayerNormalization",
    {"Conv2D": {"filters": 10, "kernel_size": 1}},
    "GlobalAveragePooling2D",
    "Softmax",
)


def _convolutions() -> list[Any]:
    keras = _keras()
    layers, l2, norm = keras.layers, keras.regularizers.L2(0.01), keras.constraints.MaxNorm
    over_all = norm(0.7, axis=[0, 1, 2])
    return [
        layers.Reshape((28, 28, 1)),
        layers.Conv2D(4, 5, strides=3, activation="tanh", kernel_regularizer=l2, kernel_constraint=over_all),
        layers.BatchNormalization(momentum=0.9),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, depthwise_constraint=norm(0.7, axis=[0, 1])),
        layers.SpatialDropout2D(0.2),
        layers.PReLU(),
        layers.AveragePooling2D(2),
        layers.SeparableConv2D(
            12,
            3,
            depthwise_initializer="he_normal",
            pointwise_initializer="he_normal",
            depthwise_regularizer=l2,
            pointwise_regularizer=l2,
            depthwise_constraint=norm(0.7, axis=[0, 1]),
            pointwise_constraint=over_all,
        ),
        layers.LayerNormalization(),
        layers.Conv2D(10, 1),
        layers.GlobalAveragePooling2D(),
    ]


def _all_layers() -> list[Any]:
    keras = _keras()
    layers = keras.layers

    def dense(width: int, **options: Any) -> Any:
        kernel = {
            "kernel_initializer": "he_uniform",
            "kernel_regularizer": keras.regularizers.L2(0.01),
            "kernel_constraint": keras.constraints.MaxNorm(0.8),
        }
        return layers.Dense(width, **kernel, **options)

    hidden = [
        (dense(width, use_bias=False), layers.BatchNormalization(), layers.Activation(func), layers.Dropout(rate))
        for width, func, rate in ((12, "relu", 0.2), (8, "tanh", 0.1))
    ]
    return [*(layer for group in hidden for layer in group), dense(10)]


@dataclass(frozen=True)
class _Case:
    """What a recipe says, and the same by hand."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    layers: Callable[[], list[Any]] = _dense
    optimizer: Callable[[Any], Any] = lambda optimizers: optimizers.Adam(_RATE)
    smoothing: float = 0.0


def _network(*layers: Any) -> Mapping[str, Any]:
    validated = [LayerOfNetwork.model_validate(layer) for layer in layers]
    return {"hidden_widths": (), "hidden_funcs": (), "network": network_of("net", validated)}


_COSINE = Named("cosine", (("epochs", _N_EPOCHS), ("final", 0.1), ("warmup", 0.0)))
_EACH: Mapping[str, _Case] = {
    "nothing": _Case(),
    "batch_norm": _Case({"batch_norm": True}, _normalised),
    "dropout": _Case({"dropout": (0.1, 0.2, 0.3)}, _dropping),
    "max_norm": _Case({"max_norm": 0.8}, lambda: _dense(kernel_constraint=_keras().constraints.MaxNorm(0.8))),
    "l2": _Case({"l2": 0.01}, lambda: _dense(kernel_regularizer=_keras().regularizers.L2(0.01))),
    "initializer": _Case({"initializer": "orthogonal"}, lambda: _dense(kernel_initializer="orthogonal")),
    "use_bias": _Case({"use_bias": False}, lambda: _dense(use_bias=False)),
    "weight_decay": _Case(
        {"optimizer": "adam", "weight_decay": 0.5}, optimizer=lambda them: them.Adam(_RATE, weight_decay=0.5)
    ),
    "adamw": _Case({"optimizer": "adamw", "weight_decay": 0.004}, optimizer=lambda them: them.AdamW(_RATE)),
    "muon": _Case(
        {"optimizer": "muon", "weight_decay": 0.004}, optimizer=lambda them: them.Muon(_RATE, exclude_layers=["last"])
    ),
    "muon's decay": _Case(
        {"optimizer": "muon", "weight_decay": 0.5},
        optimizer=lambda them: them.Muon(_RATE, weight_decay=0.5, adam_weight_decay=0.5, exclude_layers=["last"]),
    ),
    "clip_norm": _Case({"clip_norm": 0.1}, optimizer=lambda them: them.Adam(_RATE, global_clipnorm=0.1)),
    "ema": _Case({"ema": 0.9}, optimizer=lambda them: them.Adam(_RATE, use_ema=True, ema_momentum=0.9)),
    "label_smoothing": _Case({"label_smoothing": 0.2}, smoothing=0.2),
    "schedule": _Case(
        {"schedule": _COSINE},
        optimizer=lambda them: them.Adam(them.schedules.CosineDecay(_RATE, _N_EPOCHS * _N_STEPS, alpha=0.1)),
    ),
    "network": _Case(_network(*_CONVOLUTIONS), _convolutions),
    "everything": _Case(
        {
            "batch_norm": True,
            "dropout": (0.0, 0.2, 0.1),
            "max_norm": 0.8,
            "l2": 0.01,
            "initializer": "he_uniform",
            "optimizer": "sgd",
            "momentum": 0.9,
            "optimizer_settings": (("nesterov", True),),
            "weight_decay": 0.5,
            "clip_norm": 1.0,
            "ema": 0.9,
            "label_smoothing": 0.1,
            "schedule": _COSINE,
        },
        _all_layers,
        lambda them: them.SGD(
            them.schedules.CosineDecay(_RATE, _N_EPOCHS * _N_STEPS, alpha=0.1),
            momentum=0.9,
            nesterov=True,
            weight_decay=0.5,
            global_clipnorm=1.0,
            use_ema=True,
            ema_momentum=0.9,
        ),
        smoothing=0.1,
    ),
}


@pytest.fixture(scope="module")
def data(mnist: Mnist) -> Mnist:
    """A small part of MNIST."""
    return Mnist(mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:200], mnist.y_test[:200], source="a part")


@pytest.fixture(scope="module")
def backend(data: Mnist) -> Backend:
    module, _, name = os.environ["MNIST_SWEEP_BACKEND"].partition(":")
    made: Backend = getattr(importlib.import_module(module), name)(data)
    return made


def _recipe(changes: Mapping[str, Any]) -> Recipe:
    values = {"hidden_widths": (12, 8), "hidden_funcs": ("relu", "tanh"), "learning_rate": _RATE, "batch_size": _SIZE}
    return a_recipe(**{**values, "training_images": _N_STEPS * _SIZE, **changes})


def _order(epoch: int) -> npt.NDArray[np.int32]:
    return np.random.default_rng(epoch).permutation(300)[: _N_STEPS * _SIZE].astype(np.int32)


def _ours(program: Program, recipe: Recipe) -> list[float]:
    """The loss of each epoch."""
    program.reset(0, _SEEDS)
    losses = []
    for epoch in range(1, _N_EPOCHS + 1):
        rates = learning_rates(recipe, _N_STEPS * _SIZE, epoch)
        losses += [loss for loss, _ in program.train(_order(epoch)[np.newaxis], rates[np.newaxis], [epoch])]
    return losses


def _by_hand(case: _Case, data: Mnist) -> tuple[list[float], Weights, float]:
    """The loss of each epoch, and the weights at the end with their loss on the test images."""
    keras = _keras()
    keras.utils.set_random_seed(_SEEDS.weights)
    model = keras.Sequential([keras.Input((784,)), *case.layers()])
    optimizer = case.optimizer(keras.optimizers)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "alpha"])
    optimizer.build(model.trainable_variables)  # so that schedulefreeadamw starts from the weights, as ours does
    cross_entropy = keras.losses.CategoricalCrossentropy
    smoothed = cross_entropy(from_logits=True, label_smoothing=case.smoothing)
    model.compile(optimizer, smoothed, jit_compile="jax" in os.environ["MNIST_SWEEP_BACKEND"])
    generators, losses = seed_generators(model), []
    for epoch in range(1, _N_EPOCHS + 1):
        told = []
        for batch, seeds in zip(
            _order(epoch).reshape(_N_STEPS, _SIZE),
            layer_seeds(_SEEDS, epoch, _N_STEPS, list(generators)),
            strict=True,
        ):
            for state, seed in zip(generators.values(), seeds, strict=True):
                state.assign(seed)
            told.append(model.train_on_batch(_scaled(data.x_train[batch]), np.eye(10)[data.y_train[batch]]))
            model.reset_metrics()
        losses.append(float(np.mean(told)))
    optimizer.finalize_variable_values(model.trainable_variables)  # what fit does at its end: averages are the weights
    logits = model(_scaled(data.x_test), training=False)
    evaluated = keras.ops.mean(cross_entropy(from_logits=True, reduction=None)(np.eye(10)[data.y_test], logits))
    return losses, [np.asarray(weight.value) for weight in model.weights], float(evaluated)


def _scaled(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)


def _check(backend: Backend, data: Mnist, case: _Case) -> Program:
    recipe = _recipe(case.recipe)
    program = backend.program(compile_key(recipe), 1)
    losses = _ours(program, recipe)
    expected, weights, evaluated = _by_hand(case, data)
    assert pytest.approx(expected, abs=_TOLERANCE) == losses
    for theirs, ours in zip(weights, program.kept(0), strict=True):
        assert np.abs(theirs - ours).max() < _TOLERANCE
    assert pytest.approx(evaluated, abs=_TOLERANCE) == program.test(0).loss
    return program


@pytest.fixture(scope="module")
def plain(backend: Backend) -> float:
    """The test loss of the training without any setting."""
    recipe = _recipe({})
    program = backend.program(compile_key(recipe), 1)
    _ours(program, recipe)
    return program.test(0).loss


@pytest.mark.parametrize("name", [name for name in _EACH if name in _ENOUGH_ON_JAX or not _IS_JAX])
def test_twenty_steps_equal_those_of_keras(backend: Backend, data: Mnist, plain: float, name: str) -> None:
    """Losses that were minimised, weights, moving averages and the loss of evaluation; and what was kept comes back.

    No setting is without effect: each ends elsewhere than the training without any.
    """
    program = _check(backend, data, _EACH[name])
    kept, seen = program.kept(0), program.test(0)
    assert (name == "nothing") == (abs(seen.loss - plain) < 10 * _TOLERANCE)
    program.train(_order(9)[np.newaxis], np.full((1, _N_STEPS), 0.01, np.float32), [9])
    assert seen.loss != program.test(0).loss
    program.restore(0, kept)
    assert seen.loss == program.test(0).loss
    assert all(np.array_equal(a, b) for a, b in zip(kept, program.kept(0), strict=True))


@pytest.mark.parametrize("name", ["batch_norm", "dropout", "initializer", "network"])
def test_first_weights_are_those_of_the_model_by_hand(backend: Backend, name: str) -> None:
    """To the bit, also behind layers that draw a seed of their own from the global random."""
    keras, case = _keras(), _EACH[name]
    program = backend.program(compile_key(_recipe(case.recipe)), 1)
    for seed in (0, 2**31 - 1):
        program.reset(0, Seeds(seed, 1, 1))
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((784,)), *case.layers()])
        expected = [np.asarray(weight.value) for weight in model.weights]
        assert all(np.array_equal(a, b) for a, b in zip(expected, program.kept(0), strict=True))


_CLASSES = {"adamw": "AdamW", "rmsprop": "RMSprop", "schedulefreeadamw": "ScheduleFreeAdamW", "sgd": "SGD"}
_OTHER: Mapping[str, Mapping[str, Scalar]] = {
    "adadelta": {"rho": 0.8, "epsilon": 1e-3},
    "adafactor": {
        "beta_2_decay": -0.6,
        "epsilon_1": 1e-8,
        "epsilon_2": 0.01,
        "clip_threshold": 0.5,
        "relative_step": False,
    },
    "adagrad": {"initial_accumulator_value": 0.3, "epsilon": 1e-3},
    "adam": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "amsgrad": True},
    "adamax": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "adamw": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "amsgrad": True},
    "ftrl": {
        "learning_rate_power": -0.4,
        "initial_accumulator_value": 0.2,
        "l1_regularization_strength": 0.001,
        "l2_regularization_strength": 0.01,
        "l2_shrinkage_regularization_strength": 0.01,
        "beta": 0.1,
    },
    "lion": {"beta_1": 0.8, "beta_2": 0.95},
    "muon": {
        "adam_beta_1": 0.8,
        "adam_beta_2": 0.95,
        "adam_lr_ratio": 0.5,
        "epsilon": 1e-3,
        "momentum": 0.9,
        "nesterov": False,
        "ns_steps": 4,
        "rms_rate": 0.1,
    },
    "nadam": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "rmsprop": {"rho": 0.8, "momentum": 0.5, "epsilon": 1e-3, "centered": True},
    "schedulefreeadamw": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "warmup_steps": 3},
    "sgd": {"momentum": 0.8, "nesterov": True},
}
"""A value for each setting that is not its default."""


def test_every_setting_of_an_optimizer_is_changed() -> None:
    """The values above leave none out, and none at its default."""
    assert {name: set(told) for name, told in OPTIMIZER_SETTINGS.items()} == {
        name: set(told) for name, told in _OTHER.items()
    }
    assert not [(name, key) for name, told in _OTHER.items() for key in told.items() & OPTIMIZER_SETTINGS[name].items()]


@pytest.mark.parametrize("name", ["muon", "rmsprop", "schedulefreeadamw"] if _IS_JAX else _OTHER)
def test_optimizers_with_other_settings_equal_keras(backend: Backend, data: Mnist, name: str) -> None:
    """Twenty steps of each, all of its settings changed, weights decaying in kernels alone."""
    settings = dict(_OTHER[name])
    own = {"adam_weight_decay": 0.1, "exclude_layers": ["last"]} if name == "muon" else {}

    def optimizer(optimizers: Any) -> Any:
        by_class = getattr(optimizers, _CLASSES.get(name, name.capitalize()))
        return by_class(_RATE, weight_decay=0.1, **settings, **own)

    momentum = {"momentum": settings["momentum"]} if name == "sgd" else {}
    told = tuple(sorted(settings.items() - momentum.items()))
    changes = {"optimizer": name, "weight_decay": 0.1, "optimizer_settings": told, **momentum}
    _check(backend, data, _Case(changes, optimizer=optimizer))
