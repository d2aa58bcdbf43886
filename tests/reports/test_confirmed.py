"""The sheet Confirmed: selected against fresh."""

from __future__ import annotations

import pytest

from books import a_summary, rows_of, sheet_of, texts_of, with_accuracy
from builders import a_plan
from mnist_sweep.journal.events import Cause, Failed
from mnist_sweep.plan.sweep_plan import confirmations
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def test_selected_confirmed_and_drop() -> None:
    """Each metric has its means before and after, and how much worse the fresh ones are; failures are counted."""
    plan = a_plan("hidden_width: [32, 64]")
    fresh = confirmations(plan, plan.combinations[1:], 3)
    events = [
        *map(with_accuracy, plan.trials, (0.90, 0.91, 0.95, 0.97)),
        with_accuracy(fresh[0], 0.94),
        with_accuracy(fresh[1], 0.95),
        Failed(fresh[2], Cause.ERROR, "no"),
    ]
    sheet = sheet_of(best_xlsx(a_summary(plan, *events), "x"), "Confirmed")
    rows = rows_of(sheet, 2)
    assert ["validation accuracy", "test accuracy", "validation loss", "test loss"] == [row["Metric"] for row in rows]
    expected = {
        "Rank": 1,
        "Selected": 0.96,
        "Confirmed": 0.945,
        "sd": 0.007071,
        "Finished": 2,
        "Failed": 1,
        "Drop": 0.015,
    }
    assert expected == {name: rows[0][name] for name in expected}
    assert pytest.approx(0.015) == rows[2]["Drop"]
    assert "on the same held-out images" in texts_of(sheet)
