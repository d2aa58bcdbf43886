"""What stands on a terminal of some width, and what goes into a pipe."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mnist_sweep.plan.counts import counted
from mnist_sweep.terminal.screen import fitted, make_table, show

_WORDS = "Leading so far (2 of 12 combinations have all their repeats): 2×32 relu batch 500 adam 0.001"
_ESCAPE = re.compile(r"\x1b\[([0-9?;]*)([A-Za-z])")


def _terminal(columns: int) -> tuple[int, int]:
    """Both ends of a terminal this wide: the one that a person has, and the one that a program has."""
    person, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    return person, program


def _screen(written: str, columns: int) -> list[str]:
    """The lines that a terminal shows after this was written to it."""
    lines, row, column, at = [""], 0, 0, 0
    while at < len(written):
        if escape := _ESCAPE.match(written, at):
            at = escape.end()
            if escape[2] == "A":
                row = max(0, row - int(escape[1] or 1))
            elif escape[2] == "K":
                lines[row] = "" if escape[1] == "2" else lines[row][:column]
            continue
        sign, at = written[at], at + 1
        if sign == "\r":
            column = 0
            continue
        if sign == "\n" or column == columns:
            row, column = row + 1, column if sign == "\n" else 0
            lines += [""] * (row == len(lines))
        if sign != "\n":
            lines[row] = f"{lines[row]:{column}}"[:column] + sign + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def _read(person: int) -> Iterator[str]:
    while True:
        try:
            part = os.read(person, 65536)
        except OSError:  # Linux says so when the program has closed its end
            return
        if not part:
            return
        yield part.decode(errors="replace")


@pytest.mark.parametrize(("n", "words"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials"), (2000, "2,000 trials")])
def test_nouns_go_with_their_numbers(n: int, words: str) -> None:
    """There is one trial, and there are none, or several."""
    assert words == counted(n, "trial")


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_lines_end_between_words(columns: int) -> None:
    """On a terminal no line is longer than it is wide, no word is broken, and what follows a dash is indented."""
    person, program = _terminal(columns)
    with os.fdopen(program, "w") as stream:
        text = fitted(f"{_WORDS}\n- {_WORDS}", stream)
    os.close(person)
    assert max(map(len, text.splitlines())) <= columns
    assert f"{_WORDS} - {_WORDS}".split() == text.split()
    assert {"  "} >= {line[:2] for line in text.partition("\n- ")[2].splitlines()[1:]}


def test_a_command_stays_whole() -> None:
    """A command at the end of a line is not broken, so that it can be copied."""
    command = "mnist-sweep run configs/a_long_name_of_a_sweep.yaml --max-hours 8 --notify 'mail me'"
    person, program = _terminal(60)
    with os.fdopen(program, "w") as stream:
        lines = fitted(f"Stopped, 3 trials left; to continue: {command}", stream).splitlines()
    os.close(person)
    assert ["Stopped, 3 trials left; to continue:", command] == lines


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe nothing is broken or padded, however long it is, and text that looks like markup stays."""
    table = make_table(("model", "verdict"), 2)
    table.add_row("x" * 200, "[bold]a b[/bold]")
    table.add_row("y", "")
    show(_WORDS * 3, style="bold")
    show(table)
    lines = capsys.readouterr().out.splitlines()
    assert [_WORDS * 3, " y"] == [lines[0], lines[-1]]
    assert f" {'x' * 200}   [bold]a b[/bold]" == lines[3]
    assert lines == [line.rstrip() for line in lines]


_TABLE = """
from mnist_sweep.terminal.screen import make_table, show
table = make_table(("model", "first", "second", "difference", "chance up to", "verdict"), 1)
for model in ("2×32 relu batch 500 adam 0.001", "2×48 relu batch 500 adam 0.001"):
    table.add_row(model, "0.9115 ± 0.0003", "0.9115 ± 0.0003", "+0.0000", "0.0005", "same trainings")
show(table)
"""


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_tables_break_no_words(columns: int) -> None:
    """A table is as wide as the terminal at most, and its cells are broken between words."""
    person, program = _terminal(columns)
    with closing(os.fdopen(program, "w")) as stream:
        subprocess.run([sys.executable, "-c", _TABLE], stdout=stream, check=True, timeout=60)
    shown = _screen("".join(_read(person)), columns)
    os.close(person)
    assert columns >= max(map(len, shown))
    words = " ".join(shown).split()
    assert {"0.9115", "+0.0000", "0.0005", "trainings", "verdict", "second"} <= set(words)
    assert 4 == words.count("0.9115") == words.count("0.0003")


_TRAINS = """
import fcntl, sys, termios, time
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
from builders import a_plan
from mnist_sweep.system.stop import stop_signals
from mnist_sweep.journal.events import Progress, Record, RunStarted, Started
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.terminal.progress import Look, progress, say
plan, ledger = a_plan("hidden_width: [32, 64]"), Ledger()
ledger.apply(Record("", 0.0, RunStarted({})))
with stop_signals(None) as stop, progress(plan, Look(), stop) as (hear,):
    for event in (Started(plan.trials[0]), Progress(plan.trials[0], 1, 0.3, 0.9)):
        hear(event, ledger)
    while not stop():
        time.sleep(0.05)
    time.sleep(0.5)
say("the end", err=True)
"""


def test_ctrl_c_is_answered_at_once_and_leaves_nothing_behind() -> None:
    """While trials are given up the live lines say so; then nothing of them is left, whatever the terminal echoes."""
    person, program = _terminal(60)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "TERM": "xterm"}
    environment.pop("COLUMNS", None)  # it would count for more than the terminal's own width
    written = ""
    with subprocess.Popen(
        [sys.executable, "-c", _TRAINS], stdin=program, stderr=program, env=environment, start_new_session=True
    ) as process:
        os.close(program)
        for part in _read(person):
            written += part
            if "epoch 1" in written and "\x03" not in written:
                os.write(person, b"\x03")
                written += "\x03"  # once
        assert 0 == process.wait(timeout=60), written
    os.close(person)
    shown = [line for line in _screen(written.replace("\x03", ""), 60) if line]
    assert "stopping: 1 trial in training is given up" in written
    assert "^C" in written
    assert ["the end"] == shown
