"""Text and tables for whoever reads: broken at words on a terminal, whole and without padding in a pipe."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table

_HEAD = re.compile(r"(?: *- | +)?")
_COMMAND = re.compile(r"mnist-sweep [a-z].*$")
_WIDE = 10_000  # columns that no table needs
_SPACE = "\N{NO-BREAK SPACE}"


def fitted(text: str, stream: TextIO | None, *, indent: int | None = None) -> str:
    """The text with each line broken at words for the terminal that the stream writes to; elsewhere as it is.

    A command at the end of a line stays whole, so that it can be copied. Before what follows the first line stand
    `indent` blanks; None: as many as the line's own blanks or dash take.
    """
    columns = _columns(stream)
    return "\n".join(_broken(line, columns, indent) for line in text.split("\n")) if columns else text


def _columns(stream: TextIO | None) -> int:
    """The width of the terminal that a stream writes to; 0 where it is none, or does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream and stream.isatty() else 0
    except (OSError, ValueError):
        return 0


def _broken(line: str, columns: int, indent: int | None) -> str:
    head = _HEAD.match(line)
    blanks = " " * ((len(head[0]) if head else 0) if indent is None else indent)
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _SPACE), line)
    lines = textwrap.wrap(
        whole,
        columns,
        subsequent_indent=blanks,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return "\n".join(lines).replace(_SPACE, " ")


def make_table(headers: Iterable[str], numbers_from: int, rows: Iterable[Iterable[str]] = ()) -> Table:
    """A table without lines around it; columns of numbers, from `numbers_from` on, stand to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for i, header in enumerate(headers):
        table.add_column(header, justify="right" if i >= numbers_from else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def show(part: str | Table = "", *, style: str = "", indent: int | None = None) -> None:
    """Print a text, as `fitted`, or a table: as wide as the terminal, in a pipe as wide as it needs."""
    from rich.console import Console

    columns, is_text = _columns(sys.stdout), isinstance(part, str)
    console = Console(width=columns or _WIDE, highlight=False, markup=False)
    if isinstance(part, str):
        part = fitted(part, sys.stdout, indent=indent)
    else:
        _narrow(part, console.width)
    if columns:
        console.print(part, style=style, soft_wrap=is_text)
        return
    with console.capture() as captured:
        console.print(part, style=style, soft_wrap=is_text)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _narrow(table: Table, columns: int) -> None:
    """Take width from the columns of a table that can best do without it: headers are broken first, words last."""
    texts = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    widths = [max(map(len, cells)) for cells in texts]
    least = [max(len(word) for cell in cells for word in cell.split() or [""]) for cells in texts]
    below = [max(map(len, cells[1:]), default=0) for cells in texts]
    room = columns - (3 * len(widths) - 1)  # a blank on both sides of each, and one between two
    while sum(widths) > room and widths > least:
        i = max(range(len(widths)), key=lambda i: (widths[i] > max(least[i], below[i]), widths[i] - least[i]))
        widths[i] -= 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
