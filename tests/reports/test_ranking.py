"""The sheet Ranking: order, ties, marks."""

from __future__ import annotations

from typing import Any

from books import a_summary, rows_of, sheet_of, three_by_three, with_accuracy
from builders import a_plan
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.result_tables import n_top
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def _twenty() -> Summary:
    plan = a_plan("hidden_width: [8, 16, 24, 32, 40]\nbatch_size: [100, 200, 300, 400]", repeats=2)
    return a_summary(plan, *(with_accuracy(trial, 0.9 + i / 1000) for i, trial in enumerate(plan.trials)))


def test_combinations_stand_in_the_order_of_the_choice() -> None:
    """Each row has its rank, the axes that vary, and whether it may be as good as the first."""
    sheet = sheet_of(best_xlsx(three_by_three(), "x"), "Ranking")
    rows = rows_of(sheet, 2)
    assert [(1, 128, "yes"), (2, 64, "yes"), (3, 32, "no")] == [
        (row["Rank"], row["Width"], row["Cannot be ruled out"]) for row in rows
    ]
    expected = {"Validation accuracy": 0.972, "n": 3, "Behind the first": 0.000333, "Combination": 2, "Epochs": 2}
    assert expected == {**{name: rows[1][name] for name in expected}}
    assert "C3" == sheet.freeze_panes


def test_what_does_not_vary_is_said_once() -> None:
    """Axes of one value are in the line above the table, and have no column."""
    sheet = sheet_of(best_xlsx(three_by_three(), "x"), "Ranking")
    line = str(sheet["A1"].value)
    assert line.startswith("3 combinations, 3 repeats each. The same in all: ")
    assert "batch size 200" in line
    assert "Batch size" not in [cell.value for cell in sheet[2]]


def test_the_first_tenth_is_marked() -> None:
    """Of 20 combinations the ranks of the first two stand out, and the line above says so."""
    summary = _twenty()
    sheet = sheet_of(best_xlsx(summary, "x"), "Ranking")
    assert 2 == n_top(summary)
    assert [True, True, False] == [bool(sheet.cell(row, 1).font.b) for row in (3, 4, 5)]
    assert "the ranks of the first 2 (10%) are marked" in str(sheet["A1"].value)


def test_accuracy_loss_and_time_are_coloured() -> None:
    """Colour scales run over all combinations, on the columns that can be good or bad."""
    sheet = sheet_of(best_xlsx(_twenty(), "x"), "Ranking")
    places = sheet.conditional_formatting
    coloured = {sheet.cell(2, part.min_col).value for place in places for part in place.cells.ranges}
    losses = {"Validation loss", "Test loss"}
    assert {
        "Validation accuracy",
        "Test accuracy",
        "Training time (seconds)",
        "Cannot be ruled out",
    } | losses == coloured
    assert all(part.max_row == 22 for place in places for part in place.cells.ranges)


def test_models_that_max_epochs_cut_are_marked() -> None:
    """Each has the number of its trainings that were cut; where early stopping is off there is no such column."""
    grid = "hidden_width: [32, 64]\nmax_epochs: [2, 3]"
    marks = []
    for stopping in ("{patience: 10}", "off"):
        plan = a_plan(f"{grid}\nearly_stopping: {stopping}")
        events = [with_accuracy(trial, 0.9 + i / 100) for i, trial in enumerate(plan.trials)]
        rows = rows_of(sheet_of(best_xlsx(a_summary(plan, *events), "x"), "Ranking"), 2)
        marks.append([row.get("Cut by max_epochs", "no column") for row in rows])
    assert [[None, 2, None, 2], ["no column"] * 4] == marks
    (note,) = [
        row["Meaning"] for row in _legend(best_xlsx(three_by_three(), "x")) if row["Column"] == "Cut by max_epochs"
    ]
    assert "max_epochs ended before early stopping did" in note


def _legend(content: bytes) -> list[dict[str, Any]]:
    return rows_of(sheet_of(content, "Columns"))


def test_one_repeat_leaves_ties_unknown() -> None:
    """Nothing is called as good or worse where luck is unknown."""
    plan = a_plan("hidden_width: [32, 64]", repeats=1)
    content = best_xlsx(a_summary(plan, *map(with_accuracy, plan.trials, (0.9, 0.95))), "x")
    assert ["unknown"] * 2 == [row["Cannot be ruled out"] for row in rows_of(sheet_of(content, "Ranking"), 2)]
