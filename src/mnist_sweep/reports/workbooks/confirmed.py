"""The sheet Confirmed: what was selected, trained again with fresh seeds."""

from __future__ import annotations

from collections.abc import Callable

from mnist_sweep.analysis.conclusions import model_words
from mnist_sweep.analysis.summary import Confirmed, Spread, Summary
from mnist_sweep.analysis.wording import metric_words
from mnist_sweep.reports.tables import ACCURACY, NUMBER, TEXT, Cell, Column, make_table
from mnist_sweep.reports.workbooks.sheets import Sheet, Text

_METRICS = ("val_accuracy", "test_accuracy", "val_loss", "test_loss")
_WORDS = (
    "The seeds of the initial weights and of the order of the batches are fresh; which images are held out stays as it "
    "was. A drop is how much worse the fresh trainings are: what is selected for its result was partly lucky. None of "
    "these trainings is in the ranking."
)


def confirmed_sheet(summary: Summary) -> Sheet:
    """For each combination that was trained again, a row a metric: as selected, confirmed, and the drop."""
    ranks = {standing.combination.recipe: standing.rank for standing in summary.ranking().standings}
    columns = [
        Column("Rank", NUMBER, "In the ranking by validation.", lambda of: ranks[of[0].combination.recipe]),
        Column("Model", TEXT, "The combination.", lambda of: model_words(summary, of[0].combination.recipe)),
        Column("Metric", TEXT, "What is compared.", lambda of: metric_words(of[1])),
        Column("Selected", ACCURACY, "Mean over the repeats it was selected by.", lambda of: _selected(*of).mean),
        Column("Confirmed", ACCURACY, "Mean over the fresh trainings.", _fresh(lambda spread: spread.mean)),
        Column("sd", ACCURACY, "Standard deviation of the fresh trainings.", _fresh(lambda spread: spread.sd)),
        Column("n", NUMBER, "Fresh trainings that finished.", lambda of: of[0].n_finished),
        Column("Failed", NUMBER, "Fresh trainings that failed.", lambda of: len(of[0].rows) - of[0].n_finished),
        Column("Drop", ACCURACY, "How much worse the fresh ones are; negative: better.", _drop),
    ]
    rows = [(confirmed, metric) for confirmed in summary.confirmed for metric in _METRICS]
    return Sheet("Confirmed", (Text(_WORDS), make_table(columns, rows)), frozen=2)


def _selected(confirmed: Confirmed, metric: str) -> Spread:
    return confirmed.combination.spread(metric)


def _fresh(value: Callable[[Spread], Cell]) -> Callable[[tuple[Confirmed, str]], Cell]:
    def cell(of: tuple[Confirmed, str]) -> Cell:
        confirmed, metric = of
        return value(confirmed.spread(metric)) if confirmed.n_finished else None

    return cell


def _drop(of: tuple[Confirmed, str]) -> Cell:
    confirmed, metric = of
    return confirmed.drop(metric) if confirmed.n_finished else None
