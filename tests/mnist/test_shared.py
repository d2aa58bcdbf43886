"""All processes read the same MNIST."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from mnist_sweep.errors import StorageError
from mnist_sweep.mnist import shared
from mnist_sweep.mnist.images import Mnist, cached_file, checked, store
from mnist_sweep.mnist.shared import Handle, attach, share


def _read(handle: Handle) -> bool:
    """In another process: whether the shared arrays, which must be MNIST, can be written."""
    data = attach(handle)
    _check(data)
    return bool(data.x_train.flags.writeable)


def _check(data: Mnist) -> None:
    images = {"x_train": data.x_train.reshape(-1, 28, 28), "x_test": data.x_test.reshape(-1, 28, 28)}
    checked({**images, "y_train": data.y_train, "y_test": data.y_test}, "shared")


@pytest.fixture
def kept(mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, as an older version leaves it; returns where the mapped file goes."""
    own = cached_file()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    if own.exists():
        cached_file().parent.mkdir(parents=True)
        shutil.copy(own, cached_file())
    else:
        store(mnist)
    return cached_file().with_name("mnist-sweep.raw")


def _in_another_process(handle: Handle) -> bool:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_read, (handle,))


def test_another_process_maps_the_same_bytes(kept: Path) -> None:
    """A spawned process finds MNIST in the file beside the cache, byte for byte, and cannot change it."""
    with share() as handle:
        assert not _in_another_process(handle)
        assert not _read(handle)
        kept.unlink()  # whoever cleans up the cache during a sweep takes nothing from it
        assert not _in_another_process(handle)


def test_the_file_is_written_once_and_then_enough(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second sweep takes the file as it is; the compressed cache is not even read."""
    with share():
        before = kept.stat()
    cached_file().unlink()
    monkeypatch.setattr(shared, "write_whole", None)
    with share() as handle:
        _check(attach(handle))
    assert (before.st_ino, before.st_mtime_ns) == (kept.stat().st_ino, kept.stat().st_mtime_ns)


@pytest.mark.parametrize("damage", ["changed", "cut", "longer", "empty"])
def test_a_damaged_file_is_replaced(kept: Path, damage: str) -> None:
    """What lies in the file's place and is not MNIST is replaced; what another process is writing stays."""
    unfinished = kept.with_name(f".{kept.name}.4242.tmp")
    with share():
        content = kept.read_bytes()
    unfinished.write_bytes(b"half")
    changed = content[:5_000_000] + bytes([content[5_000_000] ^ 1]) + content[5_000_001:]
    kept.write_bytes({"changed": changed, "cut": content[:-1], "longer": content + b"0", "empty": b""}[damage])
    with share() as handle:
        _check(attach(handle))
    assert content == kept.read_bytes()
    assert b"half" == unfinished.read_bytes()


def test_what_is_no_file_is_not_waited_for(kept: Path) -> None:
    """A pipe in the file's place has nothing to read; MNIST comes from elsewhere."""
    kept.parent.mkdir(exist_ok=True)
    os.mkfifo(kept)
    with share() as handle:
        _check(attach(handle))


def test_a_cache_that_cannot_be_written_is_enough(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arrays are then in a file without a name: another process maps it, and nothing is left behind."""

    def full(path: Path, _content: bytes) -> None:
        raise StorageError(f"{path}: no room")

    monkeypatch.setattr(shared, "write_whole", full)
    temporary = kept.parent / "temporary"
    temporary.mkdir()
    with ExitStack() as at_end:
        with monkeypatch.context() as elsewhere:  # not for multiprocessing, whose sockets need short paths
            elsewhere.setattr("tempfile.tempdir", str(temporary))
            handle = at_end.enter_context(share())
        assert [] == list(temporary.iterdir())
        assert 0 == os.fstat(handle.fd).st_nlink
        assert not _in_another_process(handle)
    assert not kept.exists()


def test_no_room_anywhere_is_told(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the cache nor the folder for temporary files takes MNIST, the user hears which two to mend."""
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept / "nowhere"))
    with (
        pytest.raises(StorageError, match=r"no room for MNIST \(55 MB\), in .*datasets or .*KERAS_HOME or TMPDIR"),
        share(),
    ):
        pass
