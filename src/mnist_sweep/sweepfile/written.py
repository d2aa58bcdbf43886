"""A mapping from axes to values in a sweep file, and the choices that it stands for."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from mnist_sweep.errors import Problem
from mnist_sweep.plan.augment import Augment, Elastic
from mnist_sweep.plan.choices import Choice
from mnist_sweep.plan.choices import EachLayer as EachLayerChoice
from mnist_sweep.plan.choices import Optimizer as OptimizerChoice
from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS
from mnist_sweep.plan.named import Named, Scalar
from mnist_sweep.plan.recipe import EarlyStopping
from mnist_sweep.plan.settings_of_models import LAYERS
from mnist_sweep.sweepfile.layers import network_of
from mnist_sweep.sweepfile.model import Augmentation, EachLayer, Grid
from mnist_sweep.sweepfile.problems import problem_at
from mnist_sweep.sweepfile.values import Strict, as_list
from mnist_sweep.sweepfile.yaml_tree import Document, Path

_FLAGS = ("batch_norm", "use_bias")


@dataclass(frozen=True, slots=True)
class Written:
    """The grid of a file, or a rule that excludes or includes combinations.

    Args:
        root: its place in the file.
        model: its valid values.
        tree: the same as they are written.
        raw: all that is written there, what is wrong too.
    """

    document: Document
    root: Path
    model: Grid
    tree: Mapping[str, Any]
    raw: Mapping[str, Any]

    def n_choices(self, name: str) -> int:
        """How many choices an axis has, without making them."""
        return sum(map(_n_choices, getattr(self.model, name)))

    def choices(self, name: str) -> tuple[Choice, ...]:
        """The choices of an axis; of one that is not written, its default."""
        if name in {LAYERS, "weight_decay"} and name not in self.tree:
            return (None,)
        if name == "network":
            return tuple(network_of(*pair) for pair in self.model.network.items()) if self.model.network else (None,)
        raw = as_list(self.tree.get(name, [{}]))
        return tuple(
            choice
            for value, keys in zip(getattr(self.model, name), raw, strict=True)
            for choice in _choices_of(name, value, keys if isinstance(keys, dict) else {})
        )

    def problem(self, text: str, name: str, index: int, *inside: str | int) -> Problem:
        """A problem with the choice of an axis that has this index, or with something inside it."""
        places = [i for i, value in enumerate(getattr(self.model, name)) for _ in range(_n_choices(value))]
        return problem_at(self.document, (*self.root, name, places[index], *inside), text)


def _choices_of(axis: str, value: Any, written: Mapping[str, Any]) -> Iterable[Choice]:
    """What a value of an axis stands for: several choices where settings inside it are lists."""
    match value:
        case EachLayer():
            return [EachLayerChoice(tuple(value.each_layer))]
        case Augmentation():
            elastic = Elastic(**value.elastic.model_dump()) if value.elastic else None
            changes = Augment(**{**value.model_dump(), "elastic": elastic})
            return [changes if changes != Augment() else None]
        case Strict():
            make: Any = {"early_stopping": EarlyStopping, "optimizer": _optimizer, "schedule": _schedule}[axis]
            return [make(**point) for point in _points(value, written)]
    if value == "off" or (value is False and axis not in _FLAGS):
        return [None]
    return [tuple(value) if isinstance(value, list) else value]


def _points(model: Strict, written: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Every combination of the values of a mapping; the key that was written first varies slowest."""
    order = dict.fromkeys([*written, *type(model).model_fields])
    for point in product(*(as_list(getattr(model, name)) for name in order)):
        yield dict(zip(order, point, strict=True))


def _optimizer(name: str, weight_decay: float | None, **settings: Scalar) -> Choice:
    momentum: Any = settings.pop("momentum", 0.0) if name == "sgd" else 0.0
    if name == "sgd" and not momentum:
        settings.pop("nesterov")  # without momentum it means nothing
    told = Named(name, tuple(sorted(settings.items()))).without(OPTIMIZER_SETTINGS[name])
    return OptimizerChoice(name, momentum, told.settings, weight_decay)


def _schedule(name: str, **settings: Scalar) -> Choice:
    schedule = Named(name, tuple(sorted(settings.items())))
    return None if schedule == Named("constant", (("warmup", 0.0),)) else schedule


def _n_choices(model: Any) -> int:
    if not isinstance(model, Strict) or isinstance(model, EachLayer):
        return 1
    return math.prod(len(as_list(getattr(model, name))) for name in type(model).model_fields)
