"""The workbooks hold the right cells, and open as people like them."""

from __future__ import annotations

import io
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from books import a_summary, rows_of, sheet_of, texts_of, top_of
from builders import a_plan, a_result, finished
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.events import Cause, Curves, Failed, RunStarted
from mnist_sweep.reports.build import WORKBOOKS
from mnist_sweep.reports.workbooks.xlsx import best_xlsx, full_xlsx, hyperparams_xlsx

_ENVIRONMENT = {"machine": {"host": "box", "cores": "2 cores"}, "versions": {"tensorflow": "2.21.0"}}

_OLD_FULL = [
    "Batch size",
    "Num layers",
    "Hidden funcs",
    "Hidden width",
    "Learning rate",
    "Validate loss improvement delta",
    "Validate loss improvement patience",
    "Restore best weights",
    "Max num epochs",
    "Shuffle seed",
    "Test Accuracy",
    "Test Loss",
    "Train Time",
    "Loss * Time",
    "Validate Accuracy",
    "Train Accuracy",
    "Validate Loss",
    "Train Loss",
    "Num epochs",
    "Average epoch time",
]
_OLD_HYPERPARAMS = [
    "Num Model Trainings",
    "Num Loops per model",
    "Total time minutes",
    "Total time hours",
    "Seconds per model",
    "Max Num Epochs",
    "Batch sizes",
    "Hidden Widths",
    "Nums layers",
    "Functions",
    "Learning rates",
    "Improvement deltas",
    "Improvement patience",
    "Improvement restore weights",
]


@pytest.fixture
def summary() -> Summary:
    """Two combinations of two repeats: the narrow one better by validation, the wide one by test."""
    plan = a_plan("hidden_width: [32, [64, 16]]\nhidden_funcs: {each_layer: [relu]}\nlearning_rate: 1e-5")
    narrow, narrow2, wide, wide2 = plan.trials
    better = Curves((0.5, 0.123456789), (0.85, 0.94), (0.3, 0.15), (0.91, 0.97), (1.0, 1.0))
    return a_summary(
        plan,
        RunStarted(_ENVIRONMENT),
        finished(narrow, test_accuracy=0.95, curves=better, kept_epoch=2),
        finished(narrow2, test_accuracy=0.96, curves=better, kept_epoch=2),
        finished(wide, test_accuracy=0.97),
        finished(wide2, test_accuracy=0.99),
    )


def test_full_has_the_known_headers_in_order(summary: Summary) -> None:
    """Headers that readers know keep their names and order; new ones stand between and behind."""
    headers = [cell.value for cell in sheet_of(full_xlsx(summary))[1]]
    assert _OLD_FULL == [header for header in headers if header in _OLD_FULL]
    assert [
        *_OLD_FULL[:10],
        "Repeat",
        "Seed",
        "Optimizer",
        "Monitor",
        "Parameters",
        "Precision",
        "Label smoothing",
        *_OLD_FULL[10:],
        "Best epoch",
    ] == headers[:28]
    last = headers.index("Kept Train Loss") + 1
    assert ["Last test accuracy", "Last test loss", "Status"] == headers[last : last + 3]


def test_hyperparams_has_the_known_headers_in_order(summary: Summary) -> None:
    """The one row of hyperparams.xlsx begins with the headers that readers know."""
    sheet = sheet_of(hyperparams_xlsx(summary))
    assert _OLD_HYPERPARAMS == [cell.value for cell in sheet[1]][: len(_OLD_HYPERPARAMS)]
    (row,) = rows_of(sheet)
    expected = {
        "Num Model Trainings": 4,
        "Num Loops per model": 2,
        "Total time minutes": 4,
        "Seconds per model": 60,
        "Hidden Widths": "32, [64, 16]",
        "Functions": "each_layer: relu",
        "Learning rates": 0.00001,
        "Improvement deltas": 0.0001,
        "Improvement restore weights": True,
        "Versions": "tensorflow 2.21.0",
        "Machine": "box, 2 cores",
        "When": datetime(2026, 1, 2, 3, 4, 5),
    }
    assert expected == {name: row[name] for name in expected}


def test_full_has_a_row_a_trial_in_plan_order(summary: Summary) -> None:
    """Each repeat of each combination is a row with its own values."""
    rows = rows_of(sheet_of(full_xlsx(summary)))
    assert [(32, 1), (32, 2), ("64, 16", 1), ("64, 16", 2)] == [(row["Hidden width"], row["Repeat"]) for row in rows]
    assert [0.95, 0.96, 0.97, 0.99] == [row["Test Accuracy"] for row in rows]
    expected = {"Train Time": 2, "Loss * Time": 0.32, "Validate Accuracy": 0.97, "Num epochs": 2, "Status": "finished"}
    assert expected == {name: rows[0][name] for name in expected}


def test_last_epoch_and_kept_epoch_are_told_apart() -> None:
    """The old columns are those of the last epoch, the kept ones those of the weights that were tested."""
    plan = a_plan("hidden_width: 32", repeats=1)
    curves = Curves((0.5, 0.2), (0.85, 0.94), (0.3, 0.35), (0.91, 0.90), (1.0, 1.0))
    result = a_result(curves=curves, best_epoch=1, kept_epoch=1)
    (row,) = rows_of(
        sheet_of(full_xlsx(a_summary(plan, finished(plan.trials[0], curves=curves, best_epoch=1, kept_epoch=1))))
    )
    assert result.kept_epoch == 1
    assert (0.90, 0.91) == (row["Validate Accuracy"], row["Kept Validate Accuracy"])
    assert (0.35, 0.3) == (row["Validate Loss"], row["Kept Validate Loss"])
    assert (0.2, 0.5) == (row["Train Loss"], row["Kept Train Loss"])


def test_failed_and_pending_trials_are_rows_too() -> None:
    """What failed stands with its reason, what is left stands as pending; neither has scores."""
    plan = a_plan("hidden_width: 32")
    curves = Curves((None,), (0.1,), (2.3,), (0.1,), (1.0,))
    failed = Failed(plan.trials[0], Cause.DIVERGED, "the training loss was no finite number in epoch 1", curves)
    first, second = rows_of(sheet_of(full_xlsx(a_summary(plan, failed))))
    assert ("failed", "diverged: the training loss was no finite number in epoch 1", None, 1) == (
        first["Status"],
        first["Reason"],
        first["Test Accuracy"],
        first["Num epochs"],
    )
    assert ("pending", None, None) == (second["Status"], second["Reason"], second["Num epochs"])


def test_best_has_means_and_spreads_never_a_single_repeat(summary: Summary) -> None:
    """The choice goes by validation; each row shows mean, standard deviation and number of repeats."""
    rows = rows_of(sheet_of(best_xlsx(summary, "output/test")))
    assert ["CHOICE BY VALIDATION", "TEST ACCURACY", "TEST LOSS", "TEST LOSS EFFICIENCY"] == [
        row["Type"] for row in rows
    ]
    assert [32, "64, 16"] == [row["Hidden width"] for row in rows[:2]]
    assert [0.97, 0.98] == [row["Average loop result"] for row in rows[:2]]
    assert (0.98, 0.014142, 2) == (rows[1]["Test Accuracy mean"], rows[1]["Test Accuracy sd"], rows[1]["Repeats"])


def test_best_without_a_complete_combination() -> None:
    """Before any combination has all its repeats, best.xlsx has headers and no row."""
    plan = a_plan("hidden_width: 32")
    assert [] == rows_of(sheet_of(best_xlsx(a_summary(plan, finished(plan.trials[0])), "output/test")))


@pytest.mark.parametrize("render", WORKBOOKS.values(), ids=WORKBOOKS)
def test_sheets_open_as_people_like_them(summary: Summary, render: Any) -> None:
    """Frozen header, filters over all rows, columns wide enough, no nameless column, a legend of all columns."""
    sheet = sheet_of(render(summary, "output/test"))
    assert ("B2" if render is best_xlsx else "A2") == sheet.freeze_panes
    n_rows = len(rows_of(sheet))
    assert f"A1:{sheet.cell(n_rows + 1, len(sheet[1])).coordinate}" == sheet.auto_filter.ref
    for cell in sheet[1]:
        assert cell.value
        assert sheet.column_dimensions[cell.column_letter].width >= max(map(len, str(cell.value).split()))
    legend = rows_of(sheet_of(render(summary, "output/test"), "Columns"))
    assert [cell.value for cell in sheet[1]] == [row["Column"] for row in legend if row["Sheet"] == sheet.title]
    assert all(row["Meaning"] for row in legend)


def test_numbers_are_numbers_with_sensible_formats(summary: Summary) -> None:
    """Accuracies, losses and rates are numbers without tails, shown with the decimals that they need."""
    sheet = sheet_of(full_xlsx(summary))
    cells = {str(sheet.cell(1, i).value): sheet.cell(2, i) for i in range(1, sheet.max_column + 1)}
    assert ("0.0000", 0.95) == (cells["Test Accuracy"].number_format, cells["Test Accuracy"].value)
    assert ("0.00000", 0.123457) == (cells["Train Loss"].number_format, cells["Train Loss"].value)
    assert ("0.00000", 0.00001) == (cells["Learning rate"].number_format, cells["Learning rate"].value)
    assert ("#,##0", "n") == (cells["Parameters"].number_format, cells["Parameters"].data_type)
    assert True is cells["Restore best weights"].value


@pytest.mark.parametrize("goal", ["=1+1", "=cmd|' /C calc'!A0", "+1", "@x"])
def test_text_stays_text(goal: str) -> None:
    """Text that looks like a formula is kept as text."""
    plan = a_plan("hidden_width: 32", goal=f'"{goal}"')
    sheet = sheet_of(hyperparams_xlsx(a_summary(plan)))
    cell = next(cell for header, cell in zip(sheet[1], sheet[2], strict=True) if header.value == "Goal")
    assert (goal, "s") == (cell.value, cell.data_type)


def test_a_value_that_is_off_everywhere() -> None:
    """Without early stopping its columns are empty, and Monitor says off."""
    plan = a_plan("hidden_width: 32\nearly_stopping: off", repeats=1)
    (row,) = rows_of(sheet_of(full_xlsx(a_summary(plan, finished(plan.trials[0])))))
    assert ("off", None) == (row["Monitor"], row["Validate loss improvement patience"])
    (row,) = rows_of(sheet_of(hyperparams_xlsx(a_summary(plan))))
    assert "off" == row["Improvement patience"]


def test_best_has_its_sheets_in_order(summary: Summary) -> None:
    """The choice comes first, then what it rests on, then how to read it; what explains the columns is last."""
    book = openpyxl.load_workbook(io.BytesIO(best_xlsx(summary, "output/test")))
    expected = ["Best", "Ranking", "What mattered", "Digits", "Curves", "How to read this", "Columns"]
    assert expected == book.sheetnames


def test_pandas_reads_the_four_rows_of_best(summary: Summary) -> None:
    """The header is in the first row, and what is no row of the table has no Type."""
    import pandas as pd

    table = pd.read_excel(io.BytesIO(best_xlsx(summary, "output/test"))).dropna(subset=["Type"])
    assert 4 == len(table)
    assert "CHOICE BY VALIDATION" == table["Type"][0]


def test_the_sheet_epochs_says_where_it_ends(summary: Summary) -> None:
    """It holds every epoch up to its limit; a line above says how many there are, and where the others are."""
    sheet = sheet_of(full_xlsx(summary), "Epochs")
    assert str(sheet["A1"].value).startswith("8 epochs of all trainings")
    rows = rows_of(sheet, 2)
    assert [(1, 1, 1), (1, 1, 2), (1, 2, 1)] == [(r["Combination"], r["Repeat"], r["Epoch"]) for r in rows[:3]]
    assert 8 == len(rows)
    assert {"Train Loss": 0.123457, "Validate Accuracy": 0.97} == {
        name: rows[1][name] for name in ("Train Loss", "Validate Accuracy")
    }
    cut = sheet_of(full_xlsx(summary, most_epochs=3), "Epochs")
    assert str(cut["A1"].value).startswith("The first 3 of 8 epochs; rows/epochs.csv has them all.")
    assert 3 == len(rows_of(cut, 2))


_ODD = {
    "one combination": ("hidden_width: 32", 3, 3),
    "one repeat": ("hidden_width: [32, 64]", 1, 2),
    "one training": ("hidden_width: 32", 1, 1),
    "nothing trained": ("hidden_width: [32, 64]", 2, 0),
    "some not trained": ("hidden_width: [32, 64]", 2, 3),
    "functions a layer": ("num_layers: [2, 3, 4]\nhidden_width: 8\nhidden_funcs: {each_layer: [relu, tanh]}", 2, 14),
}


@pytest.mark.parametrize(("grid", "repeats", "n_finished"), _ODD.values(), ids=_ODD)
def test_sweeps_of_all_sizes_have_workbooks(grid: str, repeats: int, n_finished: int) -> None:
    """Every sheet can be made, however few combinations, repeats or results there are."""
    plan = a_plan(grid, repeats=repeats)
    summary = a_summary(plan, *(finished(trial) for trial in plan.trials[:n_finished]))
    for render in WORKBOOKS.values():
        book = openpyxl.load_workbook(io.BytesIO(render(summary, "output/test")))
        assert "Columns" == book.sheetnames[-1]


def test_a_sweep_where_all_failed_says_so() -> None:
    """No row is chosen; below the header stands how many trials failed, and the ranking lists them."""
    plan = a_plan("hidden_width: [32, 64]", repeats=1)
    content = best_xlsx(
        a_summary(plan, *(Failed(trial, Cause.ERROR, "=no\x00 memory\nat all") for trial in plan.trials)), "x"
    )
    assert "Trials that failed: 2; not trained yet: 0." in texts_of(sheet_of(content))
    ranking = sheet_of(content, "Ranking")
    lost = rows_of(ranking, top_of(ranking, "Combination"))
    assert [(1, 32, 1, "error: =no� memory"), (2, 64, 1, "error: =no� memory")] == [
        (row["Combination"], row["Width"], row["Failed"], row["Reason"]) for row in lost
    ]


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
@pytest.mark.parametrize("render", WORKBOOKS.values(), ids=WORKBOOKS)
def test_libreoffice_opens_the_workbooks(summary: Summary, render: Any) -> None:
    """A spreadsheet program other than the one that wrote it reads every sheet."""
    Path("book.xlsx").write_bytes(render(summary, "output/test"))
    every_sheet_as_utf8 = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    command = [
        "soffice",
        "--headless",
        f"-env:UserInstallation=file://{Path.cwd()}/office",
        "--convert-to",
        every_sheet_as_utf8,
        "book.xlsx",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    book = openpyxl.load_workbook("book.xlsx")
    assert {f"book-{title}.csv" for title in book.sheetnames} == {path.name for path in Path().glob("book-*.csv")}
    n_rows = sheet_of(render(summary, "output/test")).max_row
    assert n_rows == len(Path(f"book-{book.sheetnames[0]}.csv").read_text(encoding="utf-8").splitlines())
