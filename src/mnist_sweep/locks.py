"""One process at a time: by flock, which the kernel frees, or by a file where the file system has no flock."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from mnist_sweep.errors import HomeBusyError, StorageError

_NO_FLOCK = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.EINVAL}
"""How file systems say that they have no flock, or none for a folder: Lustre, FUSE, NFS."""
_LOOK_S = 0.05
_HOME_PATIENCE_S = 0.15  # `holder` takes the lock for an instant to look at it
_FILE_PATIENCE_S = 60.0
_OWNER = re.compile(r"process (\d+) on (.+) since ")


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the home's lock; it is free again when the process has ended, however it ended.

    Raises:
        HomeBusyError: when another process holds it; says which.
        StorageError: when the lock file cannot be made.
    """
    with ExitStack() as at_end:
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            at_end.callback(os.close, fd)
            _take(fd, _held(lock), _HOME_PATIENCE_S, at_end)
            os.ftruncate(fd, 0)
            os.pwrite(fd, _this_process(), 0)
        except OSError as error:
            msg = f"{lock}: cannot be written: {error.strerror}; make room or correct the permissions, then try again"
            raise StorageError(msg) from error
        yield


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Read, change and replace a file while no other process does: the others wait.

    Raises:
        HomeBusyError: when another process does not come to its end.
        StorageError: when there is no such folder, or it cannot be locked.
    """
    with ExitStack() as at_end:
        try:
            fd = os.open(file.parent, os.O_RDONLY)  # a lock on the file itself would go with the file that is replaced
            at_end.callback(os.close, fd)
            _take(fd, file.with_name(f".{file.name}.lock"), _FILE_PATIENCE_S, at_end)
        except OSError as error:
            raise StorageError(f"{file.parent}: cannot be locked: {error.strerror}; correct the permissions") from error
        yield


def holder(lock: Path) -> str | None:
    """Who holds the home's lock, in words; None when nobody does."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)  # of a named pipe nobody need hold the other end
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(fd)
    except OSError:
        held = _held(lock)
        owner = _owner(held)
        return owner if held.exists() and not _is_gone(owner) else None
    finally:
        os.close(fd)
    return None


def _held(lock: Path) -> Path:
    """The file that says who holds the lock where flock cannot; it is there only while somebody does."""
    return lock.with_name(f"{lock.name}.held")


def _take(fd: int, held: Path, patience_s: float, at_end: ExitStack) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = f"{_said(fd)} works here; wait for it to end, or stop it"
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            busy = _make(held)
            if not busy:
                at_end.callback(held.unlink, missing_ok=True)
                return
        else:
            return
        if time.monotonic() > until:
            raise HomeBusyError(f"{held.parent}: {busy}")
        time.sleep(_LOOK_S)


def _make(held: Path) -> str:
    """Make the file that says that this process works here; returns why that cannot be, or nothing."""
    try:
        fd = os.open(held, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        owner = _owner(held)
        if _is_gone(owner):
            _remove(held, owner)
        remove = f"rm {shlex.quote(str(held))}"
        return f"{owner} works here; wait for it to end, or stop it. If it no longer runs, remove its lock: {remove}"
    try:
        os.write(fd, _this_process())
    finally:
        os.close(fd)
    return ""


def _is_gone(owner: str) -> bool:
    """Whether it was a process of this machine that no longer runs."""
    found = _OWNER.match(owner)
    if not found or found[2] != socket.gethostname():
        return False
    if int(found[1]) == os.getpid():  # it had the number that this process has got since, as in a container
        return True
    try:
        os.kill(int(found[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _remove(held: Path, owner: str) -> None:
    """Take away what a process has left that is gone, unless another one has done so, and works here now."""
    aside = held.with_name(f"{held.name}.{os.getpid()}")
    with suppress(OSError):
        held.rename(aside)  # of several processes that see the same file, one alone gets it
        if _owner(aside) == owner:
            aside.unlink()
        else:
            aside.rename(held)


def _this_process() -> bytes:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode()


def _owner(held: Path) -> str:
    try:
        return held.read_text(errors="replace").strip() or "another process"
    except OSError:
        return "another process"


def _said(fd: int) -> str:
    try:
        return os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
    except OSError:  # a folder says nothing
        return "another process"
