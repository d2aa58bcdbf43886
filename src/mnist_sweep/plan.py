"""From axes to trials: every combination of the grid in file order, each once, each repeated.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from mnist_sweep.counts import counted
from mnist_sweep.plain import from_plain
from mnist_sweep.recipe import (
    BACKENDS,
    TENSORFLOW,
    EarlyStopping,
    Recipe,
    Seeds,
    Trial,
    derive_seed,
    loop_version,
)

EACH_REPEAT = "each_repeat"
DEFAULT_NUM_LAYERS = 4
MAX_TRIALS = 100_000
"""What a sweep file or a command may ask for: years of training, which takes seconds to plan."""

MAX_RECORDED_TRIALS = 1_048_575
"""What a recorded plan may hold: a worksheet has 1,048,576 rows, and full.xlsx gives a trial one under its header."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of the grid with its alternatives, as plain JSON values in the order of the file.

    num_layers: int, or None for "as many as the widths or functions say"; hidden_width: int, or a list of one width a
    layer; hidden_funcs: str, a list of one name a layer, or {"each_layer": [names]}; optimizer: {"name", "momentum"};
    early_stopping: the four fields of EarlyStopping, or None; the others: a number.
    """

    name: str
    choices: tuple[Any, ...]


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

    def axis(self, name: str) -> Axis:
        """The axis of that name; every spec has all of them."""
        return {axis.name: axis for axis in self.axes}[name]

    @property
    def varied(self) -> frozenset[str]:
        """The names of the axes that have several choices."""
        return frozenset(axis.name for axis in self.axes if len(axis.choices) > 1)


def spec_to_dict(spec: SweepSpec) -> dict[str, Any]:
    """A spec as plain JSON values; TensorFlow, once the only backend, is left out."""
    tree = asdict(spec)
    if spec.backend in {None, TENSORFLOW}:
        del tree["backend"]
    return tree


_LEGACY_AXES = (Axis("precision", ("float32",)),)
"""Axes that specs written before them lack, with the choice that this means."""


def spec_from_dict(tree: Mapping[str, Any]) -> SweepSpec:
    """The spec that `spec_to_dict` wrote.

    Raises:
        KeyError, TypeError, ValueError: when the tree is not a spec.
    """
    axes = tuple(Axis(axis["name"], tuple(axis["choices"])) for axis in tree["axes"])
    known = {axis.name for axis in axes}
    axes += tuple(axis for axis in _LEGACY_AXES if axis.name not in known)
    spec: SweepSpec = from_plain(SweepSpec, {"backend": TENSORFLOW, **tree, "axes": axes})
    _check(spec)
    return spec


def _check(spec: SweepSpec) -> None:
    """Look for what the types do not say, so that the spec can be expanded."""
    names = [axis.name for axis in spec.axes]
    if sorted(names) != sorted(_CHOICES):
        raise ValueError(f"axes: found {', '.join(names)}, needed each of {', '.join(_CHOICES)} once")
    for axis in spec.axes:
        wrong = [choice for choice in axis.choices if not _CHOICES[axis.name](choice)]
        if wrong or not axis.choices:
            raise ValueError(f"{axis.name}: found {wrong[:1] or 'no choice'}")
    if spec.repeats < 1 or not 0 < spec.validation_fraction < 1:
        raise ValueError("repeats or validation_fraction are impossible")
    if spec.backend not in BACKENDS:
        raise ValueError(f"backend: found {spec.backend}, allowed: {', '.join(BACKENDS)}")


def _is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and least <= value <= _MOST


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list | tuple) and {kind}.issuperset(map(type, values))


_MOST = 2**31
_MOST_LAYERS = 2**10
_CHOICES: Mapping[str, Callable[[Any], bool]] = {
    "num_layers": lambda choice: choice is None or (_is_count(choice, 2) and choice <= _MOST_LAYERS),
    "hidden_width": lambda choice: _is_count(choice) or (_are(int, choice) and all(map(_is_count, choice))),
    "hidden_funcs": lambda choice: (
        isinstance(choice, str)
        or _are(str, choice)
        or (isinstance(choice, dict) and [*choice] == ["each_layer"] and _are(str, choice["each_layer"]))
    ),
    "batch_size": _is_count,
    "learning_rate": lambda choice: type(choice) in {int, float} and 0 < choice < math.inf,
    "optimizer": lambda choice: type(choice["name"]) is str and type(choice["momentum"]) in {int, float},
    "precision": lambda choice: isinstance(choice, str),
    "max_epochs": _is_count,
    "early_stopping": lambda choice: choice is None or bool(from_plain(EarlyStopping, choice)),
}
"""What a choice of each axis is."""


@dataclass(frozen=True)
class Plan:
    """The unique combinations of a sweep in order, and its trials: repeats of one combination stand together."""

    spec: SweepSpec
    combinations: tuple[Recipe, ...]
    trials: tuple[Trial, ...]
    n_duplicates: int

    @property
    def backend(self) -> str:
        """What its trials are trained by."""
        return self.spec.backend or TENSORFLOW

    @cached_property
    def keys(self) -> frozenset[str]:
        """The identities of all trials."""
        return frozenset(trial.key for trial in self.trials)

    @cached_property
    def first_trials(self) -> Mapping[Recipe, Trial]:
        """The first repeat of each combination."""
        return dict(zip(self.combinations, self.trials[:: self.spec.repeats], strict=True))


def confirmations(plan: Plan, recipes: Iterable[Recipe], repeats: int) -> tuple[Trial, ...]:
    """Trials that train these recipes of the plan again, with seeds of their own; no part of the plan."""
    return tuple(confirmation(plan, recipe, repeat) for recipe in recipes for repeat in range(1, repeats + 1))


def confirmation(plan: Plan, recipe: Recipe, repeat: int) -> Trial:
    """The trial that trains a recipe of the plan again for the `repeat`-th time (from 1)."""
    seeds = plan.spec.seeds.of_confirmation(repeat, plan.spec.repeats)
    return replace(plan.first_trials[recipe], repeat=repeat, seeds=seeds, confirms=True)


class LayerMismatchError(ValueError):
    """Widths, functions and number of layers of a point of the grid do not fit one another."""

    def __init__(self, axis: str, index: int, text: str) -> None:
        super().__init__(text)
        self.axis = axis
        self.index = index


def make_plan(spec: SweepSpec, data: str, version_of: Callable[[Recipe], int] = loop_version) -> Plan:
    """Expand a spec into its trials on the data with this digest; a backend that is left open is TensorFlow.

    Args:
        version_of: the version of the training loop that a recipe is trained by.

    Raises:
        LayerMismatchError: when a point's widths or functions do not fit its layers.
    """
    for error in layer_mismatches(spec):
        raise error
    backend = spec.backend or TENSORFLOW
    points = [recipe for _, recipe in sorted(_points(spec), key=lambda point: point[0])]
    combinations = tuple(dict.fromkeys(points))
    seeds = [(repeat, spec.seeds.of_repeat(repeat)) for repeat in range(1, spec.repeats + 1)]
    versions = [version_of(recipe) for recipe in combinations]
    trials = tuple(
        Trial(recipe, repeat, s, data, version, backend=backend)
        for recipe, version in zip(combinations, versions, strict=True)
        for repeat, s in seeds
    )
    return Plan(replace(spec, backend=backend), combinations, trials, len(points) - len(combinations))


def count_points(spec: SweepSpec) -> int:
    """How many points the grid has, duplicates included, without making them."""
    layers, widths, funcs = (spec.axis(name).choices for name in _LAYER_AXES)
    if layers == (None,):
        depths = Counter(len(width) if _is_list(width) else DEFAULT_NUM_LAYERS - 2 for width in widths)
    else:
        depths = Counter({n - 2: n_times * len(widths) for n, n_times in Counter(layers).items()})
    sizes = Counter(len(choice["each_layer"]) if isinstance(choice, dict) else 1 for choice in funcs)
    n_models: int = sum(n * n_same * size**depth for depth, n in depths.items() for size, n_same in sizes.items())
    return n_models * math.prod(len(axis.choices) for axis in spec.axes if axis.name not in _LAYER_AXES)


def layer_mismatches(spec: SweepSpec) -> Iterator[LayerMismatchError]:
    """Every list of widths or functions that does not fit the layers, with the first number of them that it misses."""
    layers, widths, _ = (spec.axis(name).choices for name in _LAYER_AXES)
    written = dict.fromkeys(n - 2 for n in layers if n is not None)
    if written:
        yield from _misfits(spec.axis("hidden_width"), "width", written)
    depths = written or dict.fromkeys(len(width) for width in widths if _is_list(width))
    yield from _misfits(spec.axis("hidden_funcs"), "function", depths)


def _misfits(axis: Axis, noun: str, depths: Iterable[int]) -> Iterator[LayerMismatchError]:
    for index, value in enumerate(axis.choices):
        missed = next((depth for depth in depths if _is_list(value) and depth != len(value)), None)
        if missed is not None:
            layers = f"{missed + 2} layers have {counted(missed, 'hidden one')}"
            text = f"found {counted(len(value), noun)} ({', '.join(map(str, value))}), but {layers}"
            yield LayerMismatchError(axis.name, index, text)


def _is_list(choice: Any) -> bool:
    return isinstance(choice, list | tuple)


_LAYER_AXES = ("num_layers", "hidden_width", "hidden_funcs")
_Point = dict[str, tuple[int, Any]]
"""One choice of each axis with its index."""


def _product(axes: list[Axis]) -> Iterator[_Point]:
    for choices in product(*(enumerate(axis.choices) for axis in axes)):
        yield dict(zip((axis.name for axis in axes), choices, strict=True))


def _n_hidden(point: _Point) -> int:
    """Hidden layers of a point: as written, else as many as it has widths, else functions, else the default."""
    num_layers, width, funcs = (point[name][1] for name in _LAYER_AXES)
    if num_layers is not None:
        return int(num_layers) - 2
    if _is_list(width):
        return len(width)
    if _is_list(funcs):
        return len(funcs)
    return DEFAULT_NUM_LAYERS - 2


def _points(spec: SweepSpec) -> Iterator[tuple[tuple[Any, ...], Recipe]]:
    """All points with their position, in which the first axis of the file counts most."""
    for point in _product(list(spec.axes)):
        n_hidden = _n_hidden(point)
        width = point["hidden_width"][1]
        widths = tuple(width) if _is_list(width) else (width,) * n_hidden
        for k, funcs in enumerate(_functions(point["hidden_funcs"][1], n_hidden)):
            position = tuple((i, k if name == "hidden_funcs" else 0) for name, (i, _) in point.items())
            yield position, _recipe(point, widths, funcs, spec.validation_fraction)


def _functions(choice: Any, n_hidden: int) -> Iterator[tuple[str, ...]]:
    if isinstance(choice, dict):
        yield from product(choice["each_layer"], repeat=n_hidden)
    elif isinstance(choice, str):
        yield (choice,) * n_hidden
    else:
        yield tuple(choice)


def _recipe(point: _Point, widths: tuple[int, ...], funcs: tuple[str, ...], validation_fraction: float) -> Recipe:
    stopping = point["early_stopping"][1]
    optimizer = point["optimizer"][1]
    return Recipe(
        hidden_widths=widths,
        hidden_funcs=funcs,
        batch_size=point["batch_size"][1],
        learning_rate=point["learning_rate"][1],
        optimizer=optimizer["name"],
        momentum=optimizer["momentum"],
        max_epochs=point["max_epochs"][1],
        early_stopping=None if stopping is None else EarlyStopping(**stopping),
        validation_fraction=validation_fraction,
        precision=point["precision"][1],
    )
