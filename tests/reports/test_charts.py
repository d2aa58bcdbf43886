"""Charts as values: what they show, and what they leave out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import sweeps

from builders import a_plan, finished
from mnist_sweep.analysis.conclusions import axis_sentences
from mnist_sweep.analysis.metrics import CURVES, RANKED
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.events import Curves
from mnist_sweep.reports.charts.charts import (
    DRAWN,
    MOST_EPOCHS,
    confusion,
    curves,
    effect_plots,
    ranking_dots,
    shares,
    thinned,
)
from mnist_sweep.reports.charts.drawing import COLOURS, error_of, in_colours
from mnist_sweep.reports.charts.landscapes import (
    COSTS,
    combination_rows,
    frontier,
    heat_axes,
    heat_map,
    parallel,
    trade,
)


@pytest.fixture(scope="module")
def summary() -> Summary:
    return sweeps.several_axes()


def _every_chart(summary: Summary) -> list[Any]:
    charts = [shares(summary), parallel(summary), confusion(summary), ranking_dots(summary)]
    charts += [curves(summary, curve) for curve in DRAWN]
    charts += [*effect_plots(summary).values(), *(trade(combination_rows(summary), cost) for cost in COSTS)]
    x, y, *_ = heat_axes(summary)
    return [*charts, *(heat_map(summary, x, y, metric) for metric in RANKED)]


@pytest.mark.parametrize("kind", [sweeps.several_axes, sweeps.nested, sweeps.one_repeat, sweeps.with_included])
def test_charts_are_plain_json_that_names_known_colours(kind: Callable[[], Summary]) -> None:
    """Every chart is JSON without NaN, describes itself, and each colour that it names has a day and a night."""
    for chart in _every_chart(kind()):
        text = json.dumps(chart, allow_nan=False)
        assert chart["description"]
        assert set() == set(re.findall(r"var\(--(\w+)\)", text)) - set(COLOURS)
        assert "var(" not in json.dumps(in_colours(chart))


def _rank(row: Any) -> str:
    rank, _, _ = row["model"].partition(".")
    return str(rank)


def test_curves_are_those_of_the_choice_and_of_ties(summary: Summary) -> None:
    """The curves are of the choice and at most four that may be as good, each repeat a line with one kept epoch."""
    rows = curves(summary, CURVES["val_accuracy"])["data"]["values"]
    tied = summary.ranking().tied[:5]
    assert [standing.rank for standing in tied] == [
        int(name.split(".")[0]) for name in dict.fromkeys(r["model"] for r in rows)
    ]
    assert 3 * len(tied) == sum("kept" in row for row in rows)
    assert error_of(summary.ranked[0].values("val_accuracy")[0]) == rows[1]["value"]


def test_long_curves_are_thinned_to_what_can_be_seen() -> None:
    """Of 1,000 epochs about 100 are drawn, the kept and the last one among them; short curves are drawn whole."""
    assert [1, 2, 3] == thinned(3, 2)
    drawn = thinned(1000, 777)
    assert {1, 777, 1000} <= set(drawn)
    assert MOST_EPOCHS + 2 >= len(drawn)


def test_effects_share_one_scale(summary: Summary) -> None:
    """The plots of all axes have one scale, which holds every interval, and values in the order of the plan."""
    plots = effect_plots(summary)
    assert ["num_layers", "hidden_width", "batch_size"] == list(plots)
    (domain,) = {tuple(plot["encoding"]["y"]["scale"]["domain"]) for plot in plots.values()}
    levels = [row for plot in plots.values() for row in plot["data"]["values"]]
    assert (min(row["low"] for row in levels), max(row["high"] for row in levels)) == domain
    assert ["32", "64", "128"] == [row["value"] for row in plots["hidden_width"]["data"]["values"]]


def test_nested_values_stand_with_their_number_of_layers() -> None:
    """An activation a layer is shown with the number of layers that it fits."""
    rows = effect_plots(sweeps.nested())["hidden_funcs"]["data"]["values"]
    expected = [("relu", "3 layers"), ("tanh", "3 layers"), ("relu", "4 layers"), ("relu tanh", "4 layers")]
    assert expected == [(row["value"], row["layers"]) for row in rows][:4]


def test_confusion_adds_the_repeats_up(summary: Summary) -> None:
    """A cell is the sum over the choice's repeats; the diagonal takes no part in the colours."""
    chart = confusion(summary)
    cells = {(row["label"], row["prediction"]): row["images"] for row in chart["data"]["values"]}
    assert (3 * 990, 3 * 5) == (cells[4, 4], cells[4, 5])
    coloured = chart["layer"][0]
    assert "datum.label != datum.prediction" == coloured["transform"][0]["filter"]


def test_the_frontier_is_what_nothing_beats() -> None:
    """Of equal costs the better one alone is on the frontier, and what costs more must be better."""
    costs, accuracies = [3, 1, 2, 2, 4], [0.97, 0.95, 0.96, 0.94, 0.97]
    rows = [{"cost": c, "val_accuracy": a} for c, a in zip(costs, accuracies, strict=True)]
    assert [1, 2, 0] == frontier(rows, "cost")


def test_a_perfect_accuracy_has_a_place() -> None:
    """An accuracy of 1, whose error has no logarithm, is placed at the end of the scale."""
    plan = a_plan("hidden_width: 32", repeats=1)
    perfect = Curves((0.5, 0.0), (0.9, 1.0), (0.5, 0.1), (0.9, 1.0), (1.0, 1.0))
    summary = sweeps.a_summary(plan, finished(plan.trials[0], curves=perfect))
    assert [0.1, 0.0001] == [row["value"] for row in curves(summary, CURVES["val_accuracy"])["data"]["values"]]
    assert [0.5, 0.000001] == [row["value"] for row in curves(summary, CURVES["train_loss"])["data"]["values"]]


def test_what_was_not_finite_has_no_place() -> None:
    """An epoch without a finite value is left out of its curve."""
    plan = a_plan("hidden_width: 32", repeats=1)
    holed = Curves((None, 0.4), (0.5, 0.4), (0.5, 0.4), (0.8, 0.9), (1.0, 1.0))
    summary = sweeps.a_summary(plan, finished(plan.trials[0], curves=holed))
    assert [2] == [row["epoch"] for row in curves(summary, CURVES["train_loss"])["data"]["values"]]


def test_effects_are_those_of_the_grid_alone() -> None:
    """An included combination mixes up no axes; the sentences say so, and the charts have its values all the same."""
    summary = sweeps.with_included()
    assert [["batch_size", "hidden_width"]] == [sorted(effect.axis for effect in summary.effects().axes)]
    assert {32, 64} == {level.value for effect in summary.effects().axes for level in effect.levels} & {32, 64, 128}
    assert "This is about the 4 combinations of the grid, not those included." == axis_sentences(summary)[-1]
    assert "128" in heat_axes(summary)["hidden_width"]["sort"]
