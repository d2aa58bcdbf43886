"""From axes to trials: every combination of the grid in file order, each once, each repeated."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, cast

from mnist_sweep.plan.axes import AXES, setting
from mnist_sweep.plan.choices import Choice, EachLayer
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.limits import DEFAULT_NUM_LAYERS
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import BACKENDS, LEGACY_VALUES, TENSORFLOW, Recipe, Seeds, Trial, derive_seed, loop_version
from mnist_sweep.plan.settings_of_models import OF_HIDDEN_LAYERS, dropout_rates

EACH_REPEAT = "each_repeat"
MAX_TRIALS = 100_000
"""What a sweep file or a command may ask for: years of training, which takes seconds to plan."""

MAX_RECORDED_TRIALS = 1_048_575
"""What a recorded plan may hold: a worksheet has 1,048,576 rows, and full.xlsx gives a trial one under its header."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of the grid with its alternatives in the order of the file.

    The number of layers may be None: as many as the widths or functions say.
    """

    name: str
    choices: tuple[Choice, ...]


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
    if spec.training_images is None:
        del tree["training_images"]
    return tree


def spec_from_dict(tree: Mapping[str, Any]) -> SweepSpec:
    """The spec that `spec_to_dict` wrote; raises KeyError, TypeError or ValueError for any other tree."""
    names = [axis["name"] for axis in tree["axes"]]
    lacking = [name for name in AXES if name in LEGACY_VALUES and name not in names]
    if sorted(names + lacking) != sorted(AXES):
        raise ValueError(f"axes: found {', '.join(names)}, needed each of {', '.join(AXES)} once")
    legacy = [{"name": name, "choices": [setting(name).absent]} for name in lacking]
    axes = tuple(_axis(**axis) for axis in [*tree["axes"], *legacy])
    spec: SweepSpec = from_plain(SweepSpec, {"backend": TENSORFLOW, **tree, "axes": axes})
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


@dataclass(frozen=True)
class Plan:
    """The unique combinations of a sweep in order, and its trials on a data set.

    Each combination has a trial or more, and one may have more than another.
    """

    spec: SweepSpec
    data: DataSet
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
        """The first trial of each combination."""
        return {trial.recipe: trial for trial in reversed(self.trials)}


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


def make_plan(spec: SweepSpec, data: DataSet, versions: Mapping[Recipe, int] = MappingProxyType({})) -> Plan:
    """Expand a spec into its trials on a data set; a backend that is left open is TensorFlow.

    Args:
        versions: that of the training loop by which recipes are trained that are not trained by today's.

    Raises:
        LayerMismatchError: when a point's widths or functions do not fit its layers.
        ValueError: when the data set has too few images to hold that part of them out.
    """
    if not 0 < round(data.n_train * spec.validation_fraction) < data.n_train:
        raise ValueError("the validation fraction leaves no image to train on or none to validate on")
    for error in layer_mismatches(spec):
        raise error
    backend = spec.backend or TENSORFLOW
    points = [recipe for _, recipe in sorted(_points(spec), key=lambda point: point[0])]
    combinations = tuple(dict.fromkeys(points))
    seeds = [(repeat, spec.seeds.of_repeat(repeat)) for repeat in range(1, spec.repeats + 1)]
    trials = tuple(
        Trial(recipe, repeat, s, data.digest, version, backend=backend)
        for recipe in combinations
        for version in [versions.get(recipe) or loop_version(recipe, data.n_train)]
        for repeat, s in seeds
    )
    return Plan(replace(spec, backend=backend), data, combinations, trials, len(points) - len(combinations))


def count_points(spec: SweepSpec) -> int:
    """How many points the grid has, duplicates included, without making them."""
    layers, widths, funcs = _layer_choices(spec)
    if layers == (None,):
        depths = Counter(len(width) if isinstance(width, tuple) else DEFAULT_NUM_LAYERS - 2 for width in widths)
    else:
        depths = Counter({n - 2: n_times * len(widths) for n, n_times in Counter(filter(None, layers)).items()})
    sizes = Counter(len(choice.each_layer) if isinstance(choice, EachLayer) else 1 for choice in funcs)
    n_models: int = sum(n * n_same * size**depth for depth, n in depths.items() for size, n_same in sizes.items())
    return n_models * math.prod(len(axis.choices) for axis in spec.axes if axis.name not in OF_HIDDEN_LAYERS)


def layer_mismatches(spec: SweepSpec) -> Iterator[LayerMismatchError]:
    """Every list of widths or functions that does not fit the layers, with the first number of them that it misses."""
    layers, widths, all_funcs = _layer_choices(spec)
    written = dict.fromkeys(n - 2 for n in layers if n is not None)
    if written:
        yield from _misfits(spec.axis("hidden_width"), "width", written)
    depths = written or dict.fromkeys(len(width) for width in widths if isinstance(width, tuple))
    yield from _misfits(spec.axis("hidden_funcs"), "function", depths)
    lengths = [
        dict.fromkeys(len(v) if isinstance(v, tuple) else None for v in values) for values in (widths, all_funcs)
    ]
    deep = dict.fromkeys(_depth(*choices) for choices in product(dict.fromkeys(layers), *lengths))
    yield from _misfits(spec.axis("dropout"), "rate", deep, n_more=1)


def _misfits(axis: Axis, noun: str, depths: Iterable[int], n_more: int = 0) -> Iterator[LayerMismatchError]:
    for index, value in enumerate(axis.choices):
        if not isinstance(value, tuple):
            continue
        missed = next((depth for depth in depths if depth + n_more != len(value)), None)
        if missed is not None:
            layers = f"{missed + 2} layers have {counted(missed, 'hidden one')}" + " and an input" * n_more
            text = f"found {counted(len(value), noun)} ({', '.join(map(str, value))}), but {layers}"
            yield LayerMismatchError(axis.name, index, text)


def _layer_choices(
    spec: SweepSpec,
) -> tuple[tuple[int | None, ...], tuple[int | tuple[int, ...], ...], tuple[Any, ...]]:
    """Numbers of layers, widths and functions."""
    layers, widths, funcs = (spec.axis(name).choices for name in OF_HIDDEN_LAYERS)
    return cast("tuple[int | None, ...]", layers), cast("tuple[int | tuple[int, ...], ...]", widths), funcs


_Point = dict[str, tuple[int, Any]]
"""One choice of each axis with its index."""


def _n_hidden(point: _Point) -> int:
    """Hidden layers of a point: as written, else as many as it has widths, else functions, else the default."""
    if point["network"][1]:
        return 0
    num_layers, *lists = (point[name][1] for name in OF_HIDDEN_LAYERS)
    return _depth(num_layers, *(len(one) if isinstance(one, tuple) else None for one in lists))


def _depth(num_layers: int | None, *lengths: int | None) -> int:
    if num_layers is not None:
        return num_layers - 2
    return next((length for length in lengths if length is not None), DEFAULT_NUM_LAYERS - 2)


def _points(spec: SweepSpec) -> Iterator[tuple[tuple[Any, ...], Recipe]]:
    """All points with their position, in which the first axis of the file counts most."""
    for choices in product(*(enumerate(axis.choices) for axis in spec.axes)):
        point: _Point = dict(zip((axis.name for axis in spec.axes), choices, strict=True))
        n_hidden = _n_hidden(point)
        width = point["hidden_width"][1]
        widths = width if isinstance(width, tuple) else (width,) * n_hidden
        # In the order of the table: a weight decay of its own counts more than that of the optimizer.
        values = {k: v for name in AXES for k, v in setting(name).fields(point[name][1]).items()}
        values |= {"hidden_widths": widths, "dropout": dropout_rates(point["dropout"][1], n_hidden)}
        values |= {"validation_fraction": spec.validation_fraction, "training_images": spec.training_images}
        values["schedule"] = _lasting(values["schedule"], values["max_epochs"])
        for k, funcs in enumerate(_functions(point["hidden_funcs"][1], n_hidden)):
            position = tuple((i, k if name == "hidden_funcs" else 0) for name, (i, _) in point.items())
            yield position, Recipe(hidden_funcs=funcs, **values)


def _lasting(schedule: Named | None, max_epochs: int) -> Named | None:
    """The schedule with the number of its epochs: those of the training where it has none of its own."""
    if schedule is None:
        return None
    settings = dict(schedule.settings)
    if "epochs" in settings:
        settings["epochs"] = settings["epochs"] or max_epochs
    return Named(schedule.name, tuple(settings.items()))


def _functions(choice: Any, n_hidden: int) -> Iterable[tuple[str, ...]]:
    if isinstance(choice, EachLayer):
        return product(choice.each_layer, repeat=n_hidden)
    return [(choice,) * n_hidden if isinstance(choice, str) else choice]
