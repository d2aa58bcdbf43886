"""Sweeps in few words: at the end of a run, while it trains, and for another program."""

from __future__ import annotations

import pytest

from builders import a_plan, finished
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.analysis.wording import best_words, confirming_words, leader_words
from mnist_sweep.journal.events import Curves, Event, Record, RunStarted
from mnist_sweep.journal.ledger import Ledger, replay
from mnist_sweep.plan.axes import trial_words
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import Plan, confirmations
from mnist_sweep.terminal.json_facts import closing_facts
from mnist_sweep.terminal.plan_and_status import print_status

_PLAN = a_plan("hidden_width: [32, 64]")
_MODEL = "relu batch 200 adam 0.001"


def _trained(trial: Trial, accuracy: float) -> Event:
    curves = Curves((0.4,), (0.8,), (0.3,), (accuracy,), (1.0,))
    return finished(trial, curves=curves, best_epoch=1, kept_epoch=1)


def _ledger(*events: Event) -> Ledger:
    return replay(Record("2026-01-02T03:04:05Z", 0.0, event) for event in (RunStarted({"workers": 1}), *events))


def _after(n: int, plan: Plan = _PLAN) -> Summary:
    """The summary when so many trials are trained."""
    return summarize(plan, _ledger(*(_trained(trial, 0.9) for trial in plan.trials[:n])))


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "Leading so far: none yet, no combination has all its repeats"),
        (2, f"Leading so far (1 of 2 combinations has all its repeats): 2×32 {_MODEL}: validation accuracy 0.9000"),
        (4, f"Best by validation: 2×32 {_MODEL}: validation accuracy 0.9000"),
    ],
)
def test_who_leads_is_the_best_only_in_the_end(n: int, words: str) -> None:
    """As long as a trial is left, the words are of who leads so far."""
    assert best_words(_after(n)).startswith(words)
    leader = words.partition(" (")[0].partition(":")[0].lower() + ": 0.9000"
    assert leader_words(_after(n))[: len(leader)] == (leader if n else "")


def test_other_programs_are_told_who_leads_as_such() -> None:
    """--notify has the best so far, beside how many trials are left, and none before any combination is complete."""
    told = [
        closing_facts(_after(n), name="", exit_code=0, error="", folder="", best_path="best.xlsx") for n in (1, 2, 4)
    ]
    assert [3, 2, 0] == [facts["n_left"] for facts in told]
    assert [None, f"2×32 {_MODEL}", f"2×32 {_MODEL}"] == [(facts["best"] or {}).get("model") for facts in told]


def test_what_is_confirmed_is_shown_and_not_who_led() -> None:
    """For each combination: how many fresh trainings are done, what they reached, and what it was selected with."""
    fresh = confirmations(_PLAN, _PLAN.combinations, 2)
    done = [_trained(trial, 0.9) for trial in _PLAN.trials]
    summary = summarize(_PLAN, _ledger(*done, _trained(fresh[0], 0.8)))
    assert [
        f"confirming 1 of 2, validation 0.8000 (was 0.9000 ± 0.0000): 2×32 {_MODEL}",
        f"confirming 0 of 2 (was 0.9000 ± 0.0000): 2×64 {_MODEL}",
    ] == confirming_words(summary, fresh).splitlines()
    assert "fresh repeat 1" in trial_words(fresh[0])
    many = a_plan("hidden_width: [1, 2, 3, 4, 5, 6, 7]")
    lines = confirming_words(_after(14, many), confirmations(many, many.combinations, 1)).splitlines()
    assert (6, "and 2 more") == (len(lines), lines[-1])


def test_status_says_who_leads_and_what_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """One worker is one worker; what max_epochs cut is told."""
    plan = a_plan("hidden_width: [32, 64]\nmax_epochs: 1")
    ledger = _ledger(*(_trained(trial, 0.9) for trial in plan.trials[:3]))
    print_status(plan, summarize(plan, ledger), ledger, None, "output/test")
    shown = capsys.readouterr().out
    assert "on 1 worker\n" in shown
    assert "Leading so far (1 of 2 combinations has all its repeats)" in shown
    assert "max_epochs ended 3 of 3 trainings before early stopping did" in shown
