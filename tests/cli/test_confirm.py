"""Confirmation: fresh seeds for what was selected, beside the ranking and never in it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from builders import a_plan, finished
from command import forget_after, run
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.journal.events import Curves, Record
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.recipe import trial_from_dict, trial_to_dict
from mnist_sweep.plan.sweep_plan import confirmations

_TIMES = ["Train Time", "Loss * Time", "Average epoch time", "Attempts"]


def _full() -> pd.DataFrame:
    return pd.read_excel("output/tiny/full.xlsx").drop(columns=_TIMES)


def test_seeds_are_fresh_and_the_held_out_images_stay() -> None:
    """No confirmation shares weights or order with a repeat or with another; the split is the sweep's."""
    plan = a_plan(repeats=3)
    trials = confirmations(plan, plan.combinations, 10)
    assert 20 == len({trial.key for trial in trials} - plan.keys)
    assert {trial.seeds.split for trial in plan.trials} == {trial.seeds.split for trial in trials}
    assert 13 == len({trial.seeds.weights for trial in (*plan.trials, *trials)})
    assert 11 == len({trial.seeds.order for trial in (*plan.trials, *trials)})


def test_splits_of_each_repeat_stay_among_those_of_the_sweep() -> None:
    """Where each repeat holds out its own images, confirmations take these in turn."""
    plan = a_plan(repeats=3, split_seed="each_repeat")
    splits = [trial.seeds.split for trial in confirmations(plan, plan.combinations[:1], 6)]
    assert [trial.seeds.split for trial in plan.trials[:3]] * 2 == splits


def test_a_recipe_is_confirmed_by_the_loop_version_of_its_results() -> None:
    """Each combination by its own, as the plan has it."""
    plan = a_plan("optimizer: [adam, muon]")
    assert [2, 2, 4, 4] == [trial.loop_version for trial in plan.trials]
    assert [4, 2] == [trial.loop_version for trial in confirmations(plan, plan.combinations[::-1], 1)]


def test_the_mark_is_written_and_read() -> None:
    """A confirmation's line says so; a trial of the plan has the line and the key that it always had."""
    plan = a_plan()
    (trial, *_) = confirmations(plan, plan.combinations, 1)
    assert trial == trial_from_dict(json.loads(json.dumps(trial_to_dict(trial))))
    assert trial_to_dict(trial)["confirms"]
    assert "confirms" not in trial_to_dict(plan.trials[0])


def test_confirmations_never_enter_the_ranking() -> None:
    """However good they are, spreads, picks and rows are as before; their drop is told."""
    plan, ledger = a_plan(), Ledger()
    for trial in plan.trials:
        ledger.apply(Record("t", 0.0, finished(trial)))
    before = summarize(plan, ledger)
    for trial in confirmations(plan, plan.combinations[:1], 3):
        curves = Curves((0.1,), (0.999,), (0.01,), (0.999,), (1.0,))
        ledger.apply(Record("t", 0.0, finished(trial, test_accuracy=0.9412, curves=curves, best_epoch=1, kept_epoch=1)))
    after = summarize(plan, ledger)
    assert (before.combinations, before.picks) == (after.combinations, after.picks)
    assert before.ranking() == after.ranking()
    (confirmed,) = after.confirmed
    assert 3 == confirmed.n_finished
    assert pytest.approx(0.01) == confirmed.drop("test_accuracy")
    assert pytest.approx(0.0) == confirmed.drop("test_loss")


def test_the_best_are_trained_again(trained: str) -> None:
    """The first ones are trained again, once; run sees the same sweep as before, and full.xlsx is untouched."""
    full = _full()
    done = run("confirm", trained, "--top", "1", "--repeats", "2", "--workers", "1")
    assert 0 == done.returncode, done.stderr
    assert "[2/2]" in done.stderr
    assert "Confirmed with fresh seeds" in done.stdout
    assert "" == run("confirm", trained, "--top", "1", "--repeats", "2").stderr
    endless = run("confirm", trained, "--repeats", "1000000000")
    assert 2 == endless.returncode
    assert "found 2 combinations, 1,000,000,000 repeats each, allowed: at most 100,000 trials" in endless.stderr
    assert "[4/4]" in run("confirm", trained, "--repeats", "2", "--workers", "1").stderr
    pd.testing.assert_frame_equal(full, _full())
    again = run("run", "tiny.yaml")
    assert (0, "") == (again.returncode, again.stderr)
    assert "4 finished" in again.stdout
    with pd.ExcelFile(f"{trained}/best.xlsx") as best:
        assert "Confirmed" in best.sheet_names


def test_a_limit_stops_it_and_the_same_command_goes_on(trained: str) -> None:
    """--max-trials ends with 8 and trials left; going on trains only the rest."""
    words = ("confirm", trained, "--top", "1", "--repeats", "3", "--workers", "1")
    limited = run(*words, "--max-trials", "2")
    assert 8 == limited.returncode
    assert "1 trial left" in limited.stderr
    rest = run(*words)
    assert (0, 1) == (rest.returncode, rest.stderr.count("repeat "))


def test_nothing_to_confirm_is_said(trained: str) -> None:
    """Before any combination is complete there is nothing to confirm, and nothing is trained."""
    forget_after(1)
    done = run("confirm", trained)
    assert 2 == done.returncode
    assert "output/tiny: nothing to confirm yet" in done.stderr
