"""From a Summary to charts of its choice and of its axes, as Vega-Lite specifications.

https://vega.github.io/vega-lite/docs/
"""

from collections.abc import Iterable

from mnist_sweep.analysis.effects import AxisEffect
from mnist_sweep.analysis.metrics import CHOSEN_BY, CURVES, METRICS, Curve, Metric, Quantity
from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.plan.axes import axis_name_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.networks import N_CLASSES
from mnist_sweep.reports.charts import drawing
from mnist_sweep.reports.charts.drawing import Spec, figure, layer

FEW = len(drawing.DASHES)
DRAWN = [CURVES[name] for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss")]
MOST_EPOCHS, MOST_REPEATS_DRAWN = 100, 10
_SHARE_WORTH_DRAWING = 0.01
_MOST_DOTS = 20
_LEVEL_LETTERS = 30  # so many letters of an axis' values stand side by side on a phone
GROUPS = {"the first": "var(--choice)", "cannot be ruled out": "var(--mark)", "behind": "var(--soft)"}
"""How a combination stands, in words, and its colour."""
BY_GROUP: Spec = {
    "field": "group",
    "type": "nominal",
    "scale": {"domain": list(GROUPS), "range": list(GROUPS.values())},
    "legend": {"orient": "bottom", "title": None},
}
"""The colour channel of charts that show how combinations stand."""


def group_of(standing: Standing) -> str:
    """How a combination stands, as one of GROUPS."""
    return "the first" if standing.rank == 1 else "cannot be ruled out" if standing.tied else "behind"


def shown_standings(summary: Summary) -> tuple[Standing, ...]:
    """The choice and the next few that may be as good: their curves are drawn."""
    return summary.ranking().tied[:FEW]


def thinned(n_epochs: int, kept: int) -> list[int]:
    """Which epochs of a curve are drawn, from 1: all of a short one, else about 100 with the kept and the last one."""
    step = -(-n_epochs // MOST_EPOCHS) or 1
    return sorted({*range(1, n_epochs + 1, step), kept, n_epochs})


def curves(summary: Summary, curve: Curve, *, legend: bool = False) -> Spec:
    """Learning curves, one line a repeat; a dot where the weights are kept."""
    names = [ranked_words(summary, standing) for standing in shown_standings(summary)]
    rows, title = list(_epochs(summary, curve)), curve.words.capitalize()
    channel = drawing.accuracy_channel if curve.quantity is Quantity.ACCURACY else drawing.log_channel
    y = channel("value", title, [row["value"] for row in rows])
    scale = {"domain": names, "range": [f"var(--series{i + 1})" for i in range(len(names))]}
    guide = {"orient": "bottom", "columns": 1, "title": None, "symbolType": "stroke"} if legend else None
    colour = {"field": "model", "type": "nominal", "scale": scale, "legend": guide}
    dash = {**colour, "scale": {"domain": names, "range": [list(dash) for dash in drawing.DASHES[: len(names)]]}}
    n_steps = max((row["epoch"] for row in rows), default=2) - 1
    axis = {"tickCount": max(1, min(6, n_steps)), "format": "d", "grid": False}
    x = {"field": "epoch", "type": "quantitative", "title": "Epoch", "axis": axis}
    order = {"x": x, "y": y, "color": colour, "detail": {"field": "repeat"}}
    return figure(
        f"{title} by epoch of {'; '.join(names)}.",
        220,
        data={"values": rows},
        encoding=order,
        layer=[
            layer("line", {"strokeDash": dash}, strokeWidth=1.3, opacity=1, strokeOpacity=0.85),
            {
                "transform": [{"filter": "datum.kept"}],
                **layer("point", filled=True, size=36, opacity=1, tooltip={"content": "data"}),
            },
        ],
    )


def ranked_words(summary: Summary, standing: Standing) -> str:
    """A combination with its rank."""
    return f"{standing.rank}. {summary.model_words(standing.combination.recipe)}"


def _epochs(summary: Summary, curve: Curve) -> Iterable[Spec]:
    for standing in shown_standings(summary):
        for row in standing.combination.rows[:MOST_REPEATS_DRAWN]:
            values = curve.of(row.curves)
            kept = row.result.kept_epoch if row.result else 0
            for epoch in thinned(len(values), kept):
                value = values[epoch - 1]
                if value is not None:
                    placed = (
                        drawing.error_of(value) if curve.quantity is Quantity.ACCURACY else max(round(value, 6), 1e-6)
                    )
                    point = {"model": ranked_words(summary, standing), "repeat": row.trial.repeat, "epoch": epoch}
                    yield {**point, "value": placed, **({"kept": True} if epoch == kept else {})}


def effect_plots(summary: Summary, metric: str = CHOSEN_BY) -> dict[str, Spec]:
    """For each varied axis the mean at each of its values with its 95% interval, all on one scale."""
    axes = summary.effects(metric).axes
    ends = [end for effect in axes for level in effect.levels for end in level.ends]
    return {effect.axis: _effect_plot(effect, METRICS[metric], [min(ends), max(ends)]) for effect in axes}


def _effect_plot(effect: AxisEffect, metric: Metric, domain: list[float]) -> Spec:
    words = list(map(effect.value_words, effect.levels))
    rows = [
        {
            "value": level_words,
            "layers": f"{level.within} layers" if effect.nested else "",
            "mean": level.mean,
            "low": level.ends[0],
            "high": level.ends[1],
            "combinations": level.n_combinations,
        }
        for level_words, level in zip(words, effect.levels, strict=True)
    ]
    y = {"field": "mean", "type": "quantitative", "title": f"Mean {metric.words}"}
    x = {"field": "value", "type": "nominal", "sort": None, "title": effect.name.capitalize()}
    angle = 0 if sum(len(level_words) for level_words in words) < _LEVEL_LETTERS else -40
    encoding: Spec = {
        "x": {**x, "axis": {"labelAngle": angle, "grid": False}, "scale": {"paddingOuter": 0.3}},
        "y": {**y, "scale": {"domain": domain, "zero": False, "padding": 8}, "axis": {"tickCount": 5}},
        "color": {"value": "var(--mark)"},
    }
    if effect.nested:
        scale = {"range": [f"var(--series{i + 1})" for i in range(FEW)]}
        legend = {"orient": "bottom", "title": None}
        encoding["color"] = {"field": "layers", "type": "nominal", "scale": scale, "sort": None, "legend": legend}
        encoding["xOffset"] = {"field": "layers", "type": "nominal", "sort": None}
    ends = {"y": {**encoding["y"], "field": "low"}, "y2": {"field": "high"}}
    dots = layer("point", filled=True, size=70, opacity=1, tooltip={"content": "data"})
    return figure(
        f"Mean {metric.words} by {effect.name}, with 95% intervals.",
        200,
        data={"values": rows},
        encoding=encoding,
        layer=[layer("rule", ends, strokeWidth=2), dots],
    )


def shares(summary: Summary, metric: str = CHOSEN_BY) -> Spec:
    """The part of the variance that each source explains, ω²; pairs of axes that explain less than 1% are left out."""
    rows: list[Spec] = [
        {"source": " × ".join(map(axis_name_words, share.sources)) or share.label, "share": share.omega2}
        for share in sorted(summary.effects(metric).shares, key=lambda share: -share.omega2)
        if len(share.sources) < 2 or share.omega2 >= _SHARE_WORTH_DRAWING  # noqa: PLR2004  two are a pair
    ]
    share, axis = {"field": "share", "type": "quantitative"}, {"format": ".0%", "tickCount": 5}
    scale = {"domain": [0, 1.25 * max((row["share"] for row in rows), default=1.0)], "nice": False}
    return figure(
        f"Part of the variance of {METRICS[metric].words} that each axis explains: "
        + "; ".join(f"{row['source']} {row['share']:.0%}" for row in rows),
        24 * len(rows),
        data={"values": rows},
        encoding={
            "y": {"field": "source", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 190}},
            "x": {**share, "title": "Part of the variance (ω²)", "axis": axis, "scale": scale},
        },
        layer=[
            layer("bar", color="var(--mark)", height=14),
            layer("text", {"text": {**share, "format": ".1%"}}, align="left", dx=4, color="var(--ink)"),
        ],
    )


def confusion(summary: Summary) -> Spec:
    """How often the choice took one digit for another on the test images, summed over its repeats; rows are labels."""
    choice = summary.ranked[0]
    rows = [
        {"label": i, "prediction": j, "images": n} for i, row in enumerate(choice.confusion) for j, n in enumerate(row)
    ]
    worst = max(rows, key=lambda row: row["images"] if row["label"] != row["prediction"] else 0)
    wrong, right = ({"transform": [{"filter": f"datum.label {sign} datum.prediction"}]} for sign in ("!=", "=="))
    scale = {"range": ["#fde8d3", "#f5a35c", "#b83c00"], "domainMin": 0}
    colour = {"field": "images", "type": "quantitative", "scale": scale, "legend": None}
    text = {"text": {"field": "images"}}
    axis = {"orient": "top", "labelAngle": 0, "grid": False}
    digits = {"type": "ordinal", "scale": {"domain": list(range(N_CLASSES))}}
    return figure(
        f"Confusion matrix of {summary.model_words(choice.recipe)} on the test images: most often, "
        f"{counted(worst['images'], 'time')}, a {worst['label']} was read as a {worst['prediction']}.",
        330,
        data={"values": [row for row in rows if row["images"]]},
        encoding={
            "x": {**digits, "field": "prediction", "title": "Read as", "axis": axis},
            "y": {**digits, "field": "label", "title": "Is a", "axis": {"grid": False}},
        },
        layer=[
            {**wrong, **layer("rect", {"color": colour}, tooltip={"content": "data"}, cornerRadius=2)},
            {**right, **layer("text", {**text, "color": {"value": "var(--soft)"}}, fontSize=10)},
            {**wrong, **layer("text", text, fontSize=10, color={"expr": drawing.readable_on("images")})},
        ],
    )


def ranking_dots(summary: Summary) -> Spec:
    """The first 20 combinations: validation accuracy with its 95% interval, and the test accuracy as a hollow mark."""
    standings = summary.ranking().standings[:_MOST_DOTS]
    rows = [
        {
            "model": ranked_words(summary, standing),
            "mean": standing.spread.mean,
            "low": standing.ends[0],
            "high": standing.ends[1],
            "test": standing.combination.spread("test_accuracy").mean,
            "words": METRICS[CHOSEN_BY].interval(standing.spread.mean, standing.half_width),
            "group": group_of(standing),
        }
        for standing in standings
    ]
    title = "Accuracy: validation with its 95% interval; hollow: test"
    x = {"type": "quantitative", "scale": {"zero": False}, "title": title}
    return figure(
        f"Validation accuracy with 95% intervals of the best {counted(len(rows), 'combination')}.",
        22 * len(rows),
        data={"values": rows},
        encoding={
            "y": {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}},
            "color": BY_GROUP,
        },
        layer=[
            layer("rule", {"x": {**x, "field": "low"}, "x2": {"field": "high"}}, strokeWidth=2),
            layer("point", {"x": {**x, "field": "mean"}}, filled=True, size=70, opacity=1),
            layer("point", {"x": {**x, "field": "test"}}, shape="diamond", size=50),
        ],
    )
