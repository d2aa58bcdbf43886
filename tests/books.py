"""Summaries to render, and workbooks read back."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from builders import a_plan, finished
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.journal.events import Curves, Event, Record
from mnist_sweep.journal.ledger import replay
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import Plan


def a_summary(plan: Plan, *events: Event) -> Summary:
    """What these events of a plan come to, a minute apart."""
    records = [Record("2026-01-02T03:04:05Z", i * 60.0, event) for i, event in enumerate(events)]
    return summarize(plan, replay(records))


def with_accuracy(trial: Trial, accuracy: float) -> Event:
    """That trial, finished after two epochs with this validation accuracy, and a test accuracy of 0.01 less."""
    curves = Curves((0.5, 0.2), (0.85, 0.94), (0.3, 1 - accuracy), (0.91, accuracy), (1.0, 1.0))
    return finished(trial, curves=curves, test_accuracy=accuracy - 0.01, test_loss=1.1 - accuracy)


def three_by_three() -> Summary:
    """Widths 32, 64 and 128 with three repeats each: 64 a little behind 128, 32 far behind."""
    plan = a_plan("hidden_width: [32, 64, 128]", repeats=3)
    accuracies = [0.900, 0.902, 0.901, 0.970, 0.972, 0.974, 0.972, 0.973, 0.972]
    return a_summary(plan, *map(with_accuracy, plan.trials, accuracies))


def sheet_of(content: bytes, name: str | None = None) -> Worksheet:
    """A sheet of a workbook, the first one without a name."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book[name] if name else book.worksheets[0]
    assert isinstance(sheet, Worksheet)
    return sheet


def rows_of(sheet: Worksheet, top: int = 1) -> list[dict[str, Any]]:
    """The rows of the table whose header is in row `top`, up to the first row whose first cell is empty."""
    header, *rows = sheet.iter_rows(min_row=top, values_only=True)
    headers = [str(cell) for cell in header if cell is not None]
    found = []
    for row in rows:
        if row[0] is None:
            break
        found.append(dict(zip(headers, row, strict=False)))
    return found


def top_of(sheet: Worksheet, header: str, after: int = 0) -> int:
    """The first row below `after` that begins with this."""
    return next(row for row in range(after + 1, sheet.max_row + 1) if sheet.cell(row, 1).value == header)


def texts_of(sheet: Worksheet) -> str:
    """All text of a sheet."""
    return "\n".join(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if isinstance(cell, str))
