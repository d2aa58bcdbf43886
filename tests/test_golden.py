"""Journals of old formats are read for ever: results, plan and reports."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from mnist_sweep.journal import Journal, read_records
from mnist_sweep.ledger import pending, replay
from mnist_sweep.plan import make_plan
from mnist_sweep.reports.build import RENDERERS, WORKBOOKS
from mnist_sweep.summary import Status, summarize

_FOLDER = Path(__file__).parent / "golden"
_JOURNALS = sorted(_FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_every_old_journal_gives_its_whole_sweep(path: Path) -> None:
    """All trials of its plan are found under their keys, none is pending, and all reports can be made of it."""
    ledger = replay(read_records(path))
    assert ledger.spec
    trials = [outcome.trial for outcome in ledger.outcomes.values()]
    plan = make_plan(ledger.spec, trials[0].data, trials[0].loop_version)
    summary = summarize(plan, ledger)
    assert 16 == len(plan.trials) == len(trials)
    assert [] == pending(plan.trials, ledger)
    assert 16 == summary.n(Status.FINISHED) + summary.n(Status.FAILED)
    assert summary.n(Status.FAILED) > 0
    made = {name: render(summary, "output/golden") for name, render in RENDERERS.items()}
    assert all(made.values())
    assert all(openpyxl.load_workbook(io.BytesIO(made[name])).sheetnames for name in WORKBOOKS)


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_only_journals_of_before_have_lines_without_a_checksum(path: Path) -> None:
    """The journals here show both ways in which lines have been written."""
    n_sums = sum(line.endswith(b'"}') and b',"crc":"' in line for line in path.read_bytes().splitlines())
    assert (36 if path.stem == "format-1-checksums" else 0) == n_sums


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_an_old_journal_can_be_gone_on_with(path: Path, tmp_path: Path) -> None:
    """It opens for appending without a byte of it changed."""
    copy = tmp_path / "journal.jsonl"
    shutil.copy(path, copy)
    Journal(copy).close()
    assert path.read_bytes() == copy.read_bytes()


def test_another_loop_version_is_reported_but_not_mixed() -> None:
    """`report` shows the results of an older training loop; `run` refuses to add to them, and says why."""
    home = Path("output/golden")
    home.mkdir(parents=True)
    shutil.copy(_FOLDER / "format-1-loop-1.jsonl", home / "journal.jsonl")
    command = [sys.executable, "-m", "mnist_sweep"]
    report = subprocess.run([*command, "report", str(home)], capture_output=True, text=True, check=True)
    assert ", 0 left" in report.stdout
    shutil.copy(_FOLDER / "format-1-loop-1.yaml", "golden.yaml")
    run = subprocess.run([*command, "run", "golden.yaml"], capture_output=True, text=True, check=False)
    assert 5 == run.returncode
    assert "loop_version 2 instead of 1" in run.stderr
