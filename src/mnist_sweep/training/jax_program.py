"""Compiled epochs on JAX: one program trains a stack of models of a shape side by side.

Each member of a stack has weights, optimizer, learning rates, order of images and random layers of its own. vmap keeps
them apart, so that nothing of a member depends on its company but the rounding of its sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import CompileKey, Seeds
from mnist_sweep.training import jax_runtime
from mnist_sweep.training.jax_network import Network, State
from mnist_sweep.training.jax_runtime import jax
from mnist_sweep.training.model import build_model
from mnist_sweep.training.program import MAX_STACK, Evaluation, keep_last, layer_seeds
from mnist_sweep.training.runtime import execution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnist_sweep.mnist.images import Mnist

_N_EVALUATED = 500
"""Images on which each member is evaluated at a time."""
_NOBODY = -1
"""The index of no image, which fills the last part up."""
_NO_SEEDS = Seeds(0, 0, 0)
"""Those of a place that no training has taken yet."""


def stack_size(shape: CompileKey, n_training: int, memory_bytes: int) -> int:
    """How many members fill half of a device's memory: a power of two, at most 1,024.

    A member takes room for its weights, gradients and the optimizer's slots, before and after a step; and for each
    image at hand, for what every layer gets, gives and keeps for the gradient.
    """
    recipe = shape.recipe
    n_images = max(recipe.batch_size, _N_EVALUATED)
    member_bytes = 4 * (8 * recipe.n_parameters + 3 * recipe.n_values * n_images + n_training)
    n_fitting = memory_bytes // 2 // member_bytes
    return min(MAX_STACK, 1 << max(n_fitting.bit_length() - 1, 0))


class _Images(NamedTuple):
    """Images on the device, with their labels."""

    x: Any  # uint8 (n, 784)
    y: Any  # int32 (n,)

    def batch(self, indices: Any) -> tuple[Any, Any]:
        """Some images as float32 in [0, 1], and their labels."""
        return self.x[indices].astype("float32") / 255.0, self.y[indices]


class JaxProgram:
    """A shape's stack and its compiled epochs."""

    def __init__(self, shape: CompileKey, training: _Images, test: _Images) -> None:
        jit, tree, zeros = jax().jit, jax().tree, jax().numpy.zeros
        self._shape, self._training, self._test = shape, training, test
        self._network = Network(shape.recipe, build_model(shape.recipe))
        self._stack: State | None = None
        self._seeds: list[Seeds] = []
        self._epochs: dict[int, Any] = {}
        self._largest = MAX_STACK
        first = self._network.fresh(0)
        self._empty = jit(
            lambda n: tree.map(lambda value: zeros((n, *value.shape), value.dtype), first), static_argnums=0
        )
        self._take = jit(lambda stack, i: tree.map(lambda values: values[i], stack))
        self._first = jit(lambda stack, n: tree.map(lambda values: values[:n], stack), static_argnums=1)
        self._put = jit(lambda stack, i, one: tree.map(lambda a, b: a.at[i].set(b), stack, one), donate_argnums=0)
        self._evaluate = jit(self._evaluate_on)

    @property
    def n_members(self) -> int:
        """How many members it holds: as many as were asked for, filled up to a power of two, or what memory allows."""
        return len(self._seeds)

    def resize(self, n_members: int) -> bool:
        """Hold this many members; true when something was compiled for that.

        When they become fewer, the first ones go on; more must all be reset.
        """
        size = min(1 << (n_members - 1).bit_length(), self._largest)
        shrinks = size <= self.n_members and self._stack is not None
        try:
            with self._memory(size):
                if not shrinks:
                    self._stack, self._seeds = None, [_NO_SEEDS] * size  # the old stack makes room first
                    self._stack = self._empty(size)
                elif size < self.n_members:
                    self._stack, self._seeds = self._first(self._stack, size), self._seeds[:size]
                return self._prepare(size)
        except MemoryError:
            if shrinks or size == 1:
                raise
            return self.resize(n_members)

    def reset(self, member: int, seeds: Seeds) -> None:
        self._seeds[member] = seeds
        self._stack = self._put(self._stack, member, self._network.fresh(seeds.weights))

    def train(
        self, orders: npt.NDArray[np.int32], rates: npt.NDArray[np.float32], epochs: list[int]
    ) -> list[tuple[float, int]]:
        import numpy as np

        n_steps, generators = rates.shape[1], self._network.generators
        of_members = zip(self._seeds, epochs, strict=False)  # there may be more places than members
        drawn = np.stack([layer_seeds(*one, n_steps, generators) for one in of_members]).astype(np.uint32)
        with self._memory(self.n_members):
            inputs = self._training, self._filled(orders), self._filled(rates), self._filled(drawn)
            self._stack, sums = self._epochs[self.n_members](self._stack, *inputs)
            losses, n_correct = jax().device_get(sums)
        means = losses.sum(0, np.float64) / orders.shape[1]
        return list(zip(means.tolist(), n_correct.sum(0).tolist(), strict=True))[: len(orders)]

    def validate(self, indices: npt.NDArray[np.int32]) -> list[Evaluation]:
        return self._evaluations(self._stack, self._training, self._filled(indices))[: len(indices)]

    def test(self, member: int) -> Evaluation:
        import numpy as np

        alone = self._take(self._stack, np.array([member]))  # so that equal weights give equal bits in any company
        return self._evaluations(alone, self._test, np.arange(len(self._test.y), dtype=np.int32)[np.newaxis])[0]

    def kept(self, member: int) -> list[npt.NDArray[Any]]:
        kept: list[npt.NDArray[Any]] = jax().device_get(self._network.kept(self._take(self._stack, member)))
        return kept

    def restore(self, member: int, kept: list[npt.NDArray[Any]]) -> None:
        state = self._network.restored(self._take(self._stack, member), kept)
        self._stack = self._put(self._stack, member, state)

    def move(self, source: int, target: int) -> None:
        self._seeds[target] = self._seeds[source]
        self._stack = self._put(self._stack, target, self._take(self._stack, source))

    def _prepare(self, size: int) -> bool:
        """Compile what a stack of this size needs, unless that was done; true when something was compiled."""
        import numpy as np

        if size in self._epochs:
            return False
        recipe, n_images = self._shape.recipe, len(self._training.y)
        n_training = recipe.n_training(n_images)
        orders = np.zeros((size, n_training), np.int32)
        rates = np.zeros((size, -(-n_training // recipe.batch_size)), np.float32)
        seeds = np.zeros((*rates.shape, len(self._network.generators), 2), np.uint32)
        train = jax().jit(self._train_on, donate_argnums=0)
        with self._precision():
            self._epochs[size] = train.lower(self._stack, self._training, orders, rates, seeds).compile()
        self._evaluations(self._stack, self._training, np.zeros((size, recipe.n_validation(n_images)), np.int32))
        return True

    def _filled(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One row for each place: those behind the members train on what the first one trains on, and nobody looks."""
        import numpy as np

        return np.concatenate([rows, np.repeat(rows[:1], self.n_members - len(rows), axis=0)])

    def _train_on(self, stack: State, images: _Images, orders: Any, rates: Any, seeds: Any) -> tuple[State, Any]:
        """The stack after an epoch; sums of losses and numbers of right answers, each (steps, members)."""
        numpy, size = jax().numpy, self._shape.recipe.batch_size
        n_members, n_images = orders.shape

        def one(member: State, chosen: Any, rate: Any, seeds: Any) -> tuple[State, Any]:
            return self._network.step(member, *images.batch(chosen), rate, seeds)

        def together(stack: State, given: tuple[Any, Any, Any]) -> tuple[State, Any]:
            after: tuple[State, Any] = jax().vmap(one)(stack, *given)
            return after

        n_whole, n_left_over = divmod(n_images, size)
        batches = orders[:, : n_whole * size].reshape(n_members, n_whole, size).swapaxes(0, 1)
        given = batches, rates[:, :n_whole].swapaxes(0, 1), seeds[:, :n_whole].swapaxes(0, 1)
        stack, sums = jax().lax.scan(together, stack, given)
        if n_left_over:
            stack, last = together(stack, (orders[:, n_whole * size :], rates[:, n_whole], seeds[:, n_whole]))
            sums = jax().tree.map(lambda values, value: numpy.concatenate([values, value[None]]), sums, last)
        return stack, sums

    def _evaluate_on(self, stack: State, images: _Images, indices: Any) -> tuple[Any, Any]:
        """Sums of losses (parts, members) and predicted classes (parts, members, images of a part)."""
        numpy = jax().numpy
        n_members, n_images = indices.shape
        n_missing = -n_images % _N_EVALUATED
        parts = numpy.pad(indices, ((0, 0), (0, n_missing)), constant_values=_NOBODY)

        def one(member: State, chosen: Any) -> tuple[Any, Any]:
            losses, predicted = self._network.evaluate(member, *images.batch(chosen))
            return numpy.where(chosen == _NOBODY, 0, losses).sum(), predicted

        parts = parts.reshape(n_members, -1, _N_EVALUATED).swapaxes(0, 1)
        told: tuple[Any, Any] = jax().lax.map(lambda part: jax().vmap(one)(stack, part), parts)
        return told

    def _evaluations(self, stack: State | None, images: _Images, indices: npt.NDArray[np.int32]) -> list[Evaluation]:
        import numpy as np

        n_members, n_images = indices.shape
        with self._memory(self.n_members), self._precision():
            sums, predicted = jax().device_get(self._evaluate(stack, images, indices))
        means = sums.sum(0, np.float64) / n_images
        rows = predicted.swapaxes(0, 1).reshape(n_members, -1)[:, :n_images].astype(np.int32)
        return [Evaluation(loss, row) for loss, row in zip(means.tolist(), rows, strict=True)]

    def _precision(self) -> Any:
        return jax().default_matmul_precision(jax_runtime.matmul_precision(self._shape.recipe.precision))

    @contextmanager
    def _memory(self, size: int) -> Iterator[None]:
        """Memory that runs out is an error of Python's, and the next stack half as large, with no member reset."""
        try:
            yield
        except jax().errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            self._stack, self._largest = None, max(size // 2, 1)
            raise MemoryError(f"the device has no room for {counted(size, 'model')} of this shape at once") from error


class JaxBackend:
    """Makes programs on JAX, over images that lie on the device once."""

    def __init__(self, data: Mnist) -> None:
        self._training = _on_device(data.x_train, data.y_train)
        self._test = _on_device(data.x_test, data.y_test)
        self._by_shape: dict[CompileKey, JaxProgram] = {}
        self.n_compiled = 0

    def program(self, shape: CompileKey, n_members: int) -> JaxProgram:
        program = self._by_shape.pop(shape, None) or JaxProgram(shape, self._training, self._test)
        keep_last(self._by_shape, shape, program)
        self.n_compiled += program.resize(n_members)
        return program

    def stack_size(self, shape: CompileKey) -> int:
        device = jax_runtime.device()
        if device.platform == "cpu":  # where a stack is no faster
            return 1
        n_training = shape.recipe.n_training(len(self._training.y))
        return stack_size(shape, n_training, device.memory_stats()["bytes_limit"])

    def check(self) -> None:
        jax().device_get(jax().numpy.arange(8).sum())

    def execution(self) -> dict[str, Any]:
        device = jax_runtime.device()
        kind = "CPU" if device.platform == "cpu" else device.device_kind
        return execution(kind, "xla", "jax", "jaxlib", "keras", "numpy")


def _on_device(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> _Images:
    return _Images(jax().device_put(images), jax().device_put(labels.astype("int32")))
