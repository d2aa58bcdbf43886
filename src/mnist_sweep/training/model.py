"""From a recipe to Keras: the network, its first weights and its optimizer, on whichever backend Keras runs."""

import importlib
import random
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.networks import IMAGE, N_PIXELS
from mnist_sweep.plan.recipe import Recipe, own_weight_decay
from mnist_sweep.training.augmentation import AUGMENTATION, augmentation

_OUTPUT = "output"
_IMAGE_AXES: Mapping[str, tuple[int, ...]] = {"depthwise": (0, 1), "pointwise": (0, 1, 2), "kernel": (0, 1, 2)}
"""Over which axes of a convolution's kernel the weights of one unit lie."""


def build_model(recipe: Recipe) -> Any:
    """The Keras model: 784 inputs in [0, 1], the recipe's layers, softmax over 10 classes; `initialize` it.

    Whatever is random in it has a seed generator of its own, so that nothing draws from Python's global `random`; each
    starts from another seed, so that no kernels are equal, from which an optimizer's variables could not be told apart.
    """
    keras = importlib.import_module("keras")
    seeds, (*layers, _) = count(), recipe.layers
    last = max(i for i, layer in enumerate(layers) if layer.name in _WEIGHTED)
    inner = "mixed_bfloat16" if recipe.precision == "mixed_bfloat16" else "float32"
    made = [keras.Input((N_PIXELS,))]
    if recipe.network:
        made.append(keras.layers.Reshape(IMAGE))
    for i, layer in enumerate(layers):
        name = _OUTPUT if i == last else f"hidden_{i + 1}"
        made.append(_keras_layer(layer, seeds, name=name, dtype="float32" if i >= last else inner))
    if last == len(layers) - 1 and layers[last]["activation"] == "linear":
        made[-1].activation = keras.activations.softmax
    else:
        made.append(keras.layers.Softmax(dtype="float32"))
    return keras.Sequential(made)


_WEIGHTED = ("Dense", "Conv2D", "SeparableConv2D", "DepthwiseConv2D")


def _keras_layer(layer: Named, seeds: Iterator[int], **others: Any) -> Any:
    """A layer of Keras; what is random in it starts from the next seeds."""
    keras = importlib.import_module("keras")
    arguments: dict[str, Any] = dict(layer.settings)
    if layer.name in _WEIGHTED:
        initializer, l2, norm = (arguments.pop(name) for name in ("initializer", "l2", "max_norm"))
        for part in {"SeparableConv2D": ("depthwise", "pointwise"), "DepthwiseConv2D": ("depthwise",)}.get(
            layer.name, ("kernel",)
        ):
            axes = 0 if layer.name == "Dense" else _IMAGE_AXES[part]
            arguments |= {
                f"{part}_initializer": _initializer(initializer, keras.random.SeedGenerator(next(seeds))),
                f"{part}_regularizer": keras.regularizers.L2(l2) if l2 else None,
                f"{part}_constraint": keras.constraints.MaxNorm(norm, axis=axes) if norm else None,
            }
    elif layer.name in {"Dropout", "SpatialDropout2D"}:
        arguments["seed"] = next(seeds)
    return getattr(keras.layers, layer.name)(**arguments, **others)


def _initializer(name: str, seed: Any) -> Any:
    keras = importlib.import_module("keras")
    return type(keras.initializers.get({"class_name": name, "config": {"seed": 0}}))(seed=seed)


def for_training(recipe: Recipe, model: Any) -> Any:
    """The same layers without the softmax, since losses take logits; the recipe's augmentation stands before them."""
    keras = importlib.import_module("keras")
    *layers, last = model.layers
    if isinstance(last, keras.layers.Softmax):
        last = None
    else:
        last.activation = keras.activations.linear
    if last and not recipe.augment:
        return model
    augmented = [augmentation(recipe.augment, 0)] if recipe.augment else []
    return keras.Sequential([keras.Input((N_PIXELS,)), *augmented, *layers, *([last] if last else [])])


def initializer_seeds(model: Any, seed: int) -> list[int]:
    """The seeds that the model's random initializers get, in the order of its layers.

    With them it has the weights that anyone gets who calls keras.utils.set_random_seed(seed) and builds it: Keras draws
    these seeds from Python's global `random`.
    """
    chance, seeds = random.Random(seed), list[int]()  # noqa: S311  nothing secret
    for layer in model.layers:
        if layer.name == AUGMENTATION:
            continue
        seeds += [
            chance.randint(1, int(1e9)) for _, initializer in _initializers(layer) if hasattr(initializer, "seed")
        ]
        for _ in _generators(layer):
            chance.randint(1, int(1e9))  # a random layer draws one too, which a training has no use for
    return seeds


def initialize(model: Any, seeds: Any) -> None:
    """Give a model its first weights and moving averages; can be compiled.

    Args:
        seeds: those of `initializer_seeds`, also as a list of tensors.
    """
    following = iter(seeds)
    for layer in model.layers:
        for weight, initializer in _initializers(layer):
            if hasattr(initializer, "seed"):
                initializer.seed.state.assign([next(following), 0])
            weight.assign(initializer(weight.shape, weight.dtype))


def _initializers(layer: Any) -> list[tuple[Any, Any]]:
    """Each of a layer's weights and moving averages with its initializer."""
    names = [f"{weight.name.removesuffix('_kernel')}_initializer" for weight in layer.weights]
    return [
        (weight, getattr(layer, name) if hasattr(layer, name) else layer.depthwise_initializer)
        for weight, name in zip(layer.weights, names, strict=True)
    ]


def _generators(layer: Any) -> list[Any]:
    """The states of a layer's seed generators."""
    return [variable for variable in layer.variables if variable.name == "seed_generator_state"]


def seed_generators(model: Any) -> dict[tuple[int, int], Any]:
    """The states of its random layers' seed generators, integers (2,), by the layer's index and by their own in it."""
    return {(i, j): state for i, layer in enumerate(model.layers) for j, state in enumerate(_generators(layer))}


def build_optimizer(recipe: Recipe, learning_rate: float, variables: list[Any]) -> Any:
    """The Keras optimizer in its first state for these variables."""
    keras = importlib.import_module("keras")
    name = recipe.optimizer
    config: dict[str, Any] = {**OPTIMIZER_SETTINGS[name], **dict(recipe.optimizer_settings)}
    config |= {"learning_rate": learning_rate, "global_clipnorm": recipe.clip_norm}
    if recipe.weight_decay or own_weight_decay(name):
        config["weight_decay"] = recipe.weight_decay
    if recipe.ema is not None:
        config |= {"use_ema": True, "ema_momentum": recipe.ema}
    if name == "sgd":
        config["momentum"] = recipe.momentum
    if name == "muon":  # not for the output layer, says https://keras.io/api/optimizers/muon/
        config |= {"exclude_layers": [_OUTPUT], "adam_weight_decay": recipe.weight_decay}
    optimizer = keras.optimizers.get({"class_name": name, "config": config})
    optimizer.exclude_from_weight_decay([v for v in variables if not v.name.endswith("kernel")])
    optimizer.build(variables)
    return optimizer


def weight_averages(optimizer: Any) -> list[Any]:
    """The optimizer's moving averages of the weights that it was built for, in their order; none without `ema`."""
    return [variable for variable in optimizer.variables if variable.name.endswith("_average")]


def optimizer_starts(optimizer: Any, weights: list[Any]) -> list[Any]:
    """What a new optimizer's variables start from: the weight that one equals, as it is then; otherwise its value.

    Args:
        weights: those that it was built for, no two kernels equal.
    """
    import numpy as np

    values = [np.asarray(variable.value) for variable in optimizer.variables]
    return [next((w for w in weights if np.array_equal(value, w.value)), value) for value in values]


def trained_losses(recipe: Recipe, losses: Any, logits: Any, penalties: list[Any]) -> Any:
    """What each image adds to the loss that is minimised, (n,).

    That is its cross-entropy, or that of its smoothed label, and what the weights cost by themselves:
    https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class

    Args:
        losses: (n,) the cross-entropies.
        logits: (n, 10).
        penalties: scalars, one for each kernel with an L2 penalty.
    """
    part, ops = recipe.label_smoothing, importlib.import_module("keras").ops
    if part:
        losses = (1 - part) * losses + part * (ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1))
    return losses + sum(penalties) if penalties else losses
