"""What the system refuses, told in words: file systems that lack something, folders that are gone, limits."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import command, run
from mnist_sweep.cli.error_boundary import Context, run_command

_GOLDEN = Path(__file__).parents[1] / "golden" / "format-1-loop-1.jsonl"
_TINY = """\
name: tiny
repeats: 1
validation_fraction: 0.95
grid: {hidden_width: 8, batch_size: 500, max_epochs: 2}
"""
_NO_FLOCK_NO_FOLDER_SYNC = """
import errno, fcntl, os, stat
sync = os.fsync
def flock(fd, kind):
    raise OSError(errno.ENOSYS, "Function not implemented")
def fsync(fd):
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "Invalid argument")
    sync(fd)
fcntl.flock, os.fsync = flock, fsync
"""


def test_a_file_system_without_flock_and_folder_sync(mnist: object) -> None:
    """A sweep runs, tells a second one who works there, and is not running after it ended or was killed."""
    assert mnist
    Path("site").mkdir()
    Path("site/sitecustomize.py").write_text(_NO_FLOCK_NO_FOLDER_SYNC)
    Path("tiny.yaml").write_text(_TINY)
    paths = os.pathsep.join(filter(None, [str(Path("site").absolute()), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": paths}
    held = Path("output/tiny/.lock.held")
    words = ["run", "tiny.yaml", "--executor", "serial"]
    with subprocess.Popen(command(*words), env=env, stderr=subprocess.DEVNULL) as running:
        while not held.exists():
            assert running.poll() is None
            time.sleep(0.01)
        second = run(*words, env=env)
        running.send_signal(signal.SIGKILL)
    assert 4 == second.returncode
    assert f"process {running.pid} on " in second.stderr
    assert "rm output/tiny/.lock.held" in second.stderr
    assert 0 == run(*words, env=env).returncode
    assert not held.exists()
    status = run("status", "output/tiny", env=env)
    assert (0, "output/tiny: not running") == (status.returncode, status.stdout.splitlines()[0])


def test_the_decision_is_said_where_a_report_cannot_be_written() -> None:
    """`report` says first what the sweep has shown, then which file it could not write; a link stays a link."""
    folder = Path("output/golden")
    folder.mkdir(parents=True)
    Path("elsewhere").mkdir()
    shutil.copy(_GOLDEN, "elsewhere/journal.jsonl")
    (folder / "journal.jsonl").symlink_to("../../elsewhere/journal.jsonl")
    (folder / "best.xlsx").symlink_to("../../elsewhere/best.xlsx")
    (folder / "report.html").write_text("mine")
    (folder / "report.html").chmod(0o444)
    done = run("report", str(folder))
    assert 9 == done.returncode
    assert "2×8 relu" in done.stdout
    assert "report.html: cannot be written: it is read-only" in done.stderr
    assert "mine" == (folder / "report.html").read_text()
    assert (folder / "best.xlsx").is_symlink()
    assert Path("elsewhere/best.xlsx").read_bytes().startswith(b"PK")


def test_a_folder_that_is_gone_is_named() -> None:
    """In a current folder that was removed, a command says that, and ends with code 9."""
    Path("tiny.yaml").write_text(_TINY)
    Path("gone").mkdir()
    code = (
        "import os, sys; os.chdir('gone'); os.rmdir('../gone'); from mnist_sweep.cli.main import main;"
        f"sys.argv[1:] = ['run', {str(Path('tiny.yaml').absolute())!r}]; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 9 == done.returncode
    assert "The current folder no longer exists" in done.stderr


def test_a_user_without_a_home_is_told_what_to_set() -> None:
    """Where neither HOME nor a passwd entry says where the cache lies, the answer is KERAS_HOME."""
    code = (
        "import sys; from pathlib import Path; from mnist_sweep.cli.main import main\n"
        "def home(): raise RuntimeError('Could not determine folder directory.')\n"
        "Path.home = home; sys.argv[1:] = ['data']; main()"
    )
    env = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert 9 == done.returncode
    assert "set KERAS_HOME" in done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            "Error: Too many open files; allow this process more",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "/d/x"), "Error: /d/x: No space left on device; make room"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "['/tmp']; set TMPDIR to"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/folder/temporary/x"),
            "Error: /folder/temporary/x: No such file or directory\n",
        ),
        (OSError("what a library says"), "Error: what a library says"),
    ],
    ids=["files", "space", "temporary", "a path with that word", "words"],
)
def test_what_the_system_refuses_is_no_bug(capsys: pytest.CaptureFixture[str], error: OSError, told: str) -> None:
    """An error of the system that no part has words for ends with code 9, its cause, and no report of a crash."""

    def fails() -> int:
        raise error

    assert 9 == run_command(fails, Context())
    assert told in capsys.readouterr().err
    assert [] == list(Path().iterdir())
