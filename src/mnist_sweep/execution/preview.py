"""Training images as networks will see them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mnist_sweep.mnist.sources import load
from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.networks import N_CLASSES
from mnist_sweep.plan.recipe import JAX, TENSORFLOW
from mnist_sweep.system.quiet import held_stderr
from mnist_sweep.training.augmentation import augmented
from mnist_sweep.training.jax_runtime import jax
from mnist_sweep.training.runtime import tensorflow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows = list[tuple[str, npt.NDArray[np.float32]]]
    """Images (10, 784) in [0, 1] with the words that stand over them."""

_START = {TENSORFLOW: tensorflow, JAX: jax}


def preview_rows(augments: Iterable[Augment], backend: str, n_draws: int) -> Rows:
    """The first training image of each digit, as it is, then by so many draws of each augmentation."""
    import numpy as np

    data = load()
    firsts = [int(np.argmax(data.y_train == digit)) for digit in range(N_CLASSES)]
    plain = data.x_train[firsts].reshape(N_CLASSES, -1).astype(np.float32) / np.float32(255)
    with held_stderr():
        _START[backend]()
    keras = importlib.import_module("keras")
    rows = [("plain", plain)]
    for augment in augments:
        for draw in range(n_draws):
            seed = keras.random.SeedGenerator(draw)
            changed = augmented(keras.ops.convert_to_tensor(plain), augment, seed)
            rows.append(("" if draw else str(augment), keras.ops.convert_to_numpy(changed)))
    return rows
