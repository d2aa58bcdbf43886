"""The three workbooks: which sheets they have, in which order."""

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.tables import legend_table
from mnist_sweep.reports.workbooks.best import best_sheet
from mnist_sweep.reports.workbooks.digits import digits_sheet
from mnist_sweep.reports.workbooks.full import epochs_table, full_table, n_epochs
from mnist_sweep.reports.workbooks.guide import guide_sheet
from mnist_sweep.reports.workbooks.hyperparams import hyperparams_table
from mnist_sweep.reports.workbooks.mattered import mattered_sheet
from mnist_sweep.reports.workbooks.native_charts import curves_sheet
from mnist_sweep.reports.workbooks.ranking import confirmed_sheet, ranking_sheet
from mnist_sweep.reports.workbooks.sheets import Sheet, Text, workbook

MOST_EPOCHS = 50_000
"""Rows of the sheet Epochs; spreadsheet programs grow slow with more."""


def hyperparams_xlsx(summary: Summary) -> bytes:
    """What was tried, how long it took, with what."""
    return workbook(_with_legend(Sheet("Hyperparams", (hyperparams_table(summary),), frozen=0)))


def full_xlsx(summary: Summary, most_epochs: int = MOST_EPOCHS) -> bytes:
    """Every repeat of every combination, and every epoch of these, or so many; a line says when there are more."""
    full = Sheet("Full", (full_table(summary),), frozen=0)
    return workbook(_with_legend(full, _epochs_sheet(summary, most_epochs)))


def best_xlsx(summary: Summary, folder: str) -> bytes:
    """What the sweep says: the choice, the ranking, what mattered, what the choice gets wrong, and how to read that."""
    sheets = [ranking_sheet(summary), mattered_sheet(summary), digits_sheet(summary), curves_sheet(summary)]
    if summary.confirmed:
        sheets.append(confirmed_sheet(summary))
    return workbook(_with_legend(best_sheet(summary), *sheets, guide_sheet(summary, folder)))


def _epochs_sheet(summary: Summary, most: int) -> Sheet:
    n = n_epochs(summary)
    words = f"{counted(n, 'epoch')} of all trainings; Combination and Repeat are those of the sheet Full."
    if n > most:
        words = f"The first {most:,} of {n:,} epochs; rows/epochs.csv has them all. Combination and Repeat: see Full."
    return Sheet("Epochs", (Text(words), epochs_table(summary, [], most)), frozen=3)


def _with_legend(*sheets: Sheet) -> list[Sheet]:
    """These sheets, and a last one that says what the columns of those with filters mean."""
    legend = legend_table({sheet.title: sheet.tables[0] for sheet in sheets if sheet.frozen is not None})
    return [*sheets, Sheet("Columns", (legend,), frozen=0, portrait=True)]
