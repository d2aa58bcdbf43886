"""Choices of an axis: their kinds, read from plain JSON, and written for people and workbooks."""

import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.named import Named, Scalar, scalar_words
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import EarlyStopping, Network


@dataclass(frozen=True, slots=True)
class EachLayer:
    """Every combination of these functions over the hidden layers."""

    each_layer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer of Keras.

    Args:
        momentum: of sgd; that of others is among the settings.
        settings: what is not Keras's default, sorted.
        weight_decay: None where it stands elsewhere, or nowhere.
    """

    name: str
    momentum: float = 0.0
    settings: tuple[tuple[str, Scalar], ...] = ()
    weight_decay: float | None = None

    def __str__(self) -> str:
        momentum = (("momentum", self.momentum),) if self.momentum else ()
        return str(Named(self.name, (*momentum, *self.settings)))


Choice = (
    float
    | str
    | tuple[int, ...]
    | tuple[str, ...]
    | tuple[float, ...]
    | EachLayer
    | Optimizer
    | Named
    | Network
    | Augment
    | EarlyStopping
    | None
)
"""A value of an axis as the sweep file gives it."""
Cell = str | int | float | bool | None


def number(allowed: str, holds: Callable[[Any], bool], kinds: Container[type] = (int, float)) -> Callable[[Any], Any]:
    """Reads a number of which something holds."""

    def read(tree: Any) -> Any:
        if type(tree) in kinds and holds(tree):
            return tree
        raise ValueError(f"found {tree!r}, allowed: {allowed}")

    return read


def count(least: int = 1, most: int = 2**31) -> Callable[[Any], int]:
    """Reads a whole number within limits."""
    return number(f"whole numbers from {least} to {most}", lambda n: least <= n <= most, (int,))


above_zero = number("numbers above 0", lambda n: 0 < n < math.inf)
below_one = number("numbers from 0 and below 1", lambda n: 0 <= n < 1)
from_zero = number("numbers from 0", lambda n: 0 <= n < math.inf)
word = partial(from_plain, str)
flag = partial(from_plain, bool)


def one_or_each(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads one value, or a list with one for each hidden layer."""
    return lambda tree: tuple(map(one, tree)) if isinstance(tree, list | tuple) else one(tree)


def value_word(value: Any) -> str:
    """A number, a word, or yes or no for people: as a sweep file has it, off where it is nothing."""
    return "off" if value is None else scalar_words(value)


def listed_words(separator: str) -> Callable[[Any], str]:
    """A value of all hidden layers for people, or one of each."""

    def words(value: Any) -> str:
        each = value if isinstance(value, tuple) else (value,)
        return separator.join(map(value_word, each)) or "no hidden layer"

    return words


def shared(values: tuple[Any, ...]) -> Any:
    """What all hidden layers have stands for itself."""
    return values[0] if len(set(values)) == 1 else values


def in_cell(values: tuple[Any, ...]) -> Cell:
    """What all hidden layers have as itself, else one a layer as text."""
    one = shared(values)
    cell: Cell = (", ".join(map(in_full, one)) or "none") if isinstance(one, tuple) else one
    return cell


def written(choices: Iterable[Any]) -> Cell:
    """Choices as they stand in a sweep file, each once; a lone number stays one."""
    choices = list(choices)
    if len(choices) == 1 and isinstance(choices[0], EachLayer):
        return f"each_layer: {', '.join(choices[0].each_layer)}"
    cells = list(dict.fromkeys(map(_as_written, choices)))
    return cells[0] if len(cells) == 1 else ", ".join(map(in_full, cells))


def _as_written(choice: Any) -> Cell:
    if isinstance(choice, EachLayer):
        return f"{{each_layer: {', '.join(choice.each_layer)}}}"
    if isinstance(choice, tuple):
        return f"[{', '.join(map(in_full, choice))}]"
    cell: Cell = choice
    return cell


def in_full(cell: Cell) -> str:
    """A cell as text; a number has all its decimals, and no others: 0.00001, 5."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{Decimal(repr(cell)).normalize():f}" if isinstance(cell, float) else str(cell)


def widths_words(widths: Iterable[int]) -> str:
    """Hidden layers: 2×64, 300-100, or no hidden layer."""
    words = [str(width) for width in widths]
    return f"{len(words)}×{words[0]}" if len(set(words)) == 1 else "-".join(words) or "no hidden layer"
