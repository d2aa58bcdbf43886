"""The charts as pictures, for papers and slides: SVG, and PNG at twice the size, on white."""

from collections.abc import Iterable, Mapping

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.charts import charts, landscapes
from mnist_sweep.reports.charts.drawing import CONFIG, Spec, in_colours
from mnist_sweep.reports.charts.plot_library import Made, Plotter

_WIDTH, _HALF, _THIRD = 640, 340, 220
_TWO = 2


def draw(specs: Mapping[str, Spec], plotter: Plotter) -> Made:
    """These charts as NAME.png and NAME.svg, on white."""
    config = {**CONFIG, "background": "var(--paper)", "padding": 12}
    drawn = {name: in_colours({**spec, "config": config}) for name, spec in specs.items()}
    return plotter.make({"charts": drawn}) if drawn else Made({})


def figures(summary: Summary) -> dict[str, Spec]:
    """Specifications of a fixed size that carry all their data; empty before a combination is complete."""
    if not summary.ranked:
        return {}
    rows, effects = landscapes.combination_rows(summary), charts.effect_plots(summary)
    data = {"datasets": {landscapes.COMBINATIONS: rows}}
    curves = [charts.curves(summary, curve, legend=True) for curve in charts.DRAWN]
    trades = [landscapes.trade(rows, cost) for cost in landscapes.COSTS]
    made = {
        "ranking": _sized(charts.ranking_dots(summary), _WIDTH),
        "curves": _beside(curves, 2, _HALF),
        "frontier": {**_beside(trades, 2, _HALF), **data},
        "confusion": _sized(charts.confusion(summary), _WIDTH * 2 // 3),
    }
    if effects:
        made["effects"] = _beside(effects.values(), 3, _THIRD)
    if summary.effects().shares:
        made["shares"] = _sized(charts.shares(summary), _WIDTH)
    if len(effects) >= _TWO:
        x, y, *_ = landscapes.heat_axes(summary)
        made["heatmap"] = {**_sized(landscapes.heat_map(summary, x, y), _WIDTH * 2 // 3), **data}
        made["parallel"] = _sized(landscapes.parallel(summary), _WIDTH)
    return made


def _beside(specs: Iterable[Spec], columns: int, width: int) -> Spec:
    return {"columns": columns, "concat": [_sized(spec, width) for spec in specs]}


def _sized(spec: Spec, width: int) -> Spec:
    """A chart of a width in pixels, without its axes and titles."""
    return {**{key: part for key, part in spec.items() if key != "autosize"}, "width": width}
