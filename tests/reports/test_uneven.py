"""Reports of a sweep whose plan asks for two repeats of some combinations and for four of others."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl
import pytest
import sweeps

from books import sheet_of, texts_of
from mnist_sweep.analysis.conclusions import how_sure
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.reports.build import RENDERERS, WORKBOOKS, write_reports
from mnist_sweep.reports.step import renewed
from mnist_sweep.reports.workbooks.xlsx import best_xlsx
from mnist_sweep.terminal.results import print_report

_WORDS = "2 to 4 repeats"


def test_every_report_is_rendered(capsys: pytest.CaptureFixture[str]) -> None:
    """None is missing: workbooks, page, pictures, rows, the section of a story, and what is printed."""
    folder = SweepFolder(Path())
    written, missing = write_reports(sweeps.uneven(), "out", folder.reports, folder.plots)
    assert [] == missing
    assert set(RENDERERS) == set(written)
    assert all(openpyxl.load_workbook(io.BytesIO(written[name].read_bytes())).sheetnames for name in WORKBOOKS)
    assert f"7 of 8 combinations have all their repeats, {_WORDS} each" in texts_of(
        sheet_of(written["best"].read_bytes(), "Ranking")
    )
    assert "(less where there are more repeats)" in written["page"].read_text()
    assert list(folder.plots.iterdir())
    assert f"8 combinations, {_WORDS} each" in renewed("", sweeps.uneven(), "out", "STEPS.md")
    print_report(sweeps.uneven(), "out")
    assert f"With {_WORDS} each" in capsys.readouterr().out


def test_the_decision_names_the_noise_that_it_rests_on() -> None:
    """A bound for all is the noise of two that have the fewest repeats."""
    summary = sweeps.uneven(n_left=0)
    ranking = summary.ranking()
    assert not summary.incomplete
    assert ranking.telling is not None
    assert ranking.telling > max(standing.margin or 0.0 for standing in ranking.standings)
    assert f"differ by at least {ranking.telling:.4f} for that" in how_sure(summary)[0]
    guide = texts_of(sheet_of(best_xlsx(summary, "out"), "How to read this"))
    assert f"the seed noise of {_WORDS} ({ranking.telling:.4f})" in guide


def test_what_mattered_is_told() -> None:
    """Every value has a margin, and the shares of the variance add up to all of it."""
    found = sweeps.uneven(n_left=0).effects()
    assert ["hidden_width", "batch_size"] == [effect.axis for effect in found.axes]
    assert all(level.margin is not None for effect in found.axes for level in effect.levels)
    assert pytest.approx(1.0, abs=0.02) == sum(share.omega2 for share in found.shares)
