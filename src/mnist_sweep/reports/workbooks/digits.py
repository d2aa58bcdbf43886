"""The sheet Digits: which digits the choice takes for which others, on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.columns import ACCURACY, COUNT, NUMBER, Column
from mnist_sweep.reports.tables import make_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Text
from mnist_sweep.reports.workbooks.styles import BAD, NEUTRAL, PALE

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

TITLE = "Digits"
_DOT = '#,##0;;"·"'  # no error is a dot
_MOST_SAID = 5

_NOTE = (
    "Recall: part of the images of a digit that is read as it. Precision: part of what is read as it that is it. "
    "F1: the harmonic mean of the two."
)


def digits_sheet(summary: Summary) -> Sheet:
    """The errors of the choice, all its repeats together."""
    if not summary.ranked:
        return Sheet(TITLE, (Text("No combination has all its repeats yet."),))
    choice = summary.ranked[0]
    confusion = choice.confusion
    n = sum(map(sum, confusion))
    n_wrong = n - sum(row[i] for i, row in enumerate(confusion))
    trained = f"its {len(choice.rows):,} repeats together" if len(choice.rows) > 1 else "trained once"
    words = (
        f"The test images as {summary.model_words(choice.recipe)} reads them, {trained}"
        f": {n_wrong:,} of {n:,} are misread. A row is what an image shows, a column what it was taken for."
    )
    said = f"Most often: {_most_often(confusion)}." if n_wrong else "None is taken for another."
    columns = (
        ("Digit", NUMBER, "What the image shows."),
        *((f"as {j}", _DOT, "Images taken for it.") for j in range(len(confusion))),
        ("Images", COUNT, "Of this digit."),
        ("Recall", ACCURACY, "Part of these that is read rightly."),
        ("Precision", ACCURACY, "Part of what is taken for it that is it."),
        ("F1", ACCURACY, "Harmonic mean of the two."),
    )
    rows = [(i, *row, sum(row), *_scores(confusion, i)) for i, row in enumerate(confusion)]
    table = make_table((Column(*parts, itemgetter(i)) for i, parts in enumerate(columns)), rows)
    return Sheet(TITLE, (Text(words), Text(said), table, Text(_NOTE)), finish=_colour)


def _scores(confusion: list[list[int]], i: int) -> tuple[float | None, float | None, float | None]:
    """Recall, precision and F1 of a digit; None where nothing shows it, or nothing is taken for it."""
    right, shown, taken = confusion[i][i], sum(confusion[i]), sum(row[i] for row in confusion)
    recall, precision = right / shown if shown else None, right / taken if taken else None
    return recall, precision, 2 * right / (shown + taken) if shown + taken else None


def _most_often(confusion: list[list[int]]) -> str:
    errors = [(n, i, j) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n]
    most = sorted(errors, key=lambda error: -error[0])[:_MOST_SAID]
    return ", ".join(f"{i} taken for {j} ({counted(n, 'time')})" for n, i, j in most)


def _colour(page: Worksheet, tops: Sequence[int]) -> None:
    """Errors by how many they are, on a scale of their own; what is right stands apart from it."""
    from openpyxl.formatting import rule
    from openpyxl.styles import PatternFill
    from openpyxl.utils import get_column_letter

    make: Any = rule  # it has no types
    first, n = tops[2] + 1, 10
    parts = []
    for i in range(n):
        letters = [get_column_letter(j + 2) for j in range(n) if j != i]
        parts += [f"{letter}{first + i}" for letter in letters]
        page.cell(first + i, i + 2).fill = PatternFill("solid", start_color=PALE)
    page.conditional_formatting.add(
        " ".join(parts), make.ColorScaleRule("num", 0, NEUTRAL, end_type="max", end_color=BAD)
    )
