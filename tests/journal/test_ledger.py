from __future__ import annotations

from dataclasses import replace

import pytest

from builders import DATA, a_plan, a_spec, a_trial, finished
from mnist_sweep.journal.events import Cause, Event, Failed, Planned, Record, RunEnded, RunStarted, Started
from mnist_sweep.journal.ledger import Ledger, pending, recorded_plan, replay
from mnist_sweep.plan.data_set import MNIST


def _ledger(*events: tuple[float, Event]) -> Ledger:
    return replay(Record(f"at {i}", run_s, event) for i, (run_s, event) in enumerate(events))


def test_nothing_has_happened_yet() -> None:
    """Without records there is no outcome, no run and no plan, and no second was spent."""
    ledger = _ledger()

    assert Ledger() == ledger
    assert 0 == ledger.seconds


def test_outcomes_are_found_by_the_key_of_their_trial() -> None:
    """Results and failures are kept, starts are not."""
    good, bad = finished(a_trial(1)), Failed(a_trial(2), Cause.DIVERGED, "diverged")
    ledger = _ledger((1, Started(good.trial)), (2, good), (3, Started(bad.trial)), (4, bad), (5, Started(a_trial(3))))

    assert {good.trial.key: good, bad.trial.key: bad} == ledger.outcomes


def test_a_later_outcome_replaces_an_earlier_one() -> None:
    """What was recorded last about a trial counts, and counts once."""
    bad, good = Failed(a_trial(), Cause.ERROR, "broken"), finished(a_trial())

    assert [good] == list(_ledger((1, bad), (2, good)).outcomes.values())
    assert [bad] == list(_ledger((1, good), (2, bad)).outcomes.values())


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([[0.5, 2.0, 7.0]], [7.0]),
        ([[0.5, 2.0], [0.25, 10.0]], [2.0, 10.0]),
        ([[0.5, 20.0], [0.25], [1.0, 3.0]], [20.0, 0.25, 3.0]),
    ],
)
def test_seconds_are_summed_over_runs(seconds: list[list[float]], expected: list[float]) -> None:
    """A run lasts to its last event, and all runs together last as long as their sum."""
    events: list[tuple[float, Event]] = []
    for start, *others in seconds:
        events += [(start, RunStarted({"cores": 8})), *((s, Started(a_trial())) for s in others)]
    ledger = _ledger(*events)

    assert expected == [run.seconds for run in ledger.runs]
    assert sum(expected) == ledger.seconds


def test_a_plan_noted_before_the_run_began_adds_no_run() -> None:
    """Events before the first run are nobody's seconds."""
    assert [] == _ledger((5, Planned(a_spec()))).runs


def test_a_run_says_where_and_when_it_began() -> None:
    """Each run keeps its own environment and its own start."""
    ledger = _ledger((0, RunStarted({"cores": 8})), (9, RunEnded()), (0, RunStarted({"cores": 4})))

    assert [({"cores": 8}, "at 0"), ({"cores": 4}, "at 2")] == [(r.environment, r.started_at) for r in ledger.runs]


def test_the_latest_plan_counts() -> None:
    """The spec is the one that was planned last."""
    first, last = a_spec("hidden_width: 32"), a_spec("hidden_width: [32, 64]", goal="more")
    ledger = _ledger((0, Planned(first)), (0, Planned(last)), (1, RunStarted({})))

    assert last == ledger.spec


def test_pending_trials_are_those_without_an_outcome() -> None:
    """Trials with a result or a failure are done; one that only began is not; the order is the plan's."""
    one, two, three, four = a_plan().trials
    ledger = _ledger((1, Started(two)), (2, finished(two)), (3, Started(one)), (4, Failed(four, Cause.ERROR, "broken")))

    assert [one, three] == pending(a_plan().trials, ledger)


def test_a_replay_goes_on_where_it_stopped() -> None:
    """Records applied one by one make the same ledger as all of them at once."""
    records = [
        Record("a", 0.0, RunStarted({})),
        Record("b", 1.0, finished(a_trial())),
        Record("c", 2.0, RunEnded()),
    ]
    ledger = replay(records[:1])
    for record in records[1:]:
        ledger.apply(record)

    assert replay(records) == ledger


def test_a_recorded_plan_is_for_the_data_of_its_outcomes() -> None:
    """Among several known data sets that of the outcomes counts, and one that is not known is named."""
    plan = a_plan()
    ledger = _ledger(*enumerate([finished(plan.trials[0])]))
    assert plan == recorded_plan(plan.spec, ledger, [MNIST, DATA])
    assert MNIST is recorded_plan(plan.spec, Ledger(), [MNIST, DATA]).data
    with pytest.raises(ValueError, match=DATA.digest):
        recorded_plan(plan.spec, ledger)


def test_a_recorded_plan_has_each_combination_by_its_own_loop_version() -> None:
    """Whatever was trained last, old results of one combination and new ones of another are both found."""
    plan = a_plan("optimizer: [adam, muon, nadam]", repeats=1)
    adam, muon, nadam = plan.trials
    old = replace(muon, loop_version=2)
    for outcomes in ((finished(adam), finished(old)), (finished(old), finished(adam))):
        ledger = _ledger(*enumerate(outcomes))
        assert (adam, old, nadam) == recorded_plan(plan.spec, ledger, [DATA]).trials
