"""The sheet Digits: confusion of the choice."""

from __future__ import annotations

import pytest

from books import a_summary, rows_of, sheet_of, texts_of
from builders import a_plan, finished
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def _confusion(n_wrong: int) -> tuple[tuple[int, ...], ...]:
    """Of 100 images a digit, so many fours taken for nines."""
    rows = [[100 if i == j else 0 for j in range(10)] for i in range(10)]
    rows[4][4], rows[4][9] = 100 - n_wrong, n_wrong
    return tuple(map(tuple, rows))


@pytest.fixture
def content() -> bytes:
    """One combination whose two repeats misread 20 and 30 fours as nines."""
    plan = a_plan("hidden_width: 32")
    events = [finished(trial, confusion=_confusion(n)) for trial, n in zip(plan.trials, (20, 30), strict=True)]
    return best_xlsx(a_summary(plan, *events), "x")


def test_repeats_are_summed_with_labels_as_rows(content: bytes) -> None:
    """Precision, recall and F1 follow from the sums."""
    sheet = sheet_of(content, "Digits")
    rows = rows_of(sheet, 3)
    assert (150, 50, 200) == (rows[4]["as 4"], rows[4]["as 9"], rows[4]["Images"])
    assert (0.75, 1, 0.857143) == (rows[4]["Recall"], rows[4]["Precision"], rows[4]["F1"])
    assert (1, 0.8) == (rows[9]["Recall"], rows[9]["Precision"])
    assert "50 of 2,000 are misread" in texts_of(sheet)
    assert "Most often: 4 taken for 9 (50 times)." in texts_of(sheet)


def test_the_diagonal_is_not_on_the_scale_of_errors(content: bytes) -> None:
    """The colour scale covers all cells but the right ones, which would drown the rest."""
    (place,) = sheet_of(content, "Digits").conditional_formatting
    assert 90 == sum(part.size["rows"] * part.size["columns"] for part in place.cells.ranges)
    assert ["B4", "C5"] == [cell for cell in ("B4", "C4", "C5") if cell not in place.cells]
