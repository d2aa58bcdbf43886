"""What the outcomes of a sweep say: each combination's mean and spread over its repeats, and which come first.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev

from mnist_sweep.events import Curves, Failed, Finished, Result
from mnist_sweep.ledger import Ledger, Outcome, Run
from mnist_sweep.plan import Plan, SweepSpec
from mnist_sweep.recipe import Recipe, Trial


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
        match self.outcome:
            case Finished():
                return Status.FINISHED
            case Failed():
                return Status.FAILED
        return Status.PENDING

    @property
    def result(self) -> Result | None:
        """The result, if it finished."""
        return self.outcome.result if isinstance(self.outcome, Finished) else None

    @property
    def curves(self) -> Curves:
        """The epochs that it was trained for, also those before a failure."""
        match self.outcome:
            case Finished(_, result):
                return result.curves
            case Failed(curves=curves):
                return curves
        return Curves()


def train_seconds(curves: Curves) -> float:
    """Seconds of all epochs with their validation, without compiling."""
    return sum(second or 0.0 for second in curves.seconds)


def _kept(values: Callable[[Curves], tuple[float | None, ...]]) -> Callable[[Result], float | None]:
    return lambda result: values(result.curves)[result.kept_epoch - 1]


METRICS: Mapping[str, Callable[[Result], float | None]] = {
    "test_accuracy": lambda result: result.test_accuracy,
    "test_loss": lambda result: result.test_loss,
    "train_time": lambda result: train_seconds(result.curves),
    "loss_time": lambda result: result.test_loss * train_seconds(result.curves),
    "val_accuracy": _kept(lambda curves: curves.val_accuracy),
    "val_loss": _kept(lambda curves: curves.val_loss),
    "train_accuracy": _kept(lambda curves: curves.train_accuracy),
    "train_loss": _kept(lambda curves: curves.train_loss),
    "epochs": lambda result: float(len(result.curves.seconds)),
}
"""What a finished trial is measured by; accuracies and losses belong to the kept weights, times are in seconds."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the finished repeats of a combination; one repeat has no standard deviation."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Combination:
    """A recipe with its repeats."""

    recipe: Recipe
    rows: tuple[Row, ...]

    def n(self, status: Status) -> int:
        """How many repeats have this status."""
        return sum(row.status is status for row in self.rows)

    @property
    def complete(self) -> bool:
        """Whether every planned repeat finished; only then is it compared with others."""
        return self.n(Status.FINISHED) == len(self.rows)

    def spread(self, metric: str) -> Spread:
        """Mean and sample standard deviation of a metric; at least one repeat must have finished.

        Raises:
            statistics.StatisticsError: when none has.
        """
        values = [METRICS[metric](row.result) for row in self.rows if row.result]
        known = [value for value in values if value is not None]
        return Spread(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


@dataclass(frozen=True, slots=True)
class Pick:
    """A combination that comes first by some rule; `metric` is what the rule looks at first."""

    title: str
    metric: str
    combination: Combination


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the reports say."""

    spec: SweepSpec
    combinations: tuple[Combination, ...]
    n_duplicates: int
    picks: tuple[Pick, ...]
    runs: tuple[Run, ...]

    @property
    def rows(self) -> Iterable[Row]:
        """All trials in plan order."""
        return (row for combination in self.combinations for row in combination.rows)

    def n(self, status: Status) -> int:
        """How many trials have this status."""
        return sum(combination.n(status) for combination in self.combinations)

    @property
    def seconds(self) -> float:
        """Wall clock of all runs of the command."""
        return sum(run.seconds for run in self.runs)


CHOICE = "CHOICE BY VALIDATION"


def summarize(plan: Plan, ledger: Ledger) -> Summary:
    """The summary of a plan's outcomes."""
    rows = [Row(trial, ledger.outcomes.get(trial.key), ledger.attempts[trial.key]) for trial in plan.trials]
    size = plan.spec.repeats
    combinations = tuple(
        Combination(recipe, tuple(rows[i * size : (i + 1) * size])) for i, recipe in enumerate(plan.combinations)
    )
    picks = _picks([c for c in combinations if c.complete])
    return Summary(plan.spec, combinations, plan.n_duplicates, picks, tuple(ledger.runs))


def _picks(complete: list[Combination]) -> tuple[Pick, ...]:
    """First by validation, which is the honest choice; then the three that look at the test images."""
    if not complete:
        return ()

    def mean(metric: str) -> Callable[[Combination], float]:
        return lambda combination: combination.spread(metric).mean

    return (
        Pick(CHOICE, "val_accuracy", min(complete, key=choice_order)),
        Pick("TEST ACCURACY", "test_accuracy", max(complete, key=mean("test_accuracy"))),
        Pick("TEST LOSS", "test_loss", min(complete, key=mean("test_loss"))),
        Pick("TEST LOSS EFFICIENCY", "loss_time", min(complete, key=mean("loss_time"))),
    )


def choice_order(combination: Combination) -> tuple[float, float, int]:
    """Sorts the better first: higher mean validation accuracy, then lower mean loss there, then fewer parameters."""
    accuracy, loss = combination.spread("val_accuracy").mean, combination.spread("val_loss").mean
    return -accuracy, loss, combination.recipe.n_parameters
