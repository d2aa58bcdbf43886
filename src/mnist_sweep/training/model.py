"""From a recipe to Keras: the classic dense model and its optimizer."""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

from mnist_sweep.recipe import N_CLASSES, N_PIXELS, CompileKey
from mnist_sweep.training.runtime import tensorflow


def build_model(shape: CompileKey, seed: int) -> Any:
    """The Keras model: 784 inputs in [0, 1], dense hidden layers, softmax over 10 classes; weights drawn from `seed`.

    The weights are those that anyone gets who calls keras.utils.set_random_seed(seed) and builds the model.
    """
    tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    inner = "mixed_bfloat16" if shape.precision == "mixed_bfloat16" else "float32"
    layers = [
        keras.layers.Dense(width, activation=func, dtype=inner)
        for width, func in zip(shape.hidden_widths, shape.hidden_funcs, strict=True)
    ]
    output = keras.layers.Dense(N_CLASSES, activation="softmax", dtype="float32")
    return keras.Sequential([keras.Input((N_PIXELS,)), *layers, output])


def initial_weights(shape: CompileKey, seed: int) -> list[Any]:
    """The weights of `build_model(shape, seed)`, kernel and bias by layer as tf.float32, without the model."""
    tf = tensorflow()
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    sizes = (N_PIXELS, *shape.hidden_widths, N_CLASSES)
    kernels = [keras.initializers.GlorotUniform()((n_in, n_out)) for n_in, n_out in pairwise(sizes)]
    return [tensor for kernel in kernels for tensor in (kernel, tf.zeros(kernel.shape[-1]))]


def build_optimizer(shape: CompileKey, learning_rate: float, variables: list[Any]) -> Any:
    """The Keras optimizer in its first state for these variables."""
    tensorflow()
    keras = importlib.import_module("keras")
    config = {"learning_rate": learning_rate}
    if shape.optimizer == "sgd":
        config["momentum"] = shape.momentum
    optimizer = keras.optimizers.get({"class_name": shape.optimizer, "config": config})
    optimizer.build(variables)
    return optimizer
