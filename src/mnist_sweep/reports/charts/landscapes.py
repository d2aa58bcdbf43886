"""Charts of all combinations at once: what is traded for what, and where in the grid the good ones lie.

They share one table, a row a combination, that a page carries once: their data is named, not included.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, RANKED
from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.plan.axes import axis_name_words, axis_value, axis_value_words
from mnist_sweep.reports.charts import drawing
from mnist_sweep.reports.charts.charts import BY_GROUP, GROUPS, group_of
from mnist_sweep.reports.charts.drawing import Spec, figure, layer

COMBINATIONS = "combinations"
MOST_LINES = 300
COSTS = {"train_time": METRICS["train_time"].title, "parameters": "Parameters"}
"""What an accuracy can be bought with."""
_SPREAD_OF_A_BUNDLE = 0.07
_CELL = 34  # pixels


def combination_rows(summary: Summary) -> list[Spec]:
    """A row a complete combination, the choice first: its words, its axes in words, its means, what it costs."""
    axes = [effect.axis for effect in summary.effects().axes]
    rows: list[Spec] = [
        {
            "rank": standing.rank,
            "model": summary.model_words(standing.combination.recipe),
            "group": group_of(standing),
            "error": drawing.error_of(standing.spread.mean),
            "parameters": standing.combination.recipe.n_parameters,
            **{axis: axis_value_words(axis, axis_value(standing.combination.recipe, axis)) for axis in axes},
            **{metric: standing.combination.spread(metric).mean for metric in RANKED},
        }
        for standing in summary.ranking().standings
    ]
    for cost in COSTS:
        for i in frontier(rows, cost):
            rows[i][f"{cost}_frontier"] = True
    return [{**row, **{metric: round(row[metric], 6) for metric in RANKED}} for row in rows]


def frontier(rows: Sequence[Spec], cost: str) -> list[int]:
    """Which rows nothing beats: whatever costs as little or less reads worse; from cheap to dear."""
    order = sorted(range(len(rows)), key=lambda i: (rows[i][cost], -rows[i][CHOSEN_BY]))
    best = list(accumulate((rows[i][CHOSEN_BY] for i in order), max))
    return [i for at, i in enumerate(order) if at == 0 or best[at] > best[at - 1]]


def trade(rows: Sequence[Spec], cost: str) -> Spec:
    """Validation accuracy against a cost of COSTS, from `combination_rows`; a line joins what nothing beats in both."""
    x = drawing.log_channel(cost, COSTS[cost], [row[cost] for row in rows])
    y = drawing.accuracy_channel("error", "Validation accuracy", [row["error"] for row in rows])
    on = {"transform": [{"filter": f"datum.{cost}_frontier"}]}
    line = layer("line", interpolate="step-after", color="var(--soft)", strokeWidth=1, strokeDash=[4, 3])
    numbers = "~g" if cost == "train_time" else "~s"
    ring = layer("point", size=130, color="var(--ink)", strokeWidth=1.2)
    return figure(
        f"Validation accuracy against {COSTS[cost].lower()}, one mark a combination; the line is the Pareto frontier.",
        280,
        data={"name": COMBINATIONS},
        transform=[{"filter": f"datum.{cost} > 0"}],
        encoding={"x": {**x, "axis": {**x["axis"], "format": numbers, "grid": False}}, "y": y},
        layer=[{**on, **line}, _dots(cost), {**on, **ring}],
    )


def _dots(cost: str) -> Spec:
    shape = {**BY_GROUP, "scale": {"domain": list(GROUPS), "range": ["diamond", "circle", "circle"]}}
    tooltip = [
        {"field": "model", "title": "model"},
        {"field": CHOSEN_BY, "title": METRICS[CHOSEN_BY].words},
        {"field": cost, "title": COSTS[cost], "type": "quantitative", "format": ",.4~r"},
    ]
    return layer("point", {"color": BY_GROUP, "shape": shape, "tooltip": tooltip}, filled=True, size=55, opacity=0.85)


def heat_axes(summary: Summary) -> dict[str, Spec]:
    """For each varied axis what it is as a direction of the heat map, those that explain most first."""
    found = summary.effects()
    weight = {share.sources: share.omega2 for share in found.shares}
    axes = {}
    for effect in sorted(found.axes, key=lambda effect: -weight.get((effect.axis,), 0.0)):
        included = (axis_value_words(effect.axis, axis_value(c.recipe, effect.axis)) for c in summary.combinations)
        words = list(dict.fromkeys([*map(effect.value_words, effect.levels), *included]))
        axes[effect.axis] = {
            "field": effect.axis,
            "title": effect.name.capitalize(),
            "sort": words,
            "height": _CELL * max(2, len(words)),
        }
    return axes


def heat_metrics() -> dict[str, Spec]:
    """For each metric what its colour says: the darker the better."""
    return {
        metric: {
            "title": METRICS[metric].words.capitalize(),
            "format": f".{METRICS[metric].decimals}f",
            "scale": {"range": list(drawing.RISING if METRICS[metric].higher_is_better else reversed(drawing.RISING))},
        }
        for metric in RANKED
    }


def heat_map(summary: Summary, x: str, y: str, metric: str = CHOSEN_BY) -> Spec:
    """The mean of a metric by the values of two axes, over all other axes."""
    axes, by = heat_axes(summary), heat_metrics()[metric]
    means = [{"op": "mean", "field": metric, "as": "mean"}, {"op": "count", "as": "combinations"}]
    legend = {"orient": "top", "gradientLength": 200, "direction": "horizontal", "format": by["format"], "tickCount": 3}
    mean = {"field": "mean", "type": "quantitative"}
    colour = {**mean, "legend": legend, "title": by["title"], "scale": by["scale"]}
    return figure(
        f"Mean {METRICS[metric].words} by {axis_name_words(x)} and {axis_name_words(y)}.",
        axes[y]["height"],
        data={"name": COMBINATIONS},
        transform=[{"aggregate": means, "groupby": [x, y]}],
        encoding={"x": _direction(axes[x]), "y": _direction(axes[y])},
        layer=[
            layer("rect", {"color": colour}, cornerRadius=2, tooltip={"content": "data"}),
            layer(
                "text",
                {"text": {**mean, "format": by["format"]}},
                fontSize=11,
                color={"expr": drawing.readable_on("mean")},
            ),
        ],
    )


def _direction(axis: Spec) -> Spec:
    named = {part: axis[part] for part in ("field", "title", "sort")}
    return {"type": "nominal", "axis": {"grid": False, "labelAngle": 0}, **named}


def parallel(summary: Summary) -> Spec:
    """Every varied axis as a vertical line, validation accuracy as the last, each combination a line across them.

    Lines that share a value lie side by side, the better above, so that none hides another.
    """
    standings = summary.ranking().standings[:MOST_LINES]
    axes = {name: axis["sort"] for name, axis in heat_axes(summary).items()}
    names = [*map(axis_name_words, axes), METRICS[CHOSEN_BY].words]
    # On a phone the names of the axes break into lines of a word each.
    axis = {"orient": "top", "labelAngle": 0, "grid": True, "domain": False, "ticks": False}
    axis["labelExpr"] = "width < 500 ? split(datum.label, ' ') : datum.label"
    axis["labelPadding"] = {"expr": "width < 500 ? 30 : 6"}
    x = {"field": "axis", "type": "nominal", "sort": names, "title": None, "axis": axis}
    scale = {"domain": [-0.06, 1.06], "nice": False}
    return figure(
        f"Parallel coordinates of the first {len(standings)} combinations over {', '.join(names)}.",
        340,
        encoding={
            "x": {**x, "scale": {"type": "point", "padding": 0.4}},
            "y": {"field": "at", "type": "quantitative", "axis": None, "scale": scale},
        },
        layer=[*_lines(_crossings(standings, axes)), _labels(_values_on_axes(standings, axes))],
    )


def _crossings(standings: Sequence[Standing], axes: Mapping[str, list[str]]) -> list[Spec]:
    """Where the line of each combination crosses each axis, from 0 (below) to 1; `axes` has their values in words."""
    heights = _heights([drawing.error_of(standing.spread.mean) for standing in standings])
    rows = []
    for standing, height in zip(standings, heights, strict=True):
        aside = (0.5 - (standing.rank - 1) / max(1, len(standings) - 1)) * _SPREAD_OF_A_BUNDLE
        places = {}
        for axis, values in axes.items():
            word = axis_value_words(axis, axis_value(standing.combination.recipe, axis))
            places[axis_name_words(axis)] = _place(values.index(word), len(values)) + aside
        for name, at in {**places, METRICS[CHOSEN_BY].words: height}.items():
            rows.append({"rank": standing.rank, "axis": name, "at": round(at, 4), "height": round(height, 4)})
    return rows


def _values_on_axes(standings: Sequence[Standing], axes: Mapping[str, list[str]]) -> list[Spec]:
    labels = [
        {"axis": axis_name_words(axis), "at": _place(i, len(values)), "label": value}
        for axis, values in axes.items()
        for i, value in enumerate(values)
    ]
    ends = {1.0: standings[0], 0.0: standings[-1]}
    accuracies = [
        {"axis": METRICS[CHOSEN_BY].words, "at": at, "label": METRICS[CHOSEN_BY].amount(standing.spread.mean)}
        for at, standing in ends.items()
    ]
    return [*labels, *accuracies]


def _place(i: int, n: int) -> float:
    return i / (n - 1) if n > 1 else 0.5


def _heights(errors: Sequence[float]) -> list[float]:
    """Accuracies from 0 (the worst) to 1 (the best), by the logarithm of their errors."""
    logs = [math.log(error) for error in errors]
    worst, best = max(logs), min(logs)
    return [(worst - value) / (worst - best) if worst > best else 1.0 for value in logs]


def _lines(rows: Iterable[Spec]) -> list[Spec]:
    scale = {"domain": [0, 1], "range": ["#b9c0c7", "#7fa9cc", "#0072b2"]}
    colour = {"field": "height", "type": "quantitative", "scale": scale, "legend": None}
    drawn = {"detail": {"field": "rank"}, "color": colour}
    others, first = [row for row in rows if row["rank"] > 1], [row for row in rows if row["rank"] == 1]
    thin = layer("line", drawn, interpolate="monotone", strokeWidth=1.2, opacity=1, strokeOpacity=0.65)
    thick = layer("line", interpolate="monotone", strokeWidth=3, color="var(--choice)")
    return [{"data": {"values": others}, **thin}, {"data": {"values": first}, **thick}]


def _labels(labels: list[Spec]) -> Spec:
    mark: Spec = {"fontSize": 11, "align": "left", "dx": 6, "color": "var(--ink)"}
    halo = layer("text", **mark, stroke="var(--paper)", strokeWidth=4, strokeJoin="round")
    return {
        "data": {"values": labels},
        "encoding": {"text": {"field": "label"}},
        "layer": [halo, layer("text", **mark)],
    }
