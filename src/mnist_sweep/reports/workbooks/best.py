"""The sheet Best: the choice by validation, the rows that look at the test images, and how sure the choice is."""

from typing import NamedTuple

from mnist_sweep.analysis.combination import Spread, Status
from mnist_sweep.analysis.conclusions import decision
from mnist_sweep.analysis.metrics import METRICS, RANKED, Metric
from mnist_sweep.analysis.summary import Pick, Ranking, Standing, Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.analysis.wording import cut_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.plan.spec import EACH_REPEAT
from mnist_sweep.reports.columns import FORMATS, LOSS, NUMBER, TEXT, Cell, Column
from mnist_sweep.reports.tables import Table, make_table, model_column, recipe_columns, shuffle_seed
from mnist_sweep.reports.workbooks.sheets import Sheet, Text


class _Row(NamedTuple):
    """A pick with its place in the ranking by its own metric, where there is one."""

    pick: Pick
    ranking: Ranking | None
    standing: Standing | None


def best_sheet(summary: Summary) -> Sheet:
    """The table first, so that programs read it with its header in the first row; what it means stands below."""
    words = [decision(summary), cut_words(summary), " ".join(target_sentences(summary)), *missing_words(summary)]
    return Sheet("Best", (best_table(summary), *map(Text, filter(None, words))), frozen=1, text_from=2)


def best_table(summary: Summary) -> Table:
    """The choice by validation, then the three rows that look at the test images."""
    rows = []
    for pick in summary.picks:
        ranking = summary.ranking(pick.metric) if pick.metric in RANKED else None
        standings = ranking.standings if ranking else ()
        rows.append(_Row(pick, ranking, next((one for one in standings if one.combination is pick.combination), None)))
    return make_table(_columns(summary), rows)


def missing_words(summary: Summary) -> list[str]:
    """What is not compared, and why; nothing where all combinations are complete."""
    n, n_failed, n_left = len(summary.incomplete), summary.n(Status.FAILED), summary.n(Status.PENDING)
    if not n:
        return []
    lack = "is not compared, as it lacks repeats" if n == 1 else "are not compared, as they lack repeats"
    words = (
        f"{n:,} of {counted(len(summary.combinations), 'combination')} {lack}; the sheet Ranking lists "
        f"them. Trials that failed: {n_failed:,}; not trained yet: {n_left:,}."
    )
    return [words]


_METRICS = (
    *("val_accuracy", "val_loss", "test_accuracy", "test_loss", "train_time", "loss_time"),
    *("train_accuracy", "train_loss", "epochs"),
)


def _columns(summary: Summary) -> list[Column]:
    return [
        Column(
            "Type",
            TEXT,
            "By what this combination comes first, among those that have all their repeats. Validation decides: a "
            "combination that was picked by its test result looks better than it is. Efficiency: smallest Test Loss * "
            "Train Time.",
            lambda row: row.pick.title,
        ),
        model_column(summary, _recipe),
        Column(
            "Average loop result",
            LOSS,
            "What the row's rule looks at, as the mean over the repeats: an accuracy, a loss, or loss times seconds.",
            lambda row: row.pick.combination.spread(row.pick.metric).mean,
        ),
        Column(
            "Standard deviation",
            LOSS,
            "Spread of that over the repeats of this combination alone. Empty with one repeat.",
            lambda row: row.pick.combination.spread(row.pick.metric).sd,
        ),
        Column("Repeats", NUMBER, "Trainings that the means are over.", lambda row: len(row.pick.combination.rows)),
        Column(
            "± (95%)",
            LOSS,
            "Half of the 95% interval of the average over seeds, by the noise of all leading combinations together. "
            "Empty with one repeat, and for Loss * Time.",
            lambda row: row.standing and row.standing.half_width,
        ),
        Column(
            "Tied with",
            NUMBER,
            "How many others cannot be ruled out as the best by this row (Tukey, 95%). Empty for Loss * Time.",
            _n_tied,
        ),
        *(column for metric in _METRICS for column in _mean_and_sd(METRICS[metric])),
        *recipe_columns(summary, _recipe, old=True),
        Column("Shuffle seed", NUMBER, "Decides which images are held out, and the order of the batches.", _seeds),
        *recipe_columns(summary, _recipe, old=False),
    ]


def _recipe(row: _Row) -> Recipe:
    return row.pick.combination.recipe


def _n_tied(row: _Row) -> Cell:
    if row.ranking is None or row.standing is None:
        return None
    return "unknown" if row.standing.margin is None else len(row.ranking.tied) - 1


def _mean_and_sd(metric: Metric) -> tuple[Column, Column]:
    format_, note = FORMATS[metric.quantity], f"{metric.note}."

    def spread(row: _Row) -> Spread:
        return row.pick.combination.spread(metric.name)

    return (
        Column(f"{metric.header} mean", format_, f"Mean over the repeats. {note}", lambda row: spread(row).mean),
        Column(
            f"{metric.header} sd", format_, f"Standard deviation over the repeats. {note}", lambda row: spread(row).sd
        ),
    )


def _seeds(row: _Row) -> Cell:
    seeds = {shuffle_seed(one.trial.seeds.split, one.trial.seeds.order) for one in row.pick.combination.rows}
    return seeds.pop() if len(seeds) == 1 else EACH_REPEAT
