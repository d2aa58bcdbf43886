"""The sheet Digits: which digits the choice takes for which others, on the test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mnist_sweep.analysis.combination import Combination
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.tables import ACCURACY, COUNT, NUMBER, Column, make_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Text
from mnist_sweep.reports.workbooks.styles import BAD, NEUTRAL, PALE

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

TITLE = "Digits"
_DOT = '#,##0;;"·"'  # no error is a dot
_MOST_SAID = 5

Confusion = list[list[int]]


def digits_sheet(summary: Summary) -> Sheet:
    """The errors of the choice, all its repeats together."""
    if not summary.ranked:
        return Sheet(TITLE, (Text("No combination has all its repeats yet."),))
    choice = summary.ranked[0]
    confusion = confusion_of(choice)
    n, n_wrong = (
        sum(map(sum, confusion)),
        sum(map(sum, confusion)) - sum(confusion[i][i] for i in range(len(confusion))),
    )
    words = (
        f"The test images as {summary.model_words(choice.recipe)} reads them, {_repeats_words(choice)}"
        f": {n_wrong:,} of {n:,} are misread. A row is what an image shows, a column what it was taken for."
    )
    said = f"Most often: {_most_often(confusion)}." if n_wrong else "None is taken for another."
    columns = [
        Column("Digit", NUMBER, "What the image shows.", itemgetter(0)),
        *(Column(f"as {j}", _DOT, "Images taken for it.", _taken_for(j)) for j in range(len(confusion))),
        Column("Images", COUNT, "Of this digit.", lambda row: sum(row[1])),
        Column("Recall", ACCURACY, "Part of these that is read rightly.", lambda row: row[2][0]),
        Column("Precision", ACCURACY, "Part of what is taken for it that is it.", lambda row: row[2][1]),
        Column("F1", ACCURACY, "Harmonic mean of the two.", lambda row: row[2][2]),
    ]
    rows = [(i, confusion[i], _scores(confusion, i)) for i in range(len(confusion))]
    notes = (
        Text(
            "Recall: part of the images of a digit that is read as it. Precision: part of what is read as it that is "
            "it. F1: the harmonic mean of the two."
        ),
    )
    return Sheet(TITLE, (Text(words), Text(said), make_table(columns, rows), *notes), finish=_colour)


def _repeats_words(choice: Combination) -> str:
    n = len(choice.rows)
    return f"its {n:,} repeats together" if n > 1 else "trained once"


def _taken_for(j: int) -> Callable[[Any], int]:
    return lambda row: int(row[1][j])


def confusion_of(combination: Combination) -> Confusion:
    """Test images by label and prediction, summed over the finished repeats."""
    matrices = [row.result.confusion for row in combination.rows if row.result]
    return [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]


def _scores(confusion: Confusion, i: int) -> tuple[float | None, float | None, float | None]:
    """Recall, precision and F1 of a digit; None where nothing shows it, or nothing is taken for it."""
    right, shown, taken = confusion[i][i], sum(confusion[i]), sum(row[i] for row in confusion)
    recall, precision = right / shown if shown else None, right / taken if taken else None
    return recall, precision, 2 * right / (shown + taken) if shown + taken else None


def _most_often(confusion: Confusion) -> str:
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
