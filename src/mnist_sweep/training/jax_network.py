"""A shape's model and optimizer as functions on JAX: from the state of one member to its next state."""

import importlib
from typing import Any, NamedTuple

from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.training.jax_runtime import jax
from mnist_sweep.training.model import (
    build_optimizer,
    initialize,
    initializer_seeds,
    optimizer_starts,
    seed_generators,
    trained_losses,
)


class State(NamedTuple):
    """Every variable of a member, or of a stack with a leading axis of members, as arrays."""

    trainable: list[Any]
    other: list[Any]
    optimizer: list[Any]


class Network:
    """A shape's model and optimizer, of which only the structure is used: all values lie in a State.

    Args:
        model: with a softmax at its end, and no two kernels equal.
    """

    def __init__(self, recipe: Recipe, model: Any) -> None:
        self._recipe, self._model = recipe, model
        self._model.layers[-1].activation = importlib.import_module("keras").activations.linear  # losses take logits
        self._optimizer = build_optimizer(recipe, 0.001, model.trainable_variables)  # each step writes its own rate
        self._kinds = (model.trainable_variables, model.non_trainable_variables, self._optimizer.variables)
        self._starts = optimizer_starts(self._optimizer, model.trainable_variables)
        places = {id(variable): (kind, i) for kind in (0, 1) for i, variable in enumerate(self._kinds[kind])}
        self._kept = [places[id(weight)] for weight in model.weights]
        generators = seed_generators(model)
        self.generators = list(generators)
        self._generators = [places[id(state)][1] for state in generators.values()]
        self._rate = next(i for i, v in enumerate(self._kinds[2]) if v is self._optimizer._learning_rate)  # noqa: SLF001

    def fresh(self, seed: int) -> State:
        """The state at the beginning of a training: weights drawn from `seed`, everything else as new."""
        initialize(self._model, initializer_seeds(self._model, seed))
        trainable, other = ([variable.value for variable in kind] for kind in self._kinds[:2])
        return State(trainable, other, [getattr(start, "value", start) for start in self._starts])

    def kept(self, state: State) -> list[Any]:
        """Weights and moving averages of a member, as Keras's `set_weights` takes them."""
        return [state[kind][i] for kind, i in self._kept]

    def restored(self, state: State, kept: list[Any]) -> State:
        """A member's state with what `kept` gave."""
        kinds = list(state.trainable), list(state.other)
        for (kind, i), value in zip(self._kept, kept, strict=True):
            kinds[kind][i] = value
        return State(*kinds, state.optimizer)

    def step(self, state: State, x: Any, y: Any, rate: Any, seeds: Any) -> tuple[State, tuple[Any, Any]]:
        """A member's step on a batch; the sum of the losses there, and how many answers were right.

        Args:
            x: float32 (images, 784) in [0, 1].
            y: int32 (images,).
            rate: float32 scalar, the learning rate.
            seeds: uint32 (generators, 2), from which the random layers draw.
        """
        other, optimizer = list(state.other), list(state.optimizer)
        for i, seed in zip(self._generators, seeds, strict=True):
            other[i] = seed
        optimizer[self._rate] = rate

        def loss(trainable: list[Any]) -> tuple[Any, tuple[Any, ...]]:
            logits, after = self._model.stateless_call(trainable, other, x, training=True)
            losses = _losses(y, logits)
            return trained_losses(self._recipe, losses, logits).mean(), (
                after,
                losses.sum(),
                (logits.argmax(-1) == y).sum(),
            )

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
