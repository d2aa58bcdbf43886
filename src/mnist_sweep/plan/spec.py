"""A sweep file, resolved: its axes, its seeds, what is left out of its grid or added to it, and what it is after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

from mnist_sweep.plan.axes import AXES, setting
from mnist_sweep.plan.choices import Choice
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import BACKENDS, LEGACY_VALUES, TENSORFLOW, Seeds, derive_seed

EACH_REPEAT = "each_repeat"


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of the grid with its alternatives in the order of the file.

    The number of layers may be None: as many as the widths or functions say.
    """

    name: str
    choices: tuple[Choice, ...]


Rule = tuple[Axis, ...]
"""Some axes with some choices: the combinations that have one of them on each of these axes."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a sweep is after.

    Args:
        metric: val_accuracy or test_accuracy, both of the kept weights.
        at_least: what its mean over the repeats should be.
        parameters: how many a model may have.
    """

    metric: str
    at_least: float
    parameters: int | None = None

    def __post_init__(self) -> None:
        if self.metric not in {"val_accuracy", "test_accuracy"}:
            raise ValueError(f"metric: found {self.metric}, allowed: val_accuracy, test_accuracy")


@dataclass(frozen=True, slots=True)
class SeedPolicy:
    """Where seeds come from: numbers, or `each_repeat` for one of its own in every repeat."""

    seed: int
    shuffle_seed: int | str
    split_seed: int | str
    order_seed: int | str
    base: int

    def of_repeat(self, repeat: int) -> Seeds:
        """The seeds of a repeat: the same for every combination, so that repeats are paired."""
        return Seeds(
            weights=derive_seed(self.seed, "weights", repeat),
            split=self._shuffle(self.split_seed, "split", repeat),
            order=self._shuffle(self.order_seed, "order", repeat),
        )

    def of_confirmation(self, repeat: int, repeats: int) -> Seeds:
        """The seeds of a training that confirms: fresh initial weights and order, the held-out images of the sweep."""
        return Seeds(
            weights=derive_seed(self.seed, "confirm weights", repeat),
            split=self.of_repeat((repeat - 1) % repeats + 1).split,
            order=derive_seed(self.base, "confirm order", repeat),
        )

    def _shuffle(self, seed: int | str, stream: str, repeat: int) -> int:
        return derive_seed(self.base, stream, repeat) if isinstance(seed, str) else seed


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A sweep file, resolved: nothing in it depends on a default any more, but for a backend that it leaves open."""

    name: str
    goal: str
    repeats: int
    validation_fraction: float
    seeds: SeedPolicy
    axes: tuple[Axis, ...]
    backend: str | None = None
    training_images: int | None = None
    exclude: tuple[Rule, ...] = ()
    include: tuple[Rule, ...] = ()
    target: Target | None = None

    def axis(self, name: str) -> Axis:
        """The axis of that name; every spec has all of them."""
        return {axis.name: axis for axis in self.axes}[name]

    @property
    def varied(self) -> frozenset[str]:
        """The names of the axes that have several choices."""
        return frozenset(axis.name for axis in self.axes if len(set(self.tried(axis.name))) > 1)

    def tried(self, name: str) -> tuple[Choice, ...]:
        """The choices of an axis in the grid, then those that are included."""
        included = (axis.choices for rule in self.include for axis in rule if axis.name == name)
        return (*self.axis(name).choices, *chain.from_iterable(included))

    @property
    def additions(self) -> tuple[SweepSpec, ...]:
        """What each rule of `include` adds, as a grid of its own: the axes that it names, all others as they are."""
        rules = [{axis.name: axis for axis in rule} for rule in self.include]
        grids = [tuple(rule.get(axis.name, axis) for axis in self.axes) for rule in rules]
        return tuple(replace(self, axes=axes, exclude=(), include=()) for axes in grids)


def spec_to_dict(spec: SweepSpec) -> dict[str, Any]:
    """A spec as plain JSON values; TensorFlow, once the only backend, is left out."""
    tree = asdict(spec)
    if spec.backend in {None, TENSORFLOW}:
        del tree["backend"]
    for name in ("training_images", "exclude", "include", "target"):  # what they are is left out in old journals too
        if not tree[name]:
            del tree[name]
    return tree


def spec_from_dict(tree: Mapping[str, Any]) -> SweepSpec:
    """The spec that `spec_to_dict` wrote; raises KeyError, TypeError or ValueError for any other tree."""
    names = [axis["name"] for axis in tree["axes"]]
    lacking = [name for name in AXES if name in LEGACY_VALUES and name not in names]
    if sorted(names + lacking) != sorted(AXES):
        raise ValueError(f"axes: found {', '.join(names)}, needed each of {', '.join(AXES)} once")
    legacy = [{"name": name, "choices": [setting(name).absent]} for name in lacking]
    axes = tuple(_axis(**axis) for axis in [*tree["axes"], *legacy])
    rules = {
        name: tuple(tuple(_axis(**axis) for axis in rule) for rule in tree[name])
        for name in ("exclude", "include")
        if name in tree
    }
    spec: SweepSpec = from_plain(SweepSpec, {"backend": TENSORFLOW, **tree, "axes": axes, **rules})
    if spec.repeats < 1 or not 0 < spec.validation_fraction < 1:
        raise ValueError("repeats or validation_fraction are impossible")
    if spec.backend not in BACKENDS:
        raise ValueError(f"backend: found {spec.backend}, allowed: {', '.join(BACKENDS)}")
    return spec


def _axis(name: str, choices: Iterable[Any]) -> Axis:
    axis = Axis(name, tuple(map(setting(name).choice, choices)))
    if not axis.choices:
        raise ValueError(f"{name}: found no choice")
    return axis
