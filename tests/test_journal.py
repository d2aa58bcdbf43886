from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from builders import a_trial, finished
from mnist_sweep.errors import HomeBusyError, JournalCorruptError, StorageError
from mnist_sweep.events import Cause, Event, Failed, Record, RunEnded, RunStarted, Started
from mnist_sweep.journal import Journal, locked, read_records

_HOLD = """
import sys
from pathlib import Path
from mnist_sweep.journal import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def _record(event: Event, run_s: float = 1.0) -> Record:
    return Record("2026-01-02T03:04:05.678Z", run_s, event)


_RECORDS = [
    _record(RunStarted({"host": "Käse"}), 0.0),
    _record(Started(a_trial())),
    _record(RunEnded(), 2.0),
]


def _written(path: Path, records: list[Record]) -> bytes:
    """Make a journal of these records, and give its bytes."""
    with closing(Journal(path)) as journal:
        for record in records:
            journal.append(record)
    return path.read_bytes()


class _FullDisk:
    """Stands in for os.pwrite: has room for so many bytes, then none."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._write = os.pwrite

    def __call__(self, fd: int, data: bytes, offset: int) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = self._write(fd, data[: self._room], offset)
        self._room -= n
        return n


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    """Records come back in the order in which they were appended, also after the journal was opened again."""
    path = tmp_path / "journal.jsonl"
    more = [_record(finished(a_trial())), _record(Failed(a_trial(2), Cause.ERROR, "Fehler: größer\n"))]
    _written(path, _RECORDS)
    with closing(Journal(path)) as journal:
        before = journal.records
        for record in more:
            journal.append(record)

    assert before == _RECORDS
    assert [*_RECORDS, *more] == read_records(path)


def test_a_missing_journal_has_no_records(tmp_path: Path) -> None:
    """Reading a journal that is not there gives nothing and makes no file."""
    assert [] == read_records(tmp_path / "journal.jsonl")
    assert [] == list(tmp_path.iterdir())


def test_a_journal_is_lines_of_json_below_a_header(tmp_path: Path) -> None:
    """The file names its tool and format first, and has one JSON object a line."""
    lines = _written(tmp_path / "journal.jsonl", _RECORDS).decode().splitlines()
    trees = [json.loads(line) for line in lines]

    assert {"journal": "mnist-sweep", "format": 1} == trees[0]
    assert ["run_started", "started", "run_ended"] == [tree["event"] for tree in trees[1:]]


def test_a_line_is_on_the_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sync of an append sees the whole line, so a power cut after it loses nothing but a trial's start."""
    path = tmp_path / "journal.jsonl"
    sync, synced = os.fsync, []

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        sync(fd)

    with closing(Journal(path)) as journal:
        monkeypatch.setattr(os, "fsync", fsync)
        for n, record in enumerate(_RECORDS, start=1):
            journal.append(record)
            if not isinstance(record.event, Started):
                assert path.stat().st_size == synced[-1]
            assert _RECORDS[:n] == read_records(path)


def test_a_journal_cut_at_any_byte_is_read_and_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a crash cuts the file, the whole lines are kept, the torn one goes, and the next one fits behind."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)  # durability is another test's business, and this one has 700
    path = tmp_path / "journal.jsonl"
    content = _written(path, _RECORDS)
    header = content.index(b"\n") + 1
    new = _record(finished(a_trial(3)), 9.0)
    for cut in range(len(content) + 1):
        torn = content[:cut]
        n_whole = max(torn.count(b"\n") - 1, 0)
        whole_bytes = max(torn.rfind(b"\n") + 1, header)
        path.write_bytes(torn)

        assert _RECORDS[:n_whole] == read_records(path)
        assert torn == path.read_bytes()
        with closing(Journal(path)) as journal:
            assert _RECORDS[:n_whole] == journal.records
            assert content[:whole_bytes] == path.read_bytes()
            journal.append(new)
        assert [*_RECORDS[:n_whole], new] == read_records(path)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\x00\x00\x00",
        b'{"event":"run_\xff"}',
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"{}",
        b'{"event":"unheard_of","at":"","run_s":1}',
        b'{"event":"run_ended","run_s":1}',
        b'{"event":"started","at":"","run_s":1}',
        b'{"event":"started","at":"","run_s":1,"trial":"x"}',
        b'{"event":"finished","at":"","run_s":1,"result":null}',
        b'{"event":"failed","at":"","run_s":1,"curves":[]}',
        b'{"event":"planned","at":"","run_s":1,"spec":{}}',
    ],
)
def test_a_corrupt_line_is_named_and_nothing_is_changed(tmp_path: Path, line: bytes) -> None:
    """A line in the middle that is no event stops everything, is named by file and number, and stays as it is."""
    path = tmp_path / "journal.jsonl"
    lines = _written(path, _RECORDS).split(b"\n")
    lines[2] = line
    path.write_bytes(b"\n".join(lines) + b'{"torn')
    before = path.read_bytes()

    with pytest.raises(JournalCorruptError) as reading:
        read_records(path)
    with pytest.raises(JournalCorruptError) as opening:
        Journal(path)

    assert str(reading.value).startswith(f"{path}:3: ")
    assert str(reading.value) == str(opening.value)
    assert before == path.read_bytes()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b'{"journal":"other-tool","format":1}', "not a journal of mnist-sweep"),
        (b'{"event":"run_ended","at":"","run_s":1}', "not a journal of mnist-sweep"),
        (b'{"journal":"mnist-sweep","format":2}', "has format 2, but this version reads 1"),
        (b'{"journal":"mnist-sweep"}', "has format None, but this version reads 1"),
        (b"[1]", "is no JSON object"),
        (b"hello", "is no JSON"),
    ],
)
def test_a_foreign_header_is_refused(tmp_path: Path, header: bytes, told: str) -> None:
    """A file of another tool or of a newer format is neither read nor touched."""
    path = tmp_path / "journal.jsonl"
    content = header + b"\n" + b'{"event":"run_ended","at":"","run_s":1}\n'
    path.write_bytes(content)

    with pytest.raises(JournalCorruptError) as refused:
        Journal(path)

    assert str(refused.value).startswith(f"{path}:1: ")
    assert told in str(refused.value)
    assert content == path.read_bytes()


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """An append that the disk has no room for is an error, leaves no part of a line, and can be done again later."""
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path)) as journal:
        journal.append(_RECORDS[0])
        before = path.read_bytes()
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", _FullDisk(room))
            with pytest.raises(StorageError, match=r"journal\.jsonl: cannot be written: No space left"):
                journal.append(_RECORDS[1])
        assert before == path.read_bytes()
        journal.append(_RECORDS[2])

    assert [_RECORDS[0], _RECORDS[2]] == read_records(path)


def test_a_line_that_cannot_be_synced_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails to make a line durable, the append is an error and the line is gone."""
    path = tmp_path / "journal.jsonl"

    def fsync(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with closing(Journal(path)) as journal:
        before = path.read_bytes()
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fsync)
            with pytest.raises(StorageError, match="Input/output error"):
                journal.append(_RECORDS[0])

    assert before == path.read_bytes()


def test_a_line_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that writes a few bytes at a time still gets the whole line."""
    path = tmp_path / "journal.jsonl"
    write = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        return write(fd, data[:7], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    _written(path, _RECORDS)

    assert _RECORDS == read_records(path)


def test_text_that_is_no_unicode_is_kept(tmp_path: Path) -> None:
    """A reason with a file name whose bytes are no UTF-8 (a lone surrogate in Python) is recorded like any other."""
    path = tmp_path / "journal.jsonl"
    record = _record(Failed(a_trial(), Cause.ERROR, os.fsdecode(b"no such file: \xff.npz")))
    _written(path, [record])

    assert [record] == read_records(path)


@pytest.mark.parametrize("place", ["missing/journal.jsonl", "file/journal.jsonl", "folder"])
def test_a_journal_that_cannot_be_made_is_a_storage_error(tmp_path: Path, place: str) -> None:
    """A missing folder, a file in its place, or a folder in the journal's place is told with the path."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / place

    with pytest.raises(StorageError) as error:
        Journal(path)

    assert str(error.value).startswith(f"{path}: cannot be ")


def test_a_full_disk_when_the_journal_begins_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal whose header finds no room is an error, and the file can be begun again later."""
    path = tmp_path / "journal.jsonl"
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", _FullDisk(5))
        with pytest.raises(StorageError, match="No space left"):
            Journal(path)

    _written(path, _RECORDS)
    assert _RECORDS == read_records(path)


def _hold(lock: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed."""
    command: list[Any] = [sys.executable, "-c", _HOLD, lock]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_a_home_is_held_by_one_process_until_it_dies(tmp_path: Path) -> None:
    """A second process is told who works there; when the first is killed outright, the home is free at once."""
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on a host with a long name\n" * 9)
    with _hold(lock) as holder:
        try:
            with pytest.raises(HomeBusyError) as busy, locked(lock):
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

    with locked(lock), pytest.raises(HomeBusyError), locked(lock):
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
        full.setattr(os, "pwrite", _FullDisk(0))
        with pytest.raises(StorageError, match="No space left"), locked(lock):
            pytest.fail("worked on a full disk")

    with locked(lock):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
