"""From a sweep file to a SweepSpec, or to every problem that the file has."""

import math
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from mnist_sweep.errors import SHOWN_PROBLEMS, ConfigError, Problem
from mnist_sweep.plan.augment import Augment, Elastic
from mnist_sweep.plan.choices import Choice
from mnist_sweep.plan.choices import EachLayer as EachLayerChoice
from mnist_sweep.plan.choices import Optimizer as OptimizerChoice
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS
from mnist_sweep.plan.named import Named, Scalar
from mnist_sweep.plan.recipe import EarlyStopping
from mnist_sweep.plan.settings_of_models import LAYERS
from mnist_sweep.plan.sweep_plan import MAX_TRIALS, Axis, SeedPolicy, SweepSpec, count_points, layer_mismatches
from mnist_sweep.sweepfile.layers import network_of
from mnist_sweep.sweepfile.model import Augmentation, EachLayer, Grid, SweepFile, mistakes
from mnist_sweep.sweepfile.problems import ALLOWED, in_tree, problem_at, problem_of
from mnist_sweep.sweepfile.together import check_together
from mnist_sweep.sweepfile.values import Strict, as_list
from mnist_sweep.sweepfile.yaml_tree import MAX_BYTES, Document, path_text, read_yaml
from mnist_sweep.sweepfile.yaml_tree import Path as TreePath
from mnist_sweep.system.files import read_file

_FLAGS = ("batch_norm", "use_bias")


def load_spec(path: Path) -> SweepSpec:
    """The spec of a sweep file; see `parse_spec`."""
    try:
        content = read_file(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(str(path), [Problem(1, "", f"cannot be read: {error.strerror}")]) from error
    return parse_spec(content, str(path))


def parse_spec(content: bytes, file: str) -> SweepSpec:
    """The spec in a file's bytes; `file` is its name in messages.

    Raises:
        ConfigError: with every problem of the file, each with its line.
    """
    document = read_yaml(content)
    if document.value is None:
        empty = Problem(1, "", f"found an empty file, allowed: {ALLOWED['']}")
        raise ConfigError(file, document.problems or [empty])
    valid, problems, wrong = _valid_part(document)
    if valid is not None:
        sweep = SweepFile.model_validate(valid)
        for axis in ("early_stopping", "optimizer", "schedule"):
            n_choices = sum(map(_count_points, getattr(sweep.grid, axis)))
            if n_choices > MAX_TRIALS:
                text = f"found {_count_words(n_choices)} choices, allowed: {_FEWER_TRIALS}"
                raise ConfigError(file, [*problems, problem_at(document, ("grid", axis), text)])
        spec = _resolve(sweep, valid["grid"])
        problems += _cross_check(spec, document, wrong)
        if not problems:
            return spec
    raise ConfigError(file, problems)


def _valid_part(document: Document) -> tuple[dict[str, Any] | None, list[Problem], set[TreePath]]:
    """The file without its wrong keys (None if hardly anything is left), the problems, and the keys left out."""
    tree, problems = document.value, list(document.problems)
    details = mistakes(tree)
    if not details:
        if not tree["grid"]:
            problems.append(problem_at(document, ("grid",), f"found nothing in it, allowed: {ALLOWED['grid']}"))
        return tree, problems, set()
    unreadable = {problem.path for problem in problems}
    locations = [in_tree(detail["loc"], tree) for detail in details]
    told = sorted(zip(details, locations, strict=True), key=lambda pair: document.line(pair[1]))
    told = [pair for pair in told if pair[0]["input"] is not None or path_text(pair[1]) not in unreadable]
    # To look for a similar name takes long: only what can be shown gets that.
    problems += [problem_of(*pair, document, hint=i < SHOWN_PROBLEMS) for i, pair in enumerate(told)]
    if not isinstance(tree, dict) or not isinstance(tree.get("grid", {}), dict):
        return None, problems, set()
    wrong = {location[:2] if location[0] == "grid" else location[:1] for location in locations if location}
    valid = {k: v for k, v in tree.items() if (k,) not in wrong}
    valid["grid"] = {k: v for k, v in tree.get("grid", {}).items() if ("grid", k) not in wrong}
    return {"name": "unnamed", **valid}, problems, wrong


def _resolve(sweep: SweepFile, written: Mapping[str, Any]) -> SweepSpec:
    """Make every default explicit; axes in the order in which the file has them, the unwritten ones last."""
    shuffle = sweep.shuffle_seed
    seeds = SeedPolicy(
        seed=sweep.seed,
        shuffle_seed=shuffle,
        split_seed=shuffle if sweep.split_seed is None else sweep.split_seed,
        order_seed=shuffle if sweep.order_seed is None else sweep.order_seed,
        base=shuffle if isinstance(shuffle, int) else 100,
    )
    order = dict.fromkeys([*written, *Grid.model_fields])
    return SweepSpec(
        name=sweep.name,
        goal=sweep.goal,
        repeats=sweep.repeats,
        validation_fraction=sweep.validation_fraction,
        seeds=seeds,
        axes=tuple(Axis(name, _choices(name, sweep.grid, written)) for name in order),
        backend=sweep.backend,
        training_images=sweep.training_images,
    )


def _choices(name: str, grid: Grid, written: Mapping[str, Any]) -> tuple[Choice, ...]:
    if name in {LAYERS, "weight_decay"} and name not in written:
        return (None,)
    if name == "network":
        return tuple(network_of(*pair) for pair in grid.network.items()) if grid.network else (None,)
    raw = as_list(written.get(name, [{}]))
    return tuple(
        choice
        for value, keys in zip(getattr(grid, name), raw, strict=True)
        for choice in _choices_of(name, value, keys if isinstance(keys, dict) else {})
    )


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
    told = Named(name, tuple(sorted(settings.items()))).without(OPTIMIZER_SETTINGS[name])
    return OptimizerChoice(name, momentum, told.settings, weight_decay)


def _schedule(name: str, **settings: Scalar) -> Choice:
    schedule = Named(name, tuple(sorted(settings.items())))
    return None if schedule == Named("constant", (("warmup", 0.0),)) else schedule


def _count_points(model: Any) -> int:
    if not isinstance(model, Strict):
        return 1
    return math.prod(len(as_list(getattr(model, name))) for name in type(model).model_fields)


_FEWER_TRIALS = f"at most {MAX_TRIALS:,} trials; take some values out, or write several sweeps"
_MANY = 10**15


def _count_words(n: int) -> str:
    return f"{n:,}" if n <= _MANY else f"more than {_MANY:,}"


def _cross_check(spec: SweepSpec, document: Document, wrong: set[TreePath]) -> list[Problem]:
    """What is wrong only when several values are seen together; `spec` was made without the `wrong` keys."""
    problems = [] if ("validation_fraction",) in wrong else _check_batches(spec, document)
    problems += check_together(spec, document)
    if not wrong & {("grid", name) for name in ("num_layers", "hidden_width", "hidden_funcs")}:
        problems += [problem_at(document, ("grid", e.axis, e.index), str(e)) for e in layer_mismatches(spec)]
        n_points = count_points(spec)
        n_trials = n_points * spec.repeats
        if n_trials > MAX_TRIALS:
            product = f"combinations: {_count_words(n_points)}; repeats: {spec.repeats:,}"
            text = f"found {_count_words(n_trials)} trials ({product}), allowed: {_FEWER_TRIALS}"
            problems.append(problem_at(document, ("grid",), text))
    return problems


def _check_batches(spec: SweepSpec, document: Document) -> list[Problem]:
    """Batches that are larger than the training part, be they written or the default."""
    n_left = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    n_training = min(n_left, spec.training_images or n_left)
    grid = document.value.get("grid", {})
    if "batch_size" in grid:
        text = f"allowed: at most the {n_training:,} images of the training part"
        return [
            problem_at(document, ("grid", "batch_size", i), f"found {size}, {text}")
            for i, size in enumerate(as_list(grid["batch_size"]))
            if type(size) is int and size > n_training
        ]
    default: Any
    (default,) = spec.axis("batch_size").choices
    if default <= n_training:
        return []
    text = (
        f"found {spec.validation_fraction:g}, which leaves {n_training:,} images to train on, fewer than the default "
        f"batch_size of {default}; allowed: a smaller part, or a batch_size of at most {n_training:,} under grid"
    )
    return [problem_at(document, ("validation_fraction",), text)]
