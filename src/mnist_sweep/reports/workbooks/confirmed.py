"""The sheet Confirmed: what was selected, trained again with fresh seeds."""

from __future__ import annotations

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.result_tables import confirmed_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Text

_WORDS = (
    "These models were retrained with fresh seeds for the initial weights and for the order of the batches, on the "
    "same held-out images. A drop is how much worse the fresh trainings are: a model that is selected for its result "
    "owes a part of it to chance. None of these trainings is in the ranking."
)


def confirmed_sheet(summary: Summary) -> Sheet:
    """For each combination that was trained again, a row a metric, below what that means."""
    return Sheet("Confirmed", (Text(_WORDS), confirmed_table(summary)), frozen=2)
