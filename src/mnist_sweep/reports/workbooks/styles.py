"""How cells look: shared styles, number formats and colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mnist_sweep.reports.columns import AS_WRITTEN, TEXT, Cell, Column, Scale

if TYPE_CHECKING:
    from openpyxl.styles.cell_style import StyleArray
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

FONT = "Calibri"
DARK, PALE, GOLD = "1F3864", "8EA9DB", "FFD966"
GOOD, BAD, NEUTRAL, BAR = "A9D6A5", "F4B6A6", "FFFFFF", "8EA9DB"
MAX_WIDTH = 60.0  # text that is wider is wrapped
_PLAIN_FROM, _PLAIN_TO = 1e-9, 1e7  # other numbers are easier to read with an exponent
_BOOLEAN = '"TRUE";"TRUE";"FALSE"'  # LibreOffice shows 1 and 0 without it


@dataclass(frozen=True, slots=True)
class Look:
    """What cells have in common that look the same."""

    format: str = "General"
    side: str = "left"
    vertical: str = "top"
    wrap: bool = False
    bold: bool = False
    size: int = 11
    colour: str = "000000"
    fill: str = ""


HEADER = Look(side="center", vertical="center", wrap=True, bold=True, colour="FFFFFF", fill=DARK)
HEADING = Look(bold=True, size=13, colour=DARK, vertical="center")
PLAIN = Look(wrap=True)


class Styles:
    """The styles of a workbook, each made once: a cell is dressed by a reference to one."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._made: dict[Look, StyleArray] = {}

    def of(self, look: Look) -> StyleArray:
        """The style that looks so."""
        if look not in self._made:
            self._made[look] = self._make(look)
        return self._made[look]

    def _make(self, look: Look) -> StyleArray:
        from openpyxl.cell import Cell as BookCell
        from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

        cell: Any = BookCell(self._book.worksheets[0], row=1, column=1)  # any sheet does; the cell is not put into it
        cell.number_format = look.format
        cell.font = Font(name=FONT, bold=look.bold, size=look.size, color=look.colour)
        cell.alignment = Alignment(
            wrap_text=look.wrap, vertical=look.vertical, horizontal=look.side, indent=int(look.side == "left")
        )
        if look.fill:
            cell.fill = PatternFill("solid", start_color=look.fill)
            cell.border = Border(right=Side("thin", color=PALE))
        style: StyleArray = cell._style  # noqa: SLF001  it has no public name
        return style

    def of_column(self, column: Column, cells: Sequence[Cell]) -> Callable[[Cell], StyleArray]:
        """The style of each cell of a column, by its value."""
        side = "left" if any(isinstance(value, str) for value in cells) else "right"
        wrap = not column.spills and (column.width is not None or text_width(column, cells) + 3 > MAX_WIDTH)
        made: dict[object, StyleArray] = {}

        def style(value: Cell) -> StyleArray:
            kind = (type(value), value) if column.format == AS_WRITTEN else type(value)
            if kind not in made:
                made[kind] = self.of(Look(_format(column, value), side, wrap=wrap))
            return made[kind]

        return style

    def mark(self, page: Worksheet, top: int, n: int) -> None:
        """Make the first cells of `n` rows from `top` on stand out."""
        for j in range(top, top + n):
            cell: Any = page.cell(j, 1)
            cell._style = self.of(Look(cell.number_format, "right", bold=True, fill=GOLD))  # noqa: SLF001


def _format(column: Column, value: Cell) -> str:
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):
        return _BOOLEAN
    if column.format == AS_WRITTEN:
        return _as_written(value) if isinstance(value, float) else "0"
    return column.format


def _as_written(value: float) -> str:
    """The format that shows a number with the decimals it has, never as 1E-05."""
    if value and not _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return "0.0##E+00"
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return "0." + "0" * -exponent if isinstance(exponent, int) and exponent < 0 else "0"


def text_width(column: Column, cells: Sequence[Cell]) -> int:
    """Characters of the widest cell of a column as it is shown."""
    numbers = [cell for cell in cells if isinstance(cell, int | float)]
    if numbers and column.format != AS_WRITTEN:
        numbers = [min(numbers), max(numbers)]  # one of them is the widest where all have the same decimals
    others = [cell for cell in cells if not isinstance(cell, int | float)]
    return max((len(_shown(column, cell)) for cell in {*numbers, *others}), default=0)


def _shown(column: Column, cell: Cell) -> str:
    if isinstance(cell, datetime):
        return "0000-00-00 00:00"
    if isinstance(cell, float):
        decimals = len((_as_written(cell) if column.format == AS_WRITTEN else column.format).partition(".")[2])
        return f"{cell:,.{decimals}f}" if _PLAIN_FROM <= abs(cell) < _PLAIN_TO else f"{cell:.3e}"
    return "" if cell is None else str(cell)


def colour_column(page: Worksheet, column: Column, top: int, n: int, i: int) -> None:
    """Colour the `n` cells of a column from row `top` on by their values."""
    from openpyxl.formatting import rule as rules
    from openpyxl.styles import PatternFill
    from openpyxl.utils import get_column_letter

    if column.scale is None or n == 0:
        return
    make: Any = rules  # it has no types
    letter = get_column_letter(i)
    place = f"{letter}{top}:{letter}{top + n - 1}"
    match column.scale:
        case Scale.BARS:
            rule = make.DataBarRule("num", 0, "num", 1, color=f"FF{BAR}", minLength=0, maxLength=100)
        case Scale.YES:
            rule = make.CellIsRule(operator="equal", formula=['"yes"'], fill=PatternFill("solid", bgColor=GOOD))
        case _:
            low, high = (BAD, GOOD) if column.scale is Scale.HIGH_IS_GOOD else (GOOD, BAD)
            # By percentiles: one combination that learnt nothing must not make all others look alike.
            rule = make.ColorScaleRule("percentile", 10, low, "percentile", 50, NEUTRAL, "percentile", 90, high)
    page.conditional_formatting.add(place, rule)
