"""Steps of plain Keras on TensorFlow, for processes that have another backend: python reference.py FILE.npz."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from builders import a_recipe
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.recipe import CompileKey, Recipe, own_weight_decay

SIZE = 100
STEPS = (1, 20)
"""After how many steps things are compared."""
SETTINGS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "adam": (0.001, {}),
    "sgd": (0.1, {"momentum": 0.9}),
    "rmsprop": (0.001, {}),
    "adamw": (0.001, {}),
}
"""Learning rate and other settings of each optimizer."""
COMPARED = (*((name, False) for name in SETTINGS), ("adam", True))
"""Optimizers, and whether the net has batch normalisation, whose moving averages no optimizer touches."""


_TWO_LAYERS = {"hidden_widths": (32, 24), "hidden_funcs": ("relu", "tanh")}


def some_images(n_training: int = 2_500, n_test: int = 700) -> Mnist:
    """Images of ten blurred shapes with noise, which a small net learns within an epoch."""
    rng = np.random.default_rng(3)
    shapes = rng.integers(0, 160, (10, 784))
    labels = rng.integers(0, 10, n_training + n_test).astype(np.uint8)
    images = (shapes[labels] + rng.integers(0, 96, (len(labels), 784))).astype(np.uint8)
    parts = images[:n_training], labels[:n_training], images[n_training:], labels[n_training:]
    return Mnist(*parts, source="made up")


def small_net(recipe: Recipe, *, normalised: bool = False, dropout: float = 0.0) -> Any:
    """Two dense layers, if asked for each with batch normalisation, which makes a bias idle, and with dropout."""
    keras = importlib.import_module("keras")
    generators = map(keras.random.SeedGenerator, count())

    def dense(width: int, **options: Any) -> Any:
        return keras.layers.Dense(
            width, kernel_initializer=keras.initializers.GlorotUniform(next(generators)), **options
        )

    layers: list[Any] = [keras.Input((784,))]
    for width, func in zip(recipe.hidden_widths, recipe.hidden_funcs, strict=True):
        layers += [dense(width, use_bias=not normalised)]
        layers += [keras.layers.BatchNormalization()] * normalised
        layers += [keras.layers.Activation(func), keras.layers.Dropout(dropout, seed=1)]
    return keras.Sequential([*layers, dense(10, activation="softmax")])


def a_shape(n_training: int, optimizer: str = "adam", n_train: int = 2_500, **changes: Any) -> CompileKey:
    """The shape of that net, for so many of the training images."""
    momentum = SETTINGS.get(optimizer, (0, {}))[1].get("momentum", 0.0)
    told = {"optimizer": optimizer, "momentum": momentum, "weight_decay": own_weight_decay(optimizer)}
    values = {"batch_size": SIZE, **told, **_TWO_LAYERS, **changes}
    return CompileKey(a_recipe(validation_fraction=1 - n_training / n_train, **values))


def logits_of(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The outputs of a Keras model without its softmax."""
    keras = importlib.import_module("keras")
    model.layers[-1].activation = keras.activations.linear
    logits: npt.NDArray[np.float32] = keras.ops.convert_to_numpy(model(images.astype("float32") / 255))
    return logits


def _steps() -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """First weights, then a step's loss and the logits after it, of each net and optimizer."""
    keras = importlib.import_module("keras")
    data = some_images()
    for name, normalised in COMPARED:
        rate, config = SETTINGS[name]
        model = small_net(a_shape(SIZE).recipe, normalised=normalised)
        label = f"{name} {normalised}"
        yield from ((f"{label} weights {i}", weight) for i, weight in enumerate(model.get_weights()))
        optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": rate, **config}})
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.layers[-1].activation = keras.activations.linear
        model.compile(optimizer, criterion)
        for step in range(1, max(STEPS) + 1):
            batch = slice((step - 1) * SIZE, step * SIZE)
            loss = model.train_on_batch(data.x_train[batch].astype("float32") / 255, data.y_train[batch])
            if step in STEPS:
                yield f"{label} {step} loss", np.asarray(loss)
                yield f"{label} {step} logits", logits_of(model, data.x_test)


if __name__ == "__main__":
    from mnist_sweep.training.runtime import tensorflow

    tensorflow()
    np.savez(sys.argv[1], allow_pickle=False, **dict(_steps()))
