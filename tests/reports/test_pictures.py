"""Pictures of the charts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import sweeps

from mnist_sweep.reports.charts.pictures import draw, figures
from mnist_sweep.reports.charts.plot_library import Plotter

_ALL = {"ranking", "curves", "frontier", "confusion", "effects", "shares", "heatmap", "parallel"}


def test_every_chart_is_a_picture_twice() -> None:
    """Every chart is there as PNG and as an SVG that is XML, carries its words, and names no colour of the page."""
    files = draw(figures(sweeps.several_axes()), Plotter()).files
    assert {f"{name}.{kind}" for name in _ALL for kind in ("png", "svg")} == set(files)
    for name, content in files.items():
        if name.endswith(".png"):
            assert b"\x89PNG\r\n\x1a\n" == content[:8]
        else:
            assert ET.fromstring(content).tag.endswith("svg")  # noqa: S314  our own
            assert b"<text" in content
            assert b"var(" not in content
    assert b"2\xc3\x97128" in files["ranking.svg"]


def test_pictures_are_those_that_the_results_allow() -> None:
    """Nothing finished gives none; one combination has no axes to show."""
    assert {} == draw(figures(sweeps.nothing_yet()), Plotter()).files
    assert {"ranking", "curves", "frontier", "confusion"} == set(figures(sweeps.one_combination()))
