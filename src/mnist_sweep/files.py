"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from mnist_sweep.errors import StorageError


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
