"""MNIST in memory that all processes of a sweep read: loaded once, copied to nobody."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

from mnist_sweep.errors import StorageError
from mnist_sweep.training.data import SHAPES, Mnist

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FLAT = {name: (shape[0], math.prod(shape[1:])) if len(shape) > 1 else shape for name, shape in SHAPES.items()}
_attached: list[SharedMemory] = []  # arrays do not keep the memory open that they lie in


@dataclass(frozen=True, slots=True)
class Handle:
    """The name of the shared memory; can be pickled."""

    name: str


@contextmanager
def share(data: Mnist) -> Iterator[Handle]:
    """Put the arrays into shared memory, which goes when the block ends.

    Raises:
        StorageError: when there is no room for them.
    """
    try:
        memory = SharedMemory(create=True, size=sum(math.prod(shape) for shape in _FLAT.values()))
    except OSError as error:
        raise StorageError(f"no shared memory for MNIST (55 MB): {error.strerror}; try --executor serial") from error
    try:
        for name, array in _arrays(memory).items():
            array[:] = getattr(data, name)
        del array
        yield Handle(memory.name)
    finally:
        memory.close()
        memory.unlink()


def attach(handle: Handle) -> Mnist:
    """The shared arrays, read-only, for as long as this process lives."""
    memory = SharedMemory(handle.name)
    _attached.append(memory)
    arrays = _arrays(memory)
    for array in arrays.values():
        array.flags.writeable = False
    return Mnist(**arrays, source="shared memory")


def _arrays(memory: SharedMemory) -> dict[str, npt.NDArray[np.uint8]]:
    import numpy as np

    arrays, offset = {}, 0
    for name, shape in _FLAT.items():
        arrays[name] = np.ndarray(shape, np.uint8, memory.buf, offset)
        offset += math.prod(shape)
    return arrays
