"""Early stopping decides as Keras's callback does."""

from __future__ import annotations

import importlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_sweep.recipe import EarlyStopping
from mnist_sweep.training.runtime import tensorflow
from mnist_sweep.training.stopping import Stopper

_VALUES = st.sampled_from([0.1, 0.2, 0.2001, 0.20005, 0.3, 0.5, 0.9, 0.95])
_CURVES = st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=30)
_RULES = st.builds(
    EarlyStopping,
    monitor=st.sampled_from(["val_loss", "val_accuracy"]),
    min_delta=st.sampled_from([0.0, 0.0001, 0.05]),
    patience=st.integers(0, 5),
    restore_best_weights=st.booleans(),
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


def _with_keras(rule: EarlyStopping, curve: list[tuple[float, float]]) -> tuple[int, int, int]:
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
        callback.on_epoch_end(epoch, {"val_loss": loss, "val_accuracy": accuracy})
        if model.stop_training:
            break
    n_epochs = model.weights
    callback.on_train_end()
    return n_epochs, callback.best_epoch + 1, model.weights


def _with_ours(rule: EarlyStopping, curve: list[tuple[float, float]]) -> tuple[int, int, int]:
    stopper, n_epochs = Stopper(rule), 0
    for loss, accuracy in curve:
        stopper.see(loss, accuracy)
        n_epochs += 1
        if stopper.stops:
            break
    return n_epochs, stopper.best_epoch, stopper.best_epoch if stopper.restores else n_epochs


@settings(max_examples=500, deadline=None)
@given(_RULES, _CURVES)
def test_same_decisions_as_keras(rule: EarlyStopping, curve: list[tuple[float, float]]) -> None:
    """On random curves, ends without stopping included, it stops, finds the best and keeps as Keras does."""
    assert _with_keras(rule, curve) == _with_ours(rule, curve)


def test_without_a_rule_the_lowest_validation_loss_is_best() -> None:
    """With early stopping off nothing stops, and the best epoch is the one of lowest val_loss."""
    stopper = Stopper(None)
    for loss in (0.5, 0.2, 0.3, 0.2, 0.4):
        stopper.see(loss, 0.9)
        assert not stopper.stops
    assert stopper.best_epoch == 2
    assert not stopper.restores
