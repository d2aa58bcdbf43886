"""The tables of curves and metrics."""

from __future__ import annotations

from dataclasses import fields

import pytest

from builders import a_trial, finished
from mnist_sweep.analysis.metrics import CURVES, METRICS, RANKED
from mnist_sweep.journal.events import Curves


def test_curves_stand_in_the_order_of_their_fields() -> None:
    """Each field of Curves is in the table once, in the order in which events hold them, and reads its own values."""
    curves = finished(a_trial()).result.curves
    assert [field.name for field in fields(Curves)] == list(CURVES)
    assert list(curves.columns) == [curve.of(curves) for curve in CURVES.values()]


@pytest.mark.parametrize(
    ("name", "title", "amount"),
    [
        ("val_accuracy", "Validation accuracy", "0.9807"),
        ("test_loss", "Test loss", "0.9807"),
        ("train_time", "Training time (seconds)", "1.0 s"),
        ("epochs", "Epochs", "1.0"),
    ],
)
def test_amounts_have_the_decimals_and_the_unit_of_their_metric(name: str, title: str, amount: str) -> None:
    """A unit stands in the header, or behind the number in a sentence; accuracies, losses and counts have none."""
    metric = METRICS[name]
    assert (title, amount) == (metric.title, metric.amount(0.98066))
    assert metric.number(0.98066) == amount.removesuffix(" s")


def test_only_of_accuracies_more_is_better() -> None:
    """Losses, times and epochs are better when they are lower."""
    better = {name for name, metric in METRICS.items() if metric.higher_is_better}
    assert {"val_accuracy", "test_accuracy", "train_accuracy"} == better
    assert better == {name for name, metric in METRICS.items() if metric.n_images}


def test_headers_tell_metrics_apart() -> None:
    """No two metrics share a header, and what is ranked by is a metric."""
    assert len(METRICS) == len({metric.header for metric in METRICS.values()})
    assert set(RANKED) <= set(METRICS)
