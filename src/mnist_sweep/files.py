"""Reading regular files only; writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from mnist_sweep.errors import StorageError

_LITTLE = 2**20
_OTHERS: Mapping[str, Callable[[int], bool]] = {
    "a folder": stat.S_ISDIR,
    "a named pipe": stat.S_ISFIFO,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    "a socket": stat.S_ISSOCK,
}


def is_there(path: Path) -> bool:
    """Whether something bears that name, so that it can be read or told why it cannot."""
    try:
        path.stat()
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
    return True


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file; what else bears a file's name, and might never end, is refused at once.

    Args:
        most: bytes that such a file has at most.

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

    Raises:
        StorageError: when it cannot be written; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}; make room or correct the permissions, then try again"
        raise StorageError(msg) from error
