"""From a recipe to Keras: the network, its first weights and its optimizer, on whichever backend Keras runs."""

import importlib
import random
from itertools import count
from typing import Any

from mnist_sweep.plan.recipe import N_CLASSES, N_PIXELS, Recipe

_OUTPUT = "output"


def build_model(recipe: Recipe) -> Any:
    """The Keras model: 784 inputs in [0, 1], dense hidden layers, softmax over 10 classes; `initialize` it.

    Whatever is random in it has a seed generator of its own, so that nothing draws from Python's global `random`; each
    starts from another seed, so that no kernels are equal, from which an optimizer's variables could not be told apart.
    """
    keras = importlib.import_module("keras")
    generators = map(keras.random.SeedGenerator, count())

    def dense(width: int, func: str, dtype: str, name: str) -> Any:
        kernels = keras.initializers.GlorotUniform(next(generators))
        return keras.layers.Dense(width, func, kernel_initializer=kernels, dtype=dtype, name=name)

    inner = "mixed_bfloat16" if recipe.precision == "mixed_bfloat16" else "float32"
    hidden = zip(recipe.hidden_widths, recipe.hidden_funcs, strict=True)
    layers = [dense(width, func, inner, f"hidden_{i}") for i, (width, func) in enumerate(hidden, 1)]
    return keras.Sequential([keras.Input((N_PIXELS,)), *layers, dense(N_CLASSES, "softmax", "float32", _OUTPUT)])


def initializer_seeds(model: Any, seed: int) -> list[int]:
    """The seeds that the model's random initializers get, in the order of its layers.

    With them it has the weights that anyone gets who calls keras.utils.set_random_seed(seed) and builds it: Keras draws
    these seeds from Python's global `random`.
    """
    chance = random.Random(seed)  # noqa: S311  nothing secret
    return [chance.randint(1, int(1e9)) for _, initializer in _initializers(model) if hasattr(initializer, "seed")]


def initialize(model: Any, seeds: Any) -> None:
    """Give a model its first weights and moving averages; can be compiled.

    Args:
        seeds: those of `initializer_seeds`, also as a list of tensors.
    """
    following = iter(seeds)
    for weight, initializer in _initializers(model):
        if hasattr(initializer, "seed"):
            initializer.seed.state.assign([next(following), 0])
        weight.assign(initializer(weight.shape, weight.dtype))


def _initializers(model: Any) -> list[tuple[Any, Any]]:
    """Each weight and moving average with its initializer."""
    return [(w, getattr(layer, f"{w.name}_initializer")) for layer in model.layers for w in layer.weights]


def seed_generators(model: Any) -> dict[tuple[int, int], Any]:
    """The states of its random layers' seed generators, integers (2,), by the layer's index and by their own in it."""
    return {
        (i, j): state
        for i, layer in enumerate(model.layers)
        for j, state in enumerate(v for v in layer.variables if v.name == "seed_generator_state")
    }


def build_optimizer(recipe: Recipe, learning_rate: float, variables: list[Any]) -> Any:
    """The Keras optimizer in its first state for these variables."""
    keras = importlib.import_module("keras")
    config: dict[str, Any] = {"learning_rate": learning_rate}
    if recipe.optimizer == "sgd":
        config["momentum"] = recipe.momentum
    if recipe.optimizer == "muon":  # not for the output layer, says https://keras.io/api/optimizers/muon/
        config["exclude_layers"] = [_OUTPUT]
    optimizer = keras.optimizers.get({"class_name": recipe.optimizer, "config": config})
    optimizer.build(variables)
    return optimizer


def optimizer_starts(optimizer: Any, weights: list[Any]) -> list[Any]:
    """What a new optimizer's variables start from: the weight that one equals, as it is then; otherwise its value.

    Args:
        weights: those that it was built for, no two kernels equal.
    """
    import numpy as np

    values = [np.asarray(variable.value) for variable in optimizer.variables]
    return [next((w for w in weights if np.array_equal(value, w.value)), value) for value in values]


def trained_losses(recipe: Recipe, losses: Any, logits: Any) -> Any:
    """What each image adds to the loss that is trained on, (n,): its cross-entropy, or that of its smoothed label.

    https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class

    Args:
        losses: (n,) the cross-entropies.
        logits: (n, 10).
    """
    part = recipe.label_smoothing
    if not part:
        return losses
    ops = importlib.import_module("keras").ops
    return (1 - part) * losses + part * (ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1))
