"""The sheet Curves: loss and accuracy of the choice, epoch by epoch, as charts of the spreadsheet program's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mnist_sweep.analysis.combination import Row
from mnist_sweep.analysis.metrics import CURVES
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.columns import FORMATS, NUMBER, Cell, Column
from mnist_sweep.reports.tables import make_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Space, Text

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

TITLE = "Curves"
MOST_REPEATS = 10
"""So many repeats are drawn; more lines hide one another."""
_TRAINING, _VALIDATION = "4472C4", "C55A11"
_GRID = "D9D9D9"
_CHART_ROWS = 22  # that the charts lie over
_WIDTH, _HEIGHT = 17.5, 10.0  # of a chart, in cm
_COLUMN = 13.0
_CHART_COLUMNS = 7  # that a chart lies over
_VISIBLE_FROM = 2  # epochs; a line of one point is invisible without a marker

_DRAWN = [CURVES[f"{part}_{kind}"] for kind in ("loss", "accuracy") for part in ("train", "val")]


def curves_sheet(summary: Summary) -> Sheet:
    """Two charts, and below them the numbers that they show."""
    if not summary.ranked:
        return Sheet(TITLE, (Text("No combination has all its repeats yet."),))
    choice = summary.ranked[0]
    rows = [row for row in choice.rows if row.result][:MOST_REPEATS]
    n_epochs = max(len(row.curves.seconds) for row in rows)
    table = make_table(
        [Column("Epoch", NUMBER, "From 1.", lambda epoch: epoch, width=_COLUMN), *_columns(rows)],
        range(1, n_epochs + 1),
    )
    accuracies = [value for row in rows for value in (*row.curves.train_accuracy, *row.curves.val_accuracy)]
    lowest = min((value for value in accuracies if value is not None), default=0.0)
    blocks = (Text(_words(summary, rows)), Space(_CHART_ROWS), table)
    return Sheet(TITLE, blocks, finish=partial(_draw, shape=(len(rows), n_epochs), lowest=lowest))


def _columns(rows: Sequence[Row]) -> list[Column]:
    """By kind, then by repeat."""
    return [
        Column(
            f"{curve.header}, repeat {row.trial.repeat}",
            FORMATS[curve.quantity],
            "Of the epoch.",
            _at(curve.of(row.curves)),
            width=_COLUMN,
        )
        for curve in _DRAWN
        for row in rows
    ]


def _at(values: Sequence[float | None]) -> Callable[[int], Cell]:
    """The value of an epoch, while there is one."""
    return lambda epoch: values[epoch - 1] if epoch <= len(values) else None


def _words(summary: Summary, rows: Sequence[Row]) -> str:
    choice = summary.ranked[0]
    n = len(choice.rows)
    drawn = f", the first {len(rows)} of {n} repeats" if len(rows) < n else ""
    kept = ", ".join(f"{row.result.kept_epoch}" for row in rows if row.result)
    line = "line" if len(rows) == 1 else "line a repeat"
    return (
        f"The first by validation, {summary.model_words(choice.recipe)}, epoch by epoch{drawn}: one {line}. The "
        f"weights of epoch {kept} are kept. Training values are means while the epoch trained, so they lag behind "
        "validation at first."
    )


def _draw(page: Worksheet, tops: Sequence[int], shape: tuple[int, int], lowest: float) -> None:
    """The charts, side by side above their numbers; `shape` is (repeats, epochs)."""
    from openpyxl.utils import get_column_letter

    for i in range(1, 2 * _CHART_COLUMNS + 1):
        page.column_dimensions[get_column_letter(i)].width = _COLUMN
    loss = _chart(page, "Loss", (tops[2] + 1, 2), shape)
    accuracy = _chart(page, "Accuracy", (tops[2] + 1, 2 + 2 * shape[0]), shape)
    accuracy.y_axis.scaling.min, accuracy.y_axis.scaling.max = math.floor(lowest * 20) / 20, 1.0  # by steps of 0.05
    page.add_chart(loss, page.cell(tops[1], 1).coordinate)
    page.add_chart(accuracy, page.cell(tops[1], 1 + _CHART_COLUMNS).coordinate)


def _chart(page: Worksheet, title: str, corner: tuple[int, int], shape: tuple[int, int]) -> Any:
    """Training and validation of one kind; `corner` is row and column of the first repeat's first training value.

    A scatter chart with lines: the axis of epochs is one of numbers then, with round ones written on it.
    """
    from openpyxl.chart import Reference, ScatterChart, Series
    from openpyxl.chart.legend import Legend, LegendEntry

    (n_repeats, n_epochs), (row, column) = shape, corner
    chart: Any = ScatterChart()
    chart.style = 13
    chart.title, chart.width, chart.height = title, _WIDTH, _HEIGHT
    _style_axes(chart, n_epochs)
    epochs = Reference(page, min_col=1, min_row=row, max_row=row + n_epochs - 1)
    for i in range(2 * n_repeats):
        values = Reference(page, min_col=column + i, min_row=row, max_row=row + n_epochs - 1)
        series = Series(values, epochs, title="training" if i < n_repeats else "validation")
        _style(series, _TRAINING if i < n_repeats else _VALIDATION, markers=n_epochs < _VISIBLE_FROM)
        chart.series.append(series)
    repeated = [LegendEntry(idx=i, delete=True) for i in range(2 * n_repeats) if i % n_repeats]
    chart.legend = Legend(legendPos="b", legendEntry=repeated)
    return chart


def _style_axes(chart: Any, n_epochs: int) -> None:
    from openpyxl.chart.axis import ChartLines
    from openpyxl.chart.shapes import GraphicalProperties

    chart.x_axis.title = "epoch"
    chart.x_axis.delete = chart.y_axis.delete = False  # otherwise openpyxl hides them
    chart.x_axis.scaling.min, chart.x_axis.scaling.max = 0, max(n_epochs, _VISIBLE_FROM)
    chart.x_axis.number_format, chart.y_axis.number_format = "0", "General"
    chart.x_axis.majorGridlines = None
    lines = GraphicalProperties()
    lines.line.solidFill = _GRID
    chart.y_axis.majorGridlines = ChartLines(spPr=lines)


def _style(series: Any, colour: str, *, markers: bool) -> None:
    series.graphicalProperties.line.solidFill = colour
    series.graphicalProperties.line.width = 15_000  # EMU: 1.2 points
    series.smooth = False
    series.marker.symbol = "circle" if markers else "none"
    series.marker.graphicalProperties.solidFill = colour
