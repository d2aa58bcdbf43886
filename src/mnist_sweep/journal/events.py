"""What happens in a sweep, and how each event is written as a line of JSON."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Self

from mnist_sweep.plan.networks import N_CLASSES
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import Trial, trial_from_dict, trial_to_dict
from mnist_sweep.plan.spec import SweepSpec, spec_from_dict, spec_to_dict


class Cause(StrEnum):
    """Why a trial failed."""

    DIVERGED = "diverged"
    ERROR = "error"
    TIMEOUT = "timeout"
    WORKER_DIED = "worker died"


@dataclass(frozen=True, slots=True)
class Curves:
    """One value an epoch: mean loss and fraction correct on the training and the validation part, and seconds.

    Training values are running means over the epoch while the weights change, as in Keras's History; validation
    values belong to the weights at the epoch's end. A value that is not finite is None.
    """

    train_loss: tuple[float | None, ...] = ()
    train_accuracy: tuple[float | None, ...] = ()
    val_loss: tuple[float | None, ...] = ()
    val_accuracy: tuple[float | None, ...] = ()
    seconds: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if len(set(map(len, self.columns))) != 1:
            raise ValueError(f"has curves of different lengths: {', '.join(map(str, map(len, self.columns)))}")
        for name in ("train_accuracy", "val_accuracy"):
            _check_fractions(name, filter(None, getattr(self, name)))

    @property
    def columns(self) -> tuple[tuple[float | None, ...], ...]:
        """The curves in the order of the fields."""
        return tuple(getattr(self, curve.name) for curve in fields(self))

    def add(self, *values: float) -> Self:
        """These curves with one epoch more; `values` stand in the order of the fields."""
        finite = [value if math.isfinite(value) else None for value in values]
        return type(self)(*((*column, value) for column, value in zip(self.columns, finite, strict=True)))


def _check_fractions(name: str, values: Iterable[float]) -> None:
    wrong = [value for value in values if not 0 <= value <= 1]
    if wrong:
        raise ValueError(f"{name}: found {wrong[0]:g}, allowed: 0 to 1")


BFLOAT16 = "bfloat16"
"""In a result's execution: by which factor an epoch takes longer in bfloat16 than in float32, and of which model."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished trial is remembered by. Epochs count from 1; accuracies are fractions.

    Test scores are those of the kept weights, and beside them those of the last epoch's: None in older journals, and
    where they are no finite numbers.
    """

    curves: Curves
    best_epoch: int
    kept_epoch: int
    test_loss: float
    test_accuracy: float
    confusion: tuple[tuple[int, ...], ...]  # 10 × 10: rows are labels, columns predictions, on the test images
    wrong: tuple[tuple[int, int], ...]  # (index, predicted) of each test image that was misread
    execution: Mapping[str, Any] = field(hash=False)  # device, threads, versions: no part of the trial's identity
    last_test_loss: float | None = None
    last_test_accuracy: float | None = None

    def __post_init__(self) -> None:
        _check_fractions("test_accuracy", [self.test_accuracy])
        _check_fractions("last_test_accuracy", filter(None, [self.last_test_accuracy]))
        n_epochs = len(self.curves.seconds)
        for name, epoch in (("best_epoch", self.best_epoch), ("kept_epoch", self.kept_epoch)):
            if not 1 <= epoch <= n_epochs:
                raise ValueError(f"{name}: found {epoch}, allowed: 1 to {n_epochs}, the epochs that have values")
        if self.curves.val_accuracy[self.kept_epoch - 1] is None or self.curves.val_loss[self.kept_epoch - 1] is None:
            raise ValueError(f"has no validation results of epoch {self.kept_epoch}, whose weights were kept")
        if {len(self.confusion), *map(len, self.confusion)} != {N_CLASSES} or min(map(min, self.confusion)) < 0:
            raise ValueError(f"confusion: found something else than {N_CLASSES} lists of {N_CLASSES} counts")
        if any(index < 0 or not 0 <= predicted < N_CLASSES for index, predicted in self.wrong):
            raise ValueError("wrong: found something else than pairs of an image and a digit")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The command began to train: where and with what, and whether to confirm what was selected."""

    environment: Mapping[str, Any] = field(hash=False)
    confirms: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "stack"):
            n = self.environment.get(name, 1)
            if type(n) is not int or n < 1:
                raise ValueError(f"{name}: found {n!r}, allowed: whole numbers from 1")


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The command stopped training in good order."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The sweep as the file described it from here on."""

    spec: SweepSpec


@dataclass(frozen=True, slots=True)
class Started:
    """A trial began."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial ended with a result."""

    trial: Trial
    result: Result


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial ended without one."""

    trial: Trial
    cause: Cause
    reason: str
    curves: Curves = Curves()


@dataclass(frozen=True, slots=True)
class Progress:
    """An epoch of a running trial ended; listeners hear of it, the journal does not."""

    trial: Trial
    epoch: int
    val_loss: float
    val_accuracy: float


Event = RunStarted | RunEnded | Planned | Started | Finished | Failed
_KINDS: Mapping[str, type[Event]] = {
    "run_started": RunStarted,
    "run_ended": RunEnded,
    "planned": Planned,
    "started": Started,
    "finished": Finished,
    "failed": Failed,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """An event with when it was written: `at` in UTC (ISO 8601), `run_s` seconds after its command began."""

    at: str
    run_s: float
    event: Event


def record_to_dict(record: Record) -> dict[str, Any]:
    """A record as plain JSON values, none of them NaN or infinite."""
    event = record.event
    return {"event": _NAMES[type(event)], "at": record.at, "run_s": round(record.run_s, 3), **_plain(event)}


_LEFT_OUT = frozenset({"last_test_loss", "last_test_accuracy"})
"""What older journals lack, where it is None."""


def _plain(value: Any) -> Any:
    """Dataclasses as dicts, all else as it is; dataclasses.asdict copies every number of every curve."""
    if isinstance(value, Trial):
        return trial_to_dict(value)
    if isinstance(value, SweepSpec):
        return spec_to_dict(value)
    if is_dataclass(value):
        tree = {field_.name: _plain(getattr(value, field_.name)) for field_ in fields(value)}
        return {name: part for name, part in tree.items() if part is not None or name not in _LEFT_OUT}
    return value


def record_from_dict(tree: Mapping[str, Any]) -> Record:
    """The record that `record_to_dict` wrote; raises KeyError, TypeError or ValueError for any other tree."""
    values = {k: v for k, v in tree.items() if k not in {"event", "at", "run_s"}}
    # These two know what it means that they were written before some of their fields existed.
    if "trial" in values:
        values["trial"] = trial_from_dict(values["trial"])
    if "spec" in values:
        values["spec"] = spec_from_dict(values["spec"])
    event: Event = from_plain(_KINDS[tree["event"]], values)
    return Record(at=from_plain(str, tree["at"]), run_s=from_plain(float, tree["run_s"]), event=event)
