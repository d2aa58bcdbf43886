"""What --help says, and that README says the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.main import cli
from mnist_sweep.errors import EXIT_CODES, ExitCode

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def test_every_command_is_listed_once_in_a_group() -> None:
    """--help names each command with one line, below the title of its group."""
    shown = CliRunner().invoke(cli, ["--help"], obj=Context()).output
    lines = [line.split() for line in shown.splitlines() if line.startswith("  ")]
    for name in cli.commands:
        assert 1 == sum(line[0] == name for line in lines)
        assert f"`{name}`" in _README
    assert ["Prepare:", "Train:", "Look at results:"] == [
        line for line in shown.splitlines() if line[:1] in "PTL" and line
    ]


def test_documentation_is_what_the_code_says() -> None:
    """The page of commands and README's tables are as they would be written now."""
    done = subprocess.run([sys.executable, _ROOT / "docs" / "generate.py", "--check"], capture_output=True, check=False)
    assert b"" == done.stderr
    assert 0 == done.returncode


def test_a_stale_table_is_found(tmp_path: Path) -> None:
    """The same check fails where a word of README's table of exit codes differs."""
    for folder in ("docs", "configs"):
        shutil.copytree(_ROOT / folder, tmp_path / folder)
    words = EXIT_CODES["6"]
    (tmp_path / "README.md").write_text(_README.replace(words, f"{words}!"))
    done = subprocess.run(
        [sys.executable, tmp_path / "docs" / "generate.py", "--check"], capture_output=True, check=False
    )
    assert b"README.md is not what the code says; renew it: make docs\n" == done.stderr
    assert 1 == done.returncode


def test_every_exit_code_has_words() -> None:
    """--help has every exit code of the enumeration, and those of signals."""
    shown = " ".join(CliRunner().invoke(cli, ["--help"], obj=Context()).output.split())
    for code, words in EXIT_CODES.items():
        assert f"{code} {words}" in shown
    assert {int(code) for code in ExitCode} == {int(code) for codes in EXIT_CODES for code in codes.split(", ")} - {
        129,
        143,
    }
