"""How training images are changed; test_backends.py runs this in a process of its own for each backend."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from builders import a_recipe
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.augment import Augment, Elastic
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import Seeds
from mnist_sweep.training import augmentation
from mnist_sweep.training.program import Backend

_SEEDS = Seeds(weights=7, split=100, order=9)
_FULL = Augment(5.0, 1.5, 0.08, 5.0, Elastic(20.0, 5.0), 0.05, 6)
_ON_JAX = "jax" in os.environ["MNIST_SWEEP_BACKEND"]
_N_MEMBERS = 4 if _ON_JAX else 1  # on TensorFlow a program has one
_N, _SIZE = 110, 50  # images of an epoch, whose last batch is smaller, and of a batch
_N_DRAWN = 20_000
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def data(mnist: Mnist) -> Mnist:
    """A small part of MNIST."""
    return Mnist(mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:200], mnist.y_test[:200], source="a part")


@pytest.fixture(scope="module")
def backend(data: Mnist) -> Backend:
    module, _, name = os.environ["MNIST_SWEEP_BACKEND"].partition(":")
    made: Backend = getattr(importlib.import_module(module), name)(data)
    return made


@pytest.fixture(scope="module")
def generator(backend: Backend) -> Any:
    """A seed generator of Keras."""
    assert backend
    return importlib.import_module("keras").random.SeedGenerator(3)


def _sources(augment: Augment, generator: Any) -> tuple[Floats, Floats]:
    """Where the columns and rows of each image come from, from the middle: (n, 28, 28) each."""
    columns, rows = (
        np.asarray(places).reshape(_N_DRAWN, 28, 28) - np.float32(13.5)
        for places in augmentation._sources(_N_DRAWN, augment, generator)
    )
    return columns, rows


def _along(places: Floats, axis: int) -> Floats:
    """How far two neighbours in this direction come from, of each image."""
    return np.diff(places, axis=axis + 1).mean((1, 2))  # type: ignore[no-any-return]


def _shear(columns: Floats, rows: Floats) -> Floats:
    assert np.allclose(rows, rows[:1])
    return np.degrees(np.arctan(_along(columns, 0)))


@pytest.mark.parametrize(
    ("augment", "amount", "most"),
    [
        (Augment(rotation=5.0), lambda x, y: np.degrees(np.arctan2(_along(x, 0), _along(y, 0))), 5.0),
        (Augment(shift=1.5), lambda x, _: x.mean((1, 2)), 1.5),
        (Augment(shift=1.5), lambda _, y: y.mean((1, 2)), 1.5),
        (Augment(zoom=0.08), lambda x, _: _along(x, 1) - 1, 0.08),
        (Augment(zoom=0.08), lambda _, y: _along(y, 0) - 1, 0.08),
        (Augment(shear=5.0), _shear, 5.0),
    ],
)
def test_an_amount_is_drawn_from_its_whole_range(
    generator: Any, augment: Augment, amount: Callable[[Floats, Floats], Floats], most: float
) -> None:
    """Evenly between both ends: its mean is 0, its standard deviation most / √3, and it comes close to both ends."""
    drawn = amount(*_sources(augment, generator))
    assert abs(drawn.mean()) < 0.02 * most
    assert pytest.approx(most / np.sqrt(3), rel=0.02) == drawn.std()
    assert -most * 1.001 < drawn.min() < -0.99 * most
    assert 0.99 * most < drawn.max() < most * 1.001


def test_a_turn_keeps_distances_and_the_middle(generator: Any) -> None:
    """It is no shear, and neither it nor zoom and shear move the middle of the image."""
    columns, rows = _sources(Augment(rotation=30.0), generator)
    assert np.allclose(np.hypot(_along(columns, 0), _along(rows, 0)), 1, atol=1e-4)
    columns, rows = _sources(Augment(rotation=30.0, zoom=0.3, shear=20.0), generator)
    assert np.abs([columns.mean((1, 2)), rows.mean((1, 2))]).max() < 1e-3


@pytest.mark.parametrize(("alpha", "sigma"), [(20.0, 5.0), (8.0, 3.0), (30.0, 10.0)])
def test_the_elastic_field_is_smoothed_uniform_noise(generator: Any, alpha: float, sigma: float) -> None:
    """Its standard deviation is that of Simard's field at each place, and so is the correlation of neighbours."""
    field = np.asarray(augmentation._field(2_000, Elastic(alpha, sigma), generator)).reshape(-1, 28, 28)
    noise = np.random.default_rng(1).uniform(-1, 1, (2_000, 28, 28))
    expected = alpha * ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="constant", truncate=6)
    for place in ((14, 14), (0, 14), (0, 0)):
        both = [of[:, place[0], place[1]].std() for of in (field, expected)]
        assert pytest.approx(both[1], rel=0.08) == both[0]
    assert pytest.approx(expected.std(), rel=0.04) == field.std()
    near = [np.corrcoef(of[:, 14, 14], of[:, 14, 17])[0, 1] for of in (field, expected)]
    assert pytest.approx(near[1], abs=0.05) == near[0]
    assert abs(field.mean()) < 0.05 * field.std()


def test_pixels_come_from_where_they_should(backend: Backend, data: Mnist) -> None:
    """Bilinear between pixels, with nothing around the image: what SciPy's map_coordinates gives."""
    assert backend
    images = data.x_train[:20].astype(np.float32) / 255
    rng = np.random.default_rng(2)
    columns, rows = rng.uniform(-6, 33, (2, 20, 784)).astype(np.float32)
    got = np.asarray(augmentation._sampled(images, columns, rows))
    expected = [
        ndimage.map_coordinates(np.pad(image.reshape(28, 28), 8), [y + 8, x + 8], order=1)
        for image, x, y in zip(images, columns, rows, strict=True)
    ]
    assert np.allclose(expected, got, atol=2e-3)


def _changed(images: Floats, augment: Augment, generator: Any) -> Floats:
    return np.asarray(augmentation.augmented(images, augment, generator))


def test_noise_has_its_standard_deviation_and_stays_in_range(generator: Any) -> None:
    """Grey images get it on every pixel by itself, and black and white ones stay between 0 and 1."""
    grey = np.full((200, 784), 0.5, np.float32)
    added = _changed(grey, Augment(noise=0.05), generator) - grey
    assert pytest.approx(0.05, rel=0.01) == added.std()
    assert abs(added.mean()) < 0.001
    assert abs(np.corrcoef(added[:, 5], added[:, 6])[0, 1]) < 0.3
    black_and_white: Floats = np.zeros((200, 784), np.float32)
    black_and_white[:, ::2] = 1
    edges = _changed(black_and_white, Augment(noise=0.3), generator)
    assert (0, 1) == (edges.min(), edges.max())


def test_a_square_is_erased_wherever_it_touches_the_image(generator: Any) -> None:
    """At most 6×6 pixels, at least one, as often at each row and column as there are ways for it to lie there."""
    left = _changed(np.ones((_N_DRAWN, 784), np.float32), Augment(erase=6), generator).reshape(-1, 28, 28)
    erased = left == 0
    heights, widths = (erased.any(axis).sum(1) for axis in (2, 1))
    assert np.array_equal(heights * widths, erased.sum((1, 2)))
    assert (1, 6) == (heights.min(), heights.max()) == (widths.min(), widths.max())
    assert pytest.approx(6 / 33, abs=0.01) == erased.any(2).mean(0)[[0, 14, 27]].mean()
    assert 0.15 < erased.any(1).mean(0).min()


def test_nothing_is_done_where_nothing_is_asked(generator: Any, data: Mnist) -> None:
    """Amounts of 0 leave the bits; so does a layer that does not train."""
    images = data.x_train[:30].astype(np.float32) / np.float32(255)
    assert np.array_equal(images, _changed(images, Augment(), generator))
    layer = augmentation.augmentation(_FULL, 1)
    assert np.array_equal(images, np.asarray(layer(images, training=False)))
    assert not np.allclose(images, np.asarray(layer(images, training=True)), atol=0.1)


def _order(n: int = _N) -> npt.NDArray[np.int32]:
    return np.random.default_rng(1).permutation(300)[np.newaxis, :n].astype(np.int32)


def _shape(n: int = _N) -> Any:
    recipe = a_recipe(hidden_widths=(12,), hidden_funcs=("relu",), batch_size=_SIZE, augment=_FULL, training_images=n)
    return compile_key(recipe)


def _losses(backend: Backend, seeds: Seeds, *epochs: int, n: int = _N, rate: float = 0.0) -> list[float]:
    """The training loss of these epochs from the first weights of seed 7, which a rate of 0 leaves as they are."""
    program = backend.program(_shape(n), 1)
    program.reset(0, _SEEDS)
    first = program.kept(0)
    program.reset(0, seeds)
    program.restore(0, first)
    rates = np.full((1, -(-n // _SIZE)), rate, np.float32)
    return [program.train(_order(n), rates, [epoch])[0][0] for epoch in epochs]


def test_each_step_epoch_and_seed_sees_other_images(backend: Backend) -> None:
    """With weights that stand still, the losses on the same images differ as their changes do, and are told apart."""
    told = [
        *_losses(backend, _SEEDS, 1, 2),
        *_losses(backend, Seeds(8, 100, 9), 1),
        *_losses(backend, Seeds(7, 100, 10), 1),
    ]
    assert all(abs(a - b) > 1e-4 for i, a in enumerate(told) for b in told[:i])
    program = backend.program(_shape(2 * _SIZE), 1)
    program.reset(0, _SEEDS)
    twice = np.tile(_order(_SIZE), 2)
    ((both, _),) = program.train(twice, np.zeros((1, 2), np.float32), [1])
    (first,) = _losses(backend, _SEEDS, 1, n=_SIZE)
    assert abs(both - first) > 1e-4


def test_the_same_seeds_show_the_same_images(backend: Backend) -> None:
    """Again, without the epochs before and with another split; also with a last batch that is smaller."""
    first = _losses(backend, _SEEDS, 1, 2, 3, rate=0.01)
    assert first == _losses(backend, _SEEDS, 1, 2, 3, rate=0.01)
    assert _losses(backend, _SEEDS, 1, 2)[1:] == _losses(backend, replace(_SEEDS, split=1), 2)


def test_validation_and_test_images_are_never_changed(backend: Backend, data: Mnist) -> None:
    """They are evaluated as the same weights evaluate them in a net without augmentation, twice the same."""
    program, plain = (
        backend.program(shape, 1) for shape in (_shape(), compile_key(replace(_shape().recipe, augment=None)))
    )
    program.reset(0, _SEEDS)
    program.train(_order(), np.full((1, 3), 0.01, np.float32), [1])
    plain.reset(0, _SEEDS)
    plain.restore(0, program.kept(0))
    held_out = np.arange(300, 340, dtype=np.int32)[np.newaxis]
    assert program.validate(held_out)[0].loss == plain.validate(held_out)[0].loss == program.validate(held_out)[0].loss
    assert program.test(0).loss == plain.test(0).loss
    assert len(data.y_test) == len(program.test(0).predicted)


def test_members_see_what_they_see_alone(backend: Backend) -> None:
    """Each member of a stack has changes of its own, those that its seeds give it in any company."""
    members = [replace(_SEEDS, order=9 + i) for i in range(_N_MEMBERS)]
    alone = [_losses(backend, seeds, 1)[0] for seeds in members]
    program = backend.program(_shape(), _N_MEMBERS)
    for i in range(_N_MEMBERS):
        program.reset(i, members[i])
    orders, rates = np.repeat(_order(), _N_MEMBERS, 0), np.zeros((_N_MEMBERS, 3), np.float32)
    together = [loss for loss, _ in program.train(orders, rates, [1] * _N_MEMBERS)]
    assert pytest.approx(alone, abs=1e-5) == together
    assert len(together) == len({round(loss, 4) for loss in together})
