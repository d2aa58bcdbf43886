"""The rows of the sheets for programs: as CSV and as JSON, with the same headers as in the workbooks.

CSV is that of RFC 4180, in UTF-8 with a byte order mark, without which Excel misreads it. Text that a spreadsheet
program would take for a formula gets an apostrophe in front, which is what https://owasp.org/www-community/attacks/CSV_Injection
advises; JSON has it as it is. JSON is a list of records, one a line; a cell that is empty in a sheet is null.
"""

import csv
import io
import json

from mnist_sweep.reports.columns import Cell
from mnist_sweep.reports.tables import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet program takes for a formula."""


def as_csv(table: Table) -> bytes:
    """The rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.headers)
    writer.writerows([_harmless(cell) for cell in row] for row in table.cells())
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_json(table: Table) -> bytes:
    """The rows as JSON."""
    records = (dict(zip(table.headers, row, strict=True)) for row in table.cells())
    lines = ",\n".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)
    return f"[\n{lines}\n]\n".encode()
