"""Valid values to start a test from; each test changes what it is about."""

from __future__ import annotations

from typing import Any

from mnist_sweep.journal.events import Curves, Finished, Result
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import EarlyStopping, Recipe, Seeds, Trial, loop_version
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.plan.sweep_plan import Plan, make_plan
from mnist_sweep.sweepfile.sweep_file import parse_spec

DATA = DataSet("d" * 64, n_train=60_000, n_test=10_000)


def a_recipe(**changes: Any) -> Recipe:
    """A small model with early stopping."""
    values: dict[str, Any] = {
        "hidden_widths": (32, 32),
        "hidden_funcs": ("relu", "relu"),
        "batch_size": 500,
        "learning_rate": 0.001,
        "optimizer": "adam",
        "max_epochs": 5,
        "early_stopping": EarlyStopping("val_loss", 0.0001, 10, restore_best_weights=True),
        "validation_fraction": 0.1,
    }
    return Recipe(**{**values, **changes})


def a_trial(repeat: int = 1, **changes: Any) -> Trial:
    """The first repeat of that model."""
    recipe = a_recipe(**changes)
    seeds = Seeds(weights=repeat, split=100, order=100)
    return Trial(recipe, repeat, seeds, DATA.digest, loop_version(recipe, DATA.n_train))


def a_result(**changes: Any) -> Result:
    """Two epochs, the second one best."""
    values: dict[str, Any] = {
        "curves": Curves((0.5, 0.2), (0.85, 0.94), (0.3, 0.15), (0.91, 0.955), (1.25, 1.0)),
        "best_epoch": 2,
        "kept_epoch": 2,
        "test_loss": 0.16,
        "test_accuracy": 0.9512,
        "confusion": tuple(tuple(1000 if i == j else 0 for j in range(10)) for i in range(10)),
        "wrong": ((7, 2), (33, 4)),
        "execution": {"device": "CPU"},
    }
    return Result(**{**values, **changes})


def finished(trial: Trial, **changes: Any) -> Finished:
    """That trial, finished with that result."""
    return Finished(trial, a_result(**changes))


def a_spec(grid: str = "hidden_width: [32, 64]", **top: Any) -> SweepSpec:
    """The spec of a sweep file with this grid (YAML, one line or several) and these keys at its top level."""
    lines = [f"{key}: {value}" for key, value in {"name": "test", "repeats": 2, **top}.items()]
    body = "\n".join(f"  {line}" for line in grid.splitlines())
    return parse_spec("\n".join([*lines, "grid:", body]).encode(), "test.yaml")


def a_plan(grid: str = "hidden_width: [32, 64]", **top: Any) -> Plan:
    """The plan of that spec."""
    return make_plan(a_spec(grid, **top), DATA)
