"""What --help says, and that README says the same."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.main import cli
from mnist_sweep.errors import EXIT_CODES, ExitCode

_README = (Path(__file__).parents[2] / "README.md").read_text()


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


def test_exit_codes_are_told_alike() -> None:
    """--help and README have every exit code with the same words."""
    shown = " ".join(CliRunner().invoke(cli, ["--help"], obj=Context()).output.split())
    for code, words in EXIT_CODES.items():
        assert f"{code} {words}" in shown
        assert f"| {code} | {words} |" in _README
    assert {int(code) for code in ExitCode} == {int(code) for codes in EXIT_CODES for code in codes.split(", ")} - {
        129,
        143,
    }
