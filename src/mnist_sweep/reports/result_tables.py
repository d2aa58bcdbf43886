"""The tables that terminal, Markdown, page and workbooks share: the ranking, what is not compared, what was confirmed.

Each renderer shows the columns that it has room for.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mnist_sweep.analysis.combination import Combination, Confirmed, Spread, Status
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS
from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.analysis.target import reached
from mnist_sweep.analysis.wording import spread_words
from mnist_sweep.journal.events import Failed
from mnist_sweep.reports.columns import (
    ACCURACY,
    COMBINATION,
    COUNT,
    NUMBER,
    TENTHS,
    TEXT,
    Cell,
    Column,
    Scale,
    mean_column,
)
from mnist_sweep.reports.tables import Table, axis_columns, make_table, model_column, numbers, varying_axes

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
        *([_reaches(summary)] if summary.spec.target else []),
        *([_CUT] if any(one.recipe.early_stopping for one in summary.combinations) else []),
        Column(
            "Parameters",
            COUNT,
            "What is trained: weights, biases, scales.",
            lambda s: s.combination.recipe.n_parameters,
        ),
        Column("Combination", NUMBER, COMBINATION, lambda s: number[s.combination.recipe]),
    ]
    return make_table(columns, summary.ranking().standings, n_top(summary))


def _mean(name: str, note: str, words: Callable[[Standing], str] | None = None) -> Column:
    return mean_column(METRICS[name], note, lambda standing: standing.combination.spread(name).mean, words)


def _tied(standing: Standing) -> Cell:
    if standing.margin is None:
        return "unknown"
    return "yes" if standing.tied else "no"


_VALIDATION = (
    _mean(
        CHOSEN_BY,
        "Mean over the repeats, of the kept weights.",
        lambda s: METRICS[CHOSEN_BY].interval(s.spread.mean, s.half_width),
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
        "Cannot be ruled out",
        TEXT,
        "yes: it may be as good as the first, as the difference can be chance (Tukey, 95%). unknown: one repeat tells "
        "nothing about chance.",
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
        "Mean over the repeats. It plays no part in the choice: the highest of many looks better than it is.",
    ),
    _mean("test_loss", "Mean over the repeats. It plays no part in the choice."),
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


def _reaches(summary: Summary) -> Column:
    words = {one.combination.recipe: "surely" if one.surely else "yes" for one in reached(summary)}
    note = "yes: its mean reaches the target of the sweep file; surely: so does the 95% interval over seeds."
    return Column("Reaches the target", TEXT, note, lambda s: words.get(s.combination.recipe, "no"))


def target_table(summary: Summary) -> Table:
    """The combinations that reach the target, the smallest first; nothing where there is none."""
    metric = METRICS[summary.spec.target.metric if summary.spec.target else CHOSEN_BY]
    columns = [
        model_column(summary, lambda one: one.combination.recipe),
        Column(
            "Parameters",
            COUNT,
            "What is trained: weights, biases, scales.",
            lambda one: one.combination.recipe.n_parameters,
        ),
        mean_column(
            metric,
            "Mean over the repeats.",
            lambda one: one.standing.spread.mean,
            lambda one: metric.interval(one.standing.spread.mean, one.standing.half_width),
        ),
        Column(
            "Repeats that reach it",
            NUMBER,
            "How many of its repeats reach the target.",
            lambda one: one.n_repeats,
            words=lambda one: f"{one.n_repeats} of {one.standing.spread.n}",
        ),
        Column(
            "Surely",
            TEXT,
            "yes: the 95% interval of its mean over seeds lies above the target. unknown: it has one repeat.",
            lambda one: "unknown" if one.surely is None else "yes" if one.surely else "no",
        ),
    ]
    if metric.name == CHOSEN_BY:
        note = "Epoch in which a training first reached it, as the mean over those that did."
        columns.append(Column("First in epoch", TENTHS, note, lambda one: one.first_epoch))
    return make_table(columns, reached(summary))


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
        Column(
            "Reason",
            TEXT,
            "Why the first of them failed.",
            _first_reason,
            words=lambda c: "; ".join(_failures(c)),
            spills=True,
        ),
    ]
    return make_table(columns, summary.incomplete)


def _failures(combination: Combination) -> list[str]:
    """Each reason once, in full."""
    outcomes = [row.outcome for row in combination.rows]
    return list(dict.fromkeys(f"{one.cause}: {one.reason}" for one in outcomes if isinstance(one, Failed)))


def _first_reason(combination: Combination) -> Cell:
    """The first failure in one line; full.xlsx has all of them in full."""
    return next((reason.splitlines()[0] for reason in _failures(combination)), None)


_CONFIRMED = ("val_accuracy", "test_accuracy", "val_loss", "test_loss")


class _Compared(NamedTuple):
    """A combination that was trained again, by one metric; `after` is None while no fresh training has finished."""

    fresh: Confirmed
    metric: str
    before: Spread
    after: Spread | None


def confirmed_table(summary: Summary, metrics: Iterable[str] = _CONFIRMED) -> Table:
    """For each combination that was trained again, a row a metric: as selected, confirmed, and the drop."""
    ranks = {standing.combination.recipe: standing.rank for standing in summary.ranking().standings}

    def drop(of: _Compared) -> float | None:
        return of.fresh.drop(of.metric) if of.after else None

    columns = [
        Column("Rank", NUMBER, "In the ranking by validation.", lambda of: ranks[of.fresh.recipe]),
        model_column(summary, lambda of: of.fresh.recipe),
        Column("Metric", TEXT, "What is compared.", lambda of: METRICS[of.metric].words),
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
            lambda of: of.fresh.n_finished,
            words=lambda of: f"{of.fresh.n_finished} of {len(of.fresh.rows)}",
        ),
        Column("Failed", NUMBER, "Fresh trainings that failed.", lambda of: of.fresh.n(Status.FAILED)),
        Column(
            "Drop",
            ACCURACY,
            "How much worse the fresh ones are; negative: better.",
            drop,
            words=lambda of: f"{drop(of):+.4f}" if of.after else "",
        ),
    ]
    compared = [
        _Compared(one, metric, one.selected.spread(metric), one.spread(metric) if one.n_finished else None)
        for one in summary.confirmed
        for metric in metrics
    ]
    return make_table(columns, compared)


def confirmed_accuracies(summary: Summary) -> Table:
    """What a text tells of them: validation and test accuracy."""
    shown = ("Model", "Metric", "Finished", "Selected", "Confirmed", "Drop")
    return confirmed_table(summary, ("val_accuracy", "test_accuracy")).only(*shown)
