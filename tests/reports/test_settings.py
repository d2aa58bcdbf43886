"""Columns and words of settings that the old workbooks did not have: only where a sweep says something of them."""

from __future__ import annotations

from typing import Any

import pytest
from sweeps import a_summary, trained

from builders import a_plan, finished
from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.execution.time_left import epoch_work
from mnist_sweep.journal.events import Curves, Finished
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.axes import AXES, facets, told
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.reports.result_tables import ranking_table
from mnist_sweep.reports.step import renewed
from mnist_sweep.reports.workbooks.full import full_table
from mnist_sweep.reports.workbooks.hyperparams import hyperparams_table
from mnist_sweep.reports.workbooks.ranking import ranking_sheet
from mnist_sweep.reports.workbooks.sheets import Text
from mnist_sweep.terminal.plan_and_status import print_plan, worker_bytes

_NETWORKS = """\
network:
  wide: [{Conv2D: {filters: 32, kernel_size: 3, activation: relu}}, Flatten]
  small: [{Conv2D: {filters: 4, kernel_size: 3}}, GlobalAveragePooling2D]
"""
_DROPOUT = "dropout: [0, 0.25, [0.1, 0.5, 0.5]]\nbatch_norm: [false, true]\nschedule: [off, {name: step, every: 2}]"
_OLD = {"Optimizer", "Monitor", "Precision", "Label smoothing"}
_NEW = {facet.header for facet in facets(AXES) if not facet.is_old} - _OLD


def _summary(grid: str) -> Summary:
    plan = a_plan(grid)
    return a_summary(plan, *trained(plan.trials))


def _cells(summary: Summary) -> list[dict[str, Any]]:
    table = full_table(summary)
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


@pytest.mark.parametrize(
    "grid", ["hidden_width: [32, 64]", "optimizer: [adam, adamw, muon]", "dropout: [0, [0, 0, 0]]"]
)
def test_an_ordinary_sweep_has_the_columns_of_before(grid: str) -> None:
    """Defaults of Keras's optimizers, and settings that are off, make no column and no axis."""
    summary = _summary(grid)

    assert len(_NEW) == 12
    assert set() == _NEW & set(full_table(summary).headers)
    assert _OLD < set(full_table(summary).headers)
    assert {"dropout", "weight_decay"}.isdisjoint(summary.varied)
    assert "Dropouts" not in hyperparams_table(summary).headers


def test_a_setting_that_is_said_has_a_column() -> None:
    """Each that some combination has otherwise than by default, with all its values."""
    summary = _summary(_DROPOUT)
    cells = _cells(summary)

    assert {"Dropout", "Batch normalisation", "Schedule"} == _NEW & set(cells[0])
    assert {0.0, 0.25, "0.1, 0.5, 0.5"} == {row["Dropout"] for row in cells}
    assert {"off", "step every 2"} == {row["Schedule"] for row in cells}
    tried = hyperparams_table(summary).only("Dropouts", "Batch normalisations", "Schedules")
    assert [("0, 0.25, [0.1, 0.5, 0.5]", "false, true", "off, step every 2")] == list(tried.rows)
    words = {word for row in ranking_table(summary).only("Dropout", "Batch normalisation").words() for word in row}
    assert {"0", "0.25", "0.1-0.5-0.5", "false", "true"} == words


def test_a_network_has_its_name_and_no_hidden_layers() -> None:
    """Cells of hidden layers are empty, and the model is called by the network's name."""
    summary = _summary(_NETWORKS + "augment: [off, {rotation: 5}]")
    cells = _cells(summary)

    assert {(None, None, None)} == {(row["Num layers"], row["Hidden funcs"], row["Hidden width"]) for row in cells}
    assert {("wide", "off"), ("wide", "rotation 5"), ("small", "off"), ("small", "rotation 5")} == {
        (row["Network"], row["Augmentation"]) for row in cells
    }
    tried = hyperparams_table(summary).only("Hidden Widths", "Nums layers", "Functions", "Networks")
    assert [(None, None, None, "wide, small")] == list(tried.rows)
    names = {summary.model_words(combination.recipe) for combination in summary.combinations}
    assert "wide batch 200 adam 0.001" in names
    assert "small batch 200 adam 0.001 augmentation rotation 5" in names


def test_plan_lists_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Axes at their defaults are one line; parameters stand with the network's name."""
    print_plan(a_plan(_NETWORKS + "augment: {shift: 1.0}", training_images=500), Ledger(), "out", "by default")
    shown = " ".join(capsys.readouterr().out.split())

    assert "All other settings are at their defaults." in shown
    assert "augment shift 1 " in shown
    assert "parameters 90 (small), 216,650 (wide)" in shown
    assert "images the first 500 of the shuffled training images" in shown
    assert not any(word in shown for word in ("num_layers", "dropout", "False", "0.0 ", "no hidden layer"))


def test_a_step_tells_what_is_held() -> None:
    """What is at its default is not listed."""
    text = renewed("", _summary("dropout: 0.5\nhidden_width: [32, 64]"), "out", "STEPS.md")
    (held,) = [line for line in text.splitlines() if line.startswith("**Held.**")]

    assert held.startswith("**Held.** dropout 0.5; ")
    assert held.endswith("; all else at its default.")
    assert "bias" not in held


def test_no_advice_goes_beyond_nothing() -> None:
    """Where 0 or false is the best, there is nothing smaller to try."""
    plan = a_plan("dropout: [0, 0.25]\nbatch_norm: [false, true]\nearly_stopping: off", repeats=3)
    steps = next_steps(a_summary(plan, *map(_better_without, plan.trials)), "out")
    assert steps
    assert not [step for step in steps if "try" in step]


def _better_without(trial: Trial) -> Finished:
    recipe = trial.recipe
    accuracy = 0.95 - 0.01 * bool(recipe.dropout) - 0.02 * recipe.batch_norm + 0.0001 * trial.repeat
    curves = Curves((0.5,), (0.9,), (0.3,), (accuracy,), (1.0,))
    return finished(trial, curves=curves, best_epoch=1, kept_epoch=1)


def test_what_is_told_follows_from_the_recipes() -> None:
    """The weight decay that an optimizer has by itself is no news, another one is."""
    (own,), (other,) = (
        a_plan(f"hidden_width: 32\noptimizer: {one}").combinations
        for one in ("adamw", "{name: adamw, weight_decay: 0.01}")
    )
    assert "weight_decay" not in told([own])
    assert "weight_decay" in told([own, other])


def test_estimates_go_by_multiplications() -> None:
    """A network with few parameters takes its time and memory; so does augmentation."""
    small, wide = a_plan(_NETWORKS).combinations[::-1]
    (dense,) = a_plan("hidden_width: 128").combinations
    assert small.n_parameters < dense.n_parameters / 100
    assert epoch_work(dense, MNIST) < epoch_work(small, MNIST) < epoch_work(wide, MNIST)
    (moved,) = a_plan("hidden_width: 128\naugment: {rotation: 5}").combinations
    (all_of_it,) = a_plan(
        "hidden_width: 128\naugment: {rotation: 5, elastic: {alpha: 20, sigma: 5}, noise: 0.1, erase: 3}"
    ).combinations
    assert 2 * epoch_work(dense, MNIST) < epoch_work(moved, MNIST) < epoch_work(all_of_it, MNIST)
    assert worker_bytes(a_plan(_NETWORKS)) > worker_bytes(a_plan("hidden_width: 128"))


def test_the_ranking_says_what_is_the_same_in_all() -> None:
    """What is at its default is not listed there either."""
    (words, *_) = [block.words for block in ranking_sheet(_summary("dropout: 0.5")).blocks if isinstance(block, Text)]

    assert "dropout 0.5, " in words
    assert words.endswith("; all else at its default.")
    assert "bias" not in words
