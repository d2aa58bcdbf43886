"""From a sweep file to a SweepSpec, or to every problem that the file has.

Pydantic lives here and nowhere else.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mnist_sweep.errors import SHOWN_PROBLEMS, ConfigError, Problem
from mnist_sweep.plan.axes import (
    AN_ACTIVATION,
    DEFAULT_NUM_LAYERS,
    LAYERS,
    MAX_COUNT,
    MAX_LAYERS,
    MAX_WIDTH,
    SETTINGS,
    setting,
)
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    OPTIMIZERS,
    REFUSED_ACTIVATIONS,
    REFUSED_OPTIMIZERS,
)
from mnist_sweep.plan.recipe import BACKENDS, EarlyStopping
from mnist_sweep.plan.setting import Choice
from mnist_sweep.plan.setting import EachLayer as EachLayerChoice
from mnist_sweep.plan.setting import Optimizer as OptimizerChoice
from mnist_sweep.plan.sweep_plan import (
    MAX_TRIALS,
    Axis,
    SeedPolicy,
    SweepSpec,
    count_points,
    layer_mismatches,
)
from mnist_sweep.sweepfile.yaml_tree import MAX_BYTES, Document, path_text, read_yaml
from mnist_sweep.sweepfile.yaml_tree import Path as TreePath
from mnist_sweep.system.files import read_file

_MAX_SEED = 2**31 - 1
_ONE, _LIST, _MAPPING, _OFF, _WORD = "\0one", "\0list", "\0mapping", "\0off", "\0word"  # no key of a file is like these
_SHOWN = 60  # characters of a wrong value that a message repeats
_MAX_NAME_BYTES = 200  # file systems take 255, and --fresh appends a date
_NAME = re.compile(r"[^\W_][\w .-]{0,99}\Z")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class _OneOrMany:
    """A list type that takes a lone value for a list of one; its JSON Schema says both."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _known(kind: str, known: tuple[str, ...], refused: Mapping[str, str], aliases: Mapping[str, str]) -> AfterValidator:
    def check(name: str) -> str:
        if name in refused:
            raise PydanticCustomError("refused", "found {name}, refused: {why}", {"name": name, "why": refused[name]})
        if name not in known and name not in aliases:
            raise PydanticCustomError("unknown", "unknown", {"kind": kind, "known": known, "aliases": tuple(aliases)})
        return aliases.get(name, name)

    return AfterValidator(check)


def _kind(value: Any) -> str:
    if value is False or value == "off":
        return _OFF
    return _LIST if isinstance(value, list) else _MAPPING if isinstance(value, dict) else _ONE


def _folder_name(name: str) -> str:
    if not _NAME.match(name) or name[-1] in " ." or len(name.encode()) > _MAX_NAME_BYTES:
        raise ValueError
    return name


def _leaves_images(fraction: float) -> float:
    if not 0 < round(MNIST.n_train * fraction) < MNIST.n_train:
        raise ValueError
    return fraction


def _printable(text: str) -> str:
    if not all(c.isprintable() or c in "\n\t" for c in text):
        raise ValueError
    return text


_Activation = Annotated[
    str,
    _known("activation", ACTIVATIONS, REFUSED_ACTIVATIONS, ACTIVATION_ALIASES),
    WithJsonSchema({"type": "string", "enum": [*ACTIVATIONS, *ACTIVATION_ALIASES]}),
]
_OptimizerName = Annotated[
    str,
    _known("optimizer", OPTIMIZERS, REFUSED_OPTIMIZERS, {}),
    WithJsonSchema({"type": "string", "enum": list(OPTIMIZERS)}),
]
_Precision = Literal["float32", "tf32", "mixed_bfloat16"]
_Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
_NumLayers = Annotated[int, Field(ge=2, le=MAX_LAYERS)]
_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
_OneALayer = Field(min_length=1, max_length=MAX_LAYERS - 2)
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Part = Annotated[float, Field(ge=0, lt=1)]
_Delta = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Seed = Annotated[int, Field(ge=0, le=_MAX_SEED)]
_Some = Field(min_length=1)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EachLayer(_Model):
    """Every combination of these functions over the hidden layers, with order and repetition."""

    each_layer: Annotated[list[_Activation], _Some, _OneOrMany()] = Field(
        description="Functions to combine: each hidden layer takes each of them in turn."
    )


class Optimizer(_Model):
    """An optimizer with a setting of its own."""

    name: _OptimizerName = Field(description="The optimizer's name in Keras.")
    momentum: Annotated[list[_Part], _Some, _OneOrMany()] = Field([0.0], description="For sgd: from 0, below 1.")


class EarlyStoppingRule(_Model):
    """When a training stops, in the terms of keras.callbacks.EarlyStopping; each value may be a list."""

    monitor: Annotated[list[Literal["val_loss", "val_accuracy"]], _Some, _OneOrMany()] = Field(
        ["val_loss"], description="What must improve: val_loss or val_accuracy."
    )
    min_delta: Annotated[list[_Delta], _Some, _OneOrMany()] = Field(
        [0.0001], description="An improvement is more than this."
    )
    patience: Annotated[list[Annotated[int, Field(ge=0, le=MAX_COUNT)]], _Some, _OneOrMany()] = Field(
        [10], description="Stop after this many epochs without improvement."
    )
    restore_best_weights: Annotated[list[bool], _Some, _OneOrMany()] = Field(
        [True], description="Keep the weights of the best epoch (true) or of the last (false)."
    )


_WidthChoice = Annotated[
    Annotated[_Width, Tag(_ONE)] | Annotated[list[_Width], _OneALayer, Tag(_LIST)],
    Discriminator(_kind),
]
_FuncsChoice = Annotated[
    Annotated[_Activation, Tag(_ONE)]
    | Annotated[list[_Activation], _OneALayer, Tag(_LIST)]
    | Annotated[EachLayer, Tag(_MAPPING)],
    Discriminator(_kind),
]
_OptimizerChoice = Annotated[
    Annotated[_OptimizerName, Tag(_ONE)] | Annotated[Optimizer, Tag(_MAPPING)],
    Discriminator(_kind),
]
_Off = Annotated[Literal[False, "off"], Tag(_OFF)]
_StoppingChoice = Annotated[_Off | Annotated[EarlyStoppingRule, Tag(_MAPPING)], Discriminator(_kind)]
_ShuffleSeed = Annotated[
    Annotated[_Seed, Tag(_ONE)] | Annotated[Literal["each_repeat"], Tag(_WORD)],
    Discriminator(lambda value: _WORD if isinstance(value, str) else _ONE),
]


def _axis(name: str, default: Any) -> Any:
    return Field([default], description=setting(name).note)


class Grid(_Model):
    """What is varied: each key takes one value, or a list of values, which makes it an axis."""

    num_layers: Annotated[list[_NumLayers], _Some, _OneOrMany()] = _axis("num_layers", DEFAULT_NUM_LAYERS)
    hidden_width: Annotated[list[_WidthChoice], _Some, _OneOrMany()] = _axis("hidden_width", 200)
    hidden_funcs: Annotated[list[_FuncsChoice], _Some, _OneOrMany()] = _axis("hidden_funcs", "relu")
    batch_size: Annotated[list[_Count], _Some, _OneOrMany()] = _axis("batch_size", 200)
    learning_rate: Annotated[list[_Rate], _Some, _OneOrMany()] = _axis("learning_rate", 0.001)
    optimizer: Annotated[list[_OptimizerChoice], _Some, _OneOrMany()] = _axis("optimizer", "adam")
    label_smoothing: Annotated[list[_Part], _Some, _OneOrMany()] = _axis("label_smoothing", 0.0)
    precision: Annotated[list[_Precision], _Some, _OneOrMany()] = _axis("precision", "float32")
    max_epochs: Annotated[list[_Count], _Some, _OneOrMany()] = _axis("max_epochs", 1000)
    early_stopping: Annotated[list[_StoppingChoice], _Some, _OneOrMany()] = _axis(
        "early_stopping", EarlyStoppingRule.model_validate({})
    )


class SweepFile(_Model):
    """A sweep of dense networks on MNIST."""

    name: Annotated[str, AfterValidator(_folder_name)] = Field(
        description="The sweep's name, and that of its folder under output/."
    )
    goal: Annotated[str, AfterValidator(_printable)] = Field("", description="What this sweep wants to find out.")
    repeats: _Count = Field(3, description="Trainings of each combination, with different initial weights.")
    seed: _Seed = Field(1, description="Where the initial weights of the repeats come from.")
    shuffle_seed: _ShuffleSeed = Field(
        100, description="Gives split_seed and order_seed where they are not set: a number, or each_repeat."
    )
    split_seed: _ShuffleSeed | None = Field(None, description="Which images are held out for validation.")
    order_seed: _ShuffleSeed | None = Field(None, description="The order of the training batches in every epoch.")
    validation_fraction: Annotated[float, Field(gt=0, lt=1), AfterValidator(_leaves_images)] = Field(
        0.1, description=f"Part of the {MNIST.n_train:,} training images that is held out for validation."
    )
    backend: Literal["tensorflow", "jax"] | None = Field(
        None, description="What Keras computes with: tensorflow or jax; left out, what suits the machine."
    )
    grid: Annotated[Grid, Field(description="What is varied, and what is held.")]


_ALLOWED: Mapping[str, str] = {
    "": "a mapping with name and grid, such as `name: first` and, below it, `grid: {hidden_width: [64, 128]}`",
    "name": "a plain folder name as text: letters, digits, spaces, and - _ . inside (a number needs quotes)",
    "goal": "text without control characters",
    "repeats": f"a whole number from 1 to {MAX_COUNT}",
    "seed": f"a whole number from 0 to {_MAX_SEED}",
    "shuffle_seed": f"a whole number from 0 to {_MAX_SEED}, or each_repeat",
    "split_seed": f"a whole number from 0 to {_MAX_SEED}, or each_repeat",
    "order_seed": f"a whole number from 0 to {_MAX_SEED}, or each_repeat",
    "validation_fraction": "a number above 0 and below 1 that leaves images to train on and to validate on",
    "backend": " or ".join(BACKENDS),
    "grid": f"a mapping with at least one of {', '.join(Grid.model_fields)}",
    **{one.name: one.allowed for one in SETTINGS},
    "each_layer": f"{AN_ACTIVATION}, or a list of them",
    "optimizer.name": "the name of a Keras optimizer",
    "momentum": "a number from 0 and below 1, or a list of them",
    "monitor": "val_loss or val_accuracy, or a list of both",
    "min_delta": "a number from 0, or a list of them",
    "patience": f"a whole number from 0 to {MAX_COUNT}, or a list of them",
    "restore_best_weights": "true or false, or a list of both",
}
_PLACES: Mapping[str, str] = {
    **dict.fromkeys(SweepFile.model_fields, "at the top level of the file"),
    **dict.fromkeys(Grid.model_fields, "under grid"),
    **dict.fromkeys(EarlyStoppingRule.model_fields, "under grid: early_stopping"),
    "momentum": "inside optimizer: {name: sgd, momentum: 0.9}",
    "each_layer": "under grid: hidden_funcs",
}


def load_spec(path: Path) -> SweepSpec:
    """Read a sweep file.

    Raises:
        ConfigError: with every problem of the file, each with its line.
    """
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
    if document.value is None and not document.problems:
        raise ConfigError(file, [Problem(1, "", f"found an empty file, allowed: {_ALLOWED['']}")])
    if document.value is None:
        raise ConfigError(file, document.problems)
    valid, problems, wrong = _valid_part(document)
    if valid is not None:
        sweep = SweepFile.model_validate(valid)
        n_rules = sum(map(_count_rules, sweep.grid.early_stopping))
        if n_rules > MAX_TRIALS:
            text = f"found {_count_words(n_rules)} ways to stop, allowed: {_FEWER_TRIALS}"
            raise ConfigError(file, [*problems, _at(document, ("grid", "early_stopping"), text)])
        spec = _resolve(sweep, valid["grid"])
        problems += _cross_check(spec, document, wrong)
        if not problems:
            return spec
    raise ConfigError(file, problems)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of sweep files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SweepFile.model_json_schema()}


def _valid_part(document: Document) -> tuple[dict[str, Any] | None, list[Problem], set[TreePath]]:
    """The file without its wrong keys (None if hardly anything is left), the problems, and the keys left out."""
    tree, problems = document.value, list(document.problems)
    try:
        SweepFile.model_validate(tree)
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False)
    else:
        if not tree["grid"]:
            problems.append(_at(document, ("grid",), f"found nothing in it, allowed: {_ALLOWED['grid']}"))
        return tree, problems, set()
    unreadable = {problem.path for problem in problems}
    locations = [_in_tree(detail["loc"], tree) for detail in details]
    told = [
        (detail, location)
        for detail, location in zip(details, locations, strict=True)
        if not (detail["input"] is None and path_text(location) in unreadable)
    ]
    told.sort(key=lambda problem: document.line(problem[1]))
    # To look for a similar name takes long: only what can be shown gets that.
    problems += [_problem(*problem, document, hint=i < SHOWN_PROBLEMS) for i, problem in enumerate(told)]
    if not isinstance(tree, dict) or not isinstance(tree.get("grid", {}), dict):
        return None, problems, set()
    wrong = {location[:2] if location[0] == "grid" else location[:1] for location in locations if location}
    valid = {k: v for k, v in tree.items() if (k,) not in wrong}
    valid["grid"] = {k: v for k, v in tree.get("grid", {}).items() if ("grid", k) not in wrong}
    return {"name": "unnamed", **valid}, problems, wrong


def _in_tree(location: tuple[str | int, ...], tree: Any) -> TreePath:
    """A pydantic location without its tags of unions and without the index of a value that stands alone."""
    path: list[str | int] = []
    for part in location:
        if _holds(tree, part):
            tree = tree[part]
            path.append(part)
    return tuple(path)


def _holds(tree: Any, part: str | int) -> bool:
    return part in tree if isinstance(tree, dict) else isinstance(tree, list) and isinstance(part, int)


def _problem(detail: Mapping[str, Any], path: TreePath, document: Document, *, hint: bool) -> Problem:
    line, name = document.line(path), path_text(path)
    match detail["type"]:
        case "missing":
            key = str(detail["loc"][-1])
            where = path_text((*path, key))
            return Problem(line, where, f"found no {key}, needed: {_allowed((*path, key))}")
        case "extra_forbidden":
            return Problem(line, name, _unknown_key(path, hint=hint))
        case "refused":
            return Problem(line, name, detail["msg"])
        case "unknown":
            kind, known, aliases = (detail["ctx"][key] for key in ("kind", "known", "aliases"))
            close = _close(detail["input"], [*known, *aliases]) if hint else ""
            text = f"found {_shortened(detail['input'])}, no Keras {kind}; {close}allowed: {', '.join(known)}"
            return Problem(line, name, text)
    return Problem(line, name, f"found {_show(detail['input'])}, allowed: {_allowed(path)}")


def _allowed(path: TreePath) -> str:
    words = [part for part in path if isinstance(part, str)]
    return _ALLOWED.get(".".join(words[-2:])) or _ALLOWED[words[-1] if words else ""]


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _unknown_key(path: TreePath, *, hint: bool) -> str:
    key = str(path[-1])
    words = [part for part in path[:-1] if isinstance(part, str)]
    models: dict[str, type[BaseModel]] = {
        "": SweepFile,
        "grid": Grid,
        "early_stopping": EarlyStoppingRule,
        "optimizer": Optimizer,
        "hidden_funcs": EachLayer,
    }
    model = models[words[-1] if words else ""]
    if key in _PLACES:
        return f"found this key in the wrong place, it belongs {_PLACES[key]}"
    close = _close(key, [*model.model_fields, *_PLACES]) if hint else ""
    return f"found an unknown key; {close}allowed: {', '.join(model.model_fields)}"


def _show(value: Any) -> str:
    if value is None or value in ([], {}):
        return {"None": "nothing", "[]": "an empty list"}.get(str(value), "an empty mapping")
    kinds = {bool: "", str: "the text ", list: "the list ", dict: "the mapping "}
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return kinds.get(type(value), "") + _shortened(text)


def _shortened(text: str) -> str:
    start = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _SHOWN + 1])
    return start if len(start) <= _SHOWN else f"{start[:_SHOWN]}…"


def _resolve(sweep: SweepFile, written: Mapping[str, Any]) -> SweepSpec:
    """Make every default explicit; axes in the order in which the file has them, the unwritten ones last."""
    base = sweep.shuffle_seed if isinstance(sweep.shuffle_seed, int) else 100
    seeds = SeedPolicy(
        seed=sweep.seed,
        shuffle_seed=sweep.shuffle_seed,
        split_seed=sweep.shuffle_seed if sweep.split_seed is None else sweep.split_seed,
        order_seed=sweep.shuffle_seed if sweep.order_seed is None else sweep.order_seed,
        base=base,
    )
    order = [*written, *(name for name in Grid.model_fields if name not in written)]
    return SweepSpec(
        name=sweep.name,
        goal=sweep.goal,
        repeats=sweep.repeats,
        validation_fraction=sweep.validation_fraction,
        seeds=seeds,
        axes=tuple(Axis(name, _choices(name, sweep.grid, written)) for name in order),
        backend=sweep.backend,
    )


def _choices(name: str, grid: Grid, written: Mapping[str, Any]) -> tuple[Choice, ...]:
    if name == LAYERS and name not in written:
        return (None,)
    raw = _as_list(written.get(name, [{}]))
    return tuple(
        choice
        for value, keys in zip(getattr(grid, name), raw, strict=True)
        for choice in _choices_of(name, value, keys)
    )


def _choices_of(axis: str, value: Any, written: Any) -> Iterable[Choice]:
    """What a value of an axis stands for: several choices where settings inside it are lists."""
    match value:
        case str() if axis == "optimizer":
            return [OptimizerChoice(value, momentum=0.0)]
        case Optimizer():
            return [OptimizerChoice(value.name, momentum) for momentum in value.momentum]
        case EarlyStoppingRule():
            order = [*written, *(name for name in EarlyStoppingRule.model_fields if name not in written)]
            points = product(*(getattr(value, name) for name in order))
            return [EarlyStopping(**dict(zip(order, point, strict=True))) for point in points]
        case EachLayer():
            return [EachLayerChoice(tuple(value.each_layer))]
        case False | "off":
            return [None]
    return [tuple(value) if isinstance(value, list) else value]


def _count_rules(choice: Any) -> int:
    if not isinstance(choice, EarlyStoppingRule):
        return 1
    return math.prod(len(getattr(choice, name)) for name in EarlyStoppingRule.model_fields)


_FEWER_TRIALS = f"at most {MAX_TRIALS:,} trials; take some values out, or write several sweeps"
_MANY = 10**15


def _count_words(n: int) -> str:
    return f"{n:,}" if n <= _MANY else f"more than {_MANY:,}"


def _cross_check(spec: SweepSpec, document: Document, wrong: set[TreePath]) -> list[Problem]:
    """What is wrong only when several values are seen together; `spec` was made without the `wrong` keys."""
    grid = document.value.get("grid", {})
    problems = [] if ("validation_fraction",) in wrong else _check_batches(spec, document)
    for i, value in enumerate(_as_list(grid.get("optimizer"))):
        if isinstance(value, dict) and "momentum" in value and value.get("name", "sgd") != "sgd":
            text = f"found momentum with {value.get('name')}, allowed: with sgd only"
            problems.append(_at(document, ("grid", "optimizer", i), text))
    if not wrong & {("grid", name) for name in ("num_layers", "hidden_width", "hidden_funcs")}:
        problems += [_at(document, ("grid", e.axis, e.index), str(e)) for e in layer_mismatches(spec)]
        n_points = count_points(spec)
        n_trials = n_points * spec.repeats
        if n_trials > MAX_TRIALS:
            product = f"combinations: {_count_words(n_points)}; repeats: {spec.repeats:,}"
            text = f"found {_count_words(n_trials)} trials ({product}), allowed: {_FEWER_TRIALS}"
            problems.append(_at(document, ("grid",), text))
    return problems


def _check_batches(spec: SweepSpec, document: Document) -> list[Problem]:
    """Batches that are larger than the training part, be they written or the default."""
    n_training = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    grid = document.value.get("grid", {})
    if "batch_size" in grid:
        text = f"allowed: at most the {n_training:,} images of the training part"
        return [
            _at(document, ("grid", "batch_size", i), f"found {size}, {text}")
            for i, size in enumerate(_as_list(grid["batch_size"]))
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
    return [_at(document, ("validation_fraction",), text)]


def _at(document: Document, path: TreePath, text: str) -> Problem:
    known = _in_tree(path, document.value)
    return Problem(document.line(known), path_text(known), text)
