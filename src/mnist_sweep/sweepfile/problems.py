"""What is wrong with a sweep file, in words: where, what was found, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from mnist_sweep.errors import Problem
from mnist_sweep.plan.recipe import BACKENDS
from mnist_sweep.plan.table import AN_ACTIVATION, MAX_COUNT, SETTINGS
from mnist_sweep.sweepfile.model import MAX_SEED, EachLayer, EarlyStoppingRule, Grid, Optimizer, SweepFile
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
_FIELDS = {
    "": SweepFile.model_fields,
    "grid": Grid.model_fields,
    "early_stopping": EarlyStoppingRule.model_fields,
    "optimizer": Optimizer.model_fields,
    "hidden_funcs": EachLayer.model_fields,
}
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
    return part in tree if isinstance(tree, dict) else isinstance(tree, list) and isinstance(part, int)


def problem_of(detail: Mapping[str, Any], path: Path, document: Document, *, hint: bool) -> Problem:
    """One of pydantic's mistakes in words; with a hint where another name is near, which takes long to find."""
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


def _allowed(path: Path) -> str:
    words = [part for part in path if isinstance(part, str)]
    return ALLOWED.get(".".join(words[-2:])) or ALLOWED[words[-1] if words else ""]


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _unknown_key(path: Path, *, hint: bool) -> str:
    key = str(path[-1])
    words = [part for part in path[:-1] if isinstance(part, str)]
    if key in _PLACES:
        return f"found this key in the wrong place, it belongs {_PLACES[key]}"
    allowed = _FIELDS[words[-1] if words else ""]
    close = _close(key, [*allowed, *_PLACES]) if hint else ""
    return f"found an unknown key; {close}allowed: {', '.join(allowed)}"


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
