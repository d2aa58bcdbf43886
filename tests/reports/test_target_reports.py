"""What reaches the target of a sweep file, in every report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from books import rows_of, sheet_of, texts_of, three_by_three
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.plan.spec import Target
from mnist_sweep.reports.charts.plot_library import Made
from mnist_sweep.reports.page.page import report_html
from mnist_sweep.reports.result_tables import ranking_table, target_table
from mnist_sweep.reports.step import renewed
from mnist_sweep.reports.workbooks.xlsx import best_xlsx
from mnist_sweep.terminal.json_facts import report_facts
from mnist_sweep.terminal.results import print_report


def _with(at_least: float) -> Summary:
    summary = three_by_three()
    return replace(summary, spec=replace(summary.spec, target=Target("val_accuracy", at_least)))


_TARGET = _with(0.972)
_SENTENCES = target_sentences(_TARGET)


def test_the_table_has_values_and_words() -> None:
    """The smallest first, with its repeats, its interval and the epoch that reached it."""
    first = dict(zip(target_table(_TARGET).headers, next(target_table(_TARGET).words()), strict=True))
    assert first.pop("Validation accuracy").startswith("0.9720 ± ")
    assert {
        "Model": "2×64 relu batch 200 adam 0.001",
        "Parameters": "55,050",
        "Repeats that reach it": "2 of 3",
        "Surely": "no",
        "First in epoch": "2.0",
    } == first


def test_the_ranking_marks_what_reaches_it() -> None:
    """Every combination says whether, and those that do surely say so; without a target there is no such column."""
    assert [("yes",), ("yes",), ("no",)] == list(ranking_table(_TARGET).only("Reaches the target").rows)
    assert [("surely",), ("surely",), ("no",)] == list(ranking_table(_with(0.95)).only("Reaches the target").rows)
    assert "Reaches the target" not in ranking_table(three_by_three()).headers


def test_a_terminal_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences and table, between the ranking and what mattered."""
    print_report(_TARGET, "output/test")
    shown = " ".join(capsys.readouterr().out.split())
    assert [] == [sentence for sentence in _SENTENCES if sentence not in shown]
    assert "Model Parameters Validation accuracy Repeats that reach it Surely First in epoch" in shown


def test_page_and_step_show_it() -> None:
    """The same sentences and the same table."""
    page = report_html(_TARGET, "x", lambda: Made({})).decode()
    step = renewed("", _TARGET, "output/test", "S.md")
    assert [] == [sentence for sentence in _SENTENCES if sentence not in page or sentence not in step]
    assert "Repeats that reach it" in page
    assert "| Repeats that reach it |" in step


def test_the_workbook_shows_it() -> None:
    """The sheet Best below its table, the page of plain words, and the ranking as a column."""
    book = best_xlsx(_TARGET, "output/test")
    for name in ("Best", "How to read this"):
        assert " ".join(_SENTENCES) in texts_of(sheet_of(book, name))
    assert ["yes", "yes", "no"] == [row["Reaches the target"] for row in rows_of(sheet_of(book, "Ranking"), 2)]


def test_scripts_are_told() -> None:
    """The target with what reaches it; null where there is none."""
    facts = report_facts(_TARGET, "output/test", {}, [])["target"]
    assert ("val_accuracy", 0.972, None) == tuple(facts[key] for key in ("metric", "at_least", "parameters"))
    assert [(55_050, 2, 3, False, 2.0), (118_282, 3, 3, False, 2.0)] == [
        tuple(one[key] for key in ("n_parameters", "n_reached", "n_finished", "surely", "first_epoch"))
        for one in facts["reached"]
    ]
    assert report_facts(three_by_three(), "output/test", {}, [])["target"] is None


def test_without_a_target_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Old sweeps have their old reports."""
    print_report(three_by_three(), "output/test")
    assert "Target" not in capsys.readouterr().out
    assert "Target" not in renewed("", three_by_three(), "output/test", "S.md")
    assert 'id="target"' not in report_html(three_by_three(), "x", lambda: Made({})).decode()
