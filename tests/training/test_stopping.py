"""Early stopping decides as Keras's callback does."""

from __future__ import annotations

import importlib
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mnist_sweep.plan.recipe import EarlyStopping
from mnist_sweep.training.runtime import tensorflow
from mnist_sweep.training.stopping import Stopper

_Curve = list[tuple[float, Fraction]]
_N = 6000
_LOSSES = st.sampled_from([0.1, 0.2, 0.2001, 0.20005, 0.3, 0.5, 0.9, 0.95])
_ACCURACIES = st.sampled_from([600, 1200, 1203, 1206, 1500, 1800, 5400, 5700, 5701]).map(lambda n: Fraction(n, _N))
_CURVES = st.lists(st.tuples(_LOSSES, _ACCURACIES), min_size=1, max_size=30)
_RULES = st.builds(
    EarlyStopping,
    monitor=st.sampled_from(["val_loss", "val_accuracy"]),
    min_delta=st.sampled_from([0.0, 0.0001, 0.0005, 0.001, 0.05]),
    patience=st.integers(0, 5),
    restore_best_weights=st.booleans(),
)


_RIGHT = (  # of 6,000 held-out images, by epoch
    *(5309, 5429, 5485, 5538, 5583, 5621, 5633, 5635, 5656, 5671, 5686, 5696, 5692, 5703, 5709),
    *(5708, 5726, 5723, 5733, 5733, 5741, 5744, 5741, 5750, 5749, 5754, 5754, 5762, 5763, 5759),
)


class _Model:
    """As much of a Keras model as the callback touches; its weights are the number of the epoch."""

    def __init__(self) -> None:
        self.stop_training = False
        self.weights = 0

    def get_weights(self) -> int:
        return self.weights

    def set_weights(self, weights: int) -> None:
        self.weights = weights


def _with_keras(rule: EarlyStopping, curve: _Curve) -> tuple[int, int, int]:
    """Epochs run, best epoch (from 1) and epoch of the kept weights, by Keras's own callback."""
    tensorflow()
    keras = importlib.import_module("keras")
    callback: Any = keras.callbacks.EarlyStopping(
        monitor=rule.monitor,
        mode="min" if rule.monitor == "val_loss" else "max",
        min_delta=rule.min_delta,
        patience=rule.patience,
        restore_best_weights=rule.restore_best_weights,
    )
    model = _Model()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, (loss, accuracy) in enumerate(curve):
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": loss, "val_accuracy": float(accuracy)})
        if model.stop_training:
            break
    n_epochs = model.weights
    callback.on_train_end()
    return n_epochs, callback.best_epoch + 1, model.weights


def _with_ours(rule: EarlyStopping, curve: _Curve) -> tuple[int, int, int]:
    stopper, n_epochs = Stopper(rule), 0
    for loss, accuracy in curve:
        stopper.see(loss, accuracy)
        n_epochs += 1
        if stopper.stops:
            break
    return n_epochs, stopper.best_epoch, stopper.best_epoch if stopper.restores else n_epochs


@settings(max_examples=500, deadline=None)
@given(_RULES, _CURVES)
def test_same_decisions_as_keras(rule: EarlyStopping, curve: _Curve) -> None:
    """On random curves, ends without stopping included, it stops, finds the best and keeps as Keras does.

    But where an accuracy gains exactly `min_delta`: what Keras makes of that is a matter of rounding.
    """
    gains = {later - earlier for (_, earlier), (_, later) in combinations(curve, 2)}
    assume(rule.monitor == "val_loss" or not rule.min_delta or Fraction(repr(rule.min_delta)) not in gains)
    assert _with_keras(rule, curve) == _with_ours(rule, curve)


def test_without_a_rule_the_lowest_validation_loss_is_best() -> None:
    """With early stopping off nothing stops, and the best epoch is the one of lowest val_loss."""
    stopper = Stopper(None)
    for loss in (0.5, 0.2, 0.3, 0.2, 0.4):
        stopper.see(loss, Fraction(9, 10))
        assert not stopper.stops
    assert stopper.best_epoch == 2
    assert not stopper.restores


@pytest.mark.parametrize(("min_delta", "n_images"), [(0.0005, 3), (0.001, 6), (0.05, 300), (0.25, 1500)])
def test_a_gain_of_exactly_min_delta_is_no_improvement(min_delta: float, n_images: int) -> None:
    """From every count of right answers, one image more than `min_delta` is an improvement, and `min_delta` is none."""
    rule = EarlyStopping("val_accuracy", min_delta, 3, restore_best_weights=True)
    for right in range(_N - n_images):
        stopper = Stopper(rule)
        counts = (right, right + n_images, right + n_images + 1)
        assert [True, False, True] == [stopper.see(0.5, Fraction(count, _N)) for count in counts]


def test_a_training_of_mnist_with_a_gain_of_exactly_min_delta() -> None:
    """What a small model got right of 6,000 images, epoch by epoch: it stops after 23, and the 21st is the best."""
    rule = EarlyStopping("val_accuracy", 0.0005, 2, restore_best_weights=True)
    assert (23, 21, 21) == _with_ours(rule, [(0.5, Fraction(count, _N)) for count in _RIGHT])
