"""How long trials will take, from what others took."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from math import exp, hypot, sqrt
from statistics import NormalDist, fmean, median, pstdev, stdev

from mnist_sweep.journal.events import Curves, Failed, Finished
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import CompileKey, Recipe, Trial

_STEP_WORK = 6_000_000
_IMAGE_WORK = 90_000
"""What a training step and an image cost beside the products of matrices, as so many multiplications."""
_VALUE_WORK = 300
"""The same for each value that a layer of a convolutional network gives; of dense ones it is in the image's."""
_MOVED_WORK, _ELASTIC_WORK, _NOISE_WORK, _ERASE_WORK = 1_200_000, 600_000, 600_000, 100_000
"""The same for an image that is moved in any way, and for what augmentation does beside."""
_STEADY = 0.05  # the relative deviation of an epoch's seconds that were measured, on a machine that does other things
_UNKNOWN_RATE = 0.25  # the same where they follow from a probe, or from one other shape
_UNKNOWN_EPOCHS = 0.25  # the relative deviation of a training's epochs before repeats have shown it
_USUAL = 4  # repeats that this counts like
_ROUNDS = 5  # in which trials in training and the mean are estimated from each other
_TINY = 1e-9
_QUEUES = 16  # queues that are played through
_LONG_QUEUE = 50  # trials a worker from which on its end is lost in its length
_LEAST_REST = 0.05  # of its expected seconds, what a running trial still takes at least


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that some trials will take on all workers together: the likely figure, and a range of 95%."""

    likely: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one trial.

    Args:
        spread: the standard deviation of single trials from that.
        doubts: how far what is expected may be off, by what it rests on; trials that rest on the same are off together.
    """

    likely: float
    spread: float
    doubts: tuple[tuple[Hashable, float], ...]


@dataclass(frozen=True, slots=True)
class _Epochs:
    """How many epochs a training is expected to take, the deviations of single ones and of that, and its basis."""

    likely: float
    spread: float
    doubt: float
    basis: Hashable


def epoch_work(recipe: Recipe, data: DataSet) -> float:
    """Multiplications of an epoch's forward and backward pass, with a fixed part for each step and each image."""
    n_training = recipe.n_training(data.n_train)
    n_steps = -(-n_training // recipe.batch_size)
    beside = _IMAGE_WORK + _augment_work(recipe.augment) + (_VALUE_WORK * recipe.n_values if recipe.network else 0)
    return (3.0 * recipe.n_multiplications + beside) * n_training + _STEP_WORK * n_steps


def _augment_work(augment: Augment | None) -> int:
    if augment is None:
        return 0
    is_moved = any((augment.rotation, augment.shift, augment.zoom, augment.shear, augment.elastic))
    extra = ((augment.elastic, _ELASTIC_WORK), (augment.noise, _NOISE_WORK), (augment.erase, _ERASE_WORK))
    return _MOVED_WORK * is_moved + sum(work for amount, work in extra if amount)


class Costs:
    """Seconds an epoch by shape, and epochs by recipe and by stopping rule, as the outcomes of a sweep show them.

    Args:
        running: the seconds that trials in training have had. They count too: those that end first are the short ones.
    """

    def __init__(
        self, outcomes: Iterable[Finished | Failed], data: DataSet, running: Mapping[Trial, float] | None = None
    ) -> None:
        seconds: dict[CompileKey, list[float]] = defaultdict(list)
        rates: dict[CompileKey, list[float]] = defaultdict(list)
        self._data = data
        self._epochs: dict[Hashable, list[float]] = defaultdict(list)
        self._begun: dict[Hashable, list[float]] = defaultdict(list)
        for outcome in outcomes:
            known = [second for second in _curves(outcome).seconds if second]
            if not known:
                continue
            recipe = outcome.trial.recipe
            shape = compile_key(recipe)
            seconds[shape].append(median(known))
            rates[shape].append(median(known) / epoch_work(recipe, data))
            for basis in (recipe, _rule(recipe)):
                self._epochs[basis].append(len(known))
        self._seconds = {shape: median(values) for shape, values in seconds.items()}
        by_shape = [median(values) for values in rates.values()]
        self.rate = median(by_shape) if by_shape else None
        self._rate_doubt = stdev(by_shape) / fmean(by_shape) if len(by_shape) > 1 else _UNKNOWN_RATE
        self._deviation = _relative_deviation(v for basis, v in self._epochs.items() if isinstance(basis, Recipe))
        for trial, spent in (running or {}).items():
            for basis in (trial.recipe, _rule(trial.recipe)) if self.rate else ():
                self._begun[basis].append(spent / self._epoch_s(trial.recipe, 0.0))

    def _epoch_s(self, recipe: Recipe, rate: float) -> float:
        return self._seconds.get(compile_key(recipe)) or (self.rate or rate) * epoch_work(recipe, self._data)

    def trial(self, recipe: Recipe, rate: float) -> Cost:
        """Seconds of one trial; `rate` is seconds for each unit of work where its shape was not measured."""
        measured, second = compile_key(recipe) in self._seconds, self._epoch_s(recipe, rate)
        epochs = self._epochs_of(recipe)
        likely = second * epochs.likely
        doubts = (
            ("machine", likely * _STEADY),
            ("rate", 0.0 if measured else likely * self._rate_doubt),
            (epochs.basis, second * epochs.doubt),
        )
        return Cost(likely, second * epochs.spread, doubts)

    def _epochs_of(self, recipe: Recipe) -> _Epochs:
        """By the recipe's own repeats, else by others with its rule, else by what is usual."""
        rule, most = recipe.early_stopping, recipe.max_epochs
        if rule is None:
            return _Epochs(most, 0.0, 0.0, None)
        for basis in (recipe, _rule(recipe)):
            seen = self._epochs.get(basis)
            if seen:
                likely = min(_mean_of_all(seen, self._begun[basis], self._deviation), most)
                deviation = likely * self._deviation if basis is recipe or len(seen) == 1 else stdev(seen)
                spread = min(deviation, most - likely)  # where most of them reach the last epoch, they differ little
                return _Epochs(likely, spread, spread / sqrt(len(seen)), basis)
        # Such models improve for 5 to 30 epochs before patience runs out.
        low, likely, high = (min(most, rule.patience + epochs) for epochs in (5, 12, 30))
        return _Epochs(likely, min(likely * _UNKNOWN_EPOCHS, most - likely), (high - low) / 4, "patience")


def _rule(recipe: Recipe) -> Hashable:
    """What decides how many epochs a training takes, beside the model."""
    return recipe.early_stopping, recipe.max_epochs


def _relative_deviation(groups: Iterable[list[float]]) -> float:
    """The standard deviation within groups, in parts of their means, pooled; what is usual counts like some repeats."""
    squares, freedom = _USUAL * _UNKNOWN_EPOCHS**2, _USUAL
    for group in groups:
        mean = fmean(group)
        squares += sum((value / mean - 1) ** 2 for value in group)
        freedom += len(group) - 1
    return sqrt(squares / freedom)


def _mean_of_all(ended: list[float], begun: list[float], deviation: float) -> float:
    """The mean epochs of trainings that have ended and of those that have had so many and are still in training."""
    mean = fmean(ended)
    for _ in range(_ROUNDS if begun else 0):
        ends = (_expected_beyond(mean, mean * deviation, epochs) for epochs in begun)
        mean = fmean([*ended, *ends])
    return mean


def _expected_beyond(mean: float, deviation: float, least: float) -> float:
    """The mean of a normal distribution above a value."""
    z, normal = (least - mean) / deviation, NormalDist()
    above = normal.cdf(-z)
    return mean + deviation * normal.pdf(z) / above if above > _TINY else least


def is_measured(ledger: Ledger) -> bool:
    """Whether an outcome tells how long an epoch takes: a trial that timed out or broke at its start tells nothing."""
    return any(any(_curves(outcome).seconds) for outcome in _outcomes(ledger))


def _outcomes(ledger: Ledger) -> list[Finished | Failed]:
    return [*ledger.outcomes.values(), *ledger.confirmations.values()]


def _curves(outcome: Finished | Failed) -> Curves:
    return outcome.result.curves if isinstance(outcome, Finished) else outcome.curves


def time_left(
    trials: Iterable[Trial],
    ledger: Ledger,
    data: DataSet,
    n_workers: int,
    rate: float,
    *,
    spent: Mapping[str, float] | None = None,
) -> Estimate:
    """Seconds until these trials are done by so many workers; 0 where nothing is left, or nothing to go by.

    Args:
        rate: seconds for each unit of `epoch_work`, for when the ledger has measured nothing.
        spent: the seconds that trials in training have had, by their keys.
    """
    spent, trials = spent or {}, list(trials)
    running = {trial: spent[trial.key] for trial in trials if trial.key in spent}
    costs = Costs(_outcomes(ledger), data, running)
    queue = sorted(trials, key=lambda trial: trial.key not in spent)  # those in training first, the others in order
    by_recipe = {recipe: costs.trial(recipe, rate) for recipe in dict.fromkeys(trial.recipe for trial in queue)}
    jobs = [(by_recipe[trial.recipe], spent.get(trial.key, 0.0)) for trial in queue]
    if not any(cost.likely for cost, _ in jobs):
        return Estimate(0.0, 0.0, 0.0)
    likely, deviation = _end_of_queue(jobs, n_workers)
    factor = exp(2 * hypot(deviation / likely, _doubt(jobs)))
    return Estimate(likely, likely / factor, likely * factor)


_Jobs = list[tuple[Cost, float]]


def _doubt(jobs: _Jobs) -> float:
    """How far all that is expected may be off, in parts of it: variances add, but for those that rest on the same."""
    by_basis: dict[Hashable, float] = defaultdict(float)
    for cost, _ in jobs:
        for basis, doubt in cost.doubts:
            by_basis[basis] += doubt
    return hypot(*by_basis.values()) / sum(cost.likely for cost, _ in jobs)


def _end_of_queue(jobs: _Jobs, n_workers: int) -> tuple[float, float]:
    """When the last of the workers is done: mean and standard deviation.

    Each takes the next trial of the queue when it is free. At the end some wait for the slowest, so a short queue is
    played through several times, with trials that deviate from what is expected as they usually do.
    """
    if len(jobs) > _LONG_QUEUE * n_workers:
        rests = [max(cost.likely - spent, 0.0) for cost, spent in jobs]
        return max(sum(rests) / n_workers, *rests), sqrt(sum(cost.spread**2 for cost, _ in jobs)) / n_workers
    normal = NormalDist().samples(len(jobs) * _QUEUES, seed=1)
    ends = [_play(jobs, normal[i::_QUEUES], n_workers) for i in range(_QUEUES)]
    return fmean(ends), pstdev(ends)


def _play(jobs: _Jobs, deviates: list[float], n_workers: int) -> float:
    free = [0.0] * min(n_workers, len(jobs))
    for (cost, spent), deviate in zip(jobs, deviates, strict=True):
        heappush(free, heappop(free) + _rest(cost, spent, deviate))
    return max(free)


def _rest(cost: Cost, spent: float, deviate: float) -> float:
    """What a trial still takes that deviates so much, and is known to take longer than it has taken."""
    least = cost.likely * _LEAST_REST
    if spent and cost.spread:
        done = NormalDist().cdf((spent - cost.likely) / cost.spread)
        part = done + (1 - done) * NormalDist().cdf(deviate)
        deviate = NormalDist().inv_cdf(part) if part < 1 else 0.0
    return max(cost.likely + cost.spread * deviate - spent, least)
