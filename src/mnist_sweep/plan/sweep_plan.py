"""From axes to trials: every combination of the grid in file order, each once, each repeated."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from mnist_sweep.plan.axes import AXES, setting
from mnist_sweep.plan.choices import Choice, EachLayer
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.limits import DEFAULT_NUM_LAYERS
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.recipe import TENSORFLOW, Recipe, Trial, loop_version
from mnist_sweep.plan.settings_of_models import OF_HIDDEN_LAYERS, dropout_rates
from mnist_sweep.plan.spec import Axis, Rule, SweepSpec

MAX_TRIALS = 100_000
"""What a sweep file or a command may ask for: years of training, which takes seconds to plan."""

MAX_RECORDED_TRIALS = 1_048_575
"""What a recorded plan may hold: a worksheet has 1,048,576 rows, and full.xlsx gives a trial one under its header."""


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
    n_excluded: int = 0  # points of the grid
    n_included: int = 0
    n_of_grid: int = 0  # combinations, which stand first

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
    for one in (spec, *spec.additions):
        for error in layer_mismatches(one):
            raise error
    backend = spec.backend or TENSORFLOW
    grid = _in_order(spec)
    kept = [point.recipe for point in grid if not any(_has(point, rule) for rule in spec.exclude)]
    added = [point.recipe for one in spec.additions for point in _in_order(one)]
    of_grid = dict.fromkeys(kept)
    combinations = tuple(dict.fromkeys([*of_grid, *added]))
    seeds = [(repeat, spec.seeds.of_repeat(repeat)) for repeat in range(1, spec.repeats + 1)]
    trials = tuple(
        Trial(recipe, repeat, s, data.digest, version, backend=backend)
        for recipe in combinations
        for version in [versions.get(recipe) or loop_version(recipe, data.n_train)]
        for repeat, s in seeds
    )
    n_duplicates = len(kept) + len(added) - len(combinations)
    n_excluded = len(grid) - len(kept)
    numbers = n_duplicates, n_excluded, len(added), len(of_grid)
    return Plan(replace(spec, backend=backend), data, combinations, trials, *numbers)


def count_points(spec: SweepSpec) -> int:
    """How many points the grid and what is included have, without making them; duplicates and excluded ones count."""
    return sum(map(_count_grid, (spec, *spec.additions)))


def _count_grid(spec: SweepSpec) -> int:
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


class _GridPoint(NamedTuple):
    """A combination of the grid.

    Args:
        position: in which the first axis of the file counts most.
        n_hidden: layers.
        on_axes: what it has on each axis, that of the layers worked out.
    """

    position: tuple[tuple[int, int], ...]
    n_hidden: int
    on_axes: Mapping[str, Any]
    recipe: Recipe


def _in_order(spec: SweepSpec) -> list[_GridPoint]:
    return sorted(_points(spec), key=lambda point: point.position)


def _points(spec: SweepSpec) -> Iterator[_GridPoint]:
    """All points of the grid, also those that are excluded."""
    for choices in product(*(enumerate(axis.choices) for axis in spec.axes)):
        point: _Point = dict(zip((axis.name for axis in spec.axes), choices, strict=True))
        n_hidden = _n_hidden(point)
        on_axes = {name: _meant(name, choice, n_hidden) for name, (_, choice) in point.items()}
        # In the order of the table: a weight decay of its own counts more than that of the optimizer.
        values = {k: v for name in AXES for k, v in setting(name).fields(point[name][1]).items()}
        values |= {"hidden_widths": on_axes["hidden_width"], "dropout": on_axes["dropout"]}
        values |= {"validation_fraction": spec.validation_fraction, "training_images": spec.training_images}
        values["schedule"] = _lasting(values["schedule"], values["max_epochs"])
        values["batch_norm"] = values["batch_norm"] and n_hidden > 0
        for k, funcs in enumerate(_functions(point["hidden_funcs"][1], n_hidden)):
            position = tuple((i, k if name == "hidden_funcs" else 0) for name, (i, _) in point.items())
            recipe = Recipe(hidden_funcs=funcs, **values)
            yield _GridPoint(position, n_hidden, {**on_axes, "hidden_funcs": funcs}, recipe)


def _meant(name: str, choice: Any, n_hidden: int) -> Any:
    """What a choice of an axis is for so many hidden layers."""
    match name:
        case "num_layers":
            return n_hidden + 2 if choice is None else choice
        case "hidden_width":
            return choice if isinstance(choice, tuple) else (choice,) * n_hidden
        case "hidden_funcs" if isinstance(choice, str):
            return (choice,) * n_hidden
        case "dropout":
            return dropout_rates(choice, n_hidden)
    return choice


def _has(point: _GridPoint, rule: Rule) -> bool:
    """Whether a point has one of the choices on each axis of a rule."""
    return all(any(_is(point, axis.name, choice) for choice in axis.choices) for axis in rule)


def _is(point: _GridPoint, name: str, choice: Choice) -> bool:
    found = point.on_axes[name]
    if isinstance(choice, EachLayer):
        return set(choice.each_layer).issuperset(found)
    return bool(found == _meant(name, choice, point.n_hidden))


class UselessRuleError(ValueError):
    """A rule of `exclude`, or a choice of it, that fits no point of the grid; or all rules, which fit every point.

    Args:
        rule: its index; None for all.
        axis: that of the choice with this index; None where it is the rule as a whole.
    """

    def __init__(self, text: str, rule: int | None = None, axis: str | None = None, index: int = 0) -> None:
        super().__init__(text)
        self.rule = rule
        self.axis = axis
        self.index = index


def useless_rules(spec: SweepSpec) -> Iterator[UselessRuleError]:
    """Every such rule or choice; makes all points of the grid if there is a rule."""
    points = list(_points(spec)) if spec.exclude else []
    found = {name: {(point.n_hidden, point.on_axes[name]): point for point in points}.values() for name in AXES}
    for i, rule in enumerate(spec.exclude):
        unknown = [
            (axis.name, k)
            for axis in rule
            for k, choice in enumerate(axis.choices)
            if not any(_is(point, axis.name, choice) for point in found[axis.name])
        ]
        for name, k in unknown:
            tried = setting(name).listed(spec.axis(name).choices)
            yield UselessRuleError(f"found a value that the grid does not have; it has {tried}", i, name, k)
        if not unknown and not any(_has(point, rule) for point in points):
            yield UselessRuleError("found a rule that leaves nothing out: the grid has no such combination", i)
    if points and not spec.include and all(any(_has(point, rule) for rule in spec.exclude) for point in points):
        yield UselessRuleError("found rules that leave out every combination of the grid")


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
