"""The sheet Ranking: all combinations by validation, which of them may be as good, and those that are not compared."""

from __future__ import annotations

from collections.abc import Callable

from mnist_sweep.analysis.summary import Combination, Standing, Status, Summary
from mnist_sweep.analysis.wording import complete_words, repeats_words
from mnist_sweep.journal.events import Failed
from mnist_sweep.plan.axes import axis_name_words, axis_value, axis_value_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.tables import (
    ACCURACY,
    COMBINATION,
    COUNT,
    LOSS,
    NUMBER,
    TEXT,
    Cell,
    Column,
    Scale,
    Table,
    axis_columns,
    make_table,
    numbers,
    varying_axes,
)
from mnist_sweep.reports.workbooks.sheets import Heading, Sheet, Text

_TOP = 0.1


def ranking_sheet(summary: Summary) -> Sheet:
    """The ranking below one line of what is the same in all; what is not compared stands below it."""
    blocks: list[Text | Heading | Table] = [Text(_constants(summary)), ranking_table(summary)]
    if summary.incomplete:
        blocks += [Heading("Not compared, as repeats failed or are not trained yet"), _incomplete_table(summary)]
    return Sheet("Ranking", tuple(blocks), frozen=1 + len(varying_axes(summary)))


def _constants(summary: Summary) -> str:
    """How many combinations there are, and what none of them differs in."""
    varied, first = varying_axes(summary), summary.combinations[0].recipe
    same = ", ".join(
        f"{axis_name_words(axis.name)} {axis_value_words(axis.name, axis_value(first, axis.name))}"
        for axis in summary.spec.axes
        if axis.name not in varied
    )
    n, n_ranked = len(summary.combinations), len(summary.ranked)
    count = complete_words(summary) if n_ranked < n else counted(n, "combination")
    ranks = "rank of the first (10%) is" if n_top(summary) == 1 else f"ranks of the first {n_top(summary):,} (10%) are"
    top = f"; the {ranks} marked" if n_top(summary) else ""
    return f"{count}, {repeats_words(summary.combinations)} each{top}. The same in all: {same or 'nothing'}."


def n_top(summary: Summary) -> int:
    """How many combinations the first 10% are; none where there are fewer than 10."""
    return int(_TOP * len(summary.ranked))


def ranking_table(summary: Summary) -> Table:
    """The complete combinations in the order of the choice."""
    number = numbers(summary)
    columns = [
        Column("Rank", NUMBER, "By validation accuracy; then by validation loss, then by size.", lambda s: s.rank),
        *axis_columns(varying_axes(summary), lambda s: s.combination.recipe),
        *_validation_columns(),
        *_other_columns(),
        *([_CUT] if summary.stops_early else []),
        Column("Parameters", COUNT, "Weights and biases of the model.", lambda s: s.combination.recipe.n_parameters),
        Column("Combination", NUMBER, COMBINATION, lambda s: number[s.combination.recipe]),
    ]
    return make_table(columns, summary.ranking().standings, n_top(summary))


_CUT = Column(
    "Cut",
    NUMBER,
    "Trainings that max_epochs ended before early stopping did: longer ones could be better. Empty: none.",
    lambda s: s.combination.n_cut or None,
)


def _validation_columns() -> list[Column]:
    return [
        Column(
            "Validation accuracy",
            ACCURACY,
            "Mean over the repeats, of the kept weights.",
            lambda s: s.spread.mean,
            Scale.HIGH_IS_GOOD,
        ),
        Column(
            "± (95%)", ACCURACY, "Half of the 95% interval of that mean over seeds, by the pooled noise.", _half_width
        ),
        Column("sd", ACCURACY, "Standard deviation over the combination's own repeats.", lambda s: s.spread.sd),
        Column("n", NUMBER, "Repeats.", lambda s: s.spread.n),
        Column("Behind the first", ACCURACY, "By how much its mean is lower than the first one's.", lambda s: s.behind),
        Column(
            "May be as good",
            TEXT,
            "yes: what it is behind can be luck (Tukey, 95%). unknown: one repeat tells nothing about luck.",
            _tied,
            Scale.YES,
        ),
        Column("Unstable", TEXT, "yes: its own repeats spread far wider than those of the others.", _unstable),
    ]


def _half_width(standing: Standing) -> Cell:
    return standing.half_width


def _tied(standing: Standing) -> Cell:
    if standing.margin is None:
        return "unknown"
    return "yes" if standing.tied else "no"


def _unstable(standing: Standing) -> Cell:
    return "yes" if standing.unstable else None


def _other_columns() -> list[Column]:
    def mean(metric: str) -> Callable[[Standing], Cell]:
        return lambda standing: standing.combination.spread(metric).mean

    low = Scale.LOW_IS_GOOD
    return [
        Column("Validation loss", LOSS, "Mean over the repeats, of the kept weights.", mean("val_loss"), low),
        Column(
            "Test accuracy",
            ACCURACY,
            "Mean over the repeats. Shown, not chosen by: the highest of many looks better than it is.",
            mean("test_accuracy"),
            Scale.HIGH_IS_GOOD,
        ),
        Column("Test loss", LOSS, "Mean over the repeats. Shown, not chosen by.", mean("test_loss"), low),
        Column("Train time (s)", "0.0", "Mean seconds of the epochs with their validation.", mean("train_time"), low),
        Column("Epochs", "0.0", "Mean number of epochs that were run.", mean("epochs")),
    ]


def _incomplete_table(summary: Summary) -> Table:
    number = numbers(summary)
    columns = [
        Column("Number", NUMBER, COMBINATION, lambda c: number[c.recipe]),
        *axis_columns(varying_axes(summary), lambda c: c.recipe),
        Column("Finished", NUMBER, "Repeats with a result.", lambda c: c.n(Status.FINISHED)),
        Column("Failed", NUMBER, "Repeats that failed.", lambda c: c.n(Status.FAILED)),
        Column("Not trained", NUMBER, "Repeats that are still to be trained.", lambda c: c.n(Status.PENDING)),
        Column("Reason", TEXT, "Why the first of them failed.", _reason, spills=True),
    ]
    return make_table(columns, summary.incomplete)


def _reason(combination: Combination) -> Cell:
    """The first failure in one line; full.xlsx has all of them in full."""
    for row in combination.rows:
        if isinstance(row.outcome, Failed):
            return f"{row.outcome.cause}: {next(iter(row.outcome.reason.splitlines()), '')}"
    return None
