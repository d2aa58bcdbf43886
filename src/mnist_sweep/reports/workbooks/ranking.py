"""The sheets Ranking and Confirmed: all combinations by validation, and those that were retrained."""

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.wording import complete_words, repeats_words
from mnist_sweep.plan.axes import axis_name_words, axis_value, axis_value_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.result_tables import confirmed_table, incomplete_table, n_top, ranking_table
from mnist_sweep.reports.tables import Table, varying_axes
from mnist_sweep.reports.workbooks.sheets import Heading, Sheet, Text


def ranking_sheet(summary: Summary) -> Sheet:
    """The ranking below one line of what is the same in all; what is not compared stands below it."""
    blocks: list[Text | Table] = [Text(_constants(summary)), ranking_table(summary).without("Model")]
    if summary.incomplete:
        blocks += [
            Heading("Not compared, as repeats failed or are not trained yet"),
            incomplete_table(summary).without("Model"),
        ]
    return Sheet("Ranking", tuple(blocks), frozen=1 + len(varying_axes(summary)))


def _constants(summary: Summary) -> str:
    """How many combinations there are, and what none of them differs in."""
    varied, first = varying_axes(summary), summary.combinations[0].recipe
    same = ", ".join(
        f"{axis_name_words(axis.name)} {axis_value_words(axis.name, axis_value(first, axis.name))}"
        for axis in summary.spec.axes
        if axis.name in summary.told and axis.name not in varied
    )
    n, n_ranked = len(summary.combinations), len(summary.ranked)
    count = complete_words(summary) if n_ranked < n else counted(n, "combination")
    ranks = "rank of the first (10%) is" if n_top(summary) == 1 else f"ranks of the first {n_top(summary):,} (10%) are"
    top = f"; the {ranks} marked" if n_top(summary) else ""
    return (
        f"{count}, {repeats_words(summary.combinations)} each{top}. The same in all: {same}; all else at its default."
    )


_WORDS = (
    "These models were retrained with fresh seeds for the initial weights and for the order of the batches, on the "
    "same held-out images. A drop is how much worse the fresh trainings are: a model that is selected for its result "
    "owes a part of it to chance. None of these trainings is in the ranking."
)


def confirmed_sheet(summary: Summary) -> Sheet:
    """For each combination that was trained again, a row a metric, below what that means."""
    return Sheet("Confirmed", (Text(_WORDS), confirmed_table(summary)), frozen=2)
