"""What an axis of a grid is, and the kinds of values that its choices have; `axes` is the table of all of them.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any

from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import LEGACY_VALUES, EarlyStopping, Recipe


@dataclass(frozen=True, slots=True)
class EachLayer:
    """Every combination of these functions over the hidden layers."""

    each_layer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer of Keras, with a setting of its own."""

    name: str
    momentum: float

    def __str__(self) -> str:
        return f"{self.name} momentum {self.momentum:g}" if self.momentum else self.name


Choice = float | str | tuple[int, ...] | tuple[str, ...] | EachLayer | Optimizer | EarlyStopping | None
"""A value of an axis as the sweep file gives it."""
Cell = str | int | float | bool | None


class Format(StrEnum):
    """How a column of a workbook shows a setting."""

    WHOLE = "a whole number"
    WRITTEN = "a number with just the decimals that it has"
    TEXT = "text"


_N_OLD, _LAST = 9, 99


@dataclass(frozen=True, slots=True)
class Facet:
    """A column of the workbooks: a setting, or one part of a structured one.

    Args:
        header: over a recipe's value, in full.xlsx and best.xlsx.
        plural: over all values of a sweep, in hyperparams.xlsx.
        of: a recipe's value.
        tried: all values that these choices have.
        place: its place in full.xlsx, where the old workbooks had the first nine.
        tried_place: its place in hyperparams.xlsx.
    """

    header: str
    plural: str
    format: Format
    note: str
    of: Callable[[Recipe], Cell]
    tried: Callable[[Iterable[Any]], Cell]
    place: int = _LAST
    tried_place: int = _LAST

    @property
    def is_old(self) -> bool:
        """Whether the old workbooks had it."""
        return self.place <= _N_OLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An axis: a key under `grid`.

    Args:
        name: the key.
        words: what people call it.
        note: what it is, in a sentence.
        allowed: what a choice may be, for messages.
        takes: the same for README, in Markdown.
        default: what it is where it is left out, for README.
        template: its lines in the file that `init` writes.
        choice: a choice from plain JSON; raises KeyError, TypeError or ValueError where it is none.
        fields: what a choice gives to a recipe; those of the layers depend on one another, and `plan` works them out.
        value: what a recipe has on it, as statistics compare it.
        word: such a value for people.
        phrase: its part of a model's name, which can depend on whether it is varied.
        listed: choices for people, as they stand in a sweep file.
        facets: its columns.
        inputs: its fields that are inputs of the compiled program, so that trials which differ in them share a program;
            each with a value that stands for all.
    """

    name: str
    words: str
    note: str
    allowed: str
    takes: str
    default: str
    template: str
    choice: Callable[[Any], Choice]
    fields: Callable[[Any], Mapping[str, Any]]
    value: Callable[[Recipe], Hashable]
    word: Callable[[Any], str]
    phrase: Callable[[Recipe, bool], str]
    facets: tuple[Facet, ...]
    listed: Callable[[Iterable[Any]], Cell]
    inputs: Mapping[str, Any] = field(default_factory=dict)


def plain(
    name: str,
    words: str,
    form: Format,
    choice: Callable[[Any], Choice],
    phrase: Callable[[Recipe, bool], str] | None = None,
    *,
    plural: str,
    header: str | None = None,
    place: int = _LAST,
    tried_place: int = _LAST,
    **told: Any,
) -> Setting:
    """A setting that is one number or word, under the same name in the recipe.

    Args:
        phrase: left out, it is named where it is not what it was before the setting existed.
    """
    get = attrgetter(name)
    return Setting(
        name=name,
        words=words,
        choice=choice,
        fields=lambda value: {name: value},
        value=get,
        word=number_word,
        listed=written,
        phrase=phrase or (lambda recipe, _: f"{words} {get(recipe):g}" if get(recipe) != LEGACY_VALUES[name] else ""),
        facets=(Facet(header or words.capitalize(), plural, form, told["note"], get, written, place, tried_place),),
        **told,
    )


def of_layers(name: str, facet: Facet, **told: Any) -> Setting:
    """A setting of the hidden layers."""
    return Setting(name=name, fields=lambda _: {}, facets=(facet,), **{"listed": facet.tried, **told})


def of_stopping(
    part: str, header: str, plural: str, form: Format, *, note: str, off: Cell = None, place: int = _LAST
) -> Facet:
    """A part of the rule by which a training is stopped, and what stands there where none stops it."""
    get = attrgetter(part)
    return Facet(
        header,
        plural,
        form,
        note,
        lambda recipe: get(recipe.early_stopping) if recipe.early_stopping else off,
        lambda choices: written(get(rule) if rule else "off" for rule in choices),
        place,
        place,
    )


def count(least: int = 1, most: int = 2**31) -> Callable[[Any], int]:
    """Reads a whole number within limits."""

    def read(tree: Any) -> int:
        if type(tree) is int and least <= tree <= most:
            return tree
        raise ValueError(f"found {tree!r}, allowed: whole numbers from {least} to {most}")

    return read


def above_zero(tree: Any) -> float:
    """Reads a number above 0."""
    if type(tree) in {int, float} and 0 < tree < math.inf:
        number: float = tree
        return number
    raise ValueError(f"found {tree!r}, allowed: numbers above 0")


def below_one(tree: Any) -> float:
    """Reads a number from 0 and below 1."""
    if type(tree) in {int, float} and 0 <= tree < 1:
        number: float = tree
        return number
    raise ValueError(f"found {tree!r}, allowed: numbers from 0 and below 1")


def word(tree: Any) -> str:
    """Reads text."""
    text: str = from_plain(str, tree)
    return text


def one_or_each(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads one value, or a list with one for each hidden layer."""
    return lambda tree: tuple(map(one, tree)) if isinstance(tree, list | tuple) else one(tree)


def number_word(value: Any) -> str:
    """A number or a word for people."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def listed_words(separator: str) -> Callable[[Any], str]:
    """A value of all hidden layers for people, or one of each."""

    def words(value: Any) -> str:
        return separator.join(map(str, value)) or "no hidden layer" if isinstance(value, tuple) else str(value)

    return words


def shared(values: tuple[Any, ...]) -> Any:
    """What all hidden layers have stands for itself."""
    return values[0] if len(set(values)) == 1 else values


def in_cell(values: tuple[Any, ...]) -> Cell:
    """What all hidden layers have as itself, else one a layer as text."""
    one = shared(values)
    cell: Cell = (", ".join(map(str, one)) or "none") if isinstance(one, tuple) else one
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
        return f"[{', '.join(map(str, choice))}]"
    cell: Cell = choice
    return cell


def in_full(cell: Cell) -> str:
    """A number with all its decimals: 0.00001, not 1e-05."""
    return f"{Decimal(repr(cell)):f}" if isinstance(cell, float) else str(cell)
