"""One process at a time: by flock, which the kernel frees, or by a file where the file system has no flock."""

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
from functools import partial
from pathlib import Path

from mnist_sweep.errors import FolderBusyError
from mnist_sweep.system.files import TRY_AGAIN, refusing

_NO_FLOCK = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.EINVAL}
"""How file systems say that they have no flock, or none for a folder: Lustre, FUSE, NFS."""
_LOOK_S = 0.05
_HOME_PATIENCE_S = 0.15  # `holder` takes the lock for an instant to look at it
_FILE_PATIENCE_S = 60.0
_OWNER = re.compile(r"process (\d+) on (.+) since ")


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the folder's lock; it is free again when the process has ended, however it ended."""
    with ExitStack() as at_end:
        with refusing(f"{lock}: cannot be written", TRY_AGAIN):
            fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            at_end.callback(os.close, fd)
            _take(fd, _held(lock), _HOME_PATIENCE_S, at_end)
            os.ftruncate(fd, 0)
            os.pwrite(fd, _this_process(), 0)
        yield


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Read, change and replace a file while no other process does: the others wait."""
    with ExitStack() as at_end:
        with refusing(f"{file.parent}: cannot be locked", "; correct the permissions"):
            fd = os.open(file.parent, os.O_RDONLY)  # a lock on the file itself would go with the file that is replaced
            at_end.callback(os.close, fd)
            _take(fd, file.with_name(f".{file.name}.lock"), _FILE_PATIENCE_S, at_end)
        yield


def holder(lock: Path) -> str | None:
    """Who holds the folder's lock, in words; None when nobody does."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)  # of a named pipe nobody need hold the other end
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(fd)
    except OSError:
        said = _content(_held(lock))
        return _owner(said) if _held(lock).exists() and not _is_gone(said) else None
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
            ours = _this_process() + _identity(os.getpid()).encode()
            busy = _make(held, ours)
            if not busy:
                folder = os.open(held.parent, os.O_RDONLY)
                at_end.callback(os.close, folder)
                at_end.callback(_unmake, folder, held.name, ours)
                return
        else:
            return
        if time.monotonic() > until:
            raise FolderBusyError(f"{held.parent}: {busy}")
        time.sleep(_LOOK_S)


def _make(held: Path, ours: bytes) -> str:
    """Make the file that says that this process works here; returns why that cannot be, or nothing."""
    try:
        _write_new(held, ours)
    except FileExistsError:
        said = _content(held)
        if _is_gone(said):
            _remove(held, said)
        remove = f"rm {shlex.quote(str(held))}"
        busy = f"{_owner(said)} works here; wait for it to end, or stop it"
        return f"{busy}. If it no longer runs, remove its lock: {remove}"
    return ""


def _unmake(folder: int, name: str, ours: bytes) -> None:
    """Remove our file, whatever its folder is called by now, unless another process has made its own there."""
    with suppress(OSError), open(name, "rb", opener=partial(os.open, dir_fd=folder)) as file:
        if file.read() == ours:
            os.unlink(name, dir_fd=folder)


def _write_new(file: Path, content: bytes) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(fd, content)
    except OSError:  # one that says nothing would stay there for ever
        file.unlink()
        raise
    finally:
        os.close(fd)


def _is_gone(said: str) -> bool:
    """Whether it was a process that would be seen here if it still ran."""
    owner, _, identity = said.partition("\n")
    found, ours = _OWNER.match(owner), _identity(os.getpid())
    if not found or found[2] != socket.gethostname() or identity.split()[:-1] != ours.split()[:-1]:
        return False
    pid = int(found[1])
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return identity != _identity(pid) if ours else pid == os.getpid()  # its number may be another process's by now


def _identity(pid: int) -> str:
    """The start of the machine, the container and the start of the process: numbers alone say little among containers.

    Empty where the system does not tell, as on macOS.
    """
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        container = Path("/proc/self/ns/pid").readlink()
        started = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{machine} {container} {started}"


def _remove(held: Path, said: str) -> None:
    """Take away what a process has left that is gone, unless another one has done so, and works here now."""
    aside = held.with_name(f"{held.name}.{os.getpid()}")
    with suppress(OSError):
        held.rename(aside)  # of several processes that see the same file, one alone gets it
        found = _content(aside)
        aside.unlink()
        if found != said:
            _write_new(held, found.encode())  # unless a third process has made its own meanwhile


def _this_process() -> bytes:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode()


def _content(held: Path) -> str:
    try:
        return held.read_text(errors="replace")
    except OSError:
        return ""


def _owner(said: str) -> str:
    return said.partition("\n")[0].strip() or "another process"


def _said(fd: int) -> str:
    try:
        return os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
    except OSError:  # a folder says nothing
        return "another process"
