"""All processes read the same MNIST."""

from __future__ import annotations

import multiprocessing
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from mnist_sweep.training.data import Mnist, checked
from mnist_sweep.training.shared import Handle, attach, share


def _read(handle: Handle) -> tuple[str, bool]:
    """In another process: whether the shared arrays are MNIST, and whether they can be written."""
    data = attach(handle)
    images = {"x_train": data.x_train.reshape(-1, 28, 28), "x_test": data.x_test.reshape(-1, 28, 28)}
    checked({**images, "y_train": data.y_train, "y_test": data.y_test}, "shared")
    return data.source, bool(data.x_train.flags.writeable)


def test_another_process_reads_the_same_bytes(mnist: Mnist) -> None:
    """A spawned process finds MNIST in shared memory, byte for byte, and cannot change it; afterwards it is gone."""
    with share(mnist) as handle:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert ("shared memory", False) == pool.apply(_read, (handle,))
        assert np.array_equal(mnist.y_test, attach(handle).y_test)
    with pytest.raises(FileNotFoundError):
        SharedMemory(handle.name)
