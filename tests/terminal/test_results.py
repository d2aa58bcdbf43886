"""What people read on a terminal about a sweep."""

from __future__ import annotations

import pytest

from builders import a_plan, finished
from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.conclusions import decision
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.journal.events import Cause, Curves, Failed, Record
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.sweep_plan import confirmations
from mnist_sweep.terminal.results import print_comparison, print_confirmed, print_report


def _summary(widths: int = 12, repeats: int = 2, n_failed: int = 0, n_confirmed: int = 0) -> Summary:
    """A sweep of widths from 1 up, each better than the one before; the last trials failed."""
    plan = a_plan(f"hidden_width: {list(range(1, widths + 1))}", repeats=repeats)
    ledger = Ledger()
    for i, trial in enumerate(plan.trials):
        value = 0.9 + 0.005 * trial.recipe.hidden_widths[0] + 0.001 * (i % 3)
        curves = Curves((0.4,), (0.8,), (0.3,), (value,), (1.0,))
        done = finished(trial, curves=curves, best_epoch=1, kept_epoch=1)
        failed = Failed(trial, Cause.DIVERGED, "diverged")
        ledger.outcomes[trial.key] = done if i < len(plan.trials) - n_failed else failed
    for trial in confirmations(plan, plan.combinations[-1:], n_confirmed):
        ledger.apply(Record("t", 0.0, finished(trial)))
    return summarize(plan, ledger)


def test_a_report_has_ten_ranks_and_says_of_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    """The decision first, ten of twelve combinations, what mattered and what to do next."""
    print_report(_summary(), "output/test")
    shown = capsys.readouterr().out
    assert shown.startswith("Take 2×12 relu")
    assert "Ranking by validation, 10 of 12" in shown
    assert "2×3 relu" in shown
    assert "\n 11 " not in shown
    assert "Width 12 is better than 11 by" in shown
    assert "try larger ones" in shown
    assert "\x1b" not in shown  # no colours where there is no terminal


@pytest.mark.parametrize(("summary", "text"), [(_summary(repeats=1), "one repeat nothing"), (_summary(1), "Take 2×1")])
def test_small_sweeps_have_a_report(summary: Summary, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One repeat and one combination have a report without verdicts."""
    print_report(summary, "output/test")
    shown = capsys.readouterr().out
    assert text in " ".join(shown.split())
    assert "better than" not in shown


def test_what_is_not_compared_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Combinations with failures are listed with what became of their repeats."""
    print_report(_summary(3, n_failed=1), "output/test")
    _, _, table = capsys.readouterr().out.partition("Not compared\n")
    header, _, row, *_ = table.splitlines()
    assert "Model Finished Failed Not trained" == " ".join(header.split())
    assert "2×3 relu batch 200 adam 0.001 1 1 0" == " ".join(row.split())
    print_report(_summary(2, n_failed=4), "output/test")
    assert "No decision yet" in capsys.readouterr().out


def test_confirmation_shows_the_drop(capsys: pytest.CaptureFixture[str]) -> None:
    """Selected, confirmed and the drop between them, for validation and test."""
    print_confirmed(_summary(3, n_confirmed=4))
    shown = capsys.readouterr().out
    assert "0.9165 ± 0.0007   0.9550 ± 0.0000   -0.0385" in shown
    assert "0.9512 ± 0.0000   0.9512 ± 0.0000   +0.0000" in shown


def test_sweeps_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """The best of each; combinations in common with what they differ by."""
    print_comparison({"a": _summary(3), "b": _summary(12), "c": _summary(2, n_failed=4)})
    shown = capsys.readouterr().out
    assert "a and b: 3 combinations in common" in shown
    assert "same trainings" in shown
    assert "none has all its repeats yet" in shown
    assert "a and c cannot be compared: no combination of c has all its repeats yet." in shown


def test_sweeps_that_share_nothing_get_a_verdict_and_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says that nothing is in common, what that means, and how far the best are apart."""
    one, other = _summary(1), a_plan("hidden_width: [100]")
    trained = Ledger({trial.key: finished(trial) for trial in other.trials})
    print_comparison({"a": one, "b": summarize(other, trained)})
    shown = capsys.readouterr().out
    assert shown.endswith(
        "a and b have no complete combination in common, so a difference between them cannot be told from chance. "
        "Of the best of each, that of b is ahead by 0.0495 in validation accuracy.\n"
    )
    assert "verdict" not in shown


def test_a_report_into_a_pipe_is_not_broken_or_padded(capsys: pytest.CaptureFixture[str]) -> None:
    """Each sentence is one line, however long, and no line ends in blanks."""
    summary = _summary(12, n_failed=1, n_confirmed=4)
    print_report(summary, "output/test")
    lines = capsys.readouterr().out.splitlines()
    assert decision(summary) == lines[0]
    assert {f"- {step}" for step in next_steps(summary, "output/test")} <= set(lines)
    assert lines == [line.rstrip() for line in lines]
