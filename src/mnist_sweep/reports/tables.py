"""What every sheet is made of: columns, tables, and the columns and words that several sheets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.axes import axis_name_words, axis_value, axis_value_words, facets, setting, tried_facets
from mnist_sweep.plan.choices import Choice, in_full
from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.plan.setting import Facet, Format
from mnist_sweep.plan.settings_of_models import LAYERS, OF_HIDDEN_LAYERS
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.reports.columns import AS_WRITTEN, COUNT, NUMBER, TEXT, Cell, Column


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
        return (tuple(column.value(source) for column in self.columns) for source in self.sources)

    @cached_property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows as values, all of them."""
        return tuple(self.cells())

    def words(self) -> Iterator[list[str]]:
        """The rows as people read them in a text."""
        return ([column.in_words(source) for column in self.columns] for source in self.sources)

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
    if isinstance(value, int | float) and not isinstance(value, bool):
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


_SIZE_PLACE = 2
"""Behind optimizer and monitor, where readers of other programs have always found it."""
_FORMATS = {Format.WHOLE: NUMBER, Format.WRITTEN: AS_WRITTEN, Format.TEXT: TEXT}


def recipe_columns(summary: Summary, get: Callable[[Any], Recipe], *, old: bool) -> list[Column]:
    """The columns that describe a combination: those that the old workbooks had, or those that they lacked."""

    def column(facet: Facet) -> Column:
        return Column(facet.header, _FORMATS[facet.format], facet.note, lambda source: facet.of(get(source)))

    columns = [column(facet) for facet in facets(summary.told) if facet.is_old is old]
    if not old:
        note = "What is trained: weights, biases, scales."
        columns.insert(_SIZE_PLACE, Column("Parameters", COUNT, note, lambda source: get(source).n_parameters))
    return columns


def tried_columns(summary: Summary) -> list[Column]:
    """The columns of all values that a sweep tried, in the order of the old workbook."""

    def column(axis: str, facet: Facet) -> Column:
        return Column(
            facet.plural, _FORMATS[facet.format], facet.tried_note, lambda summary: _tried(summary, axis, facet.tried)
        )

    return [column(*pair) for pair in tried_facets(summary.told)]


def _tried(summary: Summary, axis: str, words: Callable[[Iterable[Any]], Cell]) -> Cell:
    """What is everywhere, and is said, or at its default; networks have no hidden layers to say something of."""
    return None if axis in OF_HIDDEN_LAYERS and axis not in summary.told else words(_choices(summary, axis))


def _choices(summary: Summary, axis: str) -> Iterable[Choice]:
    """What the sweep file gives and includes; of layers that follow from the widths or functions, what they are."""
    choices = summary.spec.tried(axis)
    return choices if choices != (None,) or axis != LAYERS else [c.recipe.num_layers for c in summary.combinations]


def shuffle_seed(split: int | str, order: int | str) -> Cell:
    """The seed of the split and the order: one number where they are the same."""
    return split if split == order else f"split {split}, order {order}"


def axis_words(spec: SweepSpec, name: str) -> str:
    """An axis as it was written, never expanded, then what is included."""
    choices = tuple(dict.fromkeys(spec.tried(name)))
    if name == LAYERS and len(choices) > 1:
        choices = tuple(choice for choice in choices if choice is not None)
    return in_full(setting(name).listed(choices))


def training_images_words(spec: SweepSpec) -> str:
    """That only some of the training images are trained on; empty where all are."""
    return f"the first {spec.training_images:,} of the shuffled training images" if spec.training_images else ""
