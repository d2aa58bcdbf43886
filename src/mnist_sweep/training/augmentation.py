"""Images that are changed while a network is trained on them: a Keras layer, on whichever backend Keras runs."""

from __future__ import annotations

import importlib
import math
from functools import cache
from typing import TYPE_CHECKING, Any

from mnist_sweep.plan.augment import Augment, Elastic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

AUGMENTATION = "augmentation"
"""The name of the layer."""

_SIDE = 28
_MIDDLE = (_SIDE - 1) / 2
_PADDED = _SIDE + 2
_KEPT_PART = 0.01
"""Components of smoothed noise that are smaller than this part of the largest are left out: nobody sees them."""


def augmentation(augment: Augment, seed: int) -> Any:
    """The layer: float32 (images, 784) in [0, 1] to the same; when it does not train, it changes nothing.

    Args:
        seed: what its generator starts from.
    """
    return _layer_class()(augment, seed)


@cache
def _layer_class() -> Any:
    keras = importlib.import_module("keras")

    class Augmentation(keras.layers.Layer):  # type: ignore[name-defined,misc]
        """Draws for each image how it is changed, from a seed generator of its own as Keras's random layers do."""

        def __init__(self, augment: Augment, seed: int) -> None:
            super().__init__(name=AUGMENTATION, dtype="float32")
            self._augment = augment
            self.seed_generator = keras.random.SeedGenerator(seed)

        def call(self, images: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  as Keras calls it
            return augmented(images, self._augment, self.seed_generator) if training else images

        def compute_output_spec(self, images: Any, training: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
            return keras.KerasTensor(images.shape, images.dtype)

    return Augmentation


def augmented(images: Any, augment: Augment, seed: Any) -> Any:
    """Images (n, 784) in [0, 1], changed.

    Args:
        seed: a Keras seed generator.
    """
    keras = importlib.import_module("keras")
    ops, n_images = keras.ops, images.shape[0]
    if augment.rotation or augment.shift or augment.zoom or augment.shear or augment.elastic:
        images = _sampled(images, *_sources(n_images, augment, seed))
    if augment.noise:
        noise = keras.random.normal((n_images, _SIDE**2), stddev=augment.noise, seed=seed)
        images = ops.clip(images + noise, 0.0, 1.0)
    if augment.erase:
        corners = keras.random.uniform((n_images, 2, 1), 1.0 - augment.erase, _SIDE, seed=seed)
        column, row = (ops.floor(corners[:, i]) for i in range(2))
        x, y = _grid()
        inside = (x >= column) & (x < column + augment.erase) & (y >= row) & (y < row + augment.erase)
        images = ops.where(inside, 0.0, images)
    return images


def _grid() -> npt.NDArray[np.float32]:
    """Column and row of each pixel: (2, 784)."""
    import numpy as np

    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32)
    return np.stack([columns.ravel(), rows.ravel()])


def _sources(n_images: int, augment: Augment, seed: Any) -> tuple[Any, Any]:
    """Column and row from which each pixel of each image comes: (n, 784) each."""
    keras = importlib.import_module("keras")
    ops = keras.ops
    turn, shear, zoom, right, down = (
        keras.random.uniform((n_images, 1), -most, most, seed=seed)
        for most in (
            math.radians(augment.rotation),
            math.tan(math.radians(augment.shear)),
            augment.zoom,
            augment.shift,
            augment.shift,
        )
    )
    x, y = _grid() - _MIDDLE
    x, y = (1 + zoom) * (x + shear * y), (1 + zoom) * y
    columns = ops.cos(turn) * x + ops.sin(turn) * y + right + _MIDDLE
    rows = ops.cos(turn) * y - ops.sin(turn) * x + down + _MIDDLE
    if augment.elastic:
        field = _field(n_images, augment.elastic, seed)
        columns, rows = columns + field[:, 0], rows + field[:, 1]
    return columns, rows


def _field(n_images: int, elastic: Elastic, seed: Any) -> Any:
    """Displacements (n, 2, 784): noise, smoothed by a Gaussian, times alpha.

    Normal noise of the variance that uniform noise from -1 to 1 has. Smoothing leaves little of most of its components,
    so only the others are drawn: in the singular vectors of the smoothing they are independent and normal too.
    """
    import numpy as np

    keras = importlib.import_module("keras")
    distances = np.arange(_SIDE)[:, np.newaxis] - np.arange(_SIDE)
    weights = np.exp(-0.5 * (distances / elastic.sigma) ** 2)
    weights /= np.exp(-0.5 * (np.arange(-9 * _SIDE, 9 * _SIDE) / elastic.sigma) ** 2).sum()
    vectors, sizes, _ = np.linalg.svd(weights)
    smooth = (vectors * sizes)[:, sizes > _KEPT_PART * sizes[0]].astype(np.float32)
    n_kept = smooth.shape[1]
    noise = keras.random.normal((n_images, 2, n_kept, n_kept), stddev=elastic.alpha / math.sqrt(3), seed=seed)
    field = keras.ops.matmul(keras.ops.matmul(smooth, noise), smooth.T)
    return keras.ops.reshape(field, (n_images, 2, _SIDE**2))


def _sampled(images: Any, columns: Any, rows: Any) -> Any:
    """The images' values at these places between pixels, bilinear; what lies outside an image is 0."""
    ops = importlib.import_module("keras").ops
    n_images = images.shape[0]
    square = ops.reshape(images, (n_images, _SIDE, _SIDE))
    flat = ops.reshape(ops.pad(square, ((0, 0), (1, 1), (1, 1))), (-1,))
    columns, rows = (ops.clip(places + 1, 0.0, _PADDED - 1.001) for places in (columns, rows))
    left, top = ops.floor(columns), ops.floor(rows)
    right_part, lower_part = columns - left, rows - top
    starts = _PADDED**2 * ops.expand_dims(ops.arange(n_images, dtype="int32"), 1)
    corners = ops.cast(top * _PADDED + left, "int32") + starts

    def at(offset: int) -> Any:
        return ops.take(flat, corners + offset)

    upper = at(0) * (1 - right_part) + at(1) * right_part
    lower = at(_PADDED) * (1 - right_part) + at(_PADDED + 1) * right_part
    return upper * (1 - lower_part) + lower * lower_part
