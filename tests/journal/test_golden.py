"""Journals of old formats are read for ever: results, plan and reports."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from command import run
from mnist_sweep.analysis.combination import Status
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.journal.journal_file import Journal, read_records
from mnist_sweep.journal.ledger import Outcome, pending, recorded_plan, replay
from mnist_sweep.journal.provenance import rounding_words
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.reports.build import RENDERERS, WORKBOOKS

_FOLDER = Path(__file__).parents[1] / "golden"
_TRIALS = {
    "format-1-backend": (8, 0, "6a63e4117d01"),
    "format-1-checksums": (16, 6, "1525c0efdb0f"),
    "format-1-every-axis": (16, 8, "82826379d88a"),
    "format-1-fingerprint": (4, 0, "7542de539ec1"),
    "format-1-loop-1": (16, 6, "45c891ecdcf3"),
    "format-1-loop-2": (8, 0, "38c6d1dc4aad"),
    "format-1-loop-3": (8, 0, "bbeed374393b"),
    "format-1-loop-4": (12, 0, "4dc2a2f709a3"),
    "format-1-networks": (4, 0, "df4619716553"),
    "format-1-richer": (8, 0, "7484c1f13fe1"),
}
"""How many trials each of them has, how many of these failed, and a digest of the keys of all that ended."""
_JOURNALS = sorted(_FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_every_old_journal_gives_its_whole_sweep(path: Path) -> None:
    """All trials of its plan are found under their keys, none is pending, and all reports can be made of it."""
    ledger = replay(read_records(path))
    assert ledger.spec
    trials = [outcome.trial for outcome in ledger.outcomes.values()]
    plan = recorded_plan(ledger.spec, ledger)
    summary = summarize(plan, ledger)
    n, n_failed, digest = _TRIALS[path.stem]
    assert n == len(plan.trials) == len(trials)
    assert [] == pending(plan.trials, ledger)
    keys = sorted([*ledger.outcomes, *ledger.confirmations])
    assert digest == hashlib.sha256("".join(keys).encode()).hexdigest()[:12]
    assert (n - n_failed, n_failed) == (summary.n(Status.FINISHED), summary.n(Status.FAILED))
    made = {name: render(summary, "output/golden") for name, render in RENDERERS.items()}
    assert all(made.values())
    assert all(openpyxl.load_workbook(io.BytesIO(made[name])).sheetnames for name in WORKBOOKS)


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_only_journals_of_before_have_lines_without_a_checksum(path: Path) -> None:
    """The journals here show both ways in which lines have been written."""
    n_sums = sum(line.endswith(b'"}') and b',"crc":"' in line for line in path.read_bytes().splitlines())
    assert {
        "format-1-checksums": 46,
        "format-1-fingerprint": 16,
        "format-1-backend": 20,
        "format-1-every-axis": 46,
        "format-1-loop-4": 28,
        "format-1-networks": 12,
        "format-1-richer": 20,
    }.get(path.stem, 0) == n_sums


@pytest.mark.parametrize("path", _JOURNALS, ids=lambda path: path.stem)
def test_an_old_journal_can_be_gone_on_with(path: Path, tmp_path: Path) -> None:
    """It opens for appending without a byte of it changed."""
    copy = tmp_path / "journal.jsonl"
    shutil.copy(path, copy)
    Journal(copy).close()
    assert path.read_bytes() == copy.read_bytes()


def test_a_backend_other_than_tensorflow_is_in_plan_and_keys() -> None:
    """Trials of before have TensorFlow, which stands nowhere in them; all of the newest were trained on JAX."""
    found = {path.stem: {outcome.trial.backend for outcome in _outcomes(path.stem)} for path in _JOURNALS}
    assert {"jax"} == found.pop("format-1-backend")
    assert all(backends == {"tensorflow"} for backends in found.values())
    trial = _outcomes("format-1-backend")[0].trial
    assert replace(trial, backend="tensorflow").key != trial.key


def test_rounding_is_told_of_results_that_have_a_fingerprint() -> None:
    """Two hosts rounded alike, a third did not (oneDNN was held to SSE4.1 there); of older results nothing is said."""
    words = {path.stem: rounding_words(replay(read_records(path)).executions) for path in _JOURNALS}
    assert "(efdb0cc4 on alpha, gamma; 6d03c48e on beta)" in words.pop("format-1-fingerprint")
    assert {""} == set(words.values())


def _folder_of(stem: str) -> Path:
    """A folder with that journal, and golden.yaml with the file it was planned by."""
    folder = Path("output/golden")
    folder.mkdir(parents=True)
    shutil.copy(_FOLDER / f"{stem}.jsonl", folder / "journal.jsonl")
    shutil.copy(_FOLDER / f"{stem}.yaml", "golden.yaml")
    return folder


def _outcomes(stem: str) -> list[Outcome]:
    return list(replay(read_records(_FOLDER / f"{stem}.jsonl")).outcomes.values())


def _trials(stem: str) -> list[Trial]:
    return [outcome.trial for outcome in _outcomes(stem)]


@pytest.mark.parametrize(
    ("stem", "versions", "change"),
    [
        ("format-1-loop-1", "version 1 of the training loop for models that version 2 trains", "fused kernels"),
        # its combinations have several newer versions, of which each command tells that of the first it meets
        ("format-1-loop-2", "version 2 of the training loop for models that version", ""),
        ("format-1-loop-3", "version 3 of the training loop for models that version 4 trains", "in kernels alone"),
    ],
)
def test_another_loop_version_is_reported_but_not_mixed(stem: str, versions: str, change: str) -> None:
    """`report` shows the results of an older training loop; `run` and `confirm` refuse to add to them, and say why."""
    folder = _folder_of(stem)
    before = (folder / "journal.jsonl").read_bytes()
    report, status = run("report", str(folder)), run("status", str(folder))
    assert (0, 0) == (report.returncode, status.returncode)
    assert ", 0 left" in report.stdout
    assert ", 0 left" in status.stdout
    for arguments in (("run", "golden.yaml"), ("plan", "golden.yaml"), ("confirm", str(folder))):
        refused = run(*arguments)
        assert 5 == refused.returncode
        assert versions in refused.stderr
        assert change in refused.stderr
    assert before == (folder / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("stem", ["format-1-loop-4", "format-1-networks", "format-1-richer"])
def test_versions_of_this_program_go_on_with_what_they_trained(stem: str) -> None:
    """A journal whose recipes have several loop versions is complete: nothing is left to train."""
    _folder_of(stem)
    done = run("run", "golden.yaml")
    assert (0, "") == (done.returncode, done.stderr)
    assert f"{_TRIALS[stem][0]} finished, 0 failed, 0 left" in done.stdout


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        # its combinations have several newer versions, of which each command tells that of the first it meets
        ("format-1-loop-2", [("adam", "val_loss", 2)] * 2),
        ("format-1-loop-3", [("adam", "val_loss", 2)] * 2 + [("adam", "val_accuracy", 3)] * 2),
    ],
)
def test_combinations_that_a_version_did_not_change_are_kept(stem: str, expected: list[tuple[str, str, int]]) -> None:
    """Without those that later versions changed, all that an old journal holds is still counted as done."""
    spec = replay(read_records(_FOLDER / f"{stem}.jsonl")).spec
    assert spec
    old = {trial.key for trial in _trials(stem)}
    kept = [trial for trial in make_plan(spec, MNIST).trials if trial.key in old]
    assert expected == [
        (t.recipe.optimizer, t.recipe.early_stopping.monitor, t.loop_version) for t in kept if t.recipe.early_stopping
    ]


def test_loop_versions_belong_to_recipes() -> None:
    """The fourth one to adamw, muon and smoothed labels; none to other settings, and smoothing counts among all."""
    versions = {(t.recipe.optimizer, t.recipe.label_smoothing): t.loop_version for t in _trials("format-1-loop-4")}
    assert {("adam", 0.0): 2} == {pair: version for pair, version in versions.items() if version != 4}
    assert 6 == len(versions)
    assert {2} == {trial.loop_version for trial in _trials("format-1-networks")}
    assert {4} == {trial.loop_version for trial in _trials("format-1-richer")}
