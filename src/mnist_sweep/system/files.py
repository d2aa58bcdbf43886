"""Reading regular files only; writing a file whole or not at all."""

import errno
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist_sweep.errors import StorageError

_ANY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH  # root may write what nobody may, which is not what is meant
_LITTLE = 2**20
_OTHERS: Mapping[str, Callable[[int], bool]] = {
    "a folder": stat.S_ISDIR,
    "a named pipe": stat.S_ISFIFO,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    "a socket": stat.S_ISSOCK,
}


@contextmanager
def refusing(what: str, remedy: str = "") -> Iterator[None]:
    """Where the system refuses something in this block, say what could not be done, why, and what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror}{remedy}") from error


TRY_AGAIN = "; make room or correct the permissions, then try again"


def is_there(path: Path) -> bool:
    """Whether something bears that name, so that it can be read or told why it cannot."""
    try:
        path.stat()
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
    return True


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file of at most so many; what else bears such a name, and might never end, is refused.

    Raises:
        OSError: its strerror says in words what was found.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for words, holds in _OTHERS.items() if holds(status.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"found {kind}, needed: a regular file", str(path))
    size = status.st_size
    if most is None or size <= most:
        # Files of /proc tell no size, and some never end; room is made for as much as is asked for.
        content = _read(path, -1 if most is None else min(most, max(size, _LITTLE)) + 1)
        if most is None or len(content) <= most:
            return content
        size = len(content)
    raise OSError(errno.EFBIG, f"found a file of {size:,} bytes, allowed: at most {most:,}", str(path))


def _read(path: Path, n_bytes: int) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            return file.read(n_bytes) or b""
    except MemoryError:
        raise OSError(errno.ENOMEM, "it does not fit into memory", str(path)) from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once: readers see the old one or the new one, a crash leaves no half.

    A link stays a link, and its target is replaced; a file keeps its permissions and its owner.

    Raises:
        StorageError: when it cannot be written; the old file is then untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    where = path if target.name == path.name else f"{path} (a link to {target})"
    with refusing(f"{where}: cannot be written", TRY_AGAIN):
        old = _replaceable(target)
        try:
            with temporary.open("wb") as file:
                if old:
                    _take_over(file.fileno(), old)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _replaceable(target: Path) -> os.stat_result | None:
    """What is known of the file that will be replaced; None when there is none yet."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, "found something else than a regular file there")
    if not old.st_mode & _ANY_WRITES:
        raise OSError(errno.EACCES, f"it is read-only (chmod u+w {shlex.quote(str(target))} would change that)")
    os.close(os.open(target, os.O_WRONLY))  # a name can be replaced where the file itself must not be written
    return old


def _take_over(fd: int, old: os.stat_result) -> None:
    with suppress(OSError):  # only root may give a file away
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))


def sync_folder(path: Path) -> None:
    """Make a new file's name durable, as fsync(2) of the file does not; pass over a folder that cannot be synced.

    CIFS, vboxsf and WSL refuse to, and a folder may forbid to be read.

    Raises:
        OSError: when the disk is full or fails.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in {errno.EIO, errno.ENOSPC, errno.EDQUOT}:
            raise
