from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_sweep.errors import StorageError
from mnist_sweep.system.files import is_there, read_file, write_whole


def _a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (os.mkfifo, "a named pipe"),
        (os.mkdir, "a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (_a_socket, "a socket"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(make: Callable[[Path], None], found: str) -> None:
    """Nothing is waited for that may never come, and the error says what was found."""
    make(Path("thing"))
    with pytest.raises(OSError, match=f"found {found}, needed: a regular file"):
        read_file(Path("thing"))
    assert is_there(Path("thing"))


def test_a_file_is_read_up_to_its_limit() -> None:
    """A file of the size that is allowed is read whole, and one of a byte more is refused with both sizes."""
    path = Path("file")
    path.write_bytes(b"x" * 3_000_000)
    assert path.read_bytes() == read_file(path) == read_file(path, 3_000_000)
    with pytest.raises(OSError, match=r"found a file of 3,000,000 bytes, allowed: at most 2,999,999"):
        read_file(path, 2_999_999)


def test_a_file_that_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of terabytes, which may be all holes, is an error of that file, not of the program."""
    Path("file").touch()

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OSError, match="it does not fit into memory"):
        read_file(Path("file"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_that_tells_no_size_is_bounded_too() -> None:
    """Files of /proc have size 0, and are read and bounded by what comes."""
    path = Path("/proc/self/limits")
    assert read_file(path, 10_000).startswith(b"Limit")
    with pytest.raises(OSError, match="found a file of 11 bytes, allowed: at most 10"):
        read_file(path, 10)


@pytest.mark.parametrize("name", ["missing", "file/below", "n" * 300])
def test_what_cannot_be_there_is_not_there(name: str) -> None:
    """A missing file, one below a file, and one with a name that no file can have."""
    Path("file").touch()
    assert not is_there(Path(name))


@pytest.mark.parametrize("content", [b"", b"new", b"\x00\xff" * 100_000])
@pytest.mark.parametrize("old", [None, b"old, and longer than new"])
def test_a_file_is_replaced_whole(tmp_path: Path, old: bytes | None, content: bytes) -> None:
    """The file then has the new bytes and no others, and nothing else lies beside it."""
    path = tmp_path / "best.xlsx"
    if old is not None:
        path.write_bytes(old)
    write_whole(path, content)

    assert content == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_the_bytes_are_on_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new content is synced, it is complete and the old file still has its name."""
    path = tmp_path / "best.xlsx"
    path.write_bytes(b"old")
    sync, seen = os.fsync, []

    def fsync(fd: int) -> None:
        seen.append((os.fstat(fd).st_size, path.read_bytes()))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"new content")

    assert [(11, b"old")] == seen[:1]
    assert b"new content" == path.read_bytes()


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None) -> None:
    """When the disk has no room, that is told with the path, the old content stays, and no half is left behind."""
    path = tmp_path / "best.xlsx"
    if old is not None:
        path.write_bytes(old)

    def fsync(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError) as error:
        write_whole(path, b"new")

    assert str(error.value).startswith(f"{path}: cannot be written: No space left on device; ")
    assert ([] if old is None else [old]) == [file.read_bytes() for file in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["file/best.xlsx", "missing/best.xlsx", "folder"])
def test_a_place_that_takes_no_file_is_a_storage_error(tmp_path: Path, name: str) -> None:
    """A file or nothing where the folder should be, or a folder in the file's place, is told and leaves no trace."""
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name

    with pytest.raises(StorageError) as error:
        write_whole(path, b"new")

    assert str(error.value).startswith(f"{path}: cannot be written: ")
    assert ["file", "folder"] == sorted(entry.name for entry in tmp_path.rglob("*"))
    assert b"in the way" == (tmp_path / "file").read_bytes()


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What a link, or a link to a link, leads to is replaced, also in another folder and where it is not there yet."""
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("middle")
    (tmp_path / "middle").symlink_to("far/best.xlsx")
    for content in (b"first", b"second"):
        write_whole(tmp_path / "link", content)
        assert content == (tmp_path / "far" / "best.xlsx").read_bytes()
    assert [True, True, False] == [(tmp_path / name).is_symlink() for name in ("link", "middle", "far/best.xlsx")]
    assert ["best.xlsx"] == [path.name for path in (tmp_path / "far").iterdir()]


@pytest.mark.parametrize("target", ["link", "missing/best.xlsx", "folder", "pipe", os.devnull])
def test_a_link_that_leads_to_no_file_is_a_storage_error(tmp_path: Path, target: str) -> None:
    """A link in a circle, into nowhere, to a folder, a pipe or a device is told, and both are left as they are."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(target)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StorageError, match=r"link.* cannot be written: "):
        write_whole(tmp_path / "link", b"new")
    assert before == sorted(path.name for path in tmp_path.iterdir())
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o200])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    """A file that only its owner may read can be read by nobody else afterwards, nor while it is written."""
    path = tmp_path / "STEPS.md"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_whole(path, b"new")
    assert mode == path.stat().st_mode & 0o777
    path.chmod(0o600)
    assert b"new" == path.read_bytes()


def test_the_owner_stays(tmp_path: Path) -> None:
    """What root replaces still belongs to the user that it belonged to."""
    path = tmp_path / "STEPS.md"
    path.write_bytes(b"old")
    try:
        os.chown(path, 12345, 12346)
    except PermissionError:
        pytest.skip("only root may give files away")
    write_whole(path, b"new")
    assert (12345, 12346) == (path.stat().st_uid, path.stat().st_gid)


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    """A file that nobody may write is told with the command that changes that, also to root, and keeps its content."""
    path = tmp_path / "my steps.md"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(StorageError) as error:
        write_whole(path, b"new")
    assert str(error.value).startswith(f"{path}: cannot be written: it is read-only (chmod u+w '{path}' would ")
    assert (b"old", 0o444) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())
