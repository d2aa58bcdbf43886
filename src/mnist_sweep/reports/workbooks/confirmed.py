"""The sheet Confirmed: what was selected, trained again with fresh seeds."""

from __future__ import annotations

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.result_tables import confirmed_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Text

_WORDS = (
    "The seeds of the initial weights and of the order of the batches are fresh; which images are held out stays as it "
    "was. A drop is how much worse the fresh trainings are: what is selected for its result was partly lucky. None of "
    "these trainings is in the ranking."
)


def confirmed_sheet(summary: Summary) -> Sheet:
    """For each combination that was trained again, a row a metric, below what that means."""
    return Sheet("Confirmed", (Text(_WORDS), confirmed_table(summary)), frozen=2)
