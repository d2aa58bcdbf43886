"""What a schedule decides, without any worker: plain values in, decisions out."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat
from typing import Any

import pytest

from builders import a_trial, finished
from mnist_sweep.errors import WorkersError
from mnist_sweep.execution.executor import Limits, TrialEvent
from mnist_sweep.execution.pool import run_over
from mnist_sweep.execution.schedule import DeviceLost, Ended, Message, Ready, Schedule
from mnist_sweep.journal.events import Cause, Failed, Started
from mnist_sweep.plan.recipe import Trial

_MIB = 2**20
_KILLED = Ended("was killed", ": no memory")


def _trials(n: int) -> list[Trial]:
    return [a_trial(r) for r in range(1, n + 1)]


def _schedule(trials: Iterable[Trial | None], n_workers: int = 1, **limits: Any) -> Schedule:
    """With all its workers ready."""
    schedule = Schedule(iter(trials), Limits(n_workers, **limits))
    _get_ready(schedule)
    return schedule


def _get_ready(schedule: Schedule) -> list[int]:
    """Have those get ready that are to be started."""
    numbers = schedule.to_start()
    assert all(schedule.hear(number, Ready(100 * _MIB)) == [] for number in numbers)
    return numbers


def _sent(schedule: Schedule, now_s: float = 0.0) -> dict[int, list[int]]:
    """The repeats that each worker is given."""
    return {number: [trial.repeat for trial in trials] for number, trials in schedule.to_send(now_s)}


def _begin(schedule: Schedule, trials: Iterable[Trial], number: int = 0) -> None:
    for trial in trials:
        assert [Started(trial)] == schedule.hear(number, Started(trial))


def test_workers_are_given_trials_once_they_are_ready() -> None:
    """Each is started once, hears nothing until it is ready, and gets the next trials when it is ready again."""
    schedule = Schedule(iter(_trials(3)), Limits(2))
    assert ([0, 1], []) == (schedule.to_start(), schedule.to_start())
    assert {} == _sent(schedule)
    schedule.hear(1, Ready(0))
    assert ({1: [1]}, {}) == (_sent(schedule), _sent(schedule))
    schedule.hear(0, Ready(0))
    schedule.hear(1, finished(a_trial(1)))
    schedule.hear(1, Ready(0))
    assert {0: [2], 1: [3]} == _sent(schedule)
    assert not schedule.is_over()
    schedule.hear(0, finished(a_trial(2)))
    schedule.hear(1, finished(a_trial(3)))
    assert schedule.is_over()


def test_workers_keep_to_their_shapes() -> None:
    """Each gets one that no other has, and keeps it as long as there is any."""
    trials = [a_trial(r, batch_size=size) for size in (100, 200, 300) for r in (1, 2)]
    schedule, sizes = _schedule(trials, n_workers=2), list[dict[int, int]]()
    while sent := schedule.to_send(0.0):
        sizes.append({number: batch[0].recipe.batch_size for number, batch in sent})
        for number, batch in sent:
            schedule.hear(number, finished(batch[0]))
            schedule.hear(number, Ready(0))
    assert [{0: 100, 1: 200}, {0: 100, 1: 200}, {0: 300, 1: 300}] == sizes


def test_a_dead_worker_is_replaced_and_its_trial_tried_up_to_the_limit() -> None:
    """The trial comes again first, and fails with how its worker ended; the number goes to a fresh worker."""
    (first, *_), schedule = _trials(2), _schedule(_trials(2), max_attempts=2)
    for events in ([], [Failed(first, Cause.WORKER_DIED, "the worker process was killed, 2 times: no memory")]):
        assert {0: [1]} == _sent(schedule)
        _begin(schedule, [first])
        assert events == schedule.hear(0, _KILLED)
        assert ([0], []) == (schedule.to_kill(), schedule.to_kill())
        assert [0] == _get_ready(schedule)
    assert {0: [2]} == _sent(schedule)


def test_who_kills_a_worker_is_found_by_halves() -> None:
    """Those that had begun are suspects, in halves and first; the others go on as if never taken; one is to blame."""
    trials, culprit = _trials(8), a_trial(4)
    schedule, sent, failed = _schedule(trials, batch=6, max_attempts=1), list[list[int]](), list[TrialEvent]()
    while batches := schedule.to_send(0.0):
        ((_, batch),) = batches
        sent.append([trial.repeat for trial in batch])
        begun = batch[:4]
        _begin(schedule, begun)
        if culprit in begun:
            failed += schedule.hear(0, _KILLED)
            _get_ready(schedule)
        else:
            assert all(schedule.hear(0, finished(trial)) for trial in batch)
            schedule.hear(0, Ready(0))
    assert [[1, 2, 3, 4, 5, 6], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8]] == sent
    assert [Failed(culprit, Cause.WORKER_DIED, "the worker process was killed, 1 times: no memory")] == failed
    assert schedule.is_over()


def test_a_worker_that_cannot_start_is_given_up_after_three_tries() -> None:
    """Once another works, the user hears of it, once; a start that worked wipes out what failed before."""
    schedule = Schedule(iter(_trials(9)), Limits(2))
    for numbers in ([0, 1], [1], [1]):
        assert numbers == schedule.to_start()
        assert [] == schedule.to_say()
        assert [] == schedule.hear(1, Ended("ended with exit code 1", ": no room\nbefore that"))
        assert [1] == schedule.to_kill()
    assert [] == schedule.to_start()
    assert [] == schedule.to_say()
    schedule.hear(0, Ready(0))
    told = "Worker 2 of 2 was given up after 3 failed starts, and the others go on: it ended with exit code 1: no room"
    assert ([told], []) == (schedule.to_say(), schedule.to_say())
    for _ in range(3):
        schedule.hear(0, _KILLED)  # it had started
        for _ in range(2):
            assert [0] == schedule.to_start()
            schedule.hear(0, _KILLED)
        assert [0] == _get_ready(schedule)
    assert [] == schedule.to_say()


def test_without_any_worker_there_is_no_sweep() -> None:
    """When all were given up, that ends it, with why the last one was."""
    schedule = Schedule(iter(_trials(1)), Limits(2))
    for _ in range(3):
        for number in schedule.to_start():
            schedule.hear(number, Ended(f"has no room {number}"))
    assert [] == schedule.to_start()
    with pytest.raises(WorkersError, match="no worker can start: the last one has no room 1"):
        schedule.to_say()


def test_a_trial_may_take_its_time_and_no_more() -> None:
    """Several that have begun have as much time together; then each half gets its own, until one alone is too late."""
    trials = _trials(3)
    schedule = _schedule(trials, batch=3, trial_timeout_s=10)
    assert {0: [1, 2, 3]} == _sent(schedule, 100.0)
    _begin(schedule, trials[:2])
    assert [] == schedule.overdue(120.0)
    assert [] == schedule.to_kill()
    assert [] == schedule.overdue(120.1)
    assert [0] == schedule.to_kill() == _get_ready(schedule)
    assert {0: [1]} == _sent(schedule, 121.0)
    _begin(schedule, trials[:1])
    assert [] == schedule.overdue(131.0)
    late = Failed(trials[0], Cause.TIMEOUT, "took longer than the 10 s allowed to a trial")
    assert [late] == schedule.overdue(131.1)
    assert [0] == schedule.to_kill() == _get_ready(schedule)
    assert {0: [2]} == _sent(schedule, 132.0)
    schedule.hear(0, finished(trials[1]))
    schedule.hear(0, Ready(0))
    assert [] == schedule.overdue(1000.0)
    assert {0: [3]} == _sent(schedule, 1000.0)


def test_a_lost_device_is_the_fault_of_no_trial_at_first() -> None:
    """Its trials come again together; where it is lost more often than a trial may lose its worker, one is to blame."""
    schedule = _schedule(_trials(2), batch=2, max_attempts=2)
    for sent in ([1, 2], [1, 2], [1, 2], [1]):
        assert {0: sent} == _sent(schedule)
        _begin(schedule, _trials(2)[: len(sent)])
        schedule.hear(0, DeviceLost())
        assert [] == schedule.hear(0, Ended("ended with exit code 1"))
        assert [0] == _get_ready(schedule)
    assert {0: [1]} == _sent(schedule)
    _begin(schedule, _trials(1))
    reason = "the worker process ended with exit code 1, 2 times"
    assert [Failed(a_trial(1), Cause.WORKER_DIED, reason)] == schedule.hear(0, Ended("ended with exit code 1"))


def test_a_grown_worker_gives_its_place_to_a_fresh_one() -> None:
    """It may hold twice what it held after its first trials, and 1 GiB; beyond that it is killed between two trials."""
    schedule = _schedule(_trials(4))
    for n_bytes, is_killed in ((500, False), (2024, False), (2025, True)):
        ((_, (trial,)),) = schedule.to_send(0.0)
        schedule.hear(0, finished(trial))
        schedule.hear(0, Ready(n_bytes * _MIB))
        assert is_killed == (schedule.to_kill() == [0])
    assert {} == _sent(schedule)
    assert [0] == _get_ready(schedule)
    assert {0: [4]} == _sent(schedule)


def test_what_a_dismissed_worker_still_says_counts_for_nothing() -> None:
    """A result that comes after its trial has failed is not heard of, nor is the end of that worker a failed start."""
    schedule = _schedule(_trials(1), trial_timeout_s=1)
    _sent(schedule)
    assert 1 == len(schedule.overdue(2.0))
    assert [] == schedule.hear(0, finished(a_trial(1)))
    assert [] == schedule.hear(0, _KILLED)
    assert [0] == schedule.to_kill()
    assert schedule.is_over()


def test_a_trial_that_depends_on_a_result_is_waited_for_while_it_is_out() -> None:
    """With room for more, it is asked for again at each look; with nothing out, there is nothing to wait for."""
    schedule = _schedule([a_trial(1), None, None, a_trial(2), *repeat(None, 9)], n_workers=2)
    assert {0: [1]} == _sent(schedule)
    assert not schedule.is_over()
    assert {1: [2]} == _sent(schedule)
    schedule.hear(0, finished(a_trial(1)))
    assert not schedule.is_over()
    schedule.hear(1, finished(a_trial(2)))
    assert schedule.is_over()
    assert Schedule(repeat(None), Limits(1)).is_over()


class _Elsewhere:
    """A transport to workers that are a few notes; the second one dies once, with its first trial."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Message]] = []
        self.there: list[int] = []
        self.n_starts = 0

    def start(self, number: int) -> None:
        assert number not in self.there
        self.there.append(number)
        self.n_starts += 1
        self.said.append((number, Ready(0)))

    def send(self, number: int, trials: tuple[Trial, ...]) -> None:
        dies = number == 1 and self.n_starts == 2
        ends: list[Message] = [_KILLED] if dies else [*map(finished, trials), Ready(0)]
        self.said += ((number, message) for message in chain(map(Started, trials), ends))

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        assert timeout_s > 0
        said, self.said = self.said, []
        return said

    def kill(self, number: int) -> None:
        if number in self.there:
            self.there.remove(number)


def test_workers_may_be_anywhere() -> None:
    """A pool reaches its workers by four verbs alone, and leaves none behind."""
    transport, begun = _Elsewhere(), list(map(Started, _trials(20)))
    results = [event for event in run_over(transport, iter(_trials(20)), Limits(2, batch=2)) if event not in begun]
    assert sorted(map(repr, map(finished, _trials(20)))) == sorted(map(repr, results))
    assert (3, []) == (transport.n_starts, transport.there)
