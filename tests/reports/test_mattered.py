"""The sheet What mattered: verdicts and shares."""

from __future__ import annotations

from books import a_summary, rows_of, sheet_of, texts_of, three_by_three, top_of, with_accuracy
from builders import a_plan
from mnist_sweep.analysis.conclusions import axis_sentences, drop_sentences
from mnist_sweep.analysis.metrics import METRICS, RANKED
from mnist_sweep.reports.workbooks.mattered import TITLE
from mnist_sweep.reports.workbooks.xlsx import best_xlsx


def test_each_value_has_its_verdict() -> None:
    """The best value, what may be as good, and what is worse are told apart, in words and numbers."""
    sheet = sheet_of(best_xlsx(three_by_three(), "x"), TITLE)
    rows = rows_of(sheet, top_of(sheet, "Axis"))
    assert [("width", 32, "worse"), ("width", 64, "cannot be ruled out"), ("width", 128, "best")] == [
        (row["Axis"], row["Value"], row["Verdict"]) for row in rows
    ]
    assert (0.901, 0.071333) == (rows[0]["Mean"], rows[0]["Behind the best"])


def test_the_conclusions_stand_above_the_numbers() -> None:
    """The sentences about each axis, and what is safe to drop."""
    summary = three_by_three()
    text = texts_of(sheet_of(best_xlsx(summary, "x"), TITLE))
    assert [] == [s for s in [*axis_sentences(summary), *drop_sentences(summary)] if s not in text]


def test_shares_add_up_and_have_bars() -> None:
    """One axis and the seeds explain all of the variance between them; bars show the parts."""
    sheet = sheet_of(best_xlsx(three_by_three(), "x"), TITLE)
    width, seeds = rows_of(sheet, top_of(sheet, "Source"))
    assert ("width", "seed noise") == (width["Source"], seeds["Source"])
    assert 1 == round(width["Validation accuracy"] + seeds["Validation accuracy"], 4)
    kinds = {rule.type for place in sheet.conditional_formatting for rule in place.rules}
    assert {"dataBar"} == kinds


def test_one_repeat_has_no_shares_and_says_why() -> None:
    """Where nothing tells an axis from the seeds there are means, no verdict and no shares."""
    plan = a_plan("hidden_width: [32, 64]", repeats=1)
    sheet = sheet_of(best_xlsx(a_summary(plan, *map(with_accuracy, plan.trials, (0.9, 0.95))), "x"), TITLE)
    assert "with one repeat nothing tells what an axis does" in texts_of(sheet)
    assert ["unknown: one repeat"] * 2 == [row["Verdict"] for row in rows_of(sheet, top_of(sheet, "Axis"))]


def test_functions_of_each_layer_stand_with_their_layers() -> None:
    """Values that fit one number of layers are compared within it."""
    plan = a_plan("num_layers: [3, 4]\nhidden_width: 8\nhidden_funcs: {each_layer: [relu, tanh]}", repeats=2)
    events = [with_accuracy(trial, 0.9 + i / 500 + i % 3 / 1000) for i, trial in enumerate(plan.trials)]
    sheet = sheet_of(best_xlsx(a_summary(plan, *events), "x"), TITLE)
    rows = [row for row in rows_of(sheet, top_of(sheet, "Axis")) if row["Axis"] == "activation"]
    assert [(3, "relu"), (3, "tanh"), (4, "relu"), (4, "relu tanh"), (4, "tanh relu"), (4, "tanh")] == [
        (row["Within layers"], row["Value"]) for row in rows
    ]


def test_every_metric_has_its_first() -> None:
    """For each metric: who is first, how many may be as good, and what these repeats can tell."""
    summary = three_by_three()
    sheet = sheet_of(best_xlsx(summary, "x"), TITLE)
    rows = rows_of(sheet, top_of(sheet, "Metric"))[: len(RANKED)]
    rankings = [summary.ranking(metric) for metric in RANKED]
    assert [METRICS[metric].words for metric in RANKED] == [row["Metric"] for row in rows]
    assert [len(ranking.tied) - 1 for ranking in rankings] == [row["Cannot be ruled out"] for row in rows]
    assert [round(ranking.telling or 0, 6) for ranking in rankings] == [row["More than chance from"] for row in rows]
