from __future__ import annotations

import errno
import json
import os
import random
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from builders import DATA, a_plan, a_trial, finished
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.analysis.wording import closing_words, outcome_words
from mnist_sweep.errors import JournalCorruptError, StorageError
from mnist_sweep.journal.events import Cause, Event, Failed, Planned, Record, RunEnded, RunStarted, Started
from mnist_sweep.journal.journal_file import Journal, read_records
from mnist_sweep.journal.ledger import replay
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.terminal.plan_and_status import left_of_run


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


def _without_sums(content: bytes) -> bytes:
    """A journal as it was written before lines had checksums."""
    return re.sub(rb',"crc":"[0-9a-f]{8}"}$', b"}", content, flags=re.MULTILINE)


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
    """The file names its tool and format first, and has one JSON object a line, the last field its checksum."""
    lines = _written(tmp_path / "journal.jsonl", _RECORDS).decode().splitlines()
    trees = [json.loads(line) for line in lines]

    assert '{"journal":"mnist-sweep","format":1,"crc":"f1bcf26a"}' == lines[0]
    assert ["crc"] * 4 == [list(tree)[-1] for tree in trees]
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
        b'{"event":"run_ended","at":"yesterday","run_s":1}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05.678","run_s":1}',
        b'{"event":"run_started","at":"2026-01-02T03:04:05Z","run_s":1,"environment":{"workers":0}}',
        b'{"event":"run_started","at":"2026-01-02T03:04:05Z","run_s":1,"environment":{"workers":2.5}}',
        b'{"event":"run_started","at":"2026-01-02T03:04:05Z","run_s":1,"environment":{"stack":0}}',
        b'{"event":"run_started","at":"2026-01-02T03:04:05Z","run_s":1,"environment":{"stack":true}}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":1e999}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":NaN}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":"1"}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":1,"run_s":2}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":' + b"9" * 5000 + b"}",
        b'{"event":["run_ended"],"at":"2026-01-02T03:04:05Z","run_s":1}',
        b'{"event":"run_ended","at":"2026-01-02T03:04:05Z","run_s":1,"crc":"00000000"} ',
        b'{"event":"run_started","at":"2026-01-02T03:04:05Z","run_s":1,"environment":' + b"[" * 100_000,
    ],
    ids=lambda line: str(line[:70]),
)
def test_a_corrupt_line_is_named_and_nothing_is_changed(tmp_path: Path, line: bytes) -> None:
    """A line in the middle that is no event stops everything, is named by file and number, and stays as it is."""
    path = tmp_path / "journal.jsonl"
    lines = _without_sums(_written(path, _RECORDS)).split(b"\n")
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
        (b'{"journal":"mnist-sweep","format":2}', "has format 2, but this version reads format 1"),
        (b'{"journal":"mnist-sweep"}', "has format None, but this version reads format 1"),
        (b'{"journal":"mnist-sweep","format":1,"crd":"5ab9"}', "has the fields journal, format, crd, but this version"),
        (b'{"journal":"mnist-sweep","format":1,"crc":"00000000"}', "its checksum does not hold"),
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


_STORY = [
    _record(Planned(a_plan().spec)),
    _record(RunStarted({"host": "Käse", "workers": 2, "stack": 2}), 0.0),
    _RECORDS[1],
    _record(finished(a_trial())),
    _record(Failed(a_trial(2), Cause.ERROR, "ValueError: no")),
    _record(Started(a_trial(3))),
    _RECORDS[2],
]


def _change(content: bytes, at: int, chance: random.Random) -> bytes:
    """Another byte in that place."""
    return content[:at] + bytes([content[at] ^ chance.randrange(1, 256)]) + content[at + 1 :]


def _insert(content: bytes, at: int, chance: random.Random) -> bytes:
    return content[:at] + bytes([chance.randrange(256)]) + content[at:]


def _delete(content: bytes, at: int, _chance: random.Random) -> bytes:
    return content[:at] + content[at + 1 :]


@pytest.mark.parametrize("harm", [_change, _insert, _delete])
def test_no_harm_to_a_byte_gives_other_results(
    tmp_path: Path, harm: Callable[[bytes, int, random.Random], bytes]
) -> None:
    """Whichever byte is changed, added or lost: the line is named, or what is read is exactly what was written."""
    path = tmp_path / "journal.jsonl"
    content = _written(path, _STORY)
    chance = random.Random(18)  # noqa: S311  no secret
    n_named = 0
    for at in range(len(content)):
        path.write_bytes(harm(content, at, chance))
        try:
            records = read_records(path)
        except JournalCorruptError as error:
            n_named += str(error).startswith(f"{path}:{content[:at].count(10) + 1}: ")
        else:
            assert _STORY == records or (at == len(content) - 1 and _STORY[:-1] == records)
    assert n_named >= len(content) - 3


def test_old_lines_are_read_or_named_whatever_was_done_to_them(tmp_path: Path) -> None:
    """Lines without a checksum, damaged anywhere, give values that every command can use, or the error of a journal."""
    path = tmp_path / "journal.jsonl"
    content = _without_sums(_written(path, _STORY))
    chance = random.Random(18)  # noqa: S311  no secret
    n_named = 0
    for at in range(len(content)):
        path.write_bytes(chance.choice([_change, _insert, _delete])(content, at, chance))
        try:
            ledger = replay(read_records(path))
        except JournalCorruptError:
            n_named += 1
            continue
        assert [outcome_words(outcome) for outcome in ledger.outcomes.values()]
        assert set(ledger.running) == set(ledger.spent(1.0))
        if ledger.spec:
            plan = make_plan(ledger.spec, DATA)
            assert closing_words(summarize(plan, ledger), "best.xlsx")
            for running in (False, True):
                left = left_of_run(plan, ledger, running=running)
                assert left is None or left.likely > 0
    assert n_named > len(content) // 2


@pytest.mark.parametrize("n_old", range(1, len(_STORY) + 2))
def test_an_old_journal_goes_on_with_checksums(tmp_path: Path, n_old: int) -> None:
    """Lines without a checksum stay as they are; those that follow have one, and none may follow without it."""
    path = tmp_path / "journal.jsonl"
    lines = _without_sums(_written(path, _STORY)).splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:n_old]))
    written = _written(path, _STORY[n_old - 1 :])
    assert b"".join(lines[:n_old]) == written[: len(b"".join(lines[:n_old]))]
    assert len(_STORY) + 1 - n_old == written.count(b'"crc"')
    assert _STORY == read_records(path)
    if n_old <= len(_STORY):
        path.write_bytes(written + lines[-1])
        with pytest.raises(JournalCorruptError, match=rf":{len(_STORY) + 2}: this line has no checksum"):
            read_records(path)


def test_a_line_is_not_taken_for_torn_because_its_end_was_changed(tmp_path: Path) -> None:
    """A whole last line with another byte in place of its line feed was finished: it is named, and not cut off."""
    path = tmp_path / "journal.jsonl"
    for content in (_written(path, _STORY), _without_sums(path.read_bytes())):
        path.write_bytes(content[:-1] + b"x")
        with pytest.raises(JournalCorruptError, match=rf":{len(_STORY) + 1}: this line ends with b'x'"):
            Journal(path)
        assert content[:-1] + b"x" == path.read_bytes()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_folder_that_cannot_be_synced_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """CIFS, vboxsf and WSL do not sync folders: a journal begins there all the same."""
    sync = os.fsync

    def fsync(fd: int) -> None:
        if Path(f"/dev/fd/{fd}").is_dir():
            raise OSError(number, os.strerror(number))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    _written(tmp_path / "journal.jsonl", _STORY)
    assert _STORY == read_records(tmp_path / "journal.jsonl")


def test_a_folder_on_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is not passed over."""

    def fsync(fd: int) -> None:
        if Path(f"/dev/fd/{fd}").is_dir():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="Input/output error"):
        Journal(tmp_path / "journal.jsonl")
