"""From tables and lines of text to sheets that are a pleasure to open and to print."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from mnist_sweep.reports.columns import Cell, Column
from mnist_sweep.reports.tables import Table
from mnist_sweep.reports.workbooks.styles import HEADER, HEADING, MAX_WIDTH, PLAIN, Styles, colour_column, text_width

if TYPE_CHECKING:
    from openpyxl.styles.cell_style import StyleArray
    from openpyxl.worksheet.worksheet import Worksheet

_LINE, _MAX_HEIGHT = 15.0, 409.0  # points; Excel knows no higher rows
_HEADER_CHARS = 10  # long headers wrap at about this many characters
_PAGE_CHARS = 240  # what fits on one page's width in print and can still be read
_TEXT_CHARS = 110.0  # lines of text are about this long
_DEFAULT_WIDTH = 8.43  # of a column that nobody has set
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What an XML file cannot hold: https://www.w3.org/TR/xml/#charsets"""


@dataclass(frozen=True, slots=True)
class Text:
    """A line or paragraph across the sheet."""

    words: str


class Heading(Text):
    """A line that begins a part of a sheet."""


@dataclass(frozen=True, slots=True)
class Space:
    """Empty rows, for what lies over them."""

    n_rows: int


Block = Text | Space | Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """Blocks from top to bottom.

    `frozen` says how many columns stay in sight, with the header of the first table, which gets filters; None: nothing
    does. What else is done to the sheet, `finish`, gets the row of each block's first line, counted from 1.
    """

    title: str
    blocks: tuple[Block, ...]
    frozen: int | None = None
    finish: Callable[[Worksheet, Sequence[int]], None] | None = None
    portrait: bool = False  # printed upright
    text_from: int = 1  # the column, from 1, that lines of text begin in

    @property
    def tables(self) -> list[Table]:
        """The tables among the blocks."""
        return [block for block in self.blocks if isinstance(block, Table)]


def workbook(sheets: Iterable[Sheet]) -> bytes:
    """A workbook with these sheets."""
    import pandas as pd

    content = io.BytesIO()
    with pd.ExcelWriter(content, engine="openpyxl") as writer:
        styles = Styles(writer.book)
        for sheet in sheets:
            _fill(writer.book.create_sheet(sheet.title), styles, sheet)
    return content.getvalue()


def _fill(page: Worksheet, styles: Styles, sheet: Sheet) -> None:
    from openpyxl.utils import get_column_letter

    widths = _widths(sheet.tables)
    for i, width in widths.items():
        page.column_dimensions[get_column_letter(i)].width = width
    tops, row = [], 1
    for i, block in enumerate(sheet.blocks):
        if i and (isinstance(sheet.blocks[i - 1], Table) or isinstance(block, Heading)):
            row += 1  # an empty one
        tops.append(row)
        if isinstance(block, Table):
            _put_table(page, styles, block, row)
            row += len(block.rows) + 1
        elif isinstance(block, Space):
            row += block.n_rows
        else:
            _put_text(page, styles, block, (row, sheet.text_from), widths)
            row += 1
    if sheet.frozen is not None:
        _freeze(page, sheet, tops)
    _lay_out(page, widths, portrait=sheet.portrait)
    if sheet.finish:
        sheet.finish(page, tops)


def _put_table(page: Worksheet, styles: Styles, table: Table, top: int) -> None:
    """Header and cells, from row `top` on."""
    for i, header in enumerate(table.headers, start=1):
        _put(page, top, i, header, styles.of(HEADER))
    columns = [[row[i] for row in table.rows] for i in range(len(table.columns))]
    style_of = [styles.of_column(column, cells) for column, cells in zip(table.columns, columns, strict=True)]
    for j, row in enumerate(table.rows, start=top + 1):
        for i, value in enumerate(row):
            if value is not None:
                _put(page, j, i + 1, value, style_of[i](value))
    for i, column in enumerate(table.columns, start=1):
        colour_column(page, column, top + 1, len(table.rows), i)
    styles.mark(page, top + 1, table.n_marked)
    words = [" ".join(header.split()) for header in table.headers]
    lines = [len(wrap(one, _HEADER_CHARS - 1, break_long_words=False, break_on_hyphens=False)) for one in words]
    page.row_dimensions[top].height = _LINE * max(lines) + 3
    _raise_rows(page, table, top)


def _put(page: Worksheet, row: int, column: int, value: Cell, style: StyleArray) -> None:
    """A cell; DataFrame.to_excel takes far longer, and to set a style by its parts takes 20 times as long."""
    if isinstance(value, str):
        cell: Any = page.cell(row, column, _CONTROL.sub("�", value))
        cell.data_type = "s"  # openpyxl takes text that starts with = for a formula
    else:
        cell = page.cell(row, column, value)
    cell._style = style  # noqa: SLF001


def _raise_rows(page: Worksheet, table: Table, top: int) -> None:
    """Higher rows where text is wrapped."""
    wrapped = [(i, column.width or MAX_WIDTH) for i, column in enumerate(table.columns) if not column.spills]
    texts = [(i, width) for i, width in wrapped if any(isinstance(row[i], str) for row in table.rows)]
    for j, row in enumerate(table.rows, start=top + 1):
        lines = max((_lines(str(row[i]), width) for i, width in texts if isinstance(row[i], str)), default=1)
        if lines > 1:
            page.row_dimensions[j].height = min(_LINE * lines + 2, _MAX_HEIGHT)


def _lines(words: str, width: float) -> int:
    """Lines that text takes in a column of this width, with some room for wide letters."""
    return sum(max(1, math.ceil(len(line) / (width * 0.97 - 2))) for line in words.split("\n"))


def _put_text(
    page: Worksheet, styles: Styles, block: Text, corner: tuple[int, int], widths: Mapping[int, float]
) -> None:
    """Text from `corner` (row, column) on, across as many columns as make a line of it."""
    row, first = corner
    last, total = first, widths.get(first, _DEFAULT_WIDTH)
    while total < _TEXT_CHARS:
        last += 1
        total += widths.get(last, _DEFAULT_WIDTH)
    _put(page, row, first, block.words, styles.of(HEADING if isinstance(block, Heading) else PLAIN))
    page.merge_cells(start_row=row, end_row=row, start_column=first, end_column=last)
    if isinstance(block, Heading):
        page.row_dimensions[row].height = _LINE + 5
    else:
        page.row_dimensions[row].height = min(_LINE * _lines(block.words, total) + 1, _MAX_HEIGHT)


def _freeze(page: Worksheet, sheet: Sheet, tops: Sequence[int]) -> None:
    """Header and first columns of the first table stay in sight; it gets filters, and its header is on every page."""
    from openpyxl.utils import get_column_letter

    i = next(i for i, block in enumerate(sheet.blocks) if isinstance(block, Table))
    table, top = sheet.tables[0], tops[i]
    page.freeze_panes = f"{get_column_letter((sheet.frozen or 0) + 1)}{top + 1}"
    page.auto_filter.ref = f"A{top}:{get_column_letter(len(table.columns))}{top + len(table.rows)}"
    page.print_title_rows = f"{top}:{top}"
    if sheet.frozen and sheet.text_from > sheet.frozen:
        page.print_title_cols = f"A:{get_column_letter(sheet.frozen)}"


def _lay_out(page: Any, widths: Mapping[int, float], *, portrait: bool) -> None:
    """Pages that can be read in print."""
    from openpyxl.worksheet.properties import PageSetupProperties

    page.page_setup.orientation = "portrait" if portrait else "landscape"
    page.page_setup.paperSize = 9  # A4
    page.page_setup.fitToWidth = max(1, math.ceil(sum(widths.values()) / _PAGE_CHARS))
    page.page_setup.fitToHeight = 0
    page.page_margins.left = page.page_margins.right = 0.4
    page.page_margins.top, page.page_margins.bottom, page.page_margins.footer = 0.5, 0.6, 0.3
    page.oddFooter.center.text = "&A, page &P of &N"
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _widths(tables: Iterable[Table]) -> dict[int, float]:
    """The width of each column, from 1: that of the widest table."""
    widths: dict[int, float] = {}
    for table in tables:
        for i, column in enumerate(table.columns, start=1):
            width = column.width or _width(column, [row[i - 1] for row in table.rows])
            widths[i] = max(widths.get(i, 0.0), width)
    return widths


def _width(column: Column, cells: list[Cell]) -> float:
    longest = 0 if column.spills else text_width(column, cells)
    word = max(map(len, column.header.split()))
    return float(min(max(longest, word, min(len(column.header), _HEADER_CHARS)) + 3, MAX_WIDTH))
