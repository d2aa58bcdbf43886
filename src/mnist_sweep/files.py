"""Writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from mnist_sweep.errors import StorageError

_ANY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH  # root may write what nobody may, which is not what is meant


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once: readers see the old one or the new one, a crash leaves no half.

    A link stays a link, and its target is replaced; a file keeps its permissions and its owner.

    Raises:
        StorageError: when it cannot be written; the old file is then untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
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
    except OSError as error:
        where = path if target.name == path.name else f"{path} (a link to {target})"
        msg = f"{where}: cannot be written: {error.strerror}; make room or correct the permissions, then try again"
        raise StorageError(msg) from error


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
