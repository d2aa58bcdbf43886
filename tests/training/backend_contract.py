"""What every backend must keep; test_backends.py runs it in a process of its own for each, since one has one Keras.

The class comes as MODULE:NAME in the variable MNIST_SWEEP_BACKEND.
"""

from __future__ import annotations

import importlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_recipe
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.recipe import CompileKey, Recipe, Seeds
from mnist_sweep.training.program import Backend, Program

_SEEDS = Seeds(weights=7, split=100, order=9)
_N, _SIZE = 150, 50  # images of an epoch and of a batch
_N_PARTIAL = 130  # two whole batches and a partial one
_STEPS = 3
_N_MEMBERS = 4 if "jax" in os.environ["MNIST_SWEEP_BACKEND"] else 1  # on TensorFlow a program has one


def _shape(
    optimizer: str = "adam", n_training: int = _N, batch_size: int = _SIZE, widths: tuple[int, ...] = (12,)
) -> CompileKey:
    funcs = ("relu",) * len(widths)
    fraction = 1 - n_training / 60_000
    values = {"batch_size": batch_size, "optimizer": optimizer, "validation_fraction": fraction}
    return CompileKey(a_recipe(hidden_widths=widths, hidden_funcs=funcs, **values))


@pytest.fixture(scope="module")
def make(mnist: Mnist) -> Any:
    """Makes a backend; a test that has other models needs one that has not compiled its shape."""
    module, _, name = os.environ["MNIST_SWEEP_BACKEND"].partition(":")
    backend = getattr(importlib.import_module(module), name)
    backend(mnist)  # sets Keras up before a test imports it
    return lambda: backend(mnist)


@pytest.fixture(scope="module")
def backend(make: Any) -> Backend:
    made: Backend = make()
    return made


def _order(n: int = _N) -> npt.NDArray[np.int32]:
    return np.random.default_rng(1).permutation(60_000)[np.newaxis, :n].astype(np.int32)


def _rates(*rates: float) -> npt.NDArray[np.float32]:
    return np.array([rates], np.float32)


def _epochs(program: Program, n: int, seeds: Seeds = _SEEDS) -> list[tuple[float, int]]:
    program.reset(0, seeds)
    return [program.train(_order(), _rates(*[0.01] * _STEPS), [epoch])[0] for epoch in range(1, n + 1)]


def _equal(first: list[Any], second: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adamw", "schedulefreeadamw"])
def test_a_training_is_the_same_whatever_came_before(backend: Backend, optimizer: str) -> None:
    """Weights and optimizer begin anew."""
    program = backend.program(_shape(optimizer), 1)
    first, kept = _epochs(program, 2), program.kept(0)
    assert first != _epochs(program, 2, Seeds(8, 100, 9))
    assert first == _epochs(program, 2)
    assert _equal(kept, program.kept(0))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adamw"])
def test_each_step_has_its_own_rate(backend: Backend, optimizer: str) -> None:
    """A step with a rate of 0 moves nothing, and one with a rate moves, wherever it is in the epoch."""
    program = backend.program(_shape(optimizer), 1)
    ends = []
    for rates in ((0, 0, 0), (0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.01)):
        program.reset(0, _SEEDS)
        start = program.kept(0)
        program.train(_order(), _rates(*rates), [1])
        ends.append(program.kept(0))
    assert _equal(start, ends[0])
    assert not any(_equal(a, b) for i, a in enumerate(ends) for b in ends[:i])


def test_losses_of_training_and_evaluation_agree(backend: Backend, mnist: Mnist) -> None:
    """Where no step moves the weights, an epoch's loss and right answers are those of evaluating its images."""
    program, order = backend.program(_shape(n_training=_N_PARTIAL), 1), _order(_N_PARTIAL)
    program.reset(0, _SEEDS)
    ((loss, n_correct),) = program.train(order, _rates(0, 0, 0), [1])
    (evaluation,) = program.validate(order)
    assert pytest.approx(evaluation.loss, abs=1e-6) == loss
    assert n_correct == (evaluation.predicted == mnist.y_train[order[0]]).sum()
    assert (10_000,) == program.test(0).predicted.shape


def test_kept_weights_can_be_put_back(backend: Backend) -> None:
    """What was kept is a copy, and evaluates as it did."""
    program = backend.program(_shape(), 1)
    _epochs(program, 1)
    kept, before = program.kept(0), program.test(0)
    program.train(_order(), _rates(*[0.01] * _STEPS), [2])
    assert program.test(0).loss != before.loss
    program.restore(0, kept)
    assert program.test(0).loss == before.loss


def test_compiled_once(backend: Backend) -> None:
    """A shape at hand is not compiled again."""
    backend.program(_shape(), 1)
    before = backend.n_compiled
    new = _shape("sgd", n_training=_N - _SIZE)
    assert [0, 1, 1, 1] == [
        (backend.program(shape, 1), backend.n_compiled - before)[1] for shape in (_shape(), new, new, _shape())
    ]


def _classic(seed: int) -> list[Any]:
    """The weights of a model that anyone builds."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(20, "relu"), layers.Dense(30, "relu"), layers.Dense(10)]
    )
    return [np.asarray(weight.value) for weight in model.weights]  # get_weights warns of NumPy 2 on JAX


@pytest.fixture
def busy() -> Iterator[None]:
    """A thread that draws from Python's global random all the time."""
    ended = threading.Event()

    def draw() -> None:
        while not ended.is_set():
            random.random()  # noqa: S311

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.parametrize("seed", [0, 77, 2**31 - 1])
def test_first_weights_are_those_of_the_classic_model(
    backend: Backend, seed: int, request: pytest.FixtureRequest
) -> None:
    """They are what anyone gets by set_random_seed and building, whatever else draws from the global random."""
    expected = _classic(seed)
    program = backend.program(_shape("sgd", widths=(20, 30)), 1)
    request.getfixturevalue("busy")
    for _ in range(5):
        program.reset(0, Seeds(seed, 1, 1))
        assert _equal(expected, program.kept(0))


def test_the_global_random_is_left_alone(make: Any) -> None:
    """Making a program, and training with it, draws nothing from it."""
    random.seed(5)
    state = random.getstate()
    _epochs(make().program(_shape("nadam"), 1), 1)
    assert state == random.getstate()


def test_a_member_that_begins_late_trains_as_it_does_alone(rich: Program, make_rich: Any) -> None:
    """Its epochs have numbers of their own, whatever those of its company: the same losses, masks and weights."""
    n, late = _N_MEMBERS, Seeds(3, 100, 4)
    alone, weights = _epochs(rich, 2, late), rich.kept(0)
    program = make_rich(n)
    for i in range(n):
        program.reset(i, Seeds(10 + i, 100, 20 + i))
    orders, rates = np.repeat(_order(), n, axis=0), np.full((n, _STEPS), 0.01, np.float32)
    program.train(orders, rates, [1] * n)
    program.reset(n - 1, late)
    told = [program.train(orders, rates, [*[epoch + 1] * (n - 1), epoch])[n - 1] for epoch in (1, 2)]
    assert [pytest.approx(loss, abs=1e-5) for loss, _ in alone] == [loss for loss, _ in told]
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(weights, program.kept(n - 1), strict=True))


def _of(build: Callable[[Recipe], Any], backend: Backend, shape: CompileKey, n_members: int) -> Program:
    """The backend's program of a shape with another model than ours."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(f"{backend.__module__}.build_model", build)
        return backend.program(shape, n_members)


def _recording(keras: Any) -> Any:
    """A layer that keeps the last batch that it saw in training as state that is no weight."""

    class Record(keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.seen_initializer = keras.initializers.Zeros()
            self.seen = self.add_weight(name="seen", shape=(_SIZE, shape[-1]), initializer="zeros", trainable=False)

        def call(self, x: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  as Keras calls it
            if training:
                self.seen.assign(x)
            return x

    return Record()


def _dense(keras: Any, width: int) -> Any:
    kernels = keras.initializers.GlorotUniform(keras.random.SeedGenerator(0))
    return keras.layers.Dense(width, kernel_initializer=kernels)


@pytest.fixture(scope="module")
def masks(make: Any) -> Any:
    """Trains epochs of some steps with these seeds; the masks that both dropout layers drew in the last step."""
    keras = importlib.import_module("keras")

    def build(_recipe: Recipe) -> Any:
        ones = keras.layers.Rescaling(0.0, 1.0)
        drop = [keras.layers.Dropout(0.5, seed=0) for _ in range(2)]
        records = [_recording(keras) for _ in drop]
        parts = [ones, drop[0], records[0], keras.layers.Rescaling(0.0, 1.0), drop[1], records[1]]
        return keras.Sequential([keras.Input((784,)), *parts, _dense(keras, 10)])

    fresh = make()

    def draw(seeds: Seeds = _SEEDS, epochs: tuple[int, ...] = (1,), n_steps: int = 1) -> list[npt.NDArray[Any]]:
        program = _of(build, fresh, _shape("sgd", n_steps * _SIZE), 1)
        program.reset(0, seeds)
        for epoch in epochs:
            program.train(_order(n_steps * _SIZE), _rates(*[0.01] * n_steps), [epoch])
        return [values for values in program.kept(0) if values.shape == (_SIZE, 784)]

    return draw


def test_no_two_draws_are_alike(masks: Any) -> None:
    """Layers, steps, epochs, weights seeds and order seeds all have masks of their own; half of each is dropped."""
    others = (masks(Seeds(8, 100, 9)), masks(Seeds(7, 100, 10)), masks(epochs=(2,)), masks(n_steps=2))
    drawn = [mask for pair in (masks(), *others) for mask in pair]
    assert 10 == len(drawn)
    assert all(abs(mask.mean() - 1) < 0.05 for mask in drawn)
    same = [np.mean((a > 0) == (b > 0)) for i, a in enumerate(drawn) for b in drawn[:i]]
    assert all(abs(part - 0.5) < 0.02 for part in same)


def test_draws_follow_from_seeds_epoch_and_step_alone(masks: Any) -> None:
    """After other trainings, and without the epochs before, an epoch draws the same; the split does not matter."""
    first = masks(epochs=(1, 2))
    masks(Seeds(8, 100, 9), epochs=(1, 2, 3))
    assert _equal(first, masks(epochs=(2,)))
    assert _equal(first, masks(Seeds(7, 1, 9), epochs=(2,)))


@pytest.fixture(scope="module")
def make_rich(make: Any) -> Any:
    """The program of a small net with BatchNormalization and Dropout, for so many members."""
    keras, backend = importlib.import_module("keras"), make()

    def build(_recipe: Recipe) -> Any:
        layers = keras.layers
        hidden = [_dense(keras, 12), layers.BatchNormalization(momentum=0.5), layers.Dropout(0.2, seed=0)]
        return keras.Sequential([keras.Input((784,)), *hidden, _dense(keras, 10)])

    return lambda n: _of(build, backend, _shape(), n)


@pytest.fixture
def rich(make_rich: Any) -> Program:
    """Such a program of one member."""
    program: Program = make_rich(1)
    return program


def test_moving_averages_begin_anew_and_are_kept(rich: Program) -> None:
    """A net with BatchNormalization and Dropout trains the same twice, and is restored with its moving averages."""
    first = _epochs(rich, 2)
    kept, before = rich.kept(0), rich.test(0).loss
    assert before == rich.test(0).loss
    assert first != _epochs(rich, 2, Seeds(7, 100, 10))
    rich.restore(0, kept)
    assert before == rich.test(0).loss
    rich.reset(0, _SEEDS)
    vectors = [weight for weight in rich.kept(0) if weight.shape == (12,)]
    assert [0, 0, 0, 1, 1] == sorted(int(value) for (value,) in map(set, vectors))  # bias, β, mean; γ, variance
    assert first == _epochs(rich, 2)
    assert _equal(kept, rich.kept(0))
