"""What finished trainings are measured by: one table of the curves, and one of the metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mnist_sweep.journal.events import Curves, Result
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import Recipe


class Quantity(StrEnum):
    """What kind of number a metric is."""

    ACCURACY = "accuracy"  # a part of 1
    LOSS = "loss"
    SECONDS = "seconds"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Curve:
    """A field of Curves: its name, what people call it, and its header in the workbooks."""

    name: str
    words: str
    header: str
    quantity: Quantity
    note: str

    def of(self, curves: Curves) -> tuple[float | None, ...]:
        """Its values, one an epoch."""
        values: tuple[float | None, ...] = getattr(curves, self.name)
        return values


_RUNNING, _AT_END = "The mean while the epoch trained, as Keras reports it", "At the end of the epoch"
CURVES: Mapping[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve("train_loss", "training loss", "Train Loss", Quantity.LOSS, _RUNNING),
        Curve("train_accuracy", "training accuracy", "Train Accuracy", Quantity.ACCURACY, _RUNNING),
        Curve("val_loss", "validation loss", "Validate Loss", Quantity.LOSS, _AT_END),
        Curve("val_accuracy", "validation accuracy", "Validate Accuracy", Quantity.ACCURACY, _AT_END),
        Curve("seconds", "seconds", "Seconds", Quantity.SECONDS, "Of the epoch with its validation"),
    )
}
"""In the order of the fields of Curves."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of each finished training."""

    name: str  # what programs call it
    words: str  # what people call it
    header: str  # in the workbooks
    quantity: Quantity
    note: str  # what it is, as the beginning of a sentence
    of: Callable[[Result], float | None]  # None where it was not finite
    n_images: Callable[[Recipe, DataSet], int] | None = None  # accuracies are counts over so many
    json_name: str = ""  # its key in JSON where that has a unit; empty: its name

    @property
    def higher_is_better(self) -> bool:
        """Of accuracies more is better, of losses, times and epochs less."""
        return self.quantity is Quantity.ACCURACY

    @property
    def decimals(self) -> int:
        """The decimals that matter to people."""
        return 4 if self.quantity in (Quantity.ACCURACY, Quantity.LOSS) else 1

    @property
    def unit(self) -> str:
        """Empty for accuracies, losses and counts, which have none."""
        return "s" if self.quantity is Quantity.SECONDS else ""

    @property
    def title(self) -> str:
        """Its words as a header, with the unit: Training time (seconds)."""
        return self.words.capitalize() + (f" ({self.quantity})" if self.unit else "")

    def number(self, value: float) -> str:
        """A value, or a difference of two, without its unit: 0.9807, 12.3."""
        return f"{value:.{self.decimals}f}"

    def amount(self, value: float) -> str:
        """A value, or a difference of two, with its unit: 0.9807, 12.3 s."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def interval(self, mean: float, half_width: float | None) -> str:
        """A mean with half its interval, where that is known: 0.9807 ± 0.0021."""
        return self.amount(mean) + ("" if half_width is None else f" ± {self.amount(half_width)}")


def train_seconds(curves: Curves) -> float:
    """Seconds of all epochs with their validation, without compiling."""
    return sum(second or 0.0 for second in curves.seconds)


def _kept(name: str, more: str, n_images: Callable[[Recipe, DataSet], int] | None = None) -> Metric:
    """What a curve is in the epoch whose weights are kept."""
    curve = CURVES[name]
    note = f"{curve.words.capitalize()} of the epoch whose weights are kept{more}"
    return Metric(
        name,
        curve.words,
        f"Kept {curve.header}",
        curve.quantity,
        note,
        lambda result: curve.of(result.curves)[result.kept_epoch - 1],
        n_images,
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "test_accuracy",
            "test accuracy",
            "Test Accuracy",
            Quantity.ACCURACY,
            "Part of the test images read rightly, by the kept weights",
            lambda result: result.test_accuracy,
            lambda _, data: data.n_test,
        ),
        Metric(
            "test_loss",
            "test loss",
            "Test Loss",
            Quantity.LOSS,
            "Mean loss on the test images, of the kept weights",
            lambda result: result.test_loss,
        ),
        Metric(
            "train_time",
            "training time",
            "Train Time",
            Quantity.SECONDS,
            "Seconds of the epochs with their validation, without compiling",
            lambda result: train_seconds(result.curves),
            json_name="train_time_s",
        ),
        Metric(
            "loss_time",
            "test loss × training time",
            "Loss * Time",
            Quantity.SECONDS,
            "Test Loss times Train Time, the smaller the more efficient",
            lambda result: result.test_loss * train_seconds(result.curves),
            json_name="test_loss_times_train_time_s",
        ),
        _kept("val_accuracy", ", which the choice goes by", lambda recipe, data: recipe.n_validation(data.n_train)),
        _kept("val_loss", ""),
        _kept("train_accuracy", ", measured while it trained", lambda recipe, data: recipe.n_training(data.n_train)),
        _kept("train_loss", ", measured while it trained"),
        Metric(
            "epochs",
            "epochs",
            "Num epochs",
            Quantity.COUNT,
            "Epochs that were run",
            lambda result: float(len(result.curves.seconds)),
        ),
    )
}
"""What a finished trial is measured by, by name; losses and accuracies belong to the kept weights."""

CHOSEN_BY = "val_accuracy"
RANKED = ("val_accuracy", "val_loss", "test_accuracy", "test_loss", "train_time")
"""The metrics that combinations are ranked and axes are judged by; the choice goes by the first."""
