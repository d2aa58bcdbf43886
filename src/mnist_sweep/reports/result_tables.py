"""The tables that terminal, Markdown, page and workbooks share: the ranking, what is not compared, what was confirmed.

Each renderer shows the columns that it has room for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from mnist_sweep.analysis.conclusions import interval_words
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS
from mnist_sweep.analysis.summary import Combination, Confirmed, Spread, Standing, Status, Summary
from mnist_sweep.analysis.wording import metric_words, spread_words
from mnist_sweep.journal.events import Failed
from mnist_sweep.reports.tables import (
    ACCURACY,
    COMBINATION,
    COUNT,
    FORMATS,
    NUMBER,
    SCALES,
    SHORT_FORMATS,
    TEXT,
    Cell,
    Column,
    Scale,
    Table,
    axis_columns,
    make_table,
    model_column,
    numbers,
    varying_axes,
)

_TOP = 0.1


def n_top(summary: Summary) -> int:
    """How many combinations the first 10% are; none where there are fewer than 10."""
    return int(_TOP * len(summary.ranked))


def ranking_table(summary: Summary) -> Table:
    """The complete combinations in the order of the choice."""
    number = numbers(summary)
    columns = [
        Column("Rank", NUMBER, "By validation accuracy; then by validation loss, then by size.", lambda s: s.rank),
        model_column(summary, lambda s: s.combination.recipe),
        *axis_columns(varying_axes(summary), lambda s: s.combination.recipe),
        *_VALIDATION,
        *_OTHERS,
        *([_CUT] if summary.stops_early else []),
        Column("Parameters", COUNT, "Weights and biases of the model.", lambda s: s.combination.recipe.n_parameters),
        Column("Combination", NUMBER, COMBINATION, lambda s: number[s.combination.recipe]),
    ]
    return make_table(columns, summary.ranking().standings, n_top(summary))


def _mean(name: str, note: str) -> Column:
    """The mean of a metric over the repeats."""
    metric = METRICS[name]

    def mean(standing: Standing) -> float:
        return standing.combination.spread(name).mean

    return Column(
        metric.title,
        SHORT_FORMATS[metric.quantity],
        note,
        mean,
        SCALES.get(FORMATS[metric.quantity]),
        lambda standing: metric.number(mean(standing)),
    )


def _tied(standing: Standing) -> Cell:
    if standing.margin is None:
        return "unknown"
    return "yes" if standing.tied else "no"


_VALIDATION = (
    replace(
        _mean(CHOSEN_BY, "Mean over the repeats, of the kept weights."),
        words=lambda s: interval_words(CHOSEN_BY, s),
    ),
    Column(
        "± (95%)",
        ACCURACY,
        "Half of the 95% interval of that mean over seeds, by the pooled noise.",
        lambda s: s.half_width,
    ),
    Column("sd", ACCURACY, "Standard deviation over the combination's own repeats.", lambda s: s.spread.sd),
    Column("n", NUMBER, "Repeats.", lambda s: s.spread.n),
    Column("Behind the first", ACCURACY, "By how much its mean is lower than the first one's.", lambda s: s.behind),
    Column(
        "May be as good",
        TEXT,
        "yes: the difference can be chance (Tukey, 95%). unknown: one repeat tells nothing about chance.",
        _tied,
        Scale.YES,
    ),
    Column(
        "Unstable",
        TEXT,
        "yes: its own repeats spread far wider than those of the others.",
        lambda s: "yes" if s.unstable else None,
    ),
)
_OTHERS = (
    _mean("val_loss", "Mean over the repeats, of the kept weights."),
    _mean(
        "test_accuracy",
        "Mean over the repeats. Shown, not chosen by: the highest of many looks better than it is.",
    ),
    _mean("test_loss", "Mean over the repeats. Shown, not chosen by."),
    _mean("train_time", "Mean seconds of the epochs with their validation."),
    _mean("epochs", "Mean number of epochs that were run."),
)
_CUT = Column(
    "Cut by max_epochs",
    NUMBER,
    "Trainings that max_epochs ended before early stopping did: longer ones could be better. Empty: none.",
    lambda s: s.combination.n_cut or None,
    words=lambda s: f"{s.combination.n_cut} of {len(s.combination.rows)}" if s.combination.n_cut else "",
)


def incomplete_table(summary: Summary) -> Table:
    """The combinations that are not compared: how many of their repeats finished, failed and are left, and why."""
    number = numbers(summary)
    columns = [
        Column("Combination", NUMBER, COMBINATION, lambda c: number[c.recipe]),
        model_column(summary, lambda c: c.recipe),
        *axis_columns(varying_axes(summary), lambda c: c.recipe),
        Column("Finished", NUMBER, "Repeats with a result.", lambda c: c.n(Status.FINISHED)),
        Column("Failed", NUMBER, "Repeats that failed.", lambda c: c.n(Status.FAILED)),
        Column("Not trained", NUMBER, "Repeats that are still to be trained.", lambda c: c.n(Status.PENDING)),
        Column("Reason", TEXT, "Why the first of them failed.", _first_reason, words=_reasons, spills=True),
    ]
    return make_table(columns, summary.incomplete)


def _failures(combination: Combination) -> list[Failed]:
    return [row.outcome for row in combination.rows if isinstance(row.outcome, Failed)]


def _first_reason(combination: Combination) -> Cell:
    """The first failure in one line; full.xlsx has all of them in full."""
    for failure in _failures(combination):
        return f"{failure.cause}: {next(iter(failure.reason.splitlines()), '')}"
    return None


def _reasons(combination: Combination) -> str:
    """Each reason once, in full."""
    return "; ".join(dict.fromkeys(f"{failure.cause}: {failure.reason}" for failure in _failures(combination)))


_CONFIRMED = ("val_accuracy", "test_accuracy", "val_loss", "test_loss")


class _Compared(NamedTuple):
    """A combination that was trained again, by one metric; `after` is None while no fresh training has finished."""

    confirmed: Confirmed
    metric: str
    before: Spread
    after: Spread | None

    @property
    def drop(self) -> float | None:
        return self.confirmed.drop(self.metric) if self.after else None


def confirmed_table(summary: Summary, metrics: Iterable[str] = _CONFIRMED) -> Table:
    """For each combination that was trained again, a row a metric: as selected, confirmed, and the drop."""
    ranks = {standing.combination.recipe: standing.rank for standing in summary.ranking().standings}
    columns = [
        Column("Rank", NUMBER, "In the ranking by validation.", lambda of: ranks[of.confirmed.combination.recipe]),
        model_column(summary, lambda of: of.confirmed.combination.recipe),
        Column("Metric", TEXT, "What is compared.", lambda of: metric_words(of.metric)),
        Column(
            "Selected",
            ACCURACY,
            "Mean over the repeats it was selected by.",
            lambda of: of.before.mean,
            words=lambda of: spread_words(of.before),
        ),
        Column(
            "Confirmed",
            ACCURACY,
            "Mean over the fresh trainings.",
            lambda of: of.after and of.after.mean,
            words=lambda of: spread_words(of.after) if of.after else "",
        ),
        Column("sd", ACCURACY, "Standard deviation of the fresh trainings.", lambda of: of.after and of.after.sd),
        Column(
            "Finished",
            NUMBER,
            "Fresh trainings that finished.",
            lambda of: of.confirmed.n_finished,
            words=lambda of: f"{of.confirmed.n_finished} of {len(of.confirmed.rows)}",
        ),
        Column(
            "Failed",
            NUMBER,
            "Fresh trainings that failed.",
            lambda of: len(of.confirmed.rows) - of.confirmed.n_finished,
        ),
        Column(
            "Drop",
            ACCURACY,
            "How much worse the fresh ones are; negative: better.",
            lambda of: of.drop,
            words=lambda of: "" if of.drop is None else f"{of.drop:+.4f}",
        ),
    ]
    return make_table(columns, [_compared(one, metric) for one in summary.confirmed for metric in metrics])


def _compared(one: Confirmed, metric: str) -> _Compared:
    after = one.spread(metric) if one.n_finished else None
    return _Compared(one, metric, one.combination.spread(metric), after)


def confirmed_accuracies(summary: Summary) -> Table:
    """What a text tells of them: validation and test accuracy."""
    shown = ("Model", "Metric", "Finished", "Selected", "Confirmed", "Drop")
    return confirmed_table(summary, ("val_accuracy", "test_accuracy")).only(*shown)
