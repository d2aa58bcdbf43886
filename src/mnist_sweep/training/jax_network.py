"""A shape's model and optimizer as functions on JAX: from the state of one member to its next state."""

from __future__ import annotations

import copy
import importlib
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mnist_sweep.recipe import N_CLASSES, N_PIXELS, CompileKey
from mnist_sweep.training.jax_runtime import jax

Build = Callable[[CompileKey, int], Any]
"""Makes the keras.Sequential of a shape, its last layer a softmax, with weights drawn from a seed."""


def build_model(shape: CompileKey, seed: int) -> Any:
    """The Keras model: 784 inputs in [0, 1], dense hidden layers, softmax over 10 classes."""
    keras = importlib.import_module("keras")
    inner = "mixed_bfloat16" if shape.precision == "mixed_bfloat16" else "float32"
    hidden = [
        keras.layers.Dense(width, activation=func, dtype=inner, name=f"hidden_{i}")
        for i, (width, func) in enumerate(zip(shape.hidden_widths, shape.hidden_funcs, strict=True), 1)
    ]
    output = keras.layers.Dense(N_CLASSES, activation="softmax", dtype="float32", name="output")
    for layer, drawn in zip((*hidden, output), initial_seeds(seed), strict=False):
        layer.kernel_initializer.seed = drawn
    return keras.Sequential([keras.Input((N_PIXELS,)), *hidden, output])


def initial_seeds(seed: int) -> Iterator[int]:
    """The seeds of a model's initializers in the order of its layers: what Keras draws after set_random_seed(seed)."""
    drawn = random.Random(seed)  # noqa: S311  Keras's own generator
    while True:
        yield drawn.randint(1, int(1e9))


def build_optimizer(shape: CompileKey, variables: list[Any]) -> Any:
    """The Keras optimizer in its first state for these variables."""
    config: dict[str, Any] = {"learning_rate": 0.001}  # each step writes its own
    if shape.optimizer == "sgd":
        config["momentum"] = shape.momentum
    if shape.optimizer == "muon":  # not for the output layer, says https://keras.io/api/optimizers/muon/
        config["exclude_layers"] = ["output"]
    optimizer = importlib.import_module("keras").optimizers.get({"class_name": shape.optimizer, "config": config})
    optimizer.build(variables)
    return optimizer


class State(NamedTuple):
    """Every variable of a member, or of a stack with a leading axis of members, as arrays."""

    trainable: list[Any]
    other: list[Any]
    optimizer: list[Any]


class Network:
    """A shape's model and optimizer, of which only the structure is used: all values lie in a State."""

    def __init__(self, shape: CompileKey, build: Build) -> None:
        import numpy as np

        self._model = build(shape, 0)
        self._model.layers[-1].activation = importlib.import_module("keras").activations.linear  # losses take logits
        self._optimizer = build_optimizer(shape, self._model.trainable_variables)
        kinds = (self._model.trainable_variables, self._model.non_trainable_variables, self._optimizer.variables)
        self.first = State(*([np.asarray(variable.value) for variable in kind] for kind in kinds))
        places = {id(variable): (kind, i) for kind in (0, 1) for i, variable in enumerate(kinds[kind])}
        self._kept = [places[id(weight)] for weight in self._model.weights]
        self._generators = [i for i, variable in enumerate(kinds[1]) if variable.name == "seed_generator_state"]
        self._rate = next(i for i, variable in enumerate(kinds[2]) if variable is self._optimizer._learning_rate)  # noqa: SLF001
        self._initializers: dict[int, Any] = {
            places[id(weight)][1]: initializer
            for layer in self._model.layers
            for weight in layer.trainable_weights
            if hasattr(initializer := getattr(layer, f"{weight.name}_initializer", None), "seed")
        }
        # Some optimizers start from the weights: such a slot equals the drawn weight beside it.
        self._followers = {
            i: j
            for i, slot in enumerate(self.first.optimizer)
            for j in self._initializers
            if np.array_equal(slot, self.first.trainable[j])
        }

    def fresh(self, seed: int) -> State:
        """The state at the beginning of a training: weights drawn from `seed`, everything else as new."""
        trainable, optimizer = list(self.first.trainable), list(self.first.optimizer)
        for drawn, (i, initializer) in zip(initial_seeds(seed), self._initializers.items(), strict=False):
            seeded = copy.copy(initializer)
            seeded.seed = drawn
            trainable[i] = seeded(trainable[i].shape, trainable[i].dtype.name)
        for i, j in self._followers.items():
            optimizer[i] = trainable[j]
        return State(trainable, list(self.first.other), optimizer)

    def kept(self, state: State) -> list[Any]:
        """Weights and moving averages of a member, as Keras's `set_weights` takes them."""
        return [state[kind][i] for kind, i in self._kept]

    def restored(self, state: State, kept: list[Any]) -> State:
        """A member's state with what `kept` gave."""
        kinds = list(state.trainable), list(state.other)
        for (kind, i), value in zip(self._kept, kept, strict=True):
            kinds[kind][i] = value
        return State(*kinds, state.optimizer)

    def step(self, state: State, x: Any, y: Any, rate: Any, key: Any) -> tuple[State, tuple[Any, Any]]:
        """A member's step on a batch; the sum of the losses there, and how many answers were right.

        Args:
            x: float32 (images, 784) in [0, 1].
            y: int32 (images,).
            rate: float32 scalar, the learning rate.
            key: uint32 (2,), from which the random layers draw.
        """
        other, optimizer = list(state.other), list(state.optimizer)
        for number, i in enumerate(self._generators):
            other[i] = jax().random.fold_in(key, number)
        optimizer[self._rate] = rate

        def loss(trainable: list[Any]) -> tuple[Any, tuple[Any, ...]]:
            logits, after = self._model.stateless_call(trainable, other, x, training=True)
            losses = _losses(y, logits)
            return losses.mean(), (after, losses.sum(), (logits.argmax(-1) == y).sum())

        (_, (after, *sums)), gradients = jax().value_and_grad(loss, has_aux=True)(state.trainable)
        trainable, optimizer = self._optimizer.stateless_apply(optimizer, gradients, state.trainable)
        return State(trainable, after, optimizer), tuple(sums)

    def evaluate(self, state: State, x: Any, y: Any) -> tuple[Any, Any]:
        """A member's loss on each of some images, and their predicted classes as uint8."""
        logits, _ = self._model.stateless_call(state.trainable, state.other, x, training=False)
        return _losses(y, logits), logits.argmax(-1).astype("uint8")


def _losses(y: Any, logits: Any) -> Any:
    losses = importlib.import_module("keras").losses
    return losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
