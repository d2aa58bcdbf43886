"""What a command says may get lost; what it does may not."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from builders import finished
from mnist_sweep.journal.events import Event, Planned, Record, RunEnded, RunStarted
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.journal_file import Journal, read_records
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.sweepfile.sweep_file import load_spec
from mnist_sweep.system.streams import Stream, open_streams

_TINY = """\
name: tiny
repeats: 1
validation_fraction: 0.95
grid:
  hidden_width: [8, 16]
  batch_size: 100
  max_epochs: {max_epochs}
  early_stopping: off
"""
_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
_ASCII = {
    "asked for": {"PYTHONIOENCODING": "ascii"},
    "by locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture
def tiny(mnist: object) -> str:
    """A sweep file of one quick trial; MNIST is in the cache."""
    assert mnist
    Path("tiny.yaml").write_text(_TINY.format(max_epochs=1).replace("[8, 16]", "8"))
    return "tiny.yaml"


@pytest.fixture
def done() -> str:
    """The folder of a finished sweep; there is another with the same in output/other."""
    Path("tiny.yaml").write_text(_TINY.format(max_epochs=5))
    plan = make_plan(load_spec(Path("tiny.yaml")), MNIST)
    folder = SweepFolder(Path("output/tiny"))
    folder.create()
    events: list[Event] = [Planned(plan.spec), RunStarted({"workers": 1}), *map(finished, plan.trials), RunEnded()]
    with closing(Journal(folder.journal)) as journal:
        for event in events:
            journal.append(Record("2026-01-01T00:00:00Z", 1.0, event))
    shutil.copytree(folder.path, "output/other")
    return str(folder.path)


def _shell(words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command with redirections, as a shell of the user's runs it."""
    command = f"{sys.executable} -m mnist_sweep {words}"
    return subprocess.run(
        ["sh", "-c", command], env={**os.environ, **environment}, capture_output=True, check=False, timeout=300
    )


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """A pipe to read what a stream writes."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back at the end
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    open_streams()
    return os.pipe()


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "2×64: 0.98 ± 0.01", "2×64: 0.98 ± 0.01".encode()),
        ("iso-8859-1", "2×64: 0.98 ± 0.01 …ω", "2×64: 0.98 ± 0.01 ...?".encode("latin-1")),
        ("ascii", "2×64 ── 0.98 ± 0.01 ω²", b"2x64 -- 0.98 +- 0.01 ?2"),
        ("ascii", os.fsdecode(b"caf\xe9.yaml"), b"caf\xe9.yaml"),
        ("utf-8", os.fsdecode(b"caf\xe9.yaml"), b"caf\xe9.yaml"),
    ],
)
def test_what_an_encoding_lacks_is_replaced(pipe: tuple[int, int], encoding: str, text: str, written: bytes) -> None:
    """Signs become the nearest that there is, else a question mark; bytes of a file's name stay what they are."""
    reader, writer = pipe
    assert len(text) == Stream(writer, encoding).write(text)
    assert written == os.read(reader, 1000)


def test_a_failure_is_remembered_and_the_next_words_are_tried() -> None:
    """Nothing is raised; what failed first is known at the end; once there is room again, words come through."""
    reader, writer = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY) if Path("/dev/full").exists() else reader
    stream = Stream(full, "utf-8")
    stream.write("lost")
    assert stream.error
    assert stream.error.errno in {errno.ENOSPC, errno.EBADF}
    os.dup2(writer, full)
    stream.write("heard")
    assert stream.error
    os.close(writer)


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    """What a slow reader cannot take yet is written when it can; nothing is cut, and nothing counts as a failure."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    stream, text = Stream(writer, "utf-8"), "x" * 1_000_000
    with os.fdopen(reader, "rb") as file, ThreadPoolExecutor(1) as pool:
        read = pool.submit(file.read)
        stream.write(text)
        os.close(writer)
        assert (text.encode(), None) == (read.result(), stream.error)


@_FULL
@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_sweep_needs_nobody_to_talk_to(tiny: str, streams: str) -> None:
    """With any of its streams closed or full a sweep trains everything, writes its reports and ends with 0."""
    assert 0 == _shell(f"run {tiny} {streams}").returncode
    assert len(read_records(Path("output/tiny/journal.jsonl"))) == 1 + 1 + 2 + 1
    assert Path("output/tiny/best.xlsx").is_file()


def test_words_of_a_signal_never_reach_the_journal(tiny: str) -> None:
    """A sweep without streams that is told to stop leaves its journal whole, and ends as with streams."""
    Path(tiny).write_text(_TINY.format(max_epochs=100_000).replace("[8, 16]", "8"))
    command = f"exec {sys.executable} -m mnist_sweep run {tiny} <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", command]) as running:
        try:
            _wait_for_a_start()
            running.send_signal(signal.SIGTERM)
            assert 143 == running.wait(timeout=60)
        finally:
            running.kill()  # else a test that fails would wait for it
    assert read_records(Path("output/tiny/journal.jsonl"))
    assert Path("output/tiny/best.xlsx").is_file()


def _wait_for_a_start() -> None:
    journal, end = Path("output/tiny/journal.jsonl"), time.monotonic() + 120
    while not (journal.exists() and '"started"' in journal.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)


@_FULL
@pytest.mark.parametrize("words", ["plan tiny.yaml", "status {}", "compare {} output/other", "schema"])
def test_what_is_printed_arrives_or_is_told(done: str, words: str) -> None:
    """A command that cannot print says so, with exit code 9; closed streams and readers who leave are no fault."""
    words = words.format(done)
    full = _shell(f"{words} >/dev/full")
    assert (9, b"Error: standard output cannot be written: No space left on device\n") == (full.returncode, full.stderr)
    for streams in ("<&- >&-", "2>&-", "| true"):
        told = _shell(f"{words} {streams}")
        assert (0, b"") == (told.returncode, told.stderr)


@_FULL
def test_a_report_is_written_before_it_is_told(done: str) -> None:
    """`report` that cannot print has written its files."""
    assert 9 == _shell(f"report {done} <&- >/dev/full").returncode
    assert Path(done, "best.xlsx").is_file()


@pytest.mark.parametrize("environment", _ASCII.values(), ids=_ASCII)
def test_every_command_speaks_ascii(done: str, environment: dict[str, str]) -> None:
    """Where the locale has nothing but ASCII, each command ends as ever and prints nothing else."""
    for words in ("plan tiny.yaml", "plan tiny.yaml --list", "status {}", "report {}", "compare {} output/other"):
        told = _shell(words.format(done), **environment)
        assert 0 == told.returncode, told.stderr
        assert "2x" in told.stdout.decode("ascii")


def test_a_sweep_speaks_ascii(tiny: str) -> None:
    """So do trainings."""
    told = _shell(f"run {tiny}", **_ASCII["by locale"])
    assert (0, True) == (told.returncode, "2x8 " in (told.stdout + told.stderr).decode("ascii"))


def test_the_encoding_of_the_user_is_kept(done: str) -> None:
    """ISO 8859-1 has a sign for times, and gets it."""
    told = _shell(f"status {done}", PYTHONIOENCODING="iso-8859-1")
    assert 0 == told.returncode
    assert "2×8 ".encode("latin-1") in told.stdout


def test_bugs_are_told_in_ascii_too(done: str) -> None:
    """The report of a crash is written whatever the locale."""
    with Path("tiny.yaml").open("a", encoding="utf-8") as file:
        file.write("# größer\n")
    code = (
        "import sys; sys.argv[1:] = ['plan', 'tiny.yaml']\n"
        "import mnist_sweep.terminal.plan_and_status as overview\n"
        "def broken(*a, **k): raise ZeroDivisionError('2' + chr(215) + '64')\n"
        "overview.print_plan = broken\n"
        "from mnist_sweep.cli.main import main\n"
        "main()"
    )
    environment = {**os.environ, **_ASCII["by locale"]}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (3, True) == (told.returncode, b"2x64" in told.stderr)
    (report,) = Path(done).glob("crash-*.txt")
    assert "größer" in report.read_text("utf-8")


def test_a_folder_named_in_other_bytes_is_a_folder(done: str) -> None:
    """Reports name the folder as well as UTF-8 can; a name of a sweep is refused in words."""
    try:
        Path(done).parent.rename(os.fsdecode(b"b\xffd"))
    except OSError:
        pytest.skip("this file system has no such names")
    told = _shell("report b*/tiny")
    assert (0, True) == (told.returncode, b"b\xffd/tiny/best.xlsx" in told.stdout), told.stderr
    assert 0 == _shell("step b*/tiny").returncode
    assert "b\N{REPLACEMENT CHARACTER}d/tiny" in Path("DETAILED_STEPS.md").read_text("utf-8")
    assert 2 == _shell("init b*d").returncode
    Path("tiny.yaml").write_text(_TINY.format(max_epochs=5).replace("name: tiny", "name: größe"), "utf-8")
    told = _shell("plan tiny.yaml", **_ASCII["by locale"])
    assert (2, True) == (told.returncode, b"set PYTHONUTF8=1" in told.stderr)
