"""The tables that all renderers share, as values and as people read them."""

from __future__ import annotations

import re

import pytest
import sweeps

from books import a_summary, rows_of, sheet_of, three_by_three, with_accuracy
from builders import a_plan
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.events import Cause, Failed
from mnist_sweep.plan.sweep_plan import confirmations
from mnist_sweep.reports.charts.plot_library import Made
from mnist_sweep.reports.columns import ACCURACY, AS_WRITTEN, PERCENT, TEXT, Column
from mnist_sweep.reports.page.page import report_html
from mnist_sweep.reports.result_tables import confirmed_accuracies, incomplete_table, ranking_table
from mnist_sweep.reports.step import renewed
from mnist_sweep.reports.tables import Table, make_table
from mnist_sweep.reports.workbooks.xlsx import best_xlsx
from mnist_sweep.terminal.results import print_report


def _words(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.headers, row, strict=True)) for row in table.words()]


def test_the_ranking_in_words() -> None:
    """Means have their decimals and the choice its interval; what max_epochs cut is counted, and none is empty."""
    first = _words(ranking_table(three_by_three()))[0]
    expected = {"Rank": "1", "Behind the first": "0.0000", "Cannot be ruled out": "yes", "Test loss": "0.1277"}
    assert expected == {name: first[name] for name in expected}
    assert re.fullmatch(r"0\.\d{4} ± 0\.\d{4}", first["Validation accuracy"])
    assert re.fullmatch(r"\d\.\d", first["Training time (seconds)"])
    assert "" == first["Cut by max_epochs"]
    assert "2 of 2" == _words(ranking_table(sweeps.cut()))[0]["Cut by max_epochs"]
    assert "unknown" == _words(ranking_table(sweeps.one_repeat()))[0]["Cannot be ruled out"]


def test_what_is_not_compared_has_all_its_reasons() -> None:
    """A workbook has the first line of the first reason; a text has each reason once."""
    plan = a_plan("hidden_width: [32, 64]", repeats=3)
    failures = [
        Failed(trial, Cause.ERROR, reason) for trial, reason in zip(plan.trials[:3], ("a\nb", "c", "c"), strict=True)
    ]
    table = incomplete_table(a_summary(plan, *failures))
    told = table.only("Finished", "Failed", "Not trained", "Reason")
    assert ((0, 3, 0, "error: a"), (0, 0, 3, None)) == told.rows
    assert [["0", "3", "0", "error: a\nb; error: c"], ["0", "0", "3", ""]] == list(told.words())


def test_what_was_confirmed_has_its_spread() -> None:
    """Two accuracies a combination, with how many of its fresh trainings finished; of none there is no figure."""
    plan = a_plan("hidden_width: [32, 64]")
    one, other = (confirmations(plan, [recipe], 2) for recipe in plan.combinations)
    events = [*map(with_accuracy, plan.trials, (0.90, 0.91, 0.95, 0.97)), with_accuracy(other[0], 0.94)]
    summary = a_summary(plan, *events, Failed(other[1], Cause.ERROR, ""), *(Failed(t, Cause.ERROR, "") for t in one))
    found = [row[1:] for row in confirmed_accuracies(summary).words()]
    assert ["validation accuracy", "1 of 2", "0.9600 ± 0.0141", "0.9400", "+0.0200"] == found[0]
    assert ["validation accuracy", "0 of 2", "0.9050 ± 0.0071", "", ""] == found[2]
    assert ["validation accuracy", "test accuracy"] * 2 == [row[0] for row in found]


def test_numbers_in_a_text_have_the_decimals_of_their_format() -> None:
    """Four of an accuracy, one of a percentage, those that it has of a number as it was written."""
    columns = [Column(form, form, "", lambda value: value) for form in (ACCURACY, PERCENT, AS_WRITTEN)]
    assert [["0.0123", "1.2%", "0.01234"]] == list(make_table(columns, [0.01234]).words())


def test_a_part_of_a_table_keeps_what_it_is_made_of() -> None:
    """Columns are chosen by their headers, rows from the first on."""
    table = make_table((Column(name, TEXT, "", name.__add__) for name in "abc"), "12")
    last, most = table.only("c", "a"), table.without("b").first(1)
    assert (["c", "a"], (("c1", "a1"), ("c2", "a2"))) == (last.headers, last.rows)
    assert (["a", "c"], (("a1", "c1"),)) == (most.headers, most.rows)
    with pytest.raises(KeyError):
        table.only("d")


def test_all_renderers_have_the_same_headers(capsys: pytest.CaptureFixture[str]) -> None:
    """What terminal, page and Markdown call a column of the confirmed is what the workbook calls it."""
    summary: Summary = sweeps.several_axes()
    sheet = set(rows_of(sheet_of(best_xlsx(summary, "x"), "Confirmed"), 2)[0])
    page = report_html(summary, "x", lambda: Made({})).decode().partition('aria-label="Confirmed"')[2]
    print_report(summary, "x")
    shown = capsys.readouterr().out.partition("Confirmed with")[2].splitlines()[1]
    step = next(line for line in renewed("", summary, "o", "S.md").splitlines() if "| Selected |" in line)
    headers = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert set(headers) < sheet
    assert headers == re.split(r" {2,}", shown.strip()) == step.strip("| ").split(" | ")
