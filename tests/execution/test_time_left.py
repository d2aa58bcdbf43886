"""How long the rest will take: by shape and rule, with its range, to the end of the queue."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace
from statistics import fmean

import pytest

from builders import DATA, a_plan, a_trial, finished
from mnist_sweep.execution.time_left import Costs, Estimate, epoch_work, time_left
from mnist_sweep.journal.events import Cause, Curves, Event, Failed, Finished, Record, RunStarted, Started
from mnist_sweep.journal.ledger import Ledger, pending, replay
from mnist_sweep.plan.recipe import EarlyStopping, Trial
from mnist_sweep.plan.sweep_plan import Plan
from mnist_sweep.terminal import plan_and_status as overview
from mnist_sweep.terminal.plan_and_status import busy_words, left_of_run, planned_time, print_plan

_SECOND = 1.0  # of each epoch


def _finished(trial: Trial, n_epochs: int, seconds: float = _SECOND) -> Finished:
    ones = (0.5,) * n_epochs
    return finished(trial, curves=Curves(ones, ones, ones, ones, (seconds,) * n_epochs))


def _ledger(*events: Event, workers: int = 1) -> Ledger:
    return replay(Record("", float(i), event) for i, event in enumerate([RunStarted({"workers": workers}), *events]))


def test_seconds_go_by_shape_and_work() -> None:
    """Seconds are measured by shape; a shape that was not measured is estimated by its work."""
    small, large = a_trial(hidden_widths=(8, 8)), a_trial(hidden_widths=(512, 512))
    ledger = _ledger(_finished(small, 2, 1.125))
    costs = Costs(ledger.outcomes.values(), DATA)
    assert 2 * 1.125 == costs.trial(small.recipe, rate=0.0).likely
    ratio = epoch_work(large.recipe, DATA) / epoch_work(small.recipe, DATA)
    assert ratio > 10
    assert pytest.approx(1.125 * 2 * ratio) == costs.trial(large.recipe, rate=0.0).likely


def test_epochs_go_by_own_repeats_then_by_the_rule() -> None:
    """A recipe's own repeats tell its epochs, else those of the same rule and limit do, and no other's."""
    known, alike = a_trial(max_epochs=100), a_trial(max_epochs=100, learning_rate=0.5)
    other = a_trial(max_epochs=7)
    costs = Costs(_ledger(_finished(known, 40), _finished(replace(known, repeat=2), 50)).outcomes.values(), DATA)
    assert 45 == costs.trial(known.recipe, 0.0).likely == costs.trial(alike.recipe, 0.0).likely
    assert 7 == costs.trial(other.recipe, 0.0).likely


@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("stopping", [None, EarlyStopping("val_loss", 0.0, 10, restore_best_weights=True)])
@pytest.mark.parametrize("n_seen", [0, 1, 6])
def test_the_likely_figure_lies_within_its_range(n_workers: int, stopping: EarlyStopping | None, n_seen: int) -> None:
    """The estimate is no end of its own range, not even where every training takes all its epochs."""
    trials = [a_trial(i, early_stopping=stopping, max_epochs=15) for i in range(1, 13)]
    ledger = _ledger(*(_finished(trial, 15) for trial in trials[:n_seen]))
    left = time_left(trials[n_seen:], ledger, DATA, n_workers, rate=1e-10)
    assert 0 < left.low < left.likely < left.high < 5 * left.low


def test_variances_are_added_not_extremes() -> None:
    """Single trainings vary by a factor of five; a hundred of them together do not."""
    trials = [a_trial(i, max_epochs=1000) for i in range(1, 201)]
    chance = random.Random(1)  # noqa: S311  no secret
    ledger = _ledger(*(_finished(trial, chance.randint(10, 50)) for trial in trials[:100]))
    left = time_left(trials[100:], ledger, DATA, 1, rate=0.0)
    assert pytest.approx(3000, rel=0.1) == left.likely
    assert left.high / left.low < 1.6


def test_time_left_is_never_less_than_the_longest_trial_that_is_left() -> None:
    """Workers do not share a trial: two of them wait for the large one."""
    small, large = a_trial(hidden_widths=(8, 8)), a_trial(hidden_widths=(512, 512))
    ledger = _ledger(_finished(small, 5), _finished(large, 5, 60.0))
    trials = [replace(large, repeat=2), *(replace(small, repeat=i) for i in range(2, 8))]
    assert 300 <= time_left(trials, ledger, DATA, 2, 0.0).likely < 310
    assert time_left(trials[:1], ledger, DATA, 100, 0.0).likely == time_left(trials[:1], ledger, DATA, 1, 0.0).likely
    many = [replace(small, repeat=i) for i in range(2, 300)]
    assert 300 <= time_left([*many[:5], trials[0], *many[5:]], ledger, DATA, 5, 0.0).likely < 610


def test_running_trials_are_nearly_done() -> None:
    """What a trial has had already is taken off; one that takes longer than expected is still no less than nothing."""
    seen, running = a_trial(1), a_trial(2)
    record = [Record("", 0.0, RunStarted({"workers": 1})), Record("", 1.0, _finished(seen, 5, 20.0))]
    ledger = replay([*record, Record("", 10.0, Started(running))])
    assert {running.key: 60.0} == ledger.spent(60.0)
    assert pytest.approx(40) == time_left([running], ledger, DATA, 1, 0.0, spent=ledger.spent(60.0)).likely
    assert 0 < time_left([running], ledger, DATA, 1, 0.0, spent=ledger.spent(600.0)).likely < 10
    begun = [Record("", 5.0, Started(a_trial(repeat))) for repeat in range(1, 7)]
    stacked = replay([Record("", 0.0, RunStarted({"workers": 2})), *begun])
    assert [20.0] * 6 == list(stacked.spent(60.0).values())
    assert {} == Ledger().spent()


def _simulated(plan: Plan, n_workers: int, seed: int) -> list[tuple[int, float, Estimate]]:
    """The sweep on so many workers, with epochs that vary by a third: at each tenth what is left, and the estimate."""
    chance = random.Random(seed)  # noqa: S311  no secret
    todo, ledger = iter(plan.trials), Ledger()
    ledger.apply(Record("", 0.0, RunStarted({"workers": n_workers})))
    ends: list[tuple[float, int, Finished]] = []
    looks: list[tuple[int, float, Estimate]] = []

    def start(now: float) -> None:
        trial = next(todo, None)
        if trial:
            seconds = epoch_work(trial.recipe, DATA) * 1e-10
            n_epochs = max(3, round(chance.gauss(30, 10)))
            ledger.apply(Record("", now, Started(trial)))
            heapq.heappush(ends, (now + n_epochs * seconds, len(ledger.begun_s), _finished(trial, n_epochs, seconds)))

    for _ in range(n_workers):
        start(0.0)
    n_looks = 10
    for n_done in range(1, len(plan.trials) + 1):
        now, _, outcome = heapq.heappop(ends)
        ledger.apply(Record("", now, outcome))
        start(now)
        if n_done * n_looks % len(plan.trials) < n_looks and ends:
            left = pending(plan.trials, ledger)
            looks.append((n_done, now, time_left(left, ledger, DATA, n_workers, 0.0, spent=ledger.spent())))
    return [(n_done, now - at, left) for n_done, at, left in looks]


@pytest.mark.parametrize("n_workers", [1, 8, 32])
def test_the_estimate_is_near_the_truth_at_all_stages(n_workers: int) -> None:
    """Averaged over sweeps, estimate and truth agree from the first tenth to the last, and ranges hold what came."""
    plan = a_plan(
        "hidden_width: [32, 64, 128, 256]\nlearning_rate: [0.001, 0.002, 0.003]\nmax_epochs: 1000", repeats=10
    )
    sweeps = [_simulated(plan, n_workers, seed) for seed in range(12)]
    n_within = 0
    for looks in zip(*sweeps, strict=True):
        ratio = fmean(estimate.likely / left for _, left, estimate in looks)
        assert 0.8 < ratio < 1.3, f"{ratio} after {looks[0][0]} trials"
        n_within += sum(estimate.low <= left <= estimate.high for _, left, estimate in looks)
    assert n_within >= 0.8 * sum(map(len, sweeps))


def test_nothing_left_takes_no_time() -> None:
    """Where no trial is left, all three figures are 0."""
    assert Estimate(0.0, 0.0, 0.0) == time_left([], Ledger(), DATA, 4, 0.0)


@pytest.mark.parametrize(
    ("load", "n_workers", "n_cpus", "expected"),
    [
        (0.0, 2, 2, ""),
        (0.3, 2, 2, ""),
        (3.0, 4, 64, ""),
        (6.0, 2, 2, "about 4.0 times"),
        (62.0, 32, 64, "about 1.5 times"),
    ],
)
def test_a_busy_machine_is_told(load: float, n_workers: int, n_cpus: int, expected: str) -> None:
    """Whoever else wants the cores makes everything take longer, and by how much is said."""
    words = busy_words(load, n_workers, n_cpus)
    assert expected in words
    assert bool(expected) == bool(words)


@pytest.mark.parametrize("cause", [Cause.TIMEOUT, Cause.ERROR, Cause.WORKER_DIED])
def test_a_failure_without_an_epoch_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cause: Cause
) -> None:
    """Where all that ended has no curves, `plan` probes the machine as before the first trial, and says so."""
    monkeypatch.setattr(overview, "_calibrate", lambda: 1e-9)
    plan = a_plan("hidden_width: [32, 64]")
    ledger = _ledger(Failed(plan.trials[0], cause, "no result"))
    before, after = planned_time(plan, Ledger()), planned_time(plan, ledger)
    assert before
    assert after
    assert after.likely > before.likely / 2 > 10
    print_plan(plan, ledger, "out", "by default")
    shown = " ".join(capsys.readouterr().out.split())
    assert "by short products of matrices here" in shown
    assert "measured trials" not in shown
    assert left_of_run(plan, ledger, running=False) is None
