"""The durable record of a sweep: synced lines of JSON, each with a checksum.

Law: only `run_sweep` appends, under the folder's lock; workers return values.
A line is either whole or, at the end of the file, torn; a torn tail is cut off before the next append.
"""

import json
import os
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from mnist_sweep.errors import JournalCorruptError
from mnist_sweep.journal.events import Record, Started, record_from_dict, record_to_dict
from mnist_sweep.journal.ledger import Ledger, replay
from mnist_sweep.system.files import read_file, refusing, sync_folder

FORMAT = 1
_HEADER = {"journal": "mnist-sweep", "format": FORMAT}

_SUM_FIELD = b',"crc":"'
_SUM_BYTES = len(_SUM_FIELD) + len('01234567"}')
"""The last field of a line is the CRC-32 of the bytes before it: every change of up to four bytes in a row is found for
certain, any other but for one in four billion (https://users.ece.cmu.edu/~koopman/crc/). Lines that were written before
there were checksums have none."""


def read_records(path: Path) -> list[Record]:
    """All whole records of a journal; a torn last line is passed over. A missing file has none.

    Raises:
        JournalCorruptError: when a line cannot be understood; it is named, and nothing is changed.
        StorageError: when the file cannot be read.
    """
    return _records(path, _content(path))


def read_ledger(path: Path) -> Ledger:
    """The ledger of a journal's records."""
    return replay(read_records(path))


def _content(path: Path) -> bytes:
    with refusing(f"{path}: cannot be read"):
        try:
            return read_file(path)
        except FileNotFoundError:
            return b""


def _records(path: Path, content: bytes) -> list[Record]:
    trees = _trees(path, content)
    header = next(trees, None)
    if header is not None:
        _check_header(path, header)
    return [_record(path, number, tree) for number, tree in enumerate(trees, start=2)]


def _trees(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    """The JSON object of each whole line, its checksum verified and taken off."""
    *lines, tail = content.split(b"\n")
    summed = False
    for number, line in enumerate(lines, start=1):
        body = _without_sum(line)
        if body is None and summed:
            raise _corrupt(path, number, "has no checksum, but lines before it have one")
        if body is not None and line[-10:-2] != _checksum(body):
            raise _corrupt(path, number, "was changed after it was written: its checksum does not hold")
        summed = body is not None
        yield _parse(path, number, line if body is None else body + b"}")
    if _is_object(tail[:-1]):  # a line that a crash has torn lacks its end; this one has it, and more behind it
        raise _corrupt(path, len(lines) + 1, f"ends with {tail[-1:]!r} instead of a line feed")


def _without_sum(line: bytes) -> bytes | None:
    """The bytes before the checksum; None for a line that has none."""
    body, end = line[:-_SUM_BYTES], line[-_SUM_BYTES:]
    return body if end.startswith(_SUM_FIELD) and end.endswith(b'"}') else None


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _check_header(path: Path, header: dict[str, Any]) -> None:
    if header.get("journal") != _HEADER["journal"]:
        raise JournalCorruptError(f"{path}:1: not a journal of mnist-sweep; move the file away, or restore it")
    if header != _HEADER:
        version = header.get("format")
        found = f"format {version}" if version != FORMAT else f"the fields {', '.join(header)}"
        msg = f"{path}:1: has {found}, but this version reads format {FORMAT}; use a newer mnist-sweep"
        raise JournalCorruptError(msg)


def _record(path: Path, number: int, tree: dict[str, Any]) -> Record:
    try:
        record = record_from_dict(tree)
        if datetime.fromisoformat(record.at).tzinfo is None:
            raise ValueError(f"at: found {record.at}, needed: a time with its offset from UTC")  # noqa: TRY301
    except Exception as error:  # whatever a wrong value breaks, it is the line that is wrong
        what = f"is no event that this version knows ({type(error).__name__}: {error})"
        raise _corrupt(path, number, what, "use the mnist-sweep that wrote it") from error
    return record


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(line, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, number, f"is no JSON ({error})") from error
    if not isinstance(tree, dict):
        raise _corrupt(path, number, "is no JSON object")
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return tree


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _corrupt(path: Path, number: int, what: str, advice: str = "") -> JournalCorruptError:
    remedies = ["Restore the file from a copy", advice]
    if number > 1:
        remedies.append("or delete that line: the trial that it recorded is then trained again")
    return JournalCorruptError(
        f"{path}:{number}: this line {what}; nothing was changed. {', '.join(filter(None, remedies))}"
    )


class Journal:
    """A journal that is open for appending; its folder must be locked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        content = _content(path)
        self.records = _records(path, content)
        self._size = content.rfind(b"\n") + 1  # what belongs to lines that were written to their end
        with refusing(f"{path}: cannot be written"):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._begin(len(content))
            except OSError:
                self.close()
                raise

    def append(self, record: Record) -> None:
        """Write a record; when this returns, it is on the disk.

        A trial's start alone may still be on its way there: without its end it counts for nothing.

        Raises:
            StorageError: when it could not be written; the journal is then as it was before.
        """
        safe = "; all earlier results are safe. Make room, then run the same command to continue"
        with refusing(f"{self._path}: cannot be written", safe):
            self._write(record_to_dict(record), sync=not isinstance(record.event, Started))

    def close(self) -> None:
        """Its records stay; nothing can be appended any more."""
        os.close(self._fd)

    def _begin(self, n_bytes: int) -> None:
        """Cut off a torn tail; write the header of a new journal."""
        if self._size < n_bytes:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
        if not self._size:
            self._write(_HEADER)
            sync_folder(self._path.parent)

    def _write(self, tree: dict[str, Any], *, sync: bool = True) -> None:
        body = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode()[:-1]
        line = body + _SUM_FIELD + _checksum(body) + b'"}\n'
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
