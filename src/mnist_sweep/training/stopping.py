"""Early stopping with the meaning of keras.callbacks.EarlyStopping, without a model at hand.

Source of the rule: https://keras.io/api/callbacks/early_stopping/ (Keras 3.15). Plain Python, no TensorFlow.
"""

from dataclasses import dataclass
from fractions import Fraction

from mnist_sweep.plan.recipe import EarlyStopping


@dataclass(slots=True)
class Stopper:
    """Watches one training, epoch by epoch; without a rule it never stops and takes the lowest val_loss as best."""

    rule: EarlyStopping | None
    best_epoch: int = 0
    _best: Fraction | float | None = None
    _waited: int = 0
    _epoch: int = 0

    def see(self, val_loss: float, val_accuracy: Fraction) -> bool:
        """Take in an epoch's finite values; true when it is the best so far.

        A gain of exactly `min_delta` in accuracy is no improvement; rounded, it would be one or not by chance. So these
        are compared as exact fractions, `min_delta` as it is written.
        """
        self._epoch += 1
        self._waited += 1
        value: Fraction | float = -val_loss
        min_delta: Fraction | float = self.rule.min_delta if self.rule else 0.0
        if self.rule and self.rule.monitor == "val_accuracy":
            value, min_delta = val_accuracy, Fraction(repr(self.rule.min_delta))
        improved = self._best is None or value - min_delta > self._best
        if improved:
            self._best, self._waited, self.best_epoch = value, 0, self._epoch
        return improved

    @property
    def stops(self) -> bool:
        """Whether the training ends after the epoch that was seen last: never after an improvement."""
        return self.rule is not None and self._waited >= max(self.rule.patience, 1)

    @property
    def restores(self) -> bool:
        """Whether the weights of the best epoch are the ones to keep."""
        return self.rule is not None and self.rule.restore_best_weights
