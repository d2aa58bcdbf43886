"""The command as people run it, and the tiny sweep that tests share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

TINY = """\
name: tiny
goal: "=1+1 is text, not a formula"
repeats: 2
validation_fraction: 0.95
grid:
  hidden_width: [8, 16]
  batch_size: 100
  max_epochs: 2
"""


def command(*arguments: str) -> list[str]:
    """What starts a process with these arguments of the command."""
    return [sys.executable, "-m", "mnist_sweep", *arguments]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Such a process, and what it said."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=300, **options)


def forget_after(n_finished: int) -> None:
    """Cut the journal in output/tiny after so many trials that finished; the others are still to be trained."""
    journal = Path("output/tiny/journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if '"event":"finished"' in line]
    journal.write_text("".join(lines[: ends[n_finished - 1] + 1]))
