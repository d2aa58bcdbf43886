"""From tables to workbooks that are a pleasure to open."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mnist_sweep.reports.tables import (
    AS_WRITTEN,
    TEXT,
    Cell,
    Column,
    Table,
    best_table,
    full_table,
    hyperparams_table,
    legend_table,
)
from mnist_sweep.summary import Summary

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_MAX_WIDTH = 60.0
_LINE, _MAX_HEIGHT = 15.0, 409.0  # points; Excel knows no higher rows
_HEADER_CHARS = 12  # long headers wrap at about this many characters
_PLAIN_FROM, _PLAIN_TO = 1e-9, 1e7  # other numbers are easier to read with an exponent
_PAGE_CHARS = 200  # what fits on one page's width in print and can still be read
_BOOLEAN = '"TRUE";"TRUE";"FALSE"'  # LibreOffice shows 1 and 0 without it
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What an XML file cannot hold: https://www.w3.org/TR/xml/#charsets"""


def hyperparams_xlsx(summary: Summary) -> bytes:
    """What was tried, how long it took, with what."""
    return _workbook({"Hyperparams": hyperparams_table(summary)})


def full_xlsx(summary: Summary) -> bytes:
    """Every repeat of every combination."""
    return _workbook({"Full": full_table(summary)})


def best_xlsx(summary: Summary) -> bytes:
    """The best combinations."""
    return _workbook({"Best": best_table(summary)})


def _workbook(tables: Mapping[str, Table]) -> bytes:
    """A workbook with a sheet for each table, and a last one that says what the columns of the first mean."""
    import pandas as pd

    tables = {**tables, "Columns": legend_table(next(iter(tables.values())))}
    content = io.BytesIO()
    with pd.ExcelWriter(content, engine="openpyxl") as writer:
        for title, table in tables.items():
            headers = [column.header for column in table.columns]
            rows = [[_storable(cell) for cell in row] for row in table.rows]
            pd.DataFrame(rows, columns=headers, dtype=object).to_excel(writer, sheet_name=title, index=False)
            _dress(writer.sheets[title], table)
    return content.getvalue()


def _storable(cell: Cell) -> Cell:
    return _CONTROL.sub("�", cell) if isinstance(cell, str) else cell


def _dress(sheet: Worksheet, table: Table) -> None:
    """Formats, widths, a frozen header with filters, and pages that can be read in print."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.properties import PageSetupProperties

    header = {
        "font": Font(name="Calibri", bold=True, color="FFFFFF"),
        "fill": PatternFill("solid", start_color="1F3864"),
        "alignment": Alignment(wrap_text=True, vertical="center", horizontal="center"),
        "border": Border(right=Side("thin", color="8EA9DB")),
    }
    for i, column in enumerate(table.columns, start=1):
        cell = sheet.cell(1, i)
        for name, style in header.items():
            setattr(cell, name, style)
        cells = [row[i - 1] for row in table.rows]
        width = _width(column, cells)
        sheet.column_dimensions[get_column_letter(i)].width = width
        side = "left" if any(isinstance(value, str) for value in cells) else "right"
        alignment = Alignment(
            wrap_text=width == _MAX_WIDTH, vertical="top", horizontal=side, indent=int(side == "left")
        )
        for j, value in enumerate(cells, start=2):
            _dress_cell(sheet.cell(j, i), column, value, alignment)
    sheet.row_dimensions[1].height = _LINE * max(_header_lines(column.header) for column in table.columns) + 3
    for j, row in enumerate(table.rows, start=2):
        longest = max(len(value) if isinstance(value, str) else 0 for value in row)
        if longest > _MAX_WIDTH - 5:
            sheet.row_dimensions[j].height = min(_LINE * math.ceil(longest / (_MAX_WIDTH - 8)), _MAX_HEIGHT)
    sheet.freeze_panes = "B2" if isinstance(table.rows[0][0] if table.rows else None, str) else "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    sheet.page_setup.orientation = "landscape"
    widths = [dimension.width for dimension in sheet.column_dimensions.values()]
    sheet.page_setup.fitToWidth = math.ceil(sum(widths) / _PAGE_CHARS)
    sheet.page_setup.fitToHeight = 0
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"


def _dress_cell(cell: Any, column: Column, value: Cell, alignment: Any) -> None:
    cell.alignment = alignment
    if value is None:
        cell.value = None  # pandas leaves an empty text there, which is not an empty cell
    elif isinstance(value, str):
        cell.data_type = "s"  # openpyxl takes text that starts with = for a formula
        cell.number_format = TEXT
    elif isinstance(value, bool):
        cell.number_format = _BOOLEAN
    elif column.format == AS_WRITTEN and isinstance(value, float):
        cell.number_format = _as_written(value)
    else:
        cell.number_format = column.format


def _as_written(value: float) -> str:
    """The format that shows a number with the decimals it has, never as 1E-05."""
    if value and not _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return "0.0##E+00"
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return "0." + "0" * -exponent if isinstance(exponent, int) and exponent < 0 else "0"


def _width(column: Column, cells: list[Cell]) -> float:
    longest = max((len(_shown(column, cell)) for cell in cells), default=0)
    word = max(map(len, column.header.split()))
    return float(min(max(longest, word, min(len(column.header), _HEADER_CHARS)) + 3, _MAX_WIDTH))


def _shown(column: Column, cell: Cell) -> str:
    if isinstance(cell, datetime):
        return "0000-00-00 00:00"
    if isinstance(cell, float):
        decimals = len((_as_written(cell) if column.format == AS_WRITTEN else column.format).partition(".")[2])
        return f"{cell:,.{decimals}f}" if _PLAIN_FROM <= abs(cell) < _PLAIN_TO else f"{cell:.3e}"
    return "" if cell is None else str(cell)


def _header_lines(header: str) -> int:
    lines, room = 1, 0
    for word in header.split():
        if room and room + 1 + len(word) > _HEADER_CHARS:
            lines, room = lines + 1, 0
        room += len(word) + 1
    return lines
