"""The durable record of a sweep: locked, synced lines of JSON.

Law: only `run_sweep` appends; workers return values.
A line is either whole or, at the end of the file, torn; a torn tail is cut off under the lock before the next append.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnist_sweep.errors import HomeBusyError, JournalCorruptError, StorageError
from mnist_sweep.events import Record, Started, record_from_dict, record_to_dict
from mnist_sweep.files import read_file

FORMAT = 1
_HEADER = {"journal": "mnist-sweep", "format": FORMAT}


def read_records(path: Path) -> list[Record]:
    """All whole records of a journal; a torn last line is passed over. A missing file has none.

    Raises:
        JournalCorruptError: when a line cannot be understood; it is named, and nothing is changed.
        StorageError: when the file cannot be read.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    lines = content[: _whole_bytes(content)].split(b"\n")[:-1]
    if lines:
        _check_header(path, lines[0])
    return [_record(path, number, line) for number, line in enumerate(lines[1:], start=2)]


def _whole_bytes(content: bytes) -> int:
    """How many bytes belong to lines that were written to their end."""
    return content.rfind(b"\n") + 1


def _check_header(path: Path, line: bytes) -> None:
    header = _parse(path, 1, line)
    if header.get("journal") != _HEADER["journal"]:
        raise JournalCorruptError(f"{path}:1: not a journal of mnist-sweep; move the file away, or restore it")
    if header.get("format") != FORMAT:
        msg = f"{path}:1: has format {header.get('format')}, but this version reads {FORMAT}; use a newer mnist-sweep"
        raise JournalCorruptError(msg)


def _record(path: Path, number: int, line: bytes) -> Record:
    tree = _parse(path, number, line)
    try:
        return record_from_dict(tree)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"is no event that this version knows ({type(error).__name__}: {error})"
        raise _corrupt(path, number, what, "use the mnist-sweep that wrote it") from error


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(line)
    except ValueError as error:
        raise _corrupt(path, number, f"is no JSON ({error})") from error
    if not isinstance(tree, dict):
        raise _corrupt(path, number, "is no JSON object")
    return tree


def _corrupt(path: Path, number: int, what: str, mend: str = "") -> JournalCorruptError:
    if not mend and number > 1:
        mend = "delete that line: the trial that it recorded is then trained again"
    return JournalCorruptError(
        f"{path}:{number}: this line {what}; nothing was changed. Restore the file from a copy"
        + (f", or {mend}" if mend else "")
    )


class Journal:
    """A journal that is open for appending; its home must be locked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records = read_records(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            self._size = self._cut_torn_tail()
            if not self._size:
                self._write(_HEADER)
                _sync_folder(path.parent)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from error

    def append(self, record: Record) -> None:
        """Write a record; when this returns, it is on the disk.

        A trial's start alone may still be on its way there: without its end it counts for nothing.

        Raises:
            StorageError: when it could not be written; the journal is then as it was before.
        """
        try:
            self._write(record_to_dict(record), sync=not isinstance(record.event, Started))
        except OSError as error:
            msg = (
                f"{self._path}: cannot be written: {error.strerror}; all earlier results are safe. "
                "Make room, then run the same command to continue"
            )
            raise StorageError(msg) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _cut_torn_tail(self) -> int:
        content = self._path.read_bytes()
        size = _whole_bytes(content)
        if size < len(content):
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
        return size

    def _write(self, tree: dict[str, Any], *, sync: bool = True) -> None:
        line = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.pwrite(self._fd, rest, self._size + len(line) - len(rest)) :]
            if sync:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(line)


def _sync_folder(path: Path) -> None:
    """Make a new file's name durable: fsync(2) of a file does not sync the folder that names it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the home's lock; the kernel frees it when the process ends, however it ends.

    Raises:
        HomeBusyError: when another process holds it; says which.
        StorageError: when the lock file cannot be made.
    """
    with ExitStack() as closing_later:
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            closing_later.callback(os.close, fd)
            _take(fd, lock)
        except OSError as error:
            msg = f"{lock}: cannot be written: {error.strerror}; make room or correct the permissions, then try again"
            raise StorageError(msg) from error
        yield


def holder(lock: Path) -> str | None:
    """Who holds the home's lock, in words; None when nobody does."""
    try:
        fd = os.open(lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
    finally:
        os.close(fd)
    return None


def _take(fd: int, lock: Path) -> None:
    for patience in (0.05, 0.1, 0.0):  # `holder` takes the lock for an instant to look at it
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if not patience:
                who = os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
                raise HomeBusyError(f"{lock.parent}: {who} works here; wait for it to end, or stop it") from error
            time.sleep(patience)
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)
