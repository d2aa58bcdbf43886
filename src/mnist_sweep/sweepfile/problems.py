"""What is wrong with a sweep file, in words: where, what was found, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from mnist_sweep.errors import Problem
from mnist_sweep.plan.limits import MAX_COUNT
from mnist_sweep.plan.recipe import BACKENDS
from mnist_sweep.plan.table import SETTINGS
from mnist_sweep.sweepfile.layers import LayerOfNetwork
from mnist_sweep.sweepfile.model import (
    MAX_SEED,
    Augmentation,
    EachLayer,
    EarlyStoppingRule,
    ElasticDistortion,
    Grid,
    Rule,
    SweepFile,
    TargetRule,
)
from mnist_sweep.sweepfile.options import OPTIMIZER_MODELS, SCHEDULE_MODELS
from mnist_sweep.sweepfile.yaml_tree import Document, Path, path_text

_SHOWN = 60  # characters of a wrong value that a message repeats

ALLOWED: Mapping[str, str] = {
    "": "a mapping with name and grid, such as `name: first` and, below it, `grid: {hidden_width: [64, 128]}`",
    "name": "a plain folder name as text: letters, digits, spaces, and - _ . inside (a number needs quotes)",
    "goal": "text without control characters",
    "repeats": f"a whole number from 1 to {MAX_COUNT}",
    "seed": f"a whole number from 0 to {MAX_SEED}",
    **dict.fromkeys(
        ("shuffle_seed", "split_seed", "order_seed"), f"a whole number from 0 to {MAX_SEED}, or each_repeat"
    ),
    "validation_fraction": "a number above 0 and below 1 that leaves images to train on and to validate on",
    "training_images": f"a whole number from 1 to {MAX_COUNT}",
    "backend": " or ".join(BACKENDS),
    "target": "a mapping with either test_accuracy or val_accuracy, such as {test_accuracy: 0.994, parameters: 8000}",
    **dict.fromkeys(
        ("exclude", "include"),
        "a list of mappings from keys of grid to values, such as [{batch_size: 200, hidden_width: 300}]",
    ),
    "grid": f"a mapping with at least one of {', '.join(Grid.model_fields)}",
    **{one.name: one.allowed for one in SETTINGS},
}
_LAYERS: dict[str | int, Any] = {
    name: get_args(field.annotation)[0] for name, field in LayerOfNetwork.model_fields.items()
}
_INNER: Mapping[str | int, Any] = {
    "early_stopping": EarlyStoppingRule,
    "hidden_funcs": EachLayer,
    "augment": Augmentation,
    "elastic": ElasticDistortion,
    "network": LayerOfNetwork,
    "target": TargetRule,
    **_LAYERS,
    **{f"\0{name}": model for models in (OPTIMIZER_MODELS, SCHEDULE_MODELS) for name, model in models.items()},
}
"""The models inside those of the file and of its grid, by the part of pydantic's location behind which they stand."""
_OF_AXES = (SweepFile, Grid, Rule, EarlyStoppingRule, EachLayer)
"""Where a key may stand that belongs into another of these."""
_PLACES: Mapping[str, str] = {
    **dict.fromkeys(SweepFile.model_fields, "at the top level of the file"),
    **dict.fromkeys(Grid.model_fields, "under grid"),
    **dict.fromkeys(EarlyStoppingRule.model_fields, "under grid: early_stopping"),
    "momentum": "inside optimizer: {name: sgd, momentum: 0.9}",
    "each_layer": "under grid: hidden_funcs",
}


def in_tree(location: tuple[str | int, ...], tree: Any) -> Path:
    """A pydantic location without its tags of unions and without the index of a value that stands alone."""
    path: list[str | int] = []
    for part in location:
        if _holds(tree, part):
            tree = tree[part]
            path.append(part)
    return tuple(path)


def _holds(tree: Any, part: str | int) -> bool:
    if isinstance(tree, dict):
        return part in tree
    return isinstance(tree, list) and isinstance(part, int) and part < len(tree)


def problem_of(detail: Mapping[str, Any], path: Path, document: Document, *, hint: bool) -> Problem:
    """One of pydantic's mistakes in words; with a hint where another name is near, which takes long to find."""
    line, name = document.line(path), path_text(path)
    match detail["type"]:
        case "missing":
            key = str(detail["loc"][-1])
            return Problem(line, path_text((*path, key)), f"found no {key}, needed: {_allowed(detail, (*path, key))}")
        case "extra_forbidden":
            return Problem(line, name, _unknown_key(detail, hint=hint))
        case "refused":
            return Problem(line, name, detail["msg"])
        case "unknown":
            kind, known, aliases = (detail["ctx"][key] for key in ("kind", "known", "aliases"))
            close = _close(detail["input"], [*known, *aliases]) if hint else ""
            text = f"found {_shortened(detail['input'])}, no {kind}; {close}allowed: {', '.join(known)}"
            return Problem(line, name, text)
        case "layer":
            text = "the name of a Keras layer, or a mapping from one to its arguments, such as {Dense: {units: 100}}"
            return Problem(line, name, f"found {_show(detail['input'])}, allowed: {text}")
    return Problem(line, name, f"found {_show(detail['input'])}, allowed: {_allowed(detail, path)}")


def _model(detail: Mapping[str, Any]) -> Any:
    """The model in which a mistake was made."""
    parts = detail["loc"][:-1]
    outer = {"grid": Grid, "exclude": Rule, "include": Rule}.get(parts[0] if parts else "", SweepFile)
    return next((_INNER[part] for part in reversed(parts) if part in _INNER), outer)


def _allowed(detail: Mapping[str, Any], path: Path) -> str:
    model, words = _model(detail), [part for part in path if isinstance(part, str)]
    match path:
        case ("exclude" | "include", _, "network", *_):
            return "the name of a network that stands under grid, or a list of names"
        case ("grid", "network", _):
            return "a list of layers, such as [Flatten, {Dense: 100}]"
    key = next((part for part in reversed(detail["loc"]) if part in model.model_fields), "")
    if model in {Grid, Rule, SweepFile} or not key:
        return ALLOWED[next((word for word in reversed(words) if word in ALLOWED), "")]
    inner = _INNER.get(key)
    return (
        f"a mapping with {', '.join(inner.model_fields)}"
        if inner
        else _schema_words(model.model_json_schema()["properties"][key])
    )


def _schema_words(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    match schema:
        case {"anyOf": [one, {"type": "array"}]}:
            words = _schema_words(one)
            return f"{words}, or a list of {'both' if ' or ' in words else 'them'}"
        case {"anyOf": [one, {"type": "null"}]}:
            return _schema_words(one)
        case {"enum": names}:
            return _in_sentence(schema["description"]) if "description" in schema else " or ".join(names)
        case {"type": "integer" | "number" as kind}:
            return ("a whole number" if kind == "integer" else "a number") + _limit_words(schema)
    return "true or false" if schema.get("type") == "boolean" else "a mapping"


def _in_sentence(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")


def _limit_words(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    told = [
        f"{word} {schema[key]:g}" if schema[key] < MAX_COUNT else f"{word} {schema[key]}"
        for key, word in words.items()
        if key in schema
    ]
    separator = " " if "maximum" in schema and "minimum" in schema else " and "
    return "".join(f" {part}" for part in [separator.join(told)] if part)


def _close(name: str, known: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[close[0]]}? " if close else ""


def _unknown_key(detail: Mapping[str, Any], *, hint: bool) -> str:
    model, key = _model(detail), str(detail["loc"][-1])
    allowed = model.model_fields
    places = _PLACES if model in _OF_AXES else {}
    if key in places:
        return f"found this key in the wrong place, it belongs {places[key]}"
    close = _close(key, [*allowed, *places]) if hint else ""
    what = f"{_shortened(key)}, no Keras layer that can stand here" if model is LayerOfNetwork else "an unknown key"
    return f"found {what}; {close}allowed: {', '.join(allowed)}"


def _show(value: Any) -> str:
    if value is None or value in ([], {}):
        return {"None": "nothing", "[]": "an empty list"}.get(str(value), "an empty mapping")
    kinds = {bool: "", str: "the text ", list: "the list ", dict: "the mapping "}
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return kinds.get(type(value), "") + _shortened(text)


def _shortened(text: str) -> str:
    start = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _SHOWN + 1])
    return start if len(start) <= _SHOWN else f"{start[:_SHOWN]}…"


def problem_at(document: Document, path: Path, text: str) -> Problem:
    """A problem with the value at a path, or with that value alone where no list was written."""
    known = in_tree(path, document.value)
    return Problem(document.line(known), path_text(known), text)
