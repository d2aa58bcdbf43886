"""The rows of the sheets for programs: as CSV and as JSON, with the same headers as in the workbooks.

CSV is that of RFC 4180, in UTF-8 with a byte order mark, without which Excel misreads it. Text that a spreadsheet
program would take for a formula gets an apostrophe in front, which is what https://owasp.org/www-community/attacks/CSV_Injection
advises; JSON has it as it is. JSON is a list of records, one a line; a cell that is empty in a sheet is null.
"""

from __future__ import annotations

import csv
import io
import json

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.result_tables import ranking_table
from mnist_sweep.reports.tables import Cell, Table, varying_axes
from mnist_sweep.reports.workbooks.full import epochs_table, full_table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet program takes for a formula."""


def full_csv(summary: Summary) -> bytes:
    """Every repeat of every combination, as on the sheet Full."""
    return _csv(full_table(summary))


def full_json(summary: Summary) -> bytes:
    """Every repeat of every combination, as on the sheet Full."""
    return _json(full_table(summary))


def ranking_csv(summary: Summary) -> bytes:
    """The complete combinations in their order, as on the sheet Ranking."""
    return _csv(ranking_table(summary).without("Model"))


def ranking_json(summary: Summary) -> bytes:
    """The complete combinations in their order, as on the sheet Ranking."""
    return _json(ranking_table(summary).without("Model"))


def epochs_csv(summary: Summary) -> bytes:
    """Every epoch of every trial, however many there are, with the axes that vary."""
    return _csv(epochs_table(summary, varying_axes(summary)))


def _csv(table: Table) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.headers)
    writer.writerows([_harmless(cell) for cell in row] for row in table.cells())
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _json(table: Table) -> bytes:
    records = (dict(zip(table.headers, row, strict=True)) for row in table.cells())
    lines = ",\n".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)
    return f"[\n{lines}\n]\n".encode()
