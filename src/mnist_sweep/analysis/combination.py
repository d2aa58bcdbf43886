"""A trial and what became of it, and a recipe with all its repeats: what a summary is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev

from mnist_sweep.analysis.metrics import METRICS
from mnist_sweep.journal.events import Curves, Failed, Finished, Result
from mnist_sweep.journal.ledger import Outcome
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import Recipe, Trial


class Status(StrEnum):
    """Where a trial stands."""

    FINISHED = "finished"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Row:
    """A planned trial and what became of it so far."""

    trial: Trial
    outcome: Outcome | None
    attempts: int = 0

    @property
    def status(self) -> Status:
        """Finished, failed or still to be trained."""
        if self.outcome is None:
            return Status.PENDING
        return Status.FINISHED if self.result else Status.FAILED

    @property
    def result(self) -> Result | None:
        """The result, if it finished."""
        return self.outcome.result if isinstance(self.outcome, Finished) else None

    @property
    def curves(self) -> Curves:
        """The epochs that it was trained for, also those before a failure."""
        if isinstance(self.outcome, Failed):
            return self.outcome.curves
        return self.result.curves if self.result else Curves()

    @property
    def cut(self) -> bool:
        """Whether max_epochs ended its training while early stopping was still waiting for an improvement."""
        rule, result = self.trial.recipe.early_stopping, self.result
        if rule is None or result is None:
            return False
        n_epochs = len(result.curves.seconds)
        return n_epochs == self.trial.recipe.max_epochs and n_epochs - result.best_epoch < max(rule.patience, 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the finished repeats of a combination; one repeat has no standard deviation."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Combination:
    """A recipe with its repeats on a data set; another may have more of them or fewer."""

    recipe: Recipe
    rows: tuple[Row, ...]
    data: DataSet

    def n(self, status: Status) -> int:
        """How many repeats have this status."""
        return sum(row.status is status for row in self.rows)

    @property
    def n_finished(self) -> int:
        """How many repeats have a result."""
        return self.n(Status.FINISHED)

    @property
    def complete(self) -> bool:
        """Whether every planned repeat finished; only then is it compared with others."""
        return self.n_finished == len(self.rows)

    @property
    def n_cut(self) -> int:
        """How many repeats max_epochs ended before early stopping did."""
        return sum(row.cut for row in self.rows)

    @property
    def confusion(self) -> list[list[int]]:
        """Test images by label and prediction, summed over the finished repeats."""
        matrices = [row.result.confusion for row in self.rows if row.result]
        return [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]

    def values(self, metric: str) -> list[float]:
        """A metric in each finished repeat."""
        values = (METRICS[metric].of(row.result) for row in self.rows if row.result)
        return [value for value in values if value is not None]

    def spread(self, metric: str) -> Spread:
        """Mean and sample standard deviation of a metric; at least one repeat must have finished.

        Accuracies are counts: the mean is a quotient of whole numbers, rounded once, so that equal means are equal.

        Raises:
            statistics.StatisticsError: when none has.
        """
        values, counted_over = self.values(metric), METRICS[metric].n_images
        if counted_over and values:
            n_images = counted_over(self.recipe, self.data)
            mean = sum(round(value * n_images) for value in values) / (n_images * len(values))
        else:
            mean = fmean(values)
        return Spread(mean, stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True, slots=True)
class Confirmed(Combination):
    """A combination that was retrained with fresh seeds after it was selected; never part of the ranking."""

    selected: Combination

    def drop(self, metric: str) -> float:
        """How much worse the fresh trainings are than the selected ones; negative where they are better."""
        drop = self.selected.spread(metric).mean - self.spread(metric).mean
        return drop if METRICS[metric].higher_is_better else -drop


def same_repeats(combinations: Iterable[Combination]) -> bool:
    """Whether the same repeats finished in all of these combinations."""
    return len({tuple(row.trial.repeat for row in one.rows if row.result) for one in combinations}) <= 1


def choice_order(combination: Combination) -> tuple[float, float, int]:
    """Sorts the better first: higher mean validation accuracy, then lower mean loss there, then fewer parameters."""
    accuracy, loss = combination.spread("val_accuracy").mean, combination.spread("val_loss").mean
    return -accuracy, loss, combination.recipe.n_parameters
