"""From a recipe to Keras: the classic dense model and its optimizer."""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

from mnist_sweep.recipe import N_CLASSES, N_PIXELS, CompileKey
from mnist_sweep.training.runtime import tensorflow

OUTPUT = "output"


def layer_names(shape: CompileKey) -> list[str]:
    """The name of each layer that has weights: an optimizer may treat the output's otherwise than the others'."""
    return [*(f"hidden_{i}" for i in range(1, len(shape.hidden_widths) + 1)), OUTPUT]


def build_model(shape: CompileKey, seed: int) -> Any:
    """The Keras model: 784 inputs in [0, 1], dense hidden layers, softmax over 10 classes; weights drawn from `seed`.

    The weights are those that anyone gets who calls keras.utils.set_random_seed(seed) and builds the model.
    """
    tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    inner = "mixed_bfloat16" if shape.precision == "mixed_bfloat16" else "float32"
    *names, last = layer_names(shape)
    layers = [
        keras.layers.Dense(width, activation=func, dtype=inner, name=name)
        for width, func, name in zip(shape.hidden_widths, shape.hidden_funcs, names, strict=True)
    ]
    output = keras.layers.Dense(N_CLASSES, activation="softmax", dtype="float32", name=last)
    return keras.Sequential([keras.Input((N_PIXELS,)), *layers, output])


def initial_weights(shape: CompileKey, seed: int) -> list[Any]:
    """The weights of `build_model(shape, seed)`, kernel and bias by layer as tf.float32, without the model."""
    tf = tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    kernels = [keras.initializers.GlorotUniform()(dimensions) for dimensions in pairwise(_sizes(shape))]
    return [tensor for kernel in kernels for tensor in (kernel, tf.zeros(kernel.shape[-1]))]


def build_variables(shape: CompileKey) -> list[Any]:
    """Keras variables of zeros with the shapes and names of the model's weights, without the model."""
    tf = tensorflow()
    keras = importlib.import_module("keras")
    variables = []
    for name, (n_in, n_out) in zip(layer_names(shape), pairwise(_sizes(shape)), strict=True):
        with keras.name_scope(name):
            variables += [
                keras.Variable(tf.zeros((n_in, n_out)), name="kernel"),
                keras.Variable(tf.zeros(n_out), name="bias"),
            ]
    return variables


def _sizes(shape: CompileKey) -> tuple[int, ...]:
    """The width of each layer, input and output counted."""
    return (N_PIXELS, *shape.hidden_widths, N_CLASSES)


def build_optimizer(shape: CompileKey, learning_rate: float, variables: list[Any]) -> Any:
    """The Keras optimizer in its first state for these variables."""
    tensorflow()
    keras = importlib.import_module("keras")
    config: dict[str, Any] = {"learning_rate": learning_rate}
    if shape.optimizer == "sgd":
        config["momentum"] = shape.momentum
    if shape.optimizer == "muon":  # not for the output layer, says https://keras.io/api/optimizers/muon/
        config["exclude_layers"] = [OUTPUT]
    optimizer = keras.optimizers.get({"class_name": shape.optimizer, "config": config})
    optimizer.build(variables)
    return optimizer
