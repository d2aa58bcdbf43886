"""What the outcomes of a sweep say: which combination comes first, by how much, and whether that can be chance.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from mnist_sweep.analysis.effects import Design, Effects, Measured, effects
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, RANKED
from mnist_sweep.analysis.noise import (
    ROUNDING,
    UNSTABLE,
    Disagreement,
    Interval,
    Noise,
    disagreement,
    half_width,
    images_interval,
    largest_tie,
    own_spreads,
    pooled_noise,
    repeats_needed,
)
from mnist_sweep.journal.events import Curves, Failed, Finished, Result
from mnist_sweep.journal.ledger import Ledger, Outcome, Run
from mnist_sweep.plan.axes import AXES, axis_value
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import Recipe, Trial
from mnist_sweep.plan.sweep_plan import EACH_REPEAT, Plan, SweepSpec, confirmation


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

    @property
    def cut(self) -> bool:
        """Whether max_epochs ended its training while early stopping was still waiting for an improvement."""
        rule, result = self.trial.recipe.early_stopping, self.result
        if rule is None or result is None:
            return False
        n_epochs = len(result.curves.seconds)
        return n_epochs == self.trial.recipe.max_epochs and n_epochs - result.best_epoch < max(rule.patience, 1)

    @property
    def rising(self) -> bool:
        """Whether it was cut right after its best epoch."""
        return self.cut and self.result is not None and self.result.best_epoch == len(self.result.curves.seconds)


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
    def complete(self) -> bool:
        """Whether every planned repeat finished; only then is it compared with others."""
        return self.n(Status.FINISHED) == len(self.rows)

    @property
    def n_cut(self) -> int:
        """How many repeats max_epochs ended before early stopping did."""
        return sum(row.cut for row in self.rows)

    def spread(self, metric: str) -> Spread:
        """Mean and sample standard deviation of a metric; at least one repeat must have finished.

        Raises:
            statistics.StatisticsError: when none has.
        """
        return _spread_of(self.rows, metric, self.data)

    def values(self, metric: str) -> list[float]:
        """A metric in each finished repeat."""
        return known_values(self.rows, metric)


def known_values(rows: Iterable[Row], metric: str) -> list[float]:
    """A metric in each of these rows that finished."""
    values = (METRICS[metric].of(row.result) for row in rows if row.result)
    return [value for value in values if value is not None]


def same_repeats(combinations: Iterable[Iterable[Row]]) -> bool:
    """Whether the same repeats finished in all of these combinations, given by their rows."""
    return len({tuple(row.trial.repeat for row in rows if row.result) for rows in combinations}) <= 1


def _spread_of(rows: Sequence[Row], metric: str, data: DataSet) -> Spread:
    """Mean and sample standard deviation of a metric over the finished ones of these rows of one recipe."""
    known = known_values(rows, metric)
    mean = _mean(rows[0].trial.recipe, metric, known, data)
    return Spread(mean, stdev(known) if len(known) > 1 else None, len(known))


def _mean(recipe: Recipe, metric: str, values: Sequence[float], data: DataSet) -> float:
    """The mean of a metric; of accuracies that of their counts, so that equal means are equal numbers.

    The counts are whole numbers, and their quotient is rounded once: means can be compared as if they were exact.
    """
    counted_over = METRICS[metric].n_images
    if counted_over is None or not values:
        return fmean(values)
    n_images = counted_over(recipe, data)
    return sum(round(value * n_images) for value in values) / (n_images * len(values))


@dataclass(frozen=True, slots=True)
class Standing:
    """A combination in the order by one metric.

    Attributes:
        behind: how far its mean is from that of the first, in the metric's unit; at least 0.
        margin: up to how far behind can be chance; None with one repeat, where nothing can be told.
        half_width: half of the 95% interval of its mean over seeds, by the pooled noise; None with one repeat. Where
            each repeat holds out other images, they are in it too.
        unstable: whether its own repeats spread far wider than the pooled noise.
    """

    combination: Combination
    rank: int
    spread: Spread
    behind: float
    margin: float | None
    half_width: float | None
    unstable: bool

    @property
    def tied(self) -> bool:
        """Whether it may be as good as the first; the first itself is."""
        return self.margin is None or self.behind <= self.margin + ROUNDING


@dataclass(frozen=True, slots=True)
class Ranking:
    """The complete combinations in the order by one metric, and the seed noise that they are judged by.

    Attributes:
        noise: pooled over the leading half by validation (at least 10 combinations, or all): hopeless combinations
            spread far wider than good ones. None with one repeat.
        telling: the smallest difference that these repeats can tell, for two combinations that have the fewest; None
            with one repeat or one combination.
    """

    metric: str
    standings: tuple[Standing, ...]
    noise: Noise | None
    telling: float | None

    @property
    def tied(self) -> tuple[Standing, ...]:
        """The first and all that may be as good."""
        return tuple(standing for standing in self.standings if standing.tied)

    @property
    def tie(self) -> float | None:
        """Up to how far behind the first others are tied; None where that depends on how many repeats they have."""
        return self.telling if len({standing.margin for standing in self.standings}) == 1 else None

    @property
    def repeats_needed(self) -> int | None:
        """Repeats that tell the first two apart with power 0.8, if their difference is real; None: more than 200.

        Raises:
            IndexError: when there is one combination alone.
        """
        return repeats_needed(self.standings[1].behind, self.noise.s) if self.noise else None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A combination that was trained again with fresh seeds after it was selected; never part of the ranking."""

    combination: Combination
    rows: tuple[Row, ...]

    @property
    def n_finished(self) -> int:
        """How many of its confirmations finished."""
        return sum(row.status is Status.FINISHED for row in self.rows)

    def spread(self, metric: str) -> Spread:
        """Mean and sample standard deviation of a metric over the fresh trainings; at least one must have finished.

        Raises:
            statistics.StatisticsError: when none has.
        """
        return _spread_of(self.rows, metric, self.combination.data)

    def drop(self, metric: str) -> float:
        """How much worse the fresh trainings are than the selected ones; negative where they are better."""
        drop = self.combination.spread(metric).mean - self.spread(metric).mean
        return drop if METRICS[metric].higher_is_better else -drop


@dataclass(frozen=True, slots=True)
class Pick:
    """A combination that comes first by some rule; `metric` is what the rule looks at first."""

    title: str
    metric: str
    combination: Combination


_LEADING_AT_LEAST = 10


@dataclass(frozen=True)
class Summary:
    """Everything that the reports say. What takes statistics is worked out when it is asked for, once."""

    spec: SweepSpec
    combinations: tuple[Combination, ...]
    n_duplicates: int
    picks: tuple[Pick, ...]
    runs: tuple[Run, ...]
    confirmed: tuple[Confirmed, ...] = ()
    executions: tuple[Mapping[str, Any], ...] = ()  # of all results, in the order of the journal
    _rankings: dict[str, Ranking] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> Iterable[Row]:
        """All trials, those of a combination together."""
        return (row for combination in self.combinations for row in combination.rows)

    def n(self, status: Status) -> int:
        """How many trials have this status."""
        return sum(combination.n(status) for combination in self.combinations)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many trials finished, failed and are left."""
        return self.n(Status.FINISHED), self.n(Status.FAILED), self.n(Status.PENDING)

    @property
    def unfinished(self) -> bool:
        """Whether a trial is still to be trained: until then who leads is no decision."""
        return any(row.status is Status.PENDING for row in self.rows)

    @property
    def cut(self) -> tuple[Combination, ...]:
        """The combinations of which max_epochs ended a training before early stopping did, the best first."""
        return tuple(combination for combination in (*self.ranked, *self.incomplete) if combination.n_cut)

    @property
    def is_repeated(self) -> bool:
        """Whether any combination is trained more than once: else nothing can be told about chance."""
        return any(len(combination.rows) > 1 for combination in self.combinations)

    @property
    def paired(self) -> bool:
        """Whether all that are compared have the same repeats: what a repeat does to all alike cancels then."""
        return same_repeats(combination.rows for combination in self.ranked)

    @property
    def stops_early(self) -> bool:
        """Whether early stopping is on in any combination."""
        return any(combination.recipe.early_stopping for combination in self.combinations)

    @cached_property
    def varied(self) -> frozenset[str]:
        """The axes on which the combinations differ: each_layer and lists of widths are one choice with many values."""
        recipes = [combination.recipe for combination in self.combinations]
        return frozenset(axis for axis in AXES if len({axis_value(recipe, axis) for recipe in recipes}) > 1)

    @property
    def seconds(self) -> float:
        """Wall clock of all runs of the command, without those that confirmed."""
        return sum(run.seconds for run in self.runs if not run.confirms)

    @cached_property
    def ranked(self) -> tuple[Combination, ...]:
        """The combinations whose planned repeats all finished, by validation, the choice first."""
        return tuple(sorted((c for c in self.combinations if c.complete), key=choice_order))

    @property
    def incomplete(self) -> tuple[Combination, ...]:
        """The combinations that are not compared, since a repeat failed or is not trained yet."""
        return tuple(combination for combination in self.combinations if not combination.complete)

    @property
    def leading(self) -> tuple[Combination, ...]:
        """The leading half by validation, at least ten, or all: what seed noise is pooled over."""
        return self.ranked[: max(_LEADING_AT_LEAST, -(-len(self.ranked) // 2))]

    def ranking(self, metric: str = CHOSEN_BY) -> Ranking:
        """The complete combinations in the order by a metric of RANKED; ties of the order are broken by the choice."""
        if metric not in self._rankings:
            self._rankings[metric] = self._rank(metric)
        return self._rankings[metric]

    def _rank(self, metric: str) -> Ranking:
        sign = -1 if METRICS[metric].higher_is_better else 1
        ordered = sorted(self.ranked, key=lambda combination: sign * combination.spread(metric).mean)
        if metric == CHOSEN_BY:
            ordered = list(self.ranked)
        leading = [combination.values(metric) for combination in self.leading]
        noise = pooled_noise(leading, paired=self.paired)
        alone = pooled_noise(leading, paired=False) if self.spec.seeds.split_seed == EACH_REPEAT else noise
        own = own_spreads([combination.values(metric) for combination in ordered], leading if self.paired else ())
        spreads = [combination.spread(metric) for combination in ordered]

        def standing(i: int) -> Standing:
            spread, first = spreads[i], spreads[0]
            behind = sign * (spread.mean - first.mean) + 0.0  # no -0.0
            margin = largest_tie(noise, len(ordered), first.n, spread.n) if noise else None
            width = half_width(alone, spread.n) if alone else None
            unstable = bool(noise and own[i] > UNSTABLE * noise.s + ROUNDING)
            return Standing(ordered[i], i + 1, spread, behind, margin, width, unstable)

        fewest = min((spread.n for spread in spreads), default=0)
        telling = largest_tie(noise, len(ordered), fewest, fewest) if noise and len(ordered) > 1 else None
        return Ranking(metric, tuple(standing(i) for i in range(len(ordered))), noise, telling)

    def effects(self, metric: str = CHOSEN_BY) -> Effects:
        """What mattered for a metric of RANKED; without axes where nothing is varied."""
        return self._effects[metric]

    @cached_property
    def _effects(self) -> Mapping[str, Effects]:
        complete = [combination for combination in self.combinations if combination.complete]
        if not complete:
            return dict.fromkeys(RANKED, Effects((), ()))
        measured = []
        for metric in RANKED:
            results = [combination.values(metric) for combination in complete]
            noise = pooled_noise(results, paired=self.paired) if len(results) > 1 else None
            measured.append(Measured(results, noise, METRICS[metric].higher_is_better))
        design = Design([combination.recipe for combination in complete])
        return dict(zip(RANKED, effects(design, measured), strict=True))

    def images(self, combination: Combination) -> Interval:
        """A combination's accuracy on all images of this kind, 95%: Wilson's interval."""
        return images_interval(combination.spread("test_accuracy").mean, combination.data.n_test)

    @property
    def first_against_second(self) -> Mapping[int, Disagreement]:
        """For each repeat that both have, the test images that one alone of the first two combinations misreads."""
        if len(self.ranked) < 2:  # noqa: PLR2004  two are compared
            return {}
        first, second = (
            {row.trial.repeat: {i for i, _ in row.result.wrong} for row in combination.rows if row.result}
            for combination in self.ranked[:2]
        )
        return {repeat: disagreement(first[repeat], second[repeat]) for repeat in first if repeat in second}


CHOICE, LEADING = "CHOICE BY VALIDATION", "LEADING SO FAR"


def summarize(plan: Plan, ledger: Ledger) -> Summary:
    """The summary of a plan's outcomes."""
    rows: dict[Recipe, list[Row]] = {recipe: [] for recipe in plan.combinations}
    for trial in plan.trials:
        rows[trial.recipe].append(Row(trial, ledger.outcomes.get(trial.key), ledger.attempts[trial.key]))
    combinations = tuple(Combination(recipe, tuple(own), plan.data) for recipe, own in rows.items())
    picks = _picks(combinations)
    confirmed = _confirmed(plan, combinations, ledger)
    runs, executions = tuple(ledger.runs), tuple(ledger.executions)
    return Summary(plan.spec, combinations, plan.n_duplicates, picks, runs, confirmed, executions)


def _confirmed(plan: Plan, combinations: Iterable[Combination], ledger: Ledger) -> tuple[Confirmed, ...]:
    """The outcomes of confirmations with the seeds that they have by now: more repeats may have changed the splits."""
    rows: dict[Recipe, list[Row]] = {}
    for outcome in ledger.confirmations.values():
        trial = outcome.trial
        if trial.recipe in plan.first_trials and trial == confirmation(plan, trial.recipe, trial.repeat):
            rows.setdefault(trial.recipe, []).append(Row(trial, outcome, ledger.attempts[trial.key]))
    ordered = sorted((c for c in combinations if c.recipe in rows and c.complete), key=choice_order)
    return tuple(Confirmed(c, tuple(sorted(rows[c.recipe], key=lambda row: row.trial.repeat))) for c in ordered)


def _picks(combinations: tuple[Combination, ...]) -> tuple[Pick, ...]:
    """First by validation, which is the honest choice; then the three that look at the test images.

    The order of the choice breaks the ties of the others.
    """
    ranked = sorted((c for c in combinations if c.complete), key=choice_order)
    title = LEADING if any(c.n(Status.PENDING) for c in combinations) else CHOICE
    if not ranked:
        return ()

    def mean(metric: str) -> Callable[[Combination], float]:
        return lambda combination: combination.spread(metric).mean

    return (
        Pick(title, "val_accuracy", ranked[0]),
        Pick("TEST ACCURACY", "test_accuracy", max(ranked, key=mean("test_accuracy"))),
        Pick("TEST LOSS", "test_loss", min(ranked, key=mean("test_loss"))),
        Pick("TEST LOSS EFFICIENCY", "loss_time", min(ranked, key=mean("loss_time"))),
    )


def choice_order(combination: Combination) -> tuple[float, float, int]:
    """Sorts the better first: higher mean validation accuracy, then lower mean loss there, then fewer parameters."""
    accuracy, loss = combination.spread("val_accuracy").mean, combination.spread("val_loss").mean
    return -accuracy, loss, combination.recipe.n_parameters
