"""What a setting is: a row of `table`, and an axis of the grid."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any

from mnist_sweep.plan.choices import Cell, Choice, value_word, written
from mnist_sweep.plan.recipe import LEGACY_VALUES, Recipe


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
        place: its place in full.xlsx, where the old workbooks had the first nine; left out, behind all others.
        tried_place: its place in hyperparams.xlsx.
        tried_note: what it holds there.
    """

    header: str
    plural: str
    format: Format
    note: str
    of: Callable[[Recipe], Cell]
    tried: Callable[[Iterable[Any]], Cell] = written
    place: int = _LAST
    tried_place: int = _LAST
    tried_note: str = ""

    @property
    def is_old(self) -> bool:
        """Whether the old workbooks had it."""
        return self.place <= _N_OLD

    @property
    def is_everywhere(self) -> bool:
        """Whether every workbook has it; others have it only where a sweep says something about its setting."""
        return self.place < _LAST


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
        absent: the choice of specs that were recorded before there was the setting.
        inputs: its fields that are inputs of the compiled program, so that trials which differ in them share a program;
            each with a value that stands for all.
    """

    name: str
    words: str
    note: str
    allowed: str
    default: str
    template: str
    choice: Callable[[Any], Choice]
    fields: Callable[[Any], Mapping[str, Any]]
    value: Callable[[Recipe], Hashable]
    word: Callable[[Any], str]
    phrase: Callable[[Recipe, bool], str]
    facets: tuple[Facet, ...]
    listed: Callable[[Iterable[Any]], Cell]
    takes: str = ""
    absent: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def one_column(
    name: str,
    words: str,
    form: Format,
    choice: Callable[[Any], Choice],
    phrase: Callable[[Recipe, bool], str] | None = None,
    *,
    plural: str,
    header: str | None = None,
    column_note: str | None = None,
    cell: Callable[[Recipe], Cell] | None = None,
    tried: Callable[[Iterable[Any]], Cell] = written,
    places: tuple[int, int] = (_LAST, _LAST),
    **told: Any,
) -> Setting:
    """A setting with one column; what is left out is that of a number or word under the same name in the recipe.

    Args:
        phrase: left out, it is named where it is not what it was before the setting existed.
        column_note: left out, the setting's own.
        places: of its column in full.xlsx and in hyperparams.xlsx.
    """
    get, old = attrgetter(name), LEGACY_VALUES.get(name)
    facet = Facet(
        header or words.capitalize(),
        plural,
        form,
        column_note or told["note"],
        cell or get,
        tried,
        *places,
        told["note"],
    )
    usual: dict[str, Any] = {
        "fields": lambda value: {name: value},
        "value": get,
        "word": value_word,
        "absent": old,
        "listed": tried,
        "phrase": phrase or (lambda recipe, _: f"{words} {get(recipe):g}" if get(recipe) != old else ""),
        "facets": (facet,),
    }
    return Setting(name=name, words=words, choice=choice, **usual | told)


def of_stopping(
    part: str, header: str, plural: str, form: Format, *, note: str, off: Cell = None, place: int = _LAST
) -> Facet:
    """A part of the rule by which a training is stopped, and what stands there where none stops it."""
    get = attrgetter(part)

    def cell(recipe: Recipe) -> Any:
        return get(recipe.early_stopping) if recipe.early_stopping else off

    def tried(rules: Iterable[Any]) -> Cell:
        return written(get(rule) if rule else "off" for rule in rules)

    where_off = " Empty: early stopping was off." if off is None else ""
    return Facet(header, plural, form, note + where_off, cell, tried, place, place, f"{note} off: there was none.")


def off_or(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads what may be off, which is null."""
    return lambda tree: None if tree is None else read(tree)


def _off_cell(value: Any) -> Cell:
    cell: Cell = "off" if value is None else value if isinstance(value, int | float | str) else str(value)
    return cell


def _off_cells(choices: Iterable[Any]) -> Cell:
    return written(map(_off_cell, choices))


def optional(name: str, words: str, kind: Format, choice: Callable[[Any], Any], **told: Any) -> Setting:
    """A setting that is off unless it is said."""
    get = attrgetter(name)
    usual: dict[str, Any] = {
        "default": "off",
        "cell": lambda recipe: _off_cell(get(recipe)),
        "tried": _off_cells,
        "template": f"{name}: off",
    }
    usual["phrase"] = lambda recipe, _: "" if get(recipe) is None else f"{words} {value_word(get(recipe))}"
    return one_column(name, words, kind, off_or(choice), **usual | told)
