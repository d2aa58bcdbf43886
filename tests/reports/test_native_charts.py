"""The sheet Curves: native charts over their numbers."""

from __future__ import annotations

from books import a_summary, rows_of, sheet_of
from builders import a_plan, finished
from mnist_sweep.journal.events import Curves
from mnist_sweep.reports.tables import Table
from mnist_sweep.reports.workbooks.native_charts import MOST_REPEATS, curves_sheet
from mnist_sweep.reports.workbooks.sheets import Text
from mnist_sweep.reports.workbooks.xlsx import best_xlsx

_DATA = 24  # the row of the header, below the charts


def test_every_epoch_of_every_repeat_is_there() -> None:
    """Repeats of different lengths stand side by side; a shorter one has empty cells."""
    plan = a_plan("hidden_width: 32")
    short = Curves((0.5,), (0.85,), (0.3,), (0.91,), (1.0,))
    events = [finished(plan.trials[0]), finished(plan.trials[1], curves=short, best_epoch=1, kept_epoch=1)]
    sheet = sheet_of(best_xlsx(a_summary(plan, *events), "x"), "Curves")
    rows = rows_of(sheet, _DATA)
    assert [(1, 0.91, 0.91), (2, 0.955, None)] == [
        (row["Epoch"], row["Validate Accuracy, repeat 1"], row["Validate Accuracy, repeat 2"]) for row in rows
    ]
    assert "The weights of epoch 2, 1 are kept." in str(sheet["A1"].value)


def test_two_charts_have_a_line_a_repeat() -> None:
    """Loss and accuracy, each with training and validation, which the legend names once."""
    plan = a_plan("hidden_width: 32")
    content = best_xlsx(a_summary(plan, *map(finished, plan.trials)), "x")
    charts = sheet_of(content, "Curves")._charts  # type: ignore[attr-defined]
    assert [4, 4] == [len(chart.series) for chart in charts]
    assert [[1, 3]] * 2 == [[entry.idx for entry in chart.legend.legendEntry] for chart in charts]
    assert "'Curves'!$B$25:$B$26" == charts[0].series[0].yVal.numRef.f


def test_many_repeats_are_cut_and_said_to_be() -> None:
    """More lines than can be read are left out, never silently."""
    plan = a_plan("hidden_width: 32", repeats=MOST_REPEATS + 2)
    (text, _, table) = curves_sheet(a_summary(plan, *map(finished, plan.trials))).blocks
    assert isinstance(text, Text)
    assert "the first 10 of 12 repeats" in text.words
    assert isinstance(table, Table)
    assert {f"repeat {n}" for n in range(1, MOST_REPEATS + 1)} == {
        header.rpartition(", ")[2] for header in table.headers[1:]
    }
