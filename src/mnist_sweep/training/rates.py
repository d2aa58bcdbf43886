"""The learning rate of every step: what a schedule makes of a recipe's rate.

Step, exponential and cosine are those of https://keras.io/api/optimizers/learning_rate_schedules/, one_cycle is that of
https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html, and plateau Keras's callback
https://keras.io/api/callbacks/reduce_lr_on_plateau/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mnist_sweep.plan.named import Named
from mnist_sweep.plan.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FINAL_PART = 1e-4
"""What a one-cycle ends with, as a part of what it begins with."""


def learning_rates(recipe: Recipe, n_training: int, epoch: int, factor: float = 1.0) -> npt.NDArray[np.float32]:
    """The learning rate of each step of an epoch over so many images.

    Args:
        epoch: from 1.
        factor: what a plateau has left of the rate.
    """
    import numpy as np

    n_steps, schedule = -(-n_training // recipe.batch_size), recipe.schedule
    if schedule is None:
        return np.full(n_steps, recipe.learning_rate, np.float32)
    n_warm = schedule["warmup"] * n_steps if schedule.name != "one_cycle" else 0
    parts = [
        step / n_warm if step < n_warm else _PARTS[schedule.name](schedule, (step - n_warm) / n_steps, n_steps)
        for step in range((epoch - 1) * n_steps, epoch * n_steps)
    ]
    return np.array([recipe.learning_rate * factor * part for part in parts], np.float32)


def _constant(_: Named, __: float, ___: int) -> float:
    return 1.0


def _step(schedule: Named, epochs: float, _: int) -> float:
    return float(schedule["factor"] ** math.floor(epochs / schedule["every"]))


def _exponential(schedule: Named, epochs: float, _: int) -> float:
    return float(schedule["factor"] ** epochs)


def _cosine(schedule: Named, epochs: float, _: int) -> float:
    done = min(epochs / (schedule["epochs"] - schedule["warmup"]), 1.0)
    return float((1 - schedule["final"]) * 0.5 * (1 + math.cos(math.pi * done)) + schedule["final"])


def _one_cycle(schedule: Named, epochs: float, n_steps: int) -> float:
    step, last = round(epochs * n_steps), schedule["epochs"] * n_steps - 1
    first = 1 / schedule["divide"]
    top = schedule["rise"] * (last + 1) - 1
    if step <= top:
        return _between(first, 1.0, step / top if top else 1.0)
    return _between(1.0, first * _FINAL_PART, min((step - top) / (last - top), 1.0))


def _between(start: float, end: float, part: float) -> float:
    """Along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


_PARTS: Mapping[str, Callable[[Named, float, int], float]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "plateau": _constant,
}
"""What each schedule leaves of the rate after so many epochs without those of the warm-up."""


class Plateau:
    """Reduces the rate when the monitored value has not improved for some epochs: Keras's ReduceLROnPlateau.

    With any other schedule it leaves the rate alone.
    """

    def __init__(self, recipe: Recipe) -> None:
        schedule = recipe.schedule
        self._schedule = schedule if schedule and schedule.name == "plateau" else None
        self._rate = self._left = recipe.learning_rate
        self._best, self._waited = math.inf, 0

    @property
    def factor(self) -> float:
        """What is left of the rate."""
        return self._left / self._rate

    def see(self, val_loss: float, val_accuracy: float) -> None:
        """Take in an epoch."""
        if self._schedule is None:
            return
        value = val_loss if self._schedule["monitor"] == "val_loss" else -val_accuracy
        if value < self._best - self._schedule["min_delta"]:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        least = self._schedule["min_rate"]
        if self._waited >= self._schedule["patience"] and self._left > least:
            self._left, self._waited = max(self._left * self._schedule["factor"], least), 0
