"""What a column of a table is: its header, its format, where a cell comes from, and how people read it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mnist_sweep.analysis.metrics import Metric, Quantity
from mnist_sweep.plan.choices import in_full

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
    """A column: its header, its number format, what it holds in words, and where a cell comes from."""

    header: str
    format: str
    note: str
    cell: Callable[[Any], Cell]
    scale: Scale | None = None
    words: Callable[[Any], str] | None = None  # what people read in a text, where that is not the cell by its format
    width: float | None = None  # in characters; None: as wide as what it holds, up to where text is wrapped
    spills: bool = False  # text may run on over the empty cells to its right, and makes the column no wider

    def value(self, source: Any) -> Cell:
        """The cell of a row, without a tail behind the decimals that matter: a filter on 0.9847 finds 0.9847."""
        value = self.cell(source)
        if not isinstance(value, float):
            return value
        if not math.isfinite(value):
            return None  # neither a workbook nor JSON has a number for it
        return value if self.format == AS_WRITTEN else round(value, 3 if self.format == SECONDS else 6)

    def in_words(self, source: Any) -> str:
        """The cell as text: as the column says it, else by its format."""
        if self.words:
            return self.words(source)
        match self.value(source):
            case None:
                return ""
            case float(value) if self.format == AS_WRITTEN:
                return in_full(value)
            case float(value):
                return _by_format(value, self.format)
            case value:
                return f"{value:,}" if self.format == COUNT else str(value)


def _by_format(value: float, format_: str) -> str:
    decimals = format_.partition(".")[2]
    return f"{value:.{decimals.count('0')}{'%' if format_.endswith('%') else 'f'}}"


FORMATS = {Quantity.ACCURACY: ACCURACY, Quantity.LOSS: LOSS, Quantity.SECONDS: SECONDS, Quantity.COUNT: TENTHS}
"""How workbooks show a metric."""
SHORT_FORMATS = {**FORMATS, Quantity.SECONDS: TENTHS}
"""How tables that compare combinations or values show its means."""
SCALES = {ACCURACY: Scale.HIGH_IS_GOOD, LOSS: Scale.LOW_IS_GOOD, SECONDS: Scale.LOW_IS_GOOD}


def mean_column(
    metric: Metric, note: str, mean: Callable[[Any], float], words: Callable[[Any], str] | None = None
) -> Column:
    """The mean of a metric, as tables that compare combinations show it."""
    words = words or (lambda source: metric.number(mean(source)))
    return Column(metric.title, SHORT_FORMATS[metric.quantity], note, mean, SCALES.get(FORMATS[metric.quantity]), words)
