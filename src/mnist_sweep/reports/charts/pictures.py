"""The charts as pictures, for papers and slides: SVG, and PNG at twice the size, on white."""

from __future__ import annotations

from collections.abc import Mapping

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.charts.charts import DRAWN, confusion, curves, effect_plots, ranking_dots, shares
from mnist_sweep.reports.charts.drawing import CONFIG, Spec, in_colours
from mnist_sweep.reports.charts.landscapes import (
    COMBINATIONS,
    COSTS,
    combination_rows,
    heat_axes,
    heat_map,
    parallel,
    trade,
)
from mnist_sweep.reports.charts.plot_library import Made, Plotter

_WIDTH, _HALF, _THIRD = 640, 340, 220
_TWO = 2


def pictures(summary: Summary) -> Made:
    """Every chart that the results allow, as NAME.png and NAME.svg."""
    return draw(figures(summary), Plotter())


def draw(charts: Mapping[str, Spec], plotter: Plotter) -> Made:
    """These charts as NAME.png and NAME.svg, on white."""
    config = {**CONFIG, "background": "var(--paper)", "padding": 12}
    drawn = {name: in_colours({**spec, "config": config}) for name, spec in charts.items()}
    return plotter.make({"charts": drawn}) if drawn else Made({})


def figures(summary: Summary) -> dict[str, Spec]:
    """Specifications of a fixed size that carry all their data; empty before a combination is complete."""
    if not summary.ranked:
        return {}
    rows = combination_rows(summary)
    data = {"datasets": {COMBINATIONS: rows}}
    figures = {
        "ranking": _sized(ranking_dots(summary), _WIDTH),
        "curves": {"columns": 2, "concat": [_sized(curves(summary, curve, legend=True), _HALF) for curve in DRAWN]},
        "frontier": {"columns": 2, "concat": [_sized(trade(rows, cost), _HALF) for cost in COSTS], **data},
        "confusion": _sized(confusion(summary), _WIDTH * 2 // 3),
    }
    effects = effect_plots(summary)
    if effects:
        figures["effects"] = {"columns": 3, "concat": [_sized(plot, _THIRD) for plot in effects.values()]}
    if summary.effects().shares:
        figures["shares"] = _sized(shares(summary), _WIDTH)
    if len(effects) >= _TWO:
        x, y, *_ = heat_axes(summary)
        figures["heatmap"] = {**_sized(heat_map(summary, x, y), _WIDTH * 2 // 3), **data}
        figures["parallel"] = _sized(parallel(summary), _WIDTH)
    return figures


def _sized(spec: Spec, width: int) -> Spec:
    """A chart of a width in pixels, without its axes and titles."""
    return {**{key: part for key, part in spec.items() if key != "autosize"}, "width": width}
