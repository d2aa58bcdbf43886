"""Programs on JAX: what the contract of all backends does not say.

test_jax.py runs these tests in a process of their own, since a process has one Keras backend.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builders import a_trial
from mnist_sweep.journal.events import Finished
from mnist_sweep.plan.keras_names import OPTIMIZERS
from mnist_sweep.plan.recipe import Recipe, Seeds
from mnist_sweep.training import jax_program
from mnist_sweep.training.fingerprint import fingerprint
from mnist_sweep.training.jax_network import Network
from mnist_sweep.training.jax_program import JaxBackend, JaxProgram
from mnist_sweep.training.jax_runtime import jax
from mnist_sweep.training.model import build_model, build_optimizer, initialize, initializer_seeds
from mnist_sweep.training.trainer import Trainer
from reference import COMPARED, SETTINGS, SIZE, STEPS, a_shape, logits_of, small_net, some_images

jax()

_N = 400  # four steps
_DATA = some_images(600)
_shape = partial(a_shape, n_train=600, hidden_widths=(16,), hidden_funcs=("relu",))
_RICH = partial(small_net, normalised=True, dropout=0.2)
Weights = list[npt.NDArray[Any]]


@cache
def _rich() -> JaxBackend:
    return JaxBackend(_DATA)


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch) -> JaxBackend:
    """Trains the net with batch normalisation and dropout, as do backends that are made later in the test."""
    monkeypatch.setattr(jax_program, "build_model", _RICH)
    return _rich()


def _order(seeds: Seeds, epoch: int, n: int = _N) -> npt.NDArray[np.int32]:
    return np.random.default_rng([seeds.order, epoch]).permutation(600)[:n].astype(np.int32)


def _rate(seeds: Seeds) -> npt.NDArray[np.float32]:
    return np.linspace(0.002, 0.0005 * (1 + seeds.weights), 4, dtype=np.float32)


def _train(program: JaxProgram, members: list[Seeds], *epochs: int) -> list[tuple[float, int]]:
    """Train the first members; what the last epoch told."""
    told = []
    for epoch in epochs:
        orders = np.stack([_order(seeds, epoch) for seeds in members])
        told = program.train(orders, np.stack([_rate(seeds) for seeds in members]), [epoch] * len(members))
    return told


def _begin(program: JaxProgram, members: list[Seeds]) -> None:
    for i, seeds in enumerate(members):
        program.reset(i, seeds)


def _some(n: int) -> list[Seeds]:
    return [Seeds(weights=i, split=0, order=50 + i) for i in range(1, n + 1)]


def _distance(a: Weights, b: Weights) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))


def _equal(a: Weights, b: Weights) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _alone(backend: JaxBackend, seeds: Seeds, n_epochs: int) -> tuple[list[tuple[float, int]], Weights]:
    """The last epoch's loss and right answers, and the weights, of a lone training."""
    program = backend.program(_shape(_N), 1)
    program.reset(0, seeds)
    return _train(program, [seeds], *range(1, n_epochs + 1)), program.kept(0)


def _weights(model: Any) -> Weights:
    return [np.asarray(variable.value) for variable in model.weights]


@pytest.mark.parametrize("n", [1, 4])
def test_evaluations_are_those_of_keras(rich: JaxBackend, n: int) -> None:
    """Loss and predictions on given images, and on all test images, are those of a Keras model with what is kept."""
    members, rng = _some(n), np.random.default_rng(8)
    program = rich.program(_shape(_N), n)
    _begin(program, members)
    _train(program, members, 1)
    indices = np.stack([rng.permutation(600)[:170].astype(np.int32) for _ in members])
    model = _RICH(_shape(_N).recipe)
    for i, seen in enumerate(program.validate(indices)):
        model.set_weights(program.kept(i))
        x, y = _DATA.x_train[indices[i]], _DATA.y_train[indices[i]]
        for one, images, labels in ((seen, x, y), (program.test(i), _DATA.x_test, _DATA.y_test)):
            logits = logits_of(model, images).astype(np.float64)
            losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
            assert pytest.approx(losses.mean(), abs=1e-5) == one.loss
            assert np.array_equal(logits.argmax(1), one.predicted)


@pytest.mark.parametrize("n", [1, 4])
def test_what_is_kept_is_restored_and_nothing_else_remembered(rich: JaxBackend, n: int) -> None:
    """Kept weights and moving averages come back to the bit; a reset leaves nothing of the training before it."""
    members = _some(n)
    program = rich.program(_shape(_N), n)
    _begin(program, members)
    _train(program, members, 1)
    kept, seen = program.kept(n - 1), program.test(n - 1).loss
    assert not np.allclose(0, kept[3])  # a moving mean
    told = _train(program, members, 2)
    assert not _equal(kept, program.kept(n - 1))
    program.restore(n - 1, kept)
    assert _equal(kept, program.kept(n - 1))
    assert seen == program.test(n - 1).loss
    _begin(program, members)
    assert told == _train(program, members, 1, 2)


def test_a_stack_of_one_gives_the_same_bits_always(rich: JaxBackend) -> None:
    """In a new program and in one that trained other stacks before."""
    seeds = _some(2)[1]
    rich.program(_shape(_N), 4)
    told, weights = _alone(rich, seeds, 2)
    expected, expected_weights = _alone(JaxBackend(_DATA), seeds, 2)
    assert expected == told
    assert _equal(expected_weights, weights)


def test_nothing_but_rounding_comes_from_the_company(rich: JaxBackend) -> None:
    """Members of three in a stack filled up to four agree with their lone trainings, although the third diverges."""
    members = _some(3)
    lone = [_alone(rich, seeds, 1) for seeds in members[:2]]
    program = rich.program(_shape(_N), 3)
    assert 4 == program.n_members
    _begin(program, members)
    orders, rates = np.stack([_order(s, 1) for s in members]), np.stack([_rate(s) for s in members])
    rates[2] = np.nan
    told = program.train(orders, rates, [1] * len(members))
    assert np.isnan(told[2][0])
    for i, (((loss, _),), weights) in enumerate(lone):
        assert pytest.approx(loss, abs=1e-5) == told[i][0]
        assert _distance(weights, program.kept(i)) < 1e-4


def test_a_member_goes_on_in_the_place_of_another(rich: JaxBackend) -> None:
    """Moved to the front of a smaller stack, it ends as it does alone: optimizer, masks and averages went with it."""
    members = _some(4)
    program = rich.program(_shape(_N), 4)
    _begin(program, members)
    _train(program, members, 1)
    program.move(3, 0)
    program = rich.program(_shape(_N), 1)
    assert 1 == program.n_members
    told = _train(program, members[3:], 2)
    moved = program.kept(0)
    expected, weights = _alone(rich, members[3], 2)
    assert pytest.approx(expected[0][0], abs=1e-4) == told[0][0]
    assert _distance(weights, moved) < 1e-3


def test_a_rate_belongs_to_a_step_and_a_member() -> None:
    """A member whose rates are 0 stays; in the other the last, smaller batch alone moves the weights, by its rate."""
    keras = importlib.import_module("keras")
    program, members = JaxBackend(_DATA).program(_shape(430, "sgd"), 2), _some(2)
    _begin(program, members)
    before = [program.kept(i) for i in range(2)]
    rates = np.zeros((2, 5), np.float32)
    rates[1, -1] = 0.5
    orders = np.stack([_order(s, 1, 430) for s in members])
    program.train(orders, rates, [1] * len(members))
    assert _equal(before[0], program.kept(0))
    model = build_model(_shape(_N).recipe)
    model.set_weights(before[1])
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    last = orders[1][400:]
    model.train_on_batch(_DATA.x_train[last].astype("float32") / 255, _DATA.y_train[last])
    assert _distance(_weights(model), program.kept(1)) < 1e-5
    assert _distance(before[1], program.kept(1)) > 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_begin_as_keras_has_them_begin(name: str) -> None:
    """Also those whose slots begin as the weights."""
    shape = _shape(_N, name)
    fresh = Network(shape.recipe, build_model(shape.recipe)).fresh(3).optimizer
    model = build_model(shape.recipe)
    initialize(model, initializer_seeds(model, 3))
    expected = build_optimizer(shape.recipe, 0.001, model.trainable_variables).variables
    assert _equal([np.asarray(variable.value) for variable in expected], [np.asarray(value) for value in fresh])


@pytest.mark.parametrize(
    ("precision", "asked"), [("float32", "highest"), ("tf32", "tensorfloat32"), ("mixed_bfloat16", "highest")]
)
def test_products_are_as_precise_as_the_recipe_says(
    precision: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX is asked for it wherever the net is compiled; bfloat16 is Keras's policy, with weights in float32."""
    keras = importlib.import_module("keras")
    seen: list[tuple[str, str]] = []

    def activation(x: Any) -> Any:
        seen.append((jax().config.jax_default_matmul_precision, x.dtype.name))
        return keras.ops.relu(x)

    def build(recipe: Recipe) -> Any:
        model = build_model(recipe)
        model.layers[0].activation = activation
        return model

    monkeypatch.setattr(jax_program, "build_model", build)
    program = JaxBackend(_DATA).program(_shape(_N, precision=precision), 1)
    program.reset(0, _some(1)[0])
    ((loss, _),) = _train(program, _some(1), 1)
    program.test(0)
    assert {(asked, "bfloat16" if precision == "mixed_bfloat16" else "float32")} == set(seen)
    assert all(weight.dtype == np.float32 for weight in program.kept(0))
    assert 0 < loss < 2.5


def test_where_memory_is_short_the_stack_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is lost by it at once, else by an error and for the next time; what does not fit alone says so."""
    most = 4
    run_out = jax().errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")

    def fails(*_: Any) -> None:
        raise run_out

    def prepare(program: JaxProgram, size: int) -> bool:
        program._epochs[size] = fails
        if size > most:
            raise run_out
        return True

    monkeypatch.setattr(JaxProgram, "_prepare", prepare)
    backend, shape, members = JaxBackend(_DATA), _shape(_N), _some(4)
    program = backend.program(shape, 16)
    assert 4 == program.n_members
    _begin(program, members)
    with pytest.raises(MemoryError, match="no room for 4 models of this shape at once"):
        _train(program, members, 1)
    assert 2 == backend.program(shape, 4).n_members
    most = 0
    with pytest.raises(MemoryError, match="no room for 1 model of"):
        backend.program(_shape(200), 2)


def test_the_shapes_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape that was pushed out is compiled again, one at hand is not; nor is a stack of a size that was used."""
    monkeypatch.setattr("mnist_sweep.training.program._MAX_PROGRAMS", 2)
    monkeypatch.setattr(JaxProgram, "_prepare", lambda program, size: program._epochs.setdefault(size, size) is None)
    backend = JaxBackend(_DATA)
    first = backend.program(_shape(100), 1)
    backend.program(_shape(200), 1)
    assert first is backend.program(_shape(100), 1)
    second = backend.program(_shape(300), 1)
    assert first is backend.program(_shape(100), 2)
    assert second is backend.program(_shape(300), 1)
    backend.program(_shape(200), 1)
    assert first is not backend.program(_shape(100), 1)


def test_tensorflow_is_not_needed() -> None:
    """Nothing here imported it, and Keras computes on JAX."""
    assert "tensorflow" not in sys.modules
    assert "jax" == importlib.import_module("keras").backend.backend()
    execution = JaxBackend(_DATA).execution()
    assert ("CPU", 1) == (execution["device"], execution["threads"])
    assert {"jax", "jaxlib", "keras", "numpy"} == set(execution["versions"])
    assert (platform.node(), fingerprint()) == (execution["host"], execution["fingerprint"])


def test_a_trial_trains_the_same_in_any_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, in a stack of four and in a place that another has left, with dropout: the same up to rounding."""
    monkeypatch.setattr(jax_program, "build_model", partial(small_net, dropout=0.2))
    recipe = replace(_shape(_N).recipe, early_stopping=None)
    trials = tuple(
        replace(a_trial(i), recipe=replace(recipe, max_epochs=n), seeds=Seeds(i, 5, 10 + i))
        for i, n in enumerate((1, 3, 2, 4, 3, 2, 3), 1)
    )
    told = []
    for stack in (1, 4):
        events = list(Trainer(_DATA, JaxBackend(_DATA), stack)(trials))
        told.append({event.trial: event.result for event in events if isinstance(event, Finished)})
    alone, stacked = told
    assert [1] * 7 + [4] * 7 == [result.execution["stack"] for one in told for result in one.values()]
    for trial in trials:
        one, other = alone[trial], stacked[trial]
        assert pytest.approx(one.curves.train_loss, abs=1e-5) == other.curves.train_loss
        assert pytest.approx(one.curves.val_loss, abs=1e-5) == other.curves.val_loss
        assert pytest.approx(one.test_loss, abs=1e-5) == other.test_loss


@pytest.mark.parametrize(("name", "normalised"), COMPARED)
def test_steps_equal_those_of_tensorflow(name: str, monkeypatch: pytest.MonkeyPatch, *, normalised: bool) -> None:
    """One step gives the same loss and logits to 1e-5, twenty to 1e-4."""
    data, reference = some_images(), np.load(os.environ["MNIST_SWEEP_REFERENCE"])
    label, build = f"{name} {normalised}", partial(small_net, normalised=normalised)
    monkeypatch.setattr(jax_program, "build_model", build)
    program = JaxBackend(data).program(a_shape(SIZE, name), 1)
    program.reset(0, Seeds(1, 2, 3))
    program.restore(0, [reference[key] for key in reference if key.startswith(f"{label} weights")])
    model, rate = build(a_shape(SIZE).recipe), np.full((1, 1), SETTINGS[name][0], np.float32)
    for step in range(1, max(STEPS) + 1):
        batch = np.arange((step - 1) * SIZE, step * SIZE, dtype=np.int32)[np.newaxis]
        ((loss, _),) = program.train(batch, rate, epochs=[step])
        if step in STEPS:
            model.set_weights(program.kept(0))
            tolerance = 1e-5 if step == 1 else 1e-4
            assert abs(reference[f"{label} {step} loss"] - loss) < tolerance
            assert np.abs(reference[f"{label} {step} logits"] - logits_of(model, data.x_test)).max() < tolerance
