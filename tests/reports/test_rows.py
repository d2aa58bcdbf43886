"""Rows for programs: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

from books import a_summary, three_by_three
from builders import a_plan
from mnist_sweep.journal.events import Cause, Failed
from mnist_sweep.reports.build import RENDERERS
from mnist_sweep.reports.columns import TEXT, Column
from mnist_sweep.reports.result_tables import ranking_table
from mnist_sweep.reports.rows import as_csv, as_json
from mnist_sweep.reports.tables import make_table
from mnist_sweep.reports.workbooks.full import full_table


def test_csv_and_json_have_the_rows_of_the_sheets() -> None:
    """The same headers and values, in the same order; what is empty there is null."""
    summary = three_by_three()
    for table, name in (
        (full_table(summary), "full"),
        (ranking_table(summary).without("Model"), "ranking"),
    ):
        found = RENDERERS[f"{name}_json"](summary, "")
        assert [dict(zip(table.headers, row, strict=True)) for row in table.rows] == json.loads(found)
        cells = [["" if cell is None else str(cell) for cell in row] for row in table.rows]
        found = RENDERERS[f"{name}_csv"](summary, "")
        assert [table.headers, *cells] == list(csv.reader(io.StringIO(found.decode("utf-8-sig"), newline="")))


def test_epochs_have_the_axes_that_vary() -> None:
    """Every epoch of every trial, with what it belongs to."""
    frame = pd.read_csv(io.BytesIO(RENDERERS["epochs_csv"](three_by_three(), "")))
    assert ["Combination", "Width", "Repeat", "Epoch"] == list(frame.columns[:4])
    assert 18 == len(frame)
    assert [2, 64, 1, 2, 0.2, 0.94, 0.03, 0.97, 1.0] == list(frame.iloc[7])


def test_text_of_errors_stays_text() -> None:
    """Line ends and quotes come back; Excel is told the encoding."""
    plan = a_plan("hidden_width: 32", repeats=1)
    summary = a_summary(plan, Failed(plan.trials[0], Cause.ERROR, 'a "b", ü\n= c'))
    content = RENDERERS["full_csv"](summary, "")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert 'error: a "b", ü\n= c' == row["Reason"]
    assert content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_text_never_becomes_a_formula(text: str) -> None:
    """What a spreadsheet program would calculate gets an apostrophe in front; numbers below zero do not."""
    table = make_table([Column("a", TEXT, "", lambda x: x), Column("b", TEXT, "", lambda _: -0.5)], [text])
    ((_, _), (found, number)) = csv.reader(io.StringIO(as_csv(table).decode("utf-8-sig"), newline=""))
    assert (f"'{text}", "-0.5") == (found, number)


def test_json_has_no_numbers_that_are_none() -> None:
    """A value that is not finite is null: NaN is no JSON."""
    table = make_table([Column("a", TEXT, "", lambda x: x)], [float("nan"), float("inf"), 1.0])
    assert [{"a": None}, {"a": None}, {"a": 1.0}] == json.loads(as_json(table))


def test_nothing_trained_gives_headers_and_an_empty_list() -> None:
    """A sweep that has only just begun has files that programs can read."""
    summary = a_summary(a_plan("hidden_width: 32"))
    assert [] == json.loads(RENDERERS["ranking_json"](summary, ""))
    assert 0 == len(pd.read_csv(io.BytesIO(RENDERERS["epochs_csv"](summary, ""))))
