"""MNIST: found, checked by digest, cached once.

60,000 training and 10,000 test images of 28×28 bytes (0 black to 255 white) with labels 0 to 9, in the order of the
original files. Source: Yann LeCun and Corinna Cortes, http://yann.lecun.com/exdb/mnist/, under CC BY-SA 3.0.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_sweep.errors import StorageError
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.system.files import read_file, refusing, write_whole

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DIGESTS: Mapping[str, str] = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
"""SHA-256 of the raw bytes (C order, uint8) of each array."""

SHAPES: Mapping[str, tuple[int, ...]] = {
    "x_train": (MNIST.n_train, 28, 28),
    "y_train": (MNIST.n_train,),
    "x_test": (MNIST.n_test, 28, 28),
    "y_test": (MNIST.n_test,),
}

MAX_BYTES = 2**27
"""No file of MNIST is larger: the four arrays take 55 million bytes."""

_MAX_HEADER = 2**16  # bytes before the values of an array
_SHOWN_NAMES = 8


@dataclass(frozen=True, slots=True)
class Mnist:
    """The four arrays, and where they were read."""

    x_train: npt.NDArray[np.uint8]  # (60000, 784)
    y_train: npt.NDArray[np.uint8]  # (60000,)
    x_test: npt.NDArray[np.uint8]  # (10000, 784)
    y_test: npt.NDArray[np.uint8]  # (10000,)
    source: str


def cache_folder() -> Path:
    """Where Keras keeps data sets, and we beside it."""
    home = os.environ.get("KERAS_HOME")
    try:
        return (Path(home) if home else Path.home() / ".keras") / "datasets"
    except RuntimeError as error:
        raise StorageError("MNIST has no place: this user has no home folder; set KERAS_HOME to a folder") from error


def cached_file() -> Path:
    """Our own copy; Keras checks the hash of its mnist.npz and would download over any other."""
    return cache_folder() / "mnist-sweep.npz"


_REPLACE = "Delete it, so that MNIST is fetched again, or give a good copy: mnist-sweep data --from PATH"


def checked(arrays: Mapping[str, npt.NDArray[np.uint8]], source: str, remedy: str = _REPLACE) -> Mnist:
    """The arrays as MNIST, images as (n, 28, 28), if their bytes are; `remedy` tells the user what to do if not."""
    for name, shape in SHAPES.items():
        if name not in arrays:
            found = ", ".join(list(arrays)[:_SHOWN_NAMES]) or "nothing"
            raise _refused(source, remedy, f"it has no array {name}; found: {found}")
        array = arrays[name]
        if array.shape != shape or array.dtype != "uint8":
            raise _refused(source, remedy, f"{name} is {array.dtype} {array.shape}, but MNIST's is uint8 {shape}")
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        if digest != DIGESTS[name]:
            raise _refused(
                source, remedy, f"the bytes of {name} have SHA-256 {digest[:16]}…, but MNIST's {DIGESTS[name][:16]}…"
            )
    flat = {name: array.reshape(len(array), -1) if array.ndim > 1 else array for name, array in arrays.items()}
    return Mnist(**{name: flat[name] for name in SHAPES}, source=source)


def _refused(source: str, remedy: str, why: str) -> StorageError:
    return StorageError(f"{source}: not MNIST: {why}. {remedy}")


def read_npz(path: Path, remedy: str = _REPLACE) -> Mnist:
    """MNIST from a .npz file with the four arrays; `remedy` tells the user what to do if it is not."""
    try:
        content = read_file(path, MAX_BYTES)
    except OSError as error:
        raise _refused(str(path), remedy, f"it cannot be read ({error.strerror or error})") from error
    return from_npz(content, str(path), remedy)


def from_npz(content: bytes, source: str, remedy: str) -> Mnist:
    """MNIST from the bytes of such a file."""
    try:
        arrays = _unpack(content)
    except Exception as error:  # damaged bytes make zipfile, zlib and NumPy raise errors of all kinds
        raise _refused(source, remedy, "it is cut off, damaged or no .npz file of plain arrays") from error
    return checked(arrays, source, remedy)


def _unpack(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a .npz file; what bears another name than MNIST's is not read."""
    import numpy as np

    with zipfile.ZipFile(io.BytesIO(content)) as archive, warnings.catch_warnings(action="ignore"):
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        nothing = np.empty(0)
        return {
            name: _array(archive, member, SHAPES[name]) if name in SHAPES else nothing
            for name, member in members.items()
        }


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array of a .npz file; one of another form as its form alone, so that no header or zip bomb makes us take room.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    import numpy as np
    from numpy.lib import format as npy

    with archive.open(member) as file:
        content = io.BytesIO(file.read(_MAX_HEADER + math.prod(shape)))
    version = npy.read_magic(content)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    found, _, dtype = read_header(content)
    if found != shape or dtype != np.uint8:
        return np.broadcast_to(np.empty((), dtype), found)
    content.seek(0)
    array: npt.NDArray[Any] = npy.read_array(content, allow_pickle=False)
    return array


def store(data: Mnist) -> None:
    """Write our own copy for the next time."""
    import numpy as np

    target = cached_file()
    with refusing(f"{target.parent}: cannot make this folder", "; set KERAS_HOME to one that can be written"):
        target.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez_compressed(content, **{name: getattr(data, name).reshape(shape) for name, shape in SHAPES.items()})
    write_whole(target, content.getvalue())
