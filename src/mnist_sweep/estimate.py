"""How long trials will take, from what others took.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median

from mnist_sweep.events import Failed, Finished
from mnist_sweep.ledger import Ledger
from mnist_sweep.recipe import N_TRAINING_IMAGES, CompileKey, Recipe, Trial, compile_key

_STEP_PARAMETERS = 2_000_000
"""What a training step costs beside its products, as so many multiplications: dispatch, softmax, optimizer."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that some trials will take on all workers together: the likely figure and its range."""

    likely: float
    low: float
    high: float


def epoch_work(recipe: Recipe) -> float:
    """Multiplications of an epoch's forward and backward pass, with a fixed part for each step."""
    n_training = N_TRAINING_IMAGES - recipe.n_validation
    n_steps = -(-n_training // recipe.batch_size)
    return 3.0 * recipe.n_parameters * n_training + _STEP_PARAMETERS * n_steps


class Costs:
    """Seconds an epoch by shape, and epochs by stopping rule, as the outcomes of a sweep show them."""

    def __init__(self, outcomes: Iterable[Finished | Failed]) -> None:
        seconds: dict[CompileKey, list[float]] = defaultdict(list)
        rates: list[float] = []
        self._epochs: dict[Recipe, list[int]] = defaultdict(list)
        self._parts: list[float] = []
        for outcome in outcomes:
            curves = outcome.result.curves if isinstance(outcome, Finished) else outcome.curves
            known = [second for second in curves.seconds if second]
            if not known:
                continue
            recipe = outcome.trial.recipe
            seconds[compile_key(recipe)].append(median(known))
            rates.append(median(known) / epoch_work(recipe))
            self._epochs[recipe].append(len(known))
            self._parts.append(len(known) / recipe.max_epochs)
        self._seconds = {shape: median(values) for shape, values in seconds.items()}
        self.rate = median(rates) if rates else None

    def trial(self, recipe: Recipe, rate: float) -> Estimate:
        """Seconds of one trial; `rate` is seconds for each unit of work where its shape was not measured."""
        epoch = self._seconds.get(compile_key(recipe)) or (self.rate or rate) * epoch_work(recipe)
        low, likely, high = self._range_of_epochs(recipe)
        return Estimate(epoch * likely, epoch * low, epoch * high)

    def _range_of_epochs(self, recipe: Recipe) -> tuple[float, float, float]:
        seen = self._epochs.get(recipe)
        if seen:
            return min(seen), fmean(seen), max(seen)
        rule, most = recipe.early_stopping, recipe.max_epochs
        if rule is None:
            return most, most, most
        if self._parts:
            parts = [part * most for part in (min(self._parts), fmean(self._parts), max(self._parts))]
            return min(parts[0], most), min(parts[1], most), min(parts[2], most)
        # Such models improve for 5 to 30 epochs before patience runs out.
        low, likely, high = (min(most, rule.patience + epochs) for epochs in (5, 12, 30))
        return low, likely, high


def time_left(trials: Iterable[Trial], ledger: Ledger, n_workers: int, rate: float) -> Estimate:
    """Seconds until these trials are done by so many workers.

    Args:
        rate: seconds for each unit of `epoch_work`, for when the ledger has measured nothing.
    """
    costs = Costs(ledger.outcomes.values())
    by_recipe: dict[Recipe, int] = defaultdict(int)
    for trial in trials:
        by_recipe[trial.recipe] += 1
    parts = [(costs.trial(recipe, rate), n / n_workers) for recipe, n in by_recipe.items()]
    return Estimate(*(sum(getattr(part, name) * n for part, n in parts) for name in ("likely", "low", "high")))
