"""One process at a time, with flock and without."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mnist_sweep.errors import FolderBusyError, StorageError
from mnist_sweep.system import locks
from mnist_sweep.system.locks import holder, in_turn, locked

_HOLD = """
import sys
from pathlib import Path
from mnist_sweep.system.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def _no_room(_fd: int, _data: bytes, _offset: int) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _hold(lock: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed."""
    command: list[Any] = [sys.executable, "-c", _HOLD, lock]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_a_folder_is_held_by_one_process_until_it_dies(tmp_path: Path) -> None:
    """A second process is told who works there; when the first is killed outright, the folder is free at once."""
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on a host with a long name\n" * 9)
    with _hold(lock) as holder:
        try:
            with pytest.raises(FolderBusyError) as busy, locked(lock):
                pytest.fail("two processes hold the lock")
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with locked(lock):
        text = lock.read_text()

    assert str(busy.value).startswith(f"{tmp_path}: process {holder.pid} on {socket.gethostname()} since 2")
    assert text.startswith(f"process {os.getpid()} on {socket.gethostname()} since 2")
    assert 1 == text.count("\n")


def test_a_lock_is_free_after_its_block(tmp_path: Path) -> None:
    """The lock can be taken again in the same process, also after the block was left by an error."""
    lock = tmp_path / ".lock"
    with pytest.raises(ZeroDivisionError), locked(lock):
        raise ZeroDivisionError

    with locked(lock), pytest.raises(FolderBusyError), locked(lock):
        pytest.fail("held twice")


def test_a_lock_in_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    """The lock's file names the folder that is not there."""
    lock = tmp_path / "missing" / ".lock"

    with pytest.raises(StorageError) as error, locked(lock):
        pytest.fail("locked nothing")

    assert str(error.value).startswith(f"{lock}: cannot be written: No such file")


def test_a_lock_on_a_full_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for the holder's name is told as such, and no lock is left behind."""
    lock = tmp_path / ".lock"
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", _no_room)
        with pytest.raises(StorageError, match="No space left"), locked(lock):
            pytest.fail("worked on a full disk")

    with locked(lock):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")


@pytest.fixture(params=["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def no_flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no flock, as Lustre without it, and says so in one of several ways."""
    number = getattr(errno, request.param)

    def flock(_fd: int, _kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def _gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def _owner(pid: int) -> str:
    return f"process {pid} on {socket.gethostname()} since 2026-01-02"


_GONE = _gone()
_EARLIER = f"{locks._identity(os.getpid()).rpartition(' ')[0]} 1"
"""The identity of a process that started here long ago."""
_ELSEWHERE = "00000000-0000-0000-0000-000000000000 pid:[1] 1"


@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_file_says_who_works_here(tmp_path: Path) -> None:
    """The file is there while the block runs, names this process, and goes with the block, also after an error."""
    lock, held = tmp_path / ".lock", tmp_path / ".lock.held"
    assert holder(lock) is None
    with locked(lock):
        assert held.read_text().startswith(f"process {os.getpid()} on {socket.gethostname()} since 2")
    assert not held.exists()
    assert holder(lock) is None
    with pytest.raises(ZeroDivisionError), locked(lock):
        raise ZeroDivisionError
    assert not held.exists()


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize(
    ("owner", "identity"),
    [
        (_owner(os.getppid()), locks._identity(os.getppid())),
        (_owner(os.getpid()), _ELSEWHERE),
        (_owner(_GONE), _ELSEWHERE),
        ("process 1 on another-host since 2026-01-02", ""),
        ("", ""),
        ("scribbles", ""),
    ],
    ids=["running", "our number elsewhere", "a number of elsewhere", "other host", "empty", "scribbles"],
)
def test_without_flock_a_living_owner_is_not_pushed_aside(tmp_path: Path, owner: str, identity: str) -> None:
    """Who runs, or cannot be seen from here, and a file that says nothing are refused, with the way to remove it.

    A container of the same host name has processes of the same numbers, which are others.
    """
    lock, held = tmp_path / ".lock", tmp_path / ".lock.held"
    lock.touch()
    held.write_text(f"{owner}\n{identity}")
    with pytest.raises(FolderBusyError) as busy, locked(lock):
        pytest.fail("two processes hold the lock")
    assert str(busy.value).startswith(f"{tmp_path}: {owner or 'another process'} works here; ")
    assert str(busy.value).endswith(f"If it no longer runs, remove its lock: rm {held}")
    assert (owner or "another process") == holder(lock)
    assert f"{owner}\n{identity}" == held.read_text()


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize(
    "pid", [_GONE, os.getpid(), os.getppid(), 10**12], ids=["gone", "ours", "another's", "impossible"]
)
def test_without_flock_a_process_that_is_gone_holds_nothing(tmp_path: Path, pid: int) -> None:
    """What a killed process of this machine has left is taken over, also when its number is that of another by now."""
    lock, held = tmp_path / ".lock", tmp_path / ".lock.held"
    lock.touch()
    held.write_text(f"{_owner(pid)}\n{_EARLIER}")
    assert holder(lock) is None
    with locked(lock):
        assert f"process {os.getpid()} on" in held.read_text()
    assert [lock] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_flock")
def test_a_folder_that_is_moved_takes_its_lock_along(tmp_path: Path) -> None:
    """The lock is removed where it lies by now; what another process has made in the old place stays."""
    folder, aside = tmp_path / "folder", tmp_path / "aside"
    folder.mkdir()
    with locked(folder / ".lock"):
        folder.rename(aside)
        folder.mkdir()
        (folder / ".lock.held").write_text(_owner(os.getppid()))
    assert [aside / ".lock"] == list(aside.iterdir())
    assert _owner(os.getppid()) == (folder / ".lock.held").read_text()


@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_full_disk_leaves_no_lock_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there is room again, the next process can work here."""
    lock = tmp_path / ".lock"
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: _no_room(fd, data, 0))
        with pytest.raises(StorageError, match="No space left"), locked(lock):
            pytest.fail("worked on a full disk")
    with locked(lock):
        assert (tmp_path / ".lock.held").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.usefixtures("no_flock")
def test_a_lock_that_another_process_has_taken_over_stays(tmp_path: Path) -> None:
    """Where the user has removed the lock and another process has made its own, that one is not removed."""
    held = tmp_path / ".lock.held"
    with locked(tmp_path / ".lock"):
        held.write_text(_owner(os.getppid()))
    assert _owner(os.getppid()) == held.read_text()


def test_what_a_third_process_has_made_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put back where there is something again by now."""
    held = tmp_path / ".lock.held"
    held.write_text("process 2 on here since now")
    content = locks._content

    def meanwhile(aside: Path) -> str:
        held.write_text("process 3 on here since now")
        return content(aside)

    monkeypatch.setattr(locks, "_content", meanwhile)
    locks._remove(held, "process 1 on here since long ago")
    assert "process 3 on here since now" == held.read_text()
    assert [held] == list(tmp_path.iterdir())


def test_what_another_process_made_meanwhile_is_put_back(tmp_path: Path) -> None:
    """Of two processes that see a dead owner, the slower one does not take away what the quicker one has made."""
    held = tmp_path / ".lock.held"
    held.write_text("process 2 on here since now")
    locks._remove(held, "process 1 on here since long ago")
    assert "process 2 on here since now" == held.read_text()
    assert [held] == list(tmp_path.iterdir())


def test_an_error_of_flock_itself_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no missing flock, such as a disk that fails, is an error and not a lock."""

    def flock(_fd: int, _kind: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError, match="Input/output error"), locked(tmp_path / ".lock"):
        pytest.fail("locked by a broken disk")


def test_who_waits_too_long_for_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not end its turn holds up the others for a time only; a turn leaves nothing behind."""
    monkeypatch.setattr(locks, "_FILE_PATIENCE_S", 0.1)
    file, told = tmp_path / "STEPS.md", "another process works here"
    with in_turn(file), pytest.raises(FolderBusyError, match=told), in_turn(file):
        pytest.fail("two turns at once")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_flock")
def test_turns_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no flock, a file beside it is there during the turn, and one of another host holds it up."""
    monkeypatch.setattr(locks, "_FILE_PATIENCE_S", 0.1)
    held = tmp_path / ".STEPS.md.lock"
    with in_turn(tmp_path / "STEPS.md"):
        assert f"process {os.getpid()} on" in held.read_text()
    assert [] == list(tmp_path.iterdir())
    held.write_text("process 1 on another-host since 2026-01-02")
    with pytest.raises(FolderBusyError, match=r"rm .*\.STEPS\.md\.lock"), in_turn(tmp_path / "STEPS.md"):
        pytest.fail("pushed another one aside")
