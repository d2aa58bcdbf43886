"""How all charts are drawn: colours, places, scales.

Colours are written as CSS variables, `var(--ink)`: the page says what they are by day, by night and in print, and
`in_colours` puts them into a picture. Accuracies are placed by the logarithm of their errors: from 0.98 to 0.99 is as
far as from 0.9 to 0.95, both halve the errors.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

Spec = dict[str, Any]

COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": ("#1d2329", "#e8eaed"),
    "soft": ("#5b6570", "#a3adb8"),
    "line": ("#d9dee3", "#3a424b"),
    "paper": ("#ffffff", "#15191d"),
    "raised": ("#f4f6f8", "#1f252b"),
    "mark": ("#0072b2", "#5ab4ea"),
    "choice": ("#c44e00", "#ff9a57"),
    "series1": ("#c44e00", "#ff9a57"),
    "series2": ("#0072b2", "#5ab4ea"),
    "series3": ("#00855f", "#41cf9d"),
    "series4": ("#a8478f", "#e693cd"),
    "series5": ("#8a6d00", "#e8c547"),
}
"""Each colour by day and by night, told apart also by people who see no red or no green (after Okabe and Ito)."""
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 2), (2, 2), (8, 2, 2, 2), (5, 4))
"""What tells the lines of several models apart in black and white."""
RISING = ("#dce9f5", "#9cc4e4", "#4d94c8", "#12619c", "#08305f")
"""From poor to good; both ends stand out from white paper and from a dark screen."""

_SMALLEST_ERROR = 1e-4
_TICKS_AT_LEAST = 3


def in_colours(spec: Any) -> Any:
    """A specification with the colours by day in place of their names."""
    return json.loads(re.sub(r"var\(--(\w+)\)", lambda name: COLOURS[name[1]][0], json.dumps(spec)))


def figure(description: str, height: int, **parts: Any) -> Spec:
    """A chart as wide as its place."""
    return {
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        **parts,
    }


def layer(kind: str, encoding: Spec | None = None, **look: Any) -> Spec:
    """Marks of one kind: what places and colours them, and how they look."""
    return {"mark": {"type": kind, **look}, **({"encoding": encoding} if encoding else {})}


CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, 'Segoe UI', 'Liberation Sans', sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--line)",
        "domainColor": "var(--soft)",
        "tickColor": "var(--soft)",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelLimit": 160,
    },
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "titleFontWeight": "normal", "labelLimit": 400},
    "title": {"color": "var(--ink)", "fontSize": 13, "fontWeight": 600, "anchor": "start"},
    "text": {"color": "var(--ink)"},
}


def readable_on(field: str) -> str:
    """An expression for the colour of a figure on a cell that is coloured by this field."""
    return f"luminance(scale('color', datum['{field}'])) > 0.2 ? '{COLOURS['ink'][0]}' : '{COLOURS['paper'][0]}'"


def error_of(accuracy: float) -> float:
    """What an accuracy is placed by: the part that is wrong, on a logarithmic scale that ends at 0.0001."""
    return round(max(1 - accuracy, _SMALLEST_ERROR), 6)


def accuracy_channel(field: str, title: str, errors: Collection[float]) -> Spec:
    """A position channel of errors that reads as accuracy."""
    channel = log_channel(field, title, errors)
    scale, axis = {**channel["scale"], "reverse": True}, {"labelExpr": "format(1 - datum.value, '.4~f')"}
    return {**channel, "scale": scale, "axis": {**channel["axis"], **axis}}


def log_channel(field: str, title: str, values: Collection[float]) -> Spec:
    """A position channel of numbers above 0, with a grid line at 1, 2 and 5 of each power of ten."""
    ticks = [step * 10.0**power for power in range(-7, 8) for step in (1, 2, 5)]
    within = [tick for tick in ticks if values and min(values) <= tick <= max(values)]
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "title": title,
        "axis": {"values": within} if len(within) >= _TICKS_AT_LEAST else {"tickCount": 5},
    }
