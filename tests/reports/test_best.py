"""The sheet Best says how sure the choice is."""

from __future__ import annotations

from typing import Any

from books import a_summary, rows_of, sheet_of, texts_of, three_by_three, with_accuracy
from builders import a_plan
from mnist_sweep.analysis.conclusions import decision
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.workbooks.best import best_table
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def _rows(summary: Summary) -> list[dict[str, Any]]:
    table = best_table(summary)
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


def test_scores_stand_before_settings() -> None:
    """Who opens the sheet sees the result first, then what it was made with."""
    headers = best_table(three_by_three()).headers
    first = ["Type", "Model", "Average loop result", "Standard deviation", "Repeats", "± (95%)", "Tied with"]
    assert first == headers[:7]
    assert headers.index("Num epochs sd") < headers.index("Batch size")


def test_each_row_is_judged_by_its_own_metric() -> None:
    """Interval and ties are those of the metric that the row looks at; loss times seconds has none."""
    summary = three_by_three()
    choice, accuracy, _, efficiency = _rows(summary)
    assert round(summary.ranking().standings[0].half_width or 0, 6) == choice["± (95%)"]
    assert (1, 1) == (choice["Tied with"], accuracy["Tied with"])
    assert (None, None) == (efficiency["± (95%)"], efficiency["Tied with"])


def test_one_repeat_tells_nothing_about_ties() -> None:
    """With one repeat there is no interval, and what is tied is unknown."""
    plan = a_plan("hidden_width: [32, 64]", repeats=1)
    choice = _rows(a_summary(plan, *map(with_accuracy, plan.trials, (0.9, 0.95))))[0]
    assert (None, None, "unknown") == (choice["Standard deviation"], choice["± (95%)"], choice["Tied with"])


def test_who_leads_is_not_the_choice_while_trials_are_left() -> None:
    """The first row and the sentence below say that it leads so far, and that one combination is not compared."""
    plan = a_plan("hidden_width: [32, 64, 128]")
    summary = a_summary(plan, *map(with_accuracy, plan.trials[:5], (0.9, 0.91, 0.95, 0.96, 0.97)))
    assert "LEADING SO FAR" == _rows(summary)[0]["Type"]
    texts = texts_of(sheet_of(best_xlsx(summary, "output/test")))
    assert "Leading so far (2 of 3 combinations have all their repeats): 2×64" in texts
    assert "1 of 3 combinations is not compared, as it lacks repeats" in texts
    assert "CHOICE" not in texts


def test_what_was_cut_stands_below_the_rows() -> None:
    """Where max_epochs ended trainings early, the sheet that opens first says how many."""
    plan = a_plan("hidden_width: [32, 64]\nmax_epochs: 2", repeats=1)
    content = best_xlsx(a_summary(plan, *map(with_accuracy, plan.trials, (0.9, 0.95))), "x")
    for title in ("Best", "How to read this"):
        assert "max_epochs ended 2 of 2 trainings before early stopping did" in texts_of(sheet_of(content, title))
    assert "max_epochs" not in texts_of(sheet_of(best_xlsx(three_by_three(), "x")))


def test_the_decision_stands_below_the_rows() -> None:
    """The sentence is on the sheet that opens first, outside the table."""
    summary = three_by_three()
    sheet = sheet_of(best_xlsx(summary, "output/test"))
    assert 4 == len(rows_of(sheet))
    assert decision(summary) == sheet["B7"].value
    assert "not compared" not in texts_of(sheet)
