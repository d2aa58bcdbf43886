"""The sheet How to read this: the sweep's own numbers in words."""

from __future__ import annotations

from books import a_summary, sheet_of, texts_of, three_by_three, with_accuracy
from builders import a_plan
from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.conclusions import decision, images_words, noise_words, power_words
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def test_all_conclusions_are_there() -> None:
    """Decision, luck, what cannot be told, and the next steps with the folder as the user named it."""
    summary = three_by_three()
    text = texts_of(sheet_of(best_xlsx(summary, "output/mine"), "How to read this"))
    parts = [decision(summary), noise_words(summary), power_words(summary), *images_words(summary)]
    assert [] == [part for part in [*parts, *next_steps(summary, "output/mine")] if part not in text]
    assert "confirm output/mine" in text


def test_text_is_wrapped_in_rows_high_enough() -> None:
    """Long answers are wrapped, and their rows are as high as they need."""
    sheet = sheet_of(best_xlsx(three_by_three(), "x"), "How to read this")
    for row in range(2, sheet.max_row + 1):
        cell = sheet.cell(row, 2)
        assert cell.alignment.wrap_text
        assert (sheet.row_dimensions[row].height or 15) >= 15 * len(str(cell.value)) // 100


def test_one_repeat_explains_no_intervals() -> None:
    """What the workbook does not have is not explained."""
    plan = a_plan("hidden_width: [32, 64]", repeats=1)
    content = best_xlsx(a_summary(plan, *map(with_accuracy, plan.trials, (0.9, 0.95))), "x")
    assert "What ± means" not in texts_of(sheet_of(content, "How to read this"))
