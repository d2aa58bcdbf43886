from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path

import fake_work
import pytest

from builders import a_plan, finished
from mnist_sweep.errors import StorageError, SweepMismatchError
from mnist_sweep.execution.executor import Executor, Limits, MakeWork, TrialEvent, Work
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.run_sweep import (
    Chooser,
    Listener,
    Training,
    check_continues,
    check_current,
    grid,
    run_sweep,
)
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.journal.events import (
    Cause,
    Event,
    Failed,
    Finished,
    Planned,
    Progress,
    Record,
    RunEnded,
    RunStarted,
    Started,
)
from mnist_sweep.journal.journal_file import read_records
from mnist_sweep.journal.ledger import Ledger, replay
from mnist_sweep.plan.axes import trial_words
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import Plan


def _trains(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
    (trial,) = trials
    yield Started(trial)
    yield Progress(trial, 1, 0.3, 0.9)
    yield finished(trial)


@dataclass
class _Desk:
    """A folder with a journal where sweeps are run without training anything."""

    folder: Path
    work: Work = _trains
    execute: Executor = run_serially
    make_work: MakeWork | None = None
    n_workers: int = 1
    choose: Chooser = grid
    n_left: int = 0
    n_prepared: int = 0
    trained: list[Trial] = field(default_factory=list)
    clock: int = 0

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def events(self) -> list[Event]:
        return [record.event for record in read_records(self.journal)]

    @property
    def ledger(self) -> Ledger:
        return replay(read_records(self.journal))

    def run(
        self, plan: Plan, n_events: int = 1000, listeners: Iterable[Listener] = (), max_trials: int | None = None
    ) -> Ledger:
        """Run the sweep until so many events were heard; `trained` then has the trials that began in this run."""
        self.trained, self.n_left = [], n_events
        return run_sweep(
            plan,
            journal_path=self.journal,
            prepare=self._prepare,
            stamp=self._stamp,
            choose=self.choose,
            max_trials=max_trials,
            listeners=[self._hear, *listeners],
        )

    @contextmanager
    def _prepare(self, trials: Sequence[Trial]) -> Iterator[Training]:
        assert trials
        self.n_prepared += 1
        limits = Limits(self.n_workers, stop=lambda: self.n_left <= 0)
        yield Training(self.execute, self.make_work or (lambda _: self.work), limits, {"cores": 8})

    def _stamp(self, event: Event) -> Record:
        self.clock += 1
        return Record("2026-01-02T03:04:05.678Z", float(self.clock), event)

    def _hear(self, event: TrialEvent, _ledger: Ledger) -> None:
        self.n_left -= 1
        if isinstance(event, Started):
            self.trained.append(event.trial)


@pytest.fixture
def desk(tmp_path: Path) -> _Desk:
    return _Desk(tmp_path)


def test_a_sweep_trains_every_trial_of_its_plan(desk: _Desk) -> None:
    """The journal has the plan, the run's start, every trial with its result in order, and the run's end."""
    plan = a_plan()
    ledger = desk.run(plan)
    planned, *others = desk.events

    assert isinstance(planned, Planned)
    trials = [event for trial in plan.trials for event in (Started(trial), finished(trial))]
    assert [RunStarted({"cores": 8}), *trials, RunEnded()] == others
    assert desk.ledger == ledger
    assert plan.spec == ledger.spec
    assert [trial.key for trial in plan.trials] == list(ledger.outcomes)


def test_an_event_is_in_the_journal_before_anybody_hears_of_it(desk: _Desk) -> None:
    """Whenever a listener hears of an event, file and ledger have it already; an epoch's progress is never written."""
    heard: list[TrialEvent] = []

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        heard.append(event)
        written = [event for event in heard if not isinstance(event, Progress)]
        assert written == desk.events[2:]
        assert ledger == desk.ledger

    plan = a_plan()
    desk.run(plan, listeners=[hear])

    expected = [e for trial in plan.trials for e in (Started(trial), Progress(trial, 1, 0.3, 0.9), finished(trial))]
    assert expected == heard
    assert not any(isinstance(event, Progress) for event in desk.events)


def test_every_listener_hears_every_event(desk: _Desk) -> None:
    """Several listeners hear the same events in the same order."""
    one: list[TrialEvent] = []
    two: list[TrialEvent] = []
    desk.run(a_plan(), listeners=[lambda event, _: one.append(event), lambda event, _: two.append(event)])

    assert 12 == len(one)
    assert one == two


@pytest.mark.parametrize(
    "grid",
    [
        "hidden_width: [32, [64, 32], 32]",
        "num_layers: [2, 3]",
        "hidden_funcs: [relu, [tanh, relu], {each_layer: [relu, tanh]}]",
        "optimizer: [adam, {name: sgd, momentum: [0.0, 0.9]}]",
        "early_stopping: [off, {patience: [3, 5], monitor: val_accuracy}]",
        "learning_rate: [1.0e-3, 1]\nbatch_size: [100, 200]\nmax_epochs: [1, 2]",
    ],
)
def test_a_second_run_does_nothing(desk: _Desk, grid: str) -> None:
    """What is complete is neither prepared for nor trained again, and the journal stays byte for byte."""
    first = desk.run(a_plan(grid))
    before = desk.journal.read_bytes()
    second = desk.run(a_plan(grid))

    assert [] == desk.trained
    assert 1 == desk.n_prepared
    assert before == desk.journal.read_bytes()
    assert first == second


@pytest.mark.parametrize("n_events", range(1, 13))
def test_a_stopped_sweep_is_continued(desk: _Desk, n_events: int) -> None:
    """Stopped after any event, finished trials stay, and the next run trains exactly the others, from their start."""
    plan = a_plan()
    desk.run(plan, n_events=n_events)
    n_done = n_events // 3

    assert isinstance(desk.events[-1], RunEnded)
    assert [trial.key for trial in plan.trials[:n_done]] == list(desk.ledger.outcomes)

    ledger = desk.run(plan)

    assert list(plan.trials[n_done:]) == desk.trained
    assert [trial.key for trial in plan.trials] == list(ledger.outcomes)


def test_a_stopped_sweep_gives_up_the_running_work(desk: _Desk) -> None:
    """When the sweep stops in the middle of a trial, its work is closed before the run ends."""
    closed: list[tuple[int, bool]] = []

    def work(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        (trial,) = trials
        yield Started(trial)
        try:
            yield Progress(trial, 1, 0.3, 0.9)
            yield finished(trial)
        finally:
            closed.append((trial.repeat, RunEnded() in desk.events))

    desk.work = work
    desk.run(a_plan(), n_events=2)

    assert [(1, False)] == closed


@pytest.mark.parametrize("who", ["executor", "listener"])
def test_the_end_of_a_broken_run_is_recorded(desk: _Desk, who: str) -> None:
    """An error in the executor or in a listener comes out, and the journal says that the run ended."""

    def execute(trials: Iterator[Trial | None], _make_work: MakeWork, _limits: Limits) -> Generator[TrialEvent]:
        yield Started(next(trials) or plan.trials[0])
        if who == "executor":
            raise RuntimeError("broken")

    def hear(_event: TrialEvent, _ledger: Ledger) -> None:
        if who == "listener":
            raise RuntimeError("broken")

    desk.execute = execute
    plan = a_plan()
    with pytest.raises(RuntimeError, match="broken"):
        desk.run(plan, listeners=[hear])

    assert [Started(plan.trials[0]), RunEnded()] == desk.events[-2:]


def test_a_run_that_cannot_be_prepared_has_not_started(desk: _Desk) -> None:
    """When data or library are missing, the plan is noted but no run, and the error comes out."""

    def prepare(_trials: Sequence[Trial]) -> AbstractContextManager[Training]:
        raise StorageError("no data")

    with pytest.raises(StorageError, match="no data"):
        run_sweep(
            a_plan(), journal_path=desk.journal, prepare=prepare, stamp=lambda e: Record("2026-01-02T03:04:05Z", 0.0, e)
        )

    assert [Planned] == [type(event) for event in desk.events]


@pytest.mark.parametrize("n_whole", range(1, 9))
def test_a_sweep_on_a_full_disk_is_continued(desk: _Desk, monkeypatch: pytest.MonkeyPatch, n_whole: int) -> None:
    """When the disk fills up at any line, that is told, nobody hears of what was lost, and a later run goes on."""
    write, n_writes = os.pwrite, 0

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        nonlocal n_writes
        n_writes += 1
        if n_writes > n_whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data, offset)

    heard: list[TrialEvent] = []
    plan = a_plan()
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", pwrite)
        with pytest.raises(StorageError, match="No space left"):
            desk.run(plan, listeners=[lambda event, _: heard.append(event)])
    done = [event.trial for event in desk.events if isinstance(event, Finished)]
    assert done == [event.trial for event in heard if isinstance(event, Finished)]

    ledger = desk.run(plan)

    assert [trial for trial in plan.trials if trial not in done] == desk.trained
    assert plan.keys == set(ledger.outcomes)


@pytest.mark.parametrize(
    ("grid", "repeats"),
    [
        ("hidden_width: [32, 64, 128]", 2),
        ("hidden_width: [16, 32, 48, 64]", 2),
        ("hidden_width: [32, 64]", 3),
        ("hidden_width: [32, 64]\nbatch_size: [100, 200]", 3),
        ("learning_rate: [0.001, 0.01]\nhidden_width: [64, 32]", 2),
    ],
)
def test_a_larger_plan_trains_only_what_is_new(desk: _Desk, grid: str, repeats: int) -> None:
    """With more values, axes or repeats, the trials that are done stay, and the new ones are trained in plan order."""
    small, large = a_plan("hidden_width: [32, 64]", repeats=2), a_plan(grid, repeats=repeats)
    desk.run(small)
    ledger = desk.run(large)

    assert [trial for trial in large.trials if trial.key not in small.keys] == desk.trained
    assert len(large.trials) - len(small.trials) == len(desk.trained)
    assert large.keys == set(ledger.outcomes)
    assert large.spec == ledger.spec


@pytest.mark.parametrize(
    ("plan", "difference"),
    [
        (a_plan("hidden_width: [32, 64]\nmax_epochs: 6"), "The file now has max_epochs 6 instead of 5. "),
        (a_plan("hidden_width: 32\nmax_epochs: 5"), "The file now has hidden_width 32 instead of 32, 64. "),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5", exclude="[{hidden_width: 32}]"),
            "The file now has exclude hidden_width 32 instead of nothing. ",
        ),
        (a_plan("hidden_width: [32, 64]\nmax_epochs: 5", repeats=1), "The file now has repeats 1 instead of 2. "),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5", validation_fraction=0.2),
            "The file now has validation_fraction 0.2 instead of 0.1. ",
        ),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5", split_seed=7),
            "The file now has split_seed 7 instead of 100. ",
        ),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5\nearly_stopping: {patience: 3}"),
            "patience 3, best weights kept instead of val_loss by 0.0001, patience 10, best weights kept. ",
        ),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5\nearly_stopping: off"),
            "early_stopping off instead of val_loss by 0.0001, patience 10",
        ),
        (
            a_plan("hidden_width: [32, 64]\nmax_epochs: 5\nlearning_rate: 0.01\noptimizer: sgd"),
            "The file now has learning_rate 0.01 instead of 0.001; optimizer sgd instead of adam",
        ),
    ],
)
def test_a_plan_that_lost_results_is_refused(desk: _Desk, plan: Plan, difference: str) -> None:
    """Results that the file does not ask for any more stop the run, which says what differs and changes nothing."""
    desk.run(a_plan("hidden_width: [32, 64]\nmax_epochs: 5"))
    before = desk.journal.read_bytes()

    with pytest.raises(SweepMismatchError) as error:
        desk.run(plan)

    assert str(error.value).startswith(f"{desk.folder} holds the results of ")
    assert difference in str(error.value)
    assert "--fresh" in str(error.value)
    assert 1 == desk.n_prepared
    assert before == desk.journal.read_bytes()


def test_results_of_another_loop_version_are_not_mixed(tmp_path: Path) -> None:
    """The error names a trial, both versions, what changed and how to go on; other recipes are no cause."""
    plan = a_plan("optimizer: [adam, muon]", repeats=1)
    adam, muon = plan.trials
    old = replace(muon, loop_version=2)
    check_continues(plan, Ledger({trial.key: finished(trial) for trial in (adam, muon)}), tmp_path)
    with pytest.raises(SweepMismatchError) as error:
        check_continues(plan, Ledger({trial.key: finished(trial) for trial in (adam, old)}), tmp_path)
    assert "version 2 of the training loop for models that version 4 trains" in str(error.value)
    assert "muon 0.001, repeat 1. What differs: Muon leaves the output layer to AdamW" in str(error.value)
    assert "--fresh" in str(error.value)
    with pytest.raises(SweepMismatchError, match="come from a newer mnist-sweep"):
        check_current([replace(adam, loop_version=99)], plan.data, tmp_path)


def test_a_mismatch_counts_what_would_be_lost(desk: _Desk) -> None:
    """The message says how many of the results would drop out, and describes one of them."""
    old = a_plan("hidden_width: [32, 64, 128]")
    desk.run(old)

    with pytest.raises(SweepMismatchError) as error:
        desk.run(a_plan("hidden_width: 64"))

    assert "the results of 4 of 6 trials" in str(error.value)
    assert trial_words(old.trials[0]) in str(error.value)


def test_a_trial_is_described_in_a_line() -> None:
    """Widths, functions, batch size, learning rate, optimizer and repeat are named, also without hidden layers."""
    deep, flat = (a_plan(f"hidden_width: 32\nnum_layers: {n}").trials[1] for n in (4, 2))

    assert "2×32 relu batch 200 adam 0.001, repeat 2" == trial_words(deep)
    assert "no hidden layer batch 200 adam 0.001, repeat 2" == trial_words(flat)


@pytest.mark.parametrize(
    "plan",
    [
        a_plan("hidden_width: [32, 64]\nbatch_size: [100, 200]", goal="another goal"),
        a_plan("batch_size: [100, 200]\nhidden_width: [32, 64]"),
        a_plan("hidden_width: [64, 32]\nbatch_size: [200, 100]"),
        a_plan("hidden_width: [32, 64, 32]\nbatch_size: [100, 200]"),
    ],
)
def test_a_plan_with_the_same_trials_is_no_mismatch(desk: _Desk, plan: Plan) -> None:
    """Another goal or another order of axes or values trains nothing anew; the plan is noted, once."""
    desk.run(a_plan("hidden_width: [32, 64]\nbatch_size: [100, 200]"))
    n_before = len(desk.events)
    ledger = desk.run(plan)
    desk.run(plan)

    assert [] == desk.trained
    assert 1 == desk.n_prepared
    assert plan.spec == ledger.spec
    assert [Planned] == [type(event) for event in desk.events[n_before:]]


def test_what_was_never_trained_may_be_dropped(desk: _Desk) -> None:
    """A value that was planned but has no result yet can leave the file, also when its training had begun."""
    small = a_plan("hidden_width: 32")
    desk.run(a_plan("hidden_width: [32, 64]"), n_events=7)
    ledger = desk.run(small)

    assert [] == desk.trained
    assert small.keys == set(ledger.outcomes)


def test_failed_trials_are_not_trained_again(desk: _Desk) -> None:
    """A trial that diverged or broke is done; running again neither repeats it nor prepares anything."""

    def work(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        (trial,) = trials
        yield Started(trial)
        if trial.repeat == 1:
            raise ValueError("broken")
        yield Failed(trial, Cause.DIVERGED, "diverged")

    desk.work = work
    plan = a_plan()
    ledger = desk.run(plan)
    causes = [outcome.cause for outcome in ledger.outcomes.values() if isinstance(outcome, Failed)]
    desk.run(plan)

    assert [Cause.ERROR, Cause.DIVERGED] * 2 == causes
    assert [] == desk.trained
    assert 1 == desk.n_prepared


def test_work_without_an_outcome_stays_pending(desk: _Desk) -> None:
    """A trial whose work ends without a word is trained again by the next run."""

    def silent(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        yield Started(trials[0])
        yield Progress(trials[0], 1, 0.3, 0.9)

    desk.work = silent
    desk.run(a_plan())
    desk.work = _trains
    desk.run(a_plan())

    assert list(a_plan().trials) == desk.trained


_RATES = "learning_rate: [0.1, 0.4, 0.2, 0.3]"


def _halves(left: Sequence[Trial], ledger: Ledger) -> Iterator[Trial | None]:
    """Chooses the first repeat of all, then the second one of the two that did best; a stand-in for a race."""
    first, second = ([trial for trial in left if trial.repeat == number] for number in (1, 2))
    yield from first
    while not all(trial.key in ledger.outcomes for trial in first):
        yield None
    results = [outcome for outcome in ledger.outcomes.values() if isinstance(outcome, Finished)]
    done = sorted((o for o in results if o.trial.repeat == 1), key=lambda outcome: outcome.result.test_accuracy)
    best = [outcome.trial.recipe for outcome in done[-2:]]
    yield from (trial for trial in second if trial.recipe in best)


def _chosen(ledger: Ledger) -> list[tuple[int, float]]:
    """Repeat and learning rate of every outcome."""
    return sorted((o.trial.repeat, o.trial.recipe.learning_rate) for o in ledger.outcomes.values())


_HALVED = [(1, 0.1), (1, 0.2), (1, 0.3), (1, 0.4), (2, 0.3), (2, 0.4)]


@pytest.mark.parametrize(
    ("execute", "n_workers", "n_events"),
    [*((run_serially, 1, n) for n in range(1, 13)), *((run_in_pool, 2, n) for n in (3, 8, 10, 1000))],
)
def test_what_is_chosen_by_results_is_chosen_again_after_a_stop(
    desk: _Desk, execute: Executor, n_workers: int, n_events: int
) -> None:
    """A chooser waits for the results that it needs; stopped after any event, it comes to the same end."""
    desk.execute, desk.n_workers, desk.choose = execute, n_workers, _halves
    desk.make_work = fake_work.make_does_well_with_large_rates
    plan = a_plan(_RATES)
    stopped = desk.run(plan, n_events=n_events)
    assert (n_events >= 12) == (_chosen(stopped) == _HALVED)
    assert _HALVED == _chosen(desk.run(plan))
    n_prepared = desk.n_prepared
    desk.run(plan)
    assert ([], n_prepared) == (desk.trained, desk.n_prepared)


def test_a_limit_counts_the_trials_that_are_chosen(desk: _Desk) -> None:
    """No more than so many are trained in a run, also of those that are chosen by results."""
    desk.choose, desk.make_work = _halves, fake_work.make_does_well_with_large_rates
    plan = a_plan(_RATES)
    for max_trials, n_done in ((3, 3), (2, 5), (9, 6)):
        assert n_done == len(desk.run(plan, max_trials=max_trials).outcomes)
    assert _HALVED == _chosen(desk.ledger)


def test_a_chooser_that_waits_for_what_nobody_trains_ends_the_run(desk: _Desk) -> None:
    """Its trial had no outcome, and is chosen again by the next run; what waits from the start prepares nothing."""
    desk.work = fake_work.silent
    desk.choose = lambda left, _: chain(left[:1], repeat(None))
    for _ in range(2):
        desk.run(a_plan())
        assert list(a_plan().trials[:1]) == desk.trained
    desk.choose = lambda *_: repeat(None)
    desk.run(a_plan())
    assert ([], 2) == (desk.trained, desk.n_prepared)
