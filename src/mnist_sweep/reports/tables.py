"""What every sheet is made of: columns, tables, and the columns and words that several sheets share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from mnist_sweep.effects import axis_value
from mnist_sweep.plan import SweepSpec
from mnist_sweep.recipe import Recipe, Seeds
from mnist_sweep.summary import Summary
from mnist_sweep.words import axis_name_words, axis_value_words

Cell = str | int | float | bool | datetime | None

COUNT = "#,##0"
NUMBER = "0"
ACCURACY = "0.0000"
LOSS = "0.00000"
SECONDS = "0.000"
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
        width: in characters; None: as wide as what it holds, up to a limit from which on text is wrapped.
        spills: text may run on over the empty cells to its right, and makes the column no wider.
    """

    header: str
    format: str
    note: str
    cell: Callable[[Any], Cell]
    scale: Scale | None = None
    width: float | None = None
    spills: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, and rows of as many cells; the first cells of the first `n_marked` rows stand out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_marked: int = 0

    @property
    def headers(self) -> list[str]:
        """The headers of all columns."""
        return [column.header for column in self.columns]


def make_table(columns: Iterable[Column], sources: Iterable[Any], n_marked: int = 0) -> Table:
    """A row of cells for each source."""
    columns = tuple(columns)
    rows = tuple(tuple(_tidy(column, column.cell(source)) for column in columns) for source in sources)
    return Table(columns, rows, n_marked)


def _tidy(column: Column, value: Cell) -> Cell:
    """Numbers without tails behind the decimals that matter, so that a filter on 0.9847 finds 0.9847."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None  # neither a workbook nor JSON has a number for it
    return value if column.format == AS_WRITTEN else round(value, 3 if column.format == SECONDS else 6)


_SCALES = {ACCURACY: Scale.HIGH_IS_GOOD, LOSS: Scale.LOW_IS_GOOD, SECONDS: Scale.LOW_IS_GOOD}


def coloured(columns: Iterable[Column]) -> list[Column]:
    """These columns, with accuracies, losses and times coloured from good to bad."""
    return [replace(column, scale=_SCALES.get(column.format)) for column in columns]


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
    names = [axis.name for axis in summary.spec.axes]
    return [name for name in names if len({axis_value(c.recipe, name) for c in summary.combinations}) > 1]


def axis_cell(axis: str, value: Any) -> Cell:
    """A value of an axis: a number as a number, all else in words."""
    if isinstance(value, int | float):
        return value
    return axis_value_words(axis, value)


def axis_columns(axes: Iterable[str], get: Callable[[Any], Recipe]) -> list[Column]:
    """A column for each of these axes."""

    def column(axis: str) -> Column:
        note = "Layers, input and output counted." if axis == "num_layers" else "An axis of the sweep."
        return Column(
            axis_name_words(axis).capitalize(),
            AS_WRITTEN,
            note,
            lambda source: axis_cell(axis, axis_value(get(source), axis)),
        )

    return [column(axis) for axis in axes]


def numbers(summary: Summary) -> dict[Recipe, int]:
    """The number of each combination, from 1 in the order of the plan: what joins the sheets and files of rows."""
    return {combination.recipe: i for i, combination in enumerate(summary.combinations, start=1)}


def _uniform(values: tuple[Any, ...]) -> Cell:
    """One value for all layers as itself, else one a layer as text."""
    if len(set(values)) == 1:
        first: Cell = values[0]
        return first
    return ", ".join(map(str, values)) or "none"


def _stopping(name: str) -> Callable[[Recipe], Cell]:
    return lambda recipe: None if recipe.early_stopping is None else getattr(recipe.early_stopping, name)


def _optimizer(recipe: Recipe) -> str:
    return f"{recipe.optimizer}, momentum {recipe.momentum:g}" if recipe.momentum else recipe.optimizer


def recipe_columns(get: Callable[[Any], Recipe]) -> list[Column]:
    """The columns of the old workbooks that describe a combination."""

    def column(header: str, format_: str, note: str, cell: Callable[[Recipe], Cell]) -> Column:
        return Column(header, format_, note, lambda source: cell(get(source)))

    return [
        column("Batch size", NUMBER, "Images a training step.", lambda r: r.batch_size),
        column("Num layers", NUMBER, "Layers, input and output counted.", lambda r: r.num_layers),
        column("Hidden funcs", TEXT, "Activation of each hidden layer.", lambda r: ", ".join(r.hidden_funcs) or "none"),
        column(
            "Hidden width",
            NUMBER,
            "Width of all hidden layers, or the width of each.",
            lambda r: _uniform(r.hidden_widths),
        ),
        column("Learning rate", AS_WRITTEN, "Learning rate of the optimizer.", lambda r: r.learning_rate),
        column(
            "Validate loss improvement delta",
            AS_WRITTEN,
            "Early stopping: an improvement is more than this. Empty: early stopping was off.",
            _stopping("min_delta"),
        ),
        column(
            "Validate loss improvement patience",
            NUMBER,
            "Early stopping: epochs without improvement before it stops.",
            _stopping("patience"),
        ),
        column(
            "Restore best weights",
            TEXT,
            "TRUE: the weights of the best epoch are kept; FALSE: those of the last.",
            _stopping("restore_best_weights"),
        ),
        column("Max num epochs", NUMBER, "Epochs at most.", lambda r: r.max_epochs),
    ]


def recipe_new_columns(get: Callable[[Any], Recipe]) -> list[Column]:
    """The columns that describe a combination and that the old workbooks lack."""

    def column(header: str, format_: str, note: str, cell: Callable[[Recipe], Cell]) -> Column:
        return Column(header, format_, note, lambda source: cell(get(source)))

    return [
        column("Optimizer", TEXT, "The Keras optimizer.", _optimizer),
        column(
            "Monitor",
            TEXT,
            "Early stopping: what must improve.",
            lambda r: r.early_stopping.monitor if r.early_stopping else "off",
        ),
        column("Parameters", COUNT, "Weights and biases of the model.", lambda r: r.n_parameters),
        column("Precision", TEXT, "What numbers the training computed with.", lambda r: r.precision),
    ]


def shuffle_seed(seeds: Seeds) -> Cell:
    """The seed of the split and the order: one number where they are the same."""
    return seeds.split if seeds.split == seeds.order else f"split {seeds.split}, order {seeds.order}"


def axis_words(spec: SweepSpec, name: str) -> Cell:
    """An axis as it was written, never expanded; a lone number stays one."""
    choices = spec.axis(name).choices
    if name == "optimizer":
        return written(_optimizer_word(choice) for choice in choices)
    if name == "early_stopping":
        return "; ".join(_stopping_words(choice) for choice in choices)
    if choices == (None,):
        return "as many as there are widths or functions, else 4"
    return written(choices)


def written(values: Iterable[Any]) -> Cell:
    """Choices as they stand in a sweep file."""
    values = list(values)
    if len(values) == 1 and isinstance(values[0], dict):
        return f"each_layer: {', '.join(values[0]['each_layer'])}"
    words = list(dict.fromkeys(_word(value) for value in values))
    return words[0] if len(words) == 1 else ", ".join(_plain(word) for word in words)


def _word(value: Any) -> Cell:
    if isinstance(value, dict):
        return f"{{each_layer: {', '.join(value['each_layer'])}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    number_or_name: Cell = value
    return number_or_name


def _plain(word: Cell) -> str:
    """A number with all its decimals: 0.00001, not 1e-05."""
    return f"{Decimal(repr(word)):f}" if isinstance(word, float) else str(word)


def _optimizer_word(choice: dict[str, Any]) -> str:
    return f"{choice['name']} (momentum {choice['momentum']:g})" if choice["momentum"] else str(choice["name"])


def _stopping_words(choice: dict[str, Any] | None) -> str:
    if choice is None:
        return "off"
    kept = "best" if choice["restore_best_weights"] else "last"
    return f"{choice['monitor']} by {_plain(choice['min_delta'])}, patience {choice['patience']}, {kept} weights kept"
