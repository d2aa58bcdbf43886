"""What the outcomes of a sweep say: which combination comes first, by how much, and whether that can be chance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mnist_sweep.analysis import noise
from mnist_sweep.analysis.combination import Combination, Confirmed, Row, Spread, Status, choice_order, same_repeats
from mnist_sweep.analysis.design import Design
from mnist_sweep.analysis.effects import Effects, Measured, effects
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, RANKED
from mnist_sweep.analysis.noise import ROUNDING, UNSTABLE, Disagreement, Noise, pooled_noise
from mnist_sweep.journal.ledger import Ledger, Run
from mnist_sweep.plan.axes import axis_value, recipe_words, told
from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.plan.spec import EACH_REPEAT, SweepSpec
from mnist_sweep.plan.sweep_plan import Plan, confirmation


@dataclass(frozen=True, slots=True)
class Standing:
    """A combination in the order by one metric.

    `half_width` is half of the 95% interval of its mean over seeds, by the pooled noise; None with one repeat. Where
    each repeat holds out other images, they are in it too.
    """

    combination: Combination
    rank: int
    spread: Spread
    behind: float  # how far its mean is from that of the first, in the metric's unit; at least 0
    margin: float | None  # up to how far behind can be chance; None with one repeat, where nothing can be told
    half_width: float | None
    unstable: bool  # its own repeats spread far wider than the pooled noise

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of that interval; twice the mean where there is none."""
        return self.spread.mean - (self.half_width or 0.0), self.spread.mean + (self.half_width or 0.0)

    @property
    def tied(self) -> bool:
        """Whether it may be as good as the first; the first itself is."""
        return self.margin is None or self.behind <= self.margin + ROUNDING


@dataclass(frozen=True, slots=True)
class Ranking:
    """The complete combinations in the order by one metric, and the seed noise that they are judged by.

    The noise is pooled over the leading half by validation (at least 10 combinations, or all): hopeless combinations
    spread far wider than good ones. It is None with one repeat. `telling` is the smallest difference that these repeats
    can tell, for two combinations that have the fewest; None with one repeat or one combination.
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
        """Repeats that tell the first two apart with power 0.8, if their difference is real; None: more than 200."""
        return noise.repeats_needed(self.standings[1].behind, self.noise.s) if self.noise else None


@dataclass(frozen=True, slots=True)
class Pick:
    """A combination that comes first by some rule; `metric` is what the rule looks at first."""

    title: str
    metric: str
    combination: Combination


CHOICE, LEADING = "CHOICE BY VALIDATION", "LEADING SO FAR"
_LEADING_AT_LEAST = 10


@dataclass(frozen=True)
class Summary:
    """Everything that the reports say. What takes statistics is worked out when it is asked for, once."""

    spec: SweepSpec
    combinations: tuple[Combination, ...]
    n_duplicates: int
    runs: tuple[Run, ...]
    confirmed: tuple[Confirmed, ...] = ()
    executions: tuple[Mapping[str, Any], ...] = ()  # of all results, in the order of the journal
    n_of_grid: int | None = None  # combinations that the grid has, which stand first; None for all

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
        return same_repeats(self.ranked)

    @cached_property
    def varied(self) -> frozenset[str]:
        """The axes on which the combinations differ: each_layer and lists of widths are one choice with many values."""
        recipes = [combination.recipe for combination in self.combinations]
        return frozenset(axis for axis in self.told if len({axis_value(recipe, axis) for recipe in recipes}) > 1)

    @cached_property
    def told(self) -> frozenset[str]:
        """The axes of which the combinations say something; all others are at their defaults."""
        return told([combination.recipe for combination in self.combinations])

    def model_words(self, recipe: Recipe) -> str:
        """A combination of this sweep in one short phrase."""
        return recipe_words(recipe, self.spec.varied)

    @property
    def seconds(self) -> float:
        """Wall clock of all runs of the command, without those that confirmed."""
        return sum(run.seconds for run in self.runs if not run.confirms)

    @cached_property
    def ranked(self) -> tuple[Combination, ...]:
        """The combinations whose planned repeats all finished, by validation, the choice first."""
        return tuple(sorted((c for c in self.combinations if c.complete), key=choice_order))

    @cached_property
    def picks(self) -> tuple[Pick, ...]:
        """First by validation, which is the honest choice; then the three that look at the test images.

        The order of the choice breaks the ties of the others.
        """

        def first(title: str, metric: str) -> Pick:
            sign = -1 if METRICS[metric].higher_is_better else 1
            return Pick(title, metric, min(self.ranked, key=lambda one: sign * one.spread(metric).mean))

        if not self.ranked:
            return ()
        return (
            Pick(LEADING if self.unfinished else CHOICE, CHOSEN_BY, self.ranked[0]),
            first("TEST ACCURACY", "test_accuracy"),
            first("TEST LOSS", "test_loss"),
            first("TEST LOSS EFFICIENCY", "loss_time"),
        )

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
        return self._rankings[metric]

    @cached_property
    def _rankings(self) -> Mapping[str, Ranking]:
        return {metric: self._rank(metric) for metric in RANKED}

    def _rank(self, metric: str) -> Ranking:
        sign = -1 if METRICS[metric].higher_is_better else 1
        ordered = list(self.ranked)
        if metric != CHOSEN_BY:
            ordered.sort(key=lambda combination: sign * combination.spread(metric).mean)
        leading = [combination.values(metric) for combination in self.leading]
        pooled = pooled_noise(leading, paired=self.paired)
        alone = pooled_noise(leading, paired=False) if self.spec.seeds.split_seed == EACH_REPEAT else pooled
        own = noise.own_spreads([combination.values(metric) for combination in ordered], leading if self.paired else ())
        spreads = [combination.spread(metric) for combination in ordered]

        def standing(i: int) -> Standing:
            spread, first = spreads[i], spreads[0]
            behind = sign * (spread.mean - first.mean) + 0.0  # no -0.0
            margin = noise.largest_tie(pooled, len(ordered), first.n, spread.n) if pooled else None
            width = noise.half_width(alone, spread.n) if alone else None
            unstable = bool(pooled and own[i] > UNSTABLE * pooled.s + ROUNDING)
            return Standing(ordered[i], i + 1, spread, behind, margin, width, unstable)

        fewest = min((spread.n for spread in spreads), default=0)
        telling = noise.largest_tie(pooled, len(ordered), fewest, fewest) if pooled and len(ordered) > 1 else None
        return Ranking(metric, tuple(map(standing, range(len(ordered)))), pooled, telling)

    def effects(self, metric: str = CHOSEN_BY) -> Effects:
        """What mattered for a metric of RANKED; without axes where nothing is varied."""
        return self._effects[metric]

    @cached_property
    def _effects(self) -> Mapping[str, Effects]:
        complete = [combination for combination in self.combinations[: self.n_of_grid] if combination.complete]
        if not complete:
            return dict.fromkeys(RANKED, Effects((), ()))
        measured = []
        for metric in RANKED:
            results = [combination.values(metric) for combination in complete]
            pooled = pooled_noise(results, paired=self.paired) if len(results) > 1 else None
            measured.append(Measured(results, pooled, METRICS[metric].higher_is_better))
        design = Design([combination.recipe for combination in complete])
        return dict(zip(RANKED, effects(design, measured), strict=True))

    def images(self, combination: Combination) -> tuple[float, float]:
        """A combination's accuracy on all images of this kind, 95%: Wilson's interval."""
        return noise.images_interval(combination.spread("test_accuracy").mean, combination.data.n_test)

    @property
    def first_against_second(self) -> Mapping[int, Disagreement]:
        """For each repeat that both have, the test images that one alone of the first two combinations misreads."""
        if len(self.ranked) < 2:  # noqa: PLR2004  two are compared
            return {}
        first, second = (
            {row.trial.repeat: {i for i, _ in row.result.wrong} for row in combination.rows if row.result}
            for combination in self.ranked[:2]
        )
        return {repeat: noise.disagreement(first[repeat], second[repeat]) for repeat in first if repeat in second}


def summarize(plan: Plan, ledger: Ledger) -> Summary:
    """The summary of a plan's outcomes."""
    rows: dict[Recipe, list[Row]] = {recipe: [] for recipe in plan.combinations}
    for trial in plan.trials:
        rows[trial.recipe].append(Row(trial, ledger.outcomes.get(trial.key), ledger.attempts[trial.key]))
    combinations = tuple(Combination(recipe, tuple(own), plan.data) for recipe, own in rows.items())
    confirmed = _confirmed(plan, combinations, ledger)
    events = tuple(ledger.runs), confirmed, tuple(ledger.executions)
    return Summary(plan.spec, combinations, plan.n_duplicates, *events, plan.n_of_grid)


def _confirmed(plan: Plan, combinations: Iterable[Combination], ledger: Ledger) -> tuple[Confirmed, ...]:
    """The outcomes of confirmations with the seeds that they have by now: more repeats may have changed the splits."""
    rows: dict[Recipe, list[Row]] = {}
    for outcome in ledger.confirmations.values():
        trial = outcome.trial
        if trial.recipe in plan.first_trials and trial == confirmation(plan, trial.recipe, trial.repeat):
            rows.setdefault(trial.recipe, []).append(Row(trial, outcome, ledger.attempts[trial.key]))
    by_repeat = {recipe: tuple(sorted(own, key=lambda row: row.trial.repeat)) for recipe, own in rows.items()}
    ordered = sorted((c for c in combinations if c.recipe in rows and c.complete), key=choice_order)
    return tuple(Confirmed(c.recipe, by_repeat[c.recipe], c.data, c) for c in ordered)
