"""Schedules of the learning rate, compared with those of Keras and with PyTorch's formula of the one-cycle."""

import importlib
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from builders import a_recipe
from mnist_sweep.plan.keras_names import SCHEDULES
from mnist_sweep.plan.named import Named
from mnist_sweep.training.rates import Plateau, learning_rates
from mnist_sweep.training.runtime import tensorflow

_N, _BATCH = 130, 50
_STEPS = 3  # two whole batches and a partial one


def _schedule(name: str, **settings: Any) -> Named:
    return Named(name, tuple(sorted({**SCHEDULES[name], **settings}.items())))


def _rates(n_epochs: int, schedule: Named) -> Any:
    recipe = a_recipe(batch_size=_BATCH, learning_rate=0.1, schedule=schedule, max_epochs=n_epochs)
    return np.concatenate([learning_rates(recipe, _N, epoch) for epoch in range(1, n_epochs + 1)]).tolist()


def _of_keras(name: str, *arguments: Any, n: int = 20, **others: Any) -> list[float]:
    tensorflow()
    schedules = importlib.import_module("keras").optimizers.schedules
    schedule = getattr(schedules, name)(*arguments, **others)
    return [float(schedule(step)) for step in range(n)]


def test_every_step_has_the_recipes_rate_without_a_schedule() -> None:
    """The one with the partial batch too."""
    rates = learning_rates(a_recipe(batch_size=130, learning_rate=0.003), 54_000, 1)
    assert [np.float32(0.003)] * 416 == rates.tolist()


def test_exponential_decay_is_that_of_keras() -> None:
    """The factor is reached after an epoch."""
    expected = _of_keras("ExponentialDecay", 0.1, decay_steps=_STEPS, decay_rate=0.8)
    assert pytest.approx(expected, rel=1e-5) == _rates(7, _schedule("exponential", factor=0.8))[:20]


def test_steps_are_those_of_a_staircase_of_keras() -> None:
    """The factor every so many epochs."""
    expected = _of_keras("ExponentialDecay", 0.1, decay_steps=2 * _STEPS, decay_rate=0.1, staircase=True)
    assert pytest.approx(expected, rel=1e-5) == _rates(7, _schedule("step", every=2))[:20]


@pytest.mark.parametrize("final", [0.0, 0.2])
def test_cosine_decay_is_that_of_keras(final: float) -> None:
    """It has come down after its epochs, and stays there."""
    expected = _of_keras("CosineDecay", 0.1, decay_steps=5 * _STEPS, alpha=final)
    found = _rates(7, _schedule("cosine", epochs=5, final=final))
    assert pytest.approx(expected, rel=1e-5, abs=1e-9) == found[:20]
    assert pytest.approx(0.1 * final, abs=1e-9) == found[-1]


def test_a_warm_up_before_a_cosine_is_that_of_keras() -> None:
    """From 0, in equal steps, up to the rate; the cosine begins there and ends with the schedule's epochs."""
    expected = _of_keras("CosineDecay", 0.0, decay_steps=4 * _STEPS, warmup_target=0.1, warmup_steps=2 * _STEPS)
    found = _rates(7, _schedule("cosine", epochs=6, warmup=2.0))
    assert pytest.approx(expected, rel=1e-5, abs=1e-8) == found[:20]


@pytest.mark.parametrize("name", ["constant", "step", "exponential", "plateau"])
def test_other_schedules_begin_behind_the_warm_up(name: str) -> None:
    """Half an epoch of three steps: the first has a rate of 0, the second two thirds, the third all."""
    needed: dict[str, Any] = {"step": {"every": 1}, "exponential": {"factor": 0.5}}
    rates = _rates(1, _schedule(name, warmup=0.5, **needed.get(name, {})))
    assert pytest.approx([0.0, 0.1 / 1.5], abs=1e-7) == rates[:2]
    assert pytest.approx(0.1 * (0.5 ** (0.5 / 3) if name == "exponential" else 1), rel=1e-6) == rates[2]


def test_one_cycle_is_that_of_pytorch() -> None:
    """Up along half a cosine to the rate, then down to a ten-thousandth of the first; the table is its formula's.

    With 10 steps, a rise of 0.3 and a divisor of 25: the peak is at step 0.3 · 10 − 1 = 2, the end at step 9.
    """
    first, last = 0.1 / 25, 0.1 / 25 * 1e-4

    def between(start: float, end: float, part: float) -> float:
        return end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    expected = [first, between(first, 0.1, 0.5), 0.1, *(between(0.1, last, i / 7) for i in range(1, 8))]
    recipe = a_recipe(batch_size=26, learning_rate=0.1, schedule=_schedule("one_cycle", epochs=2))
    found = [rate for epoch in (1, 2, 3) for rate in learning_rates(recipe, _N, epoch).tolist()]
    assert pytest.approx(expected, rel=1e-5) == found[:10]
    assert [pytest.approx(last, rel=1e-5)] * 5 == found[10:]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's own
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize("min_rate", [0.0, 0.03])
def test_a_plateau_is_that_of_keras(monitor: str, min_rate: float) -> None:
    """Over random values, the rate of each epoch is what Keras's callback leaves of it."""
    tensorflow()
    keras = importlib.import_module("keras")
    settings = {"factor": 0.5, "patience": 2, "min_delta": 0.05}
    recipe = a_recipe(learning_rate=0.1, schedule=_schedule("plateau", monitor=monitor, min_rate=min_rate, **settings))
    mode = "min" if monitor == "val_loss" else "max"
    ours, theirs = Plateau(recipe), keras.callbacks.ReduceLROnPlateau(monitor, mode=mode, min_lr=min_rate, **settings)
    optimizer = keras.optimizers.SGD(0.1)
    theirs.set_model(SimpleNamespace(optimizer=optimizer, metrics=[], _metrics=[]))
    theirs.on_train_begin()
    rates = []
    for epoch, value in enumerate(np.random.default_rng(3).random(40).tolist()):
        rates.append((ours.factor * 0.1, float(optimizer.learning_rate)))
        ours.see(value, value)
        theirs.on_epoch_end(epoch, {monitor: value})
    assert all(math.isclose(mine, keras_s, rel_tol=1e-5) for mine, keras_s in rates)
    assert rates[0][0] > rates[-1][0] * 2
