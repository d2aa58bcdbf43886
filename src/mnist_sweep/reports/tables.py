"""What every sheet is made of: columns, tables, and the columns and words that several sheets share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from mnist_sweep.analysis.metrics import Quantity
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.axes import LAYERS, axis_name_words, axis_value, axis_value_words, facets, setting, tried_facets
from mnist_sweep.plan.recipe import Recipe, Seeds
from mnist_sweep.plan.setting import Choice, Facet, Format
from mnist_sweep.plan.sweep_plan import SweepSpec

Cell = str | int | float | bool | datetime | None

COUNT = "#,##0"
NUMBER = "0"
ACCURACY = "0.0000"
LOSS = "0.00000"
SECONDS = "0.000"
TENTHS = "0.0"
PERCENT = "0.0%"
TEXT = "@"
DATE = "yyyy-mm-dd hh:mm"
COMBINATION = "The number of the combination in the order of the grid: the same in every sheet and file."
AS_WRITTEN = "as written"  # each number with just the decimals that it has


class Scale(StrEnum):
    """How a column is coloured by its values."""

    HIGH_IS_GOOD = "high is good"
    LOW_IS_GOOD = "low is good"
    BARS = "bars"  # of parts of 1
    YES = "yes"  # what says yes stands out


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, its number format, what it holds in words, and where a cell comes from.

    Attributes:
        words: what people read in a text, where that is not the cell by its format.
        width: in characters; None: as wide as what it holds, up to a limit from which on text is wrapped.
        spills: text may run on over the empty cells to its right, and makes the column no wider.
    """

    header: str
    format: str
    note: str
    cell: Callable[[Any], Cell]
    scale: Scale | None = None
    words: Callable[[Any], str] | None = None
    width: float | None = None
    spills: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and what each row is read from; the first cells of the first `n_marked` rows stand out."""

    columns: tuple[Column, ...]
    sources: tuple[Any, ...]
    n_marked: int = 0

    @property
    def headers(self) -> list[str]:
        """The headers of all columns."""
        return [column.header for column in self.columns]

    def cells(self) -> Iterator[tuple[Cell, ...]]:
        """The rows as values, one after the other."""
        return (tuple(_tidy(column, column.cell(source)) for column in self.columns) for source in self.sources)

    @cached_property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows as values, all of them."""
        return tuple(self.cells())

    def words(self) -> Iterator[list[str]]:
        """The rows as people read them in a text."""
        return ([_in_words(column, source) for column in self.columns] for source in self.sources)

    def only(self, *headers: str) -> Table:
        """The columns with these headers, in this order."""
        by_header = {column.header: column for column in self.columns}
        return replace(self, columns=tuple(by_header[header] for header in headers))

    def without(self, header: str) -> Table:
        """All columns but the one with this header."""
        return replace(self, columns=tuple(column for column in self.columns if column.header != header))

    def first(self, n: int) -> Table:
        """The first `n` rows."""
        return replace(self, sources=self.sources[:n])


def make_table(columns: Iterable[Column], sources: Iterable[Any], n_marked: int = 0) -> Table:
    """A table with a row for each source."""
    return Table(tuple(columns), tuple(sources), n_marked)


def _in_words(column: Column, source: Any) -> str:
    """A cell as text: as the column says it, else by its format."""
    if column.words:
        return column.words(source)
    match _tidy(column, column.cell(source)):
        case None:
            return ""
        case float(value):
            return f"{value:.{len(column.format.partition('.')[2])}f}"
        case value:
            return f"{value:,}" if column.format == COUNT else str(value)


def _tidy(column: Column, value: Cell) -> Cell:
    """Numbers without tails behind the decimals that matter, so that a filter on 0.9847 finds 0.9847."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None  # neither a workbook nor JSON has a number for it
    return value if column.format == AS_WRITTEN else round(value, 3 if column.format == SECONDS else 6)


FORMATS = {Quantity.ACCURACY: ACCURACY, Quantity.LOSS: LOSS, Quantity.SECONDS: SECONDS, Quantity.COUNT: TENTHS}
"""How workbooks show a metric."""
SHORT_FORMATS = {**FORMATS, Quantity.SECONDS: TENTHS}
"""How tables that compare combinations or values show its means."""
SCALES = {ACCURACY: Scale.HIGH_IS_GOOD, LOSS: Scale.LOW_IS_GOOD, SECONDS: Scale.LOW_IS_GOOD}


def coloured(columns: Iterable[Column]) -> list[Column]:
    """These columns, with accuracies, losses and times coloured from good to bad."""
    return [replace(column, scale=SCALES.get(column.format)) for column in columns]


def legend_table(tables: Mapping[str, Table]) -> Table:
    """What each column of these tables means, by the title of their sheet."""
    columns = (
        Column("Sheet", TEXT, "Where the column is.", lambda found: found[0]),
        Column("Column", TEXT, "The header of a column.", lambda found: found[1].header),
        Column("Meaning", TEXT, "What it holds.", lambda found: found[1].note, width=100.0),
    )
    return make_table(columns, [(title, column) for title, table in tables.items() for column in table.columns])


def varying_axes(summary: Summary) -> list[str]:
    """The axes on which the combinations differ, in the order of the sweep file."""
    return [axis.name for axis in summary.spec.axes if axis.name in summary.varied]


def axis_cell(axis: str, value: Any) -> Cell:
    """A value of an axis: a number as a number, all else in words."""
    if isinstance(value, int | float):
        return value
    return axis_value_words(axis, value)


def model_column(summary: Summary, get: Callable[[Any], Recipe]) -> Column:
    """The combination in one short phrase."""
    return Column("Model", TEXT, "The combination in short.", lambda source: summary.model_words(get(source)))


def axis_columns(axes: Iterable[str], get: Callable[[Any], Recipe]) -> list[Column]:
    """A column for each of these axes."""

    def column(axis: str) -> Column:
        return Column(
            axis_name_words(axis).capitalize(),
            AS_WRITTEN,
            setting(axis).note,
            lambda source: axis_cell(axis, axis_value(get(source), axis)),
        )

    return [column(axis) for axis in axes]


def numbers(summary: Summary) -> dict[Recipe, int]:
    """The number of each combination, from 1 in the order of the plan: what joins the sheets and files of rows."""
    return {combination.recipe: i for i, combination in enumerate(summary.combinations, start=1)}


_FORMATS = {Format.WHOLE: NUMBER, Format.WRITTEN: AS_WRITTEN, Format.TEXT: TEXT}


def recipe_columns(get: Callable[[Any], Recipe], *, old: bool) -> list[Column]:
    """The columns that describe a combination.

    Args:
        old: those that the old workbooks had, or those that they lacked.
    """

    def column(facet: Facet) -> Column:
        return Column(facet.header, _FORMATS[facet.format], facet.note, lambda source: facet.of(get(source)))

    columns = [column(facet) for facet in facets() if facet.is_old is old]
    size = Column("Parameters", COUNT, "Weights and biases of the model.", lambda source: get(source).n_parameters)
    return columns if old else [*columns, size]


def tried_columns() -> list[Column]:
    """The columns of all values that a sweep tried, in the order of the old workbook."""

    def column(axis: str, facet: Facet) -> Column:
        return Column(
            facet.plural, _FORMATS[facet.format], facet.note, lambda summary: facet.tried(_choices(summary, axis))
        )

    return [column(*pair) for pair in tried_facets()]


def _choices(summary: Summary, axis: str) -> Iterable[Choice]:
    """What the sweep file gives; of layers that follow from the widths or functions, what they are."""
    choices = summary.spec.axis(axis).choices
    return choices if choices != (None,) or axis != LAYERS else [c.recipe.num_layers for c in summary.combinations]


def shuffle_seed(seeds: Seeds) -> Cell:
    """The seed of the split and the order: one number where they are the same."""
    return seeds.split if seeds.split == seeds.order else f"split {seeds.split}, order {seeds.order}"


def axis_words(spec: SweepSpec, name: str) -> Cell:
    """An axis as it was written, never expanded; a lone number stays one."""
    return setting(name).listed(spec.axis(name).choices)
