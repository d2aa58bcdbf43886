"""One contract for all executors, and what the pool promises beyond it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_work
import pytest

from builders import a_trial, finished
from mnist_sweep.errors import WorkersError
from mnist_sweep.events import Cause, Failed, Finished, Progress, Started
from mnist_sweep.execution.executor import Executor, Limits, Window
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.recipe import Trial, compile_key

_TRIALS = [a_trial(repeat) for repeat in (1, 2, 3)]
_BOTH = pytest.mark.parametrize("execute", [run_serially, run_in_pool])


def _run(execute: Executor, make_work: Any, trials: list[Trial] | None = None, **limits: Any) -> list[Any]:
    chosen = _TRIALS if trials is None else trials
    return list(execute(iter(chosen), make_work, Limits(**{"n_workers": 2, **limits})))


def _outcomes(events: list[Any]) -> dict[int, Any]:
    return {event.trial.repeat: event for event in events if isinstance(event, Finished | Failed)}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@_BOTH
@pytest.mark.parametrize("stack", [1, 2, 3])
def test_every_trial_starts_goes_on_and_ends(execute: Executor, stack: int) -> None:
    """Each trial starts, then its epochs are heard of, then its outcome: in this order, once."""
    events = _run(execute, fake_work.make_trains, stack=stack)
    for trial in _TRIALS:
        mine = [event for event in events if event.trial == trial]
        assert [Started(trial), Progress(trial, 1, 0.3, 0.9), finished(trial)] == mine


@_BOTH
def test_no_trials_make_no_events(execute: Executor) -> None:
    """Without trials there is nothing to tell."""
    assert [] == _run(execute, fake_work.make_trains, [])


@_BOTH
@pytest.mark.parametrize("stack", [1, 3])
def test_work_that_breaks_is_a_failed_trial(execute: Executor, stack: int) -> None:
    """An exception fails the trials that it took with it, with cause and reason, and nothing else."""
    outcomes = _outcomes(_run(execute, fake_work.make_breaks, stack=stack))
    assert finished(_TRIALS[0]) == outcomes[1]
    assert Failed(_TRIALS[1], Cause.ERROR, "ValueError: no such layer") == outcomes[2]
    assert {1, 2, 3} == set(outcomes)


@_BOTH
def test_a_trial_that_takes_too_long_has_failed(execute: Executor) -> None:
    """A trial over its time fails with that as the reason, and the others are trained."""
    outcomes = _outcomes(_run(execute, fake_work.make_sleeps, trial_timeout_s=1.5))
    assert Failed(_TRIALS[1], Cause.TIMEOUT, "took longer than the 1.5 s allowed to a trial") == outcomes[2]
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}


@_BOTH
def test_stop_ends_it_early(execute: Executor) -> None:
    """Once stop says so, no further trial begins, and those in training stay without an outcome."""
    seen: list[Any] = []
    limits = Limits(1, stop=lambda: len(seen) >= 3)
    for event in execute(iter(_TRIALS), fake_work.make_sleeps, limits):
        seen.append(event)  # noqa: PERF402  stop looks at what was seen so far
    assert {1} >= set(_outcomes(seen))
    assert len(seen) < 10


@_BOTH
def test_trials_are_brought_together_by_shape(execute: Executor) -> None:
    """One worker trains all trials of a shape before those of another, though the plan mixes them."""
    trials = [a_trial(repeat, batch_size=size) for repeat in (1, 2) for size in (100, 200)]
    events = _run(execute, fake_work.make_trains, trials, n_workers=1)
    started = [event.trial.recipe.batch_size for event in events if isinstance(event, Started)]
    assert [100, 100, 200, 200] == started


@_BOTH
def test_stacks_hold_trials_of_one_shape(execute: Executor) -> None:
    """Trials are stacked up to the limit, repeats and learning rates together, shapes never."""
    trials = [a_trial(r, learning_rate=rate, batch_size=b) for b in (100, 200) for rate in (0.1, 0.01) for r in (1, 2)]
    events = _run(execute, fake_work.make_tells_process, trials, stack=3, n_workers=1)
    stacks = [event.result.execution["stack"] for event in events if isinstance(event, Finished)]
    assert [3, 3, 3, 1, 3, 3, 3, 1] == stacks


def test_window_is_bounded_and_prefers_the_shape_at_hand() -> None:
    """Trials are pulled a bounded number ahead; a worker keeps its shape, another gets one that nobody has."""
    pulled = []

    def trials() -> Iterator[Trial]:
        for repeat in range(1, 10_000):
            trial = a_trial(repeat, batch_size=100 + repeat % 3)
            pulled.append(trial)
            yield trial

    window = Window(trials())
    (first,) = window.take(1)
    shape = compile_key(first.recipe)
    assert len(pulled) < 1000
    assert shape == compile_key(window.take(1, shape)[0].recipe)
    assert shape != compile_key(window.take(1, None, frozenset({shape}))[0].recipe)
    again = window.take(2, shape)
    window.put_back(again)
    assert again == window.take(2, shape)


def test_pool_uses_all_its_processes() -> None:
    """Work is shared by as many processes as there are workers, none of them this one."""
    trials = [a_trial(repeat) for repeat in range(1, 41)]
    events = _run(run_in_pool, fake_work.make_tells_process, trials)
    processes = {event.result.execution["device"] for event in events if isinstance(event, Finished)}
    assert 2 == len(processes)
    assert str(os.getpid()) not in processes


def test_a_worker_that_has_grown_is_replaced() -> None:
    """A worker that holds far more memory than after its first trials gives its place to a fresh one; nothing fails."""
    trials = [a_trial(repeat) for repeat in range(1, 6)]
    events = _run(run_in_pool, fake_work.make_hoards, trials, n_workers=1)
    processes = [event.result.execution["device"] for event in events if isinstance(event, Finished)]
    assert [1, 1, 1, 2, 2] == [len(set(processes[: n + 1])) for n in range(5)]


def test_a_worker_that_keeps_dying_fails_its_trial_alone() -> None:
    """A trial that kills its worker is tried up to the limit, then fails with how it died; the sweep goes on."""
    events = _run(run_in_pool, fake_work.make_dies, max_attempts=2)
    outcomes = _outcomes(events)
    reason = "the worker process was ended by SIGKILL (often: out of memory), 2 times"
    assert Failed(_TRIALS[1], Cause.WORKER_DIED, reason) == outcomes[2]
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}
    assert 2 == sum(event == Started(_TRIALS[1]) for event in events)


@pytest.mark.parametrize("stack", [1, 3])
def test_a_worker_that_dies_once_costs_nothing(stack: int) -> None:
    """A trial whose worker died is trained again by the worker that replaces it."""
    outcomes = _outcomes(_run(run_in_pool, fake_work.make_dies_once, stack=stack))
    assert {trial.repeat: finished(trial) for trial in _TRIALS} == outcomes


@pytest.mark.parametrize(
    ("make_work", "words"),
    [
        (fake_work.make_nothing, "RuntimeError: no memory for the images"),
        (fake_work.make_corpse, "ended with exit code 3"),
    ],
)
def test_workers_that_cannot_start_end_the_sweep(make_work: Any, words: str) -> None:
    """When no worker can get ready, that one cause is told instead of failing every trial."""
    with pytest.raises(WorkersError, match=words):
        _run(run_in_pool, make_work)


def _hanging_pids() -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pids = [int(path.name.removeprefix("worker-")) for path in Path().glob("worker-*")]
        if len(pids) == 2:
            return pids
        time.sleep(0.05)
    raise AssertionError("workers did not start")


def test_closing_leaves_no_process_behind() -> None:
    """When the generator is closed, its workers are gone, whatever they were doing."""
    events = run_in_pool(iter(_TRIALS), fake_work.make_hangs, Limits(2))
    assert [Started(_TRIALS[0]), Started(_TRIALS[1])] == [next(events), next(events)]
    events.close()
    pids = [int(path.name.removeprefix("worker-")) for path in Path().glob("worker-*")]
    assert not any(map(_alive, pids))


def test_a_parent_that_is_killed_leaves_no_idle_worker_behind() -> None:
    """Workers end by themselves when the process that owns them is killed."""
    code = (
        "import sys; sys.path.insert(0, "
        + repr(str(Path(__file__).parent))
        + "); sys.path.insert(0, "
        + repr(str(Path(__file__).parents[1]))
        + ")\n"
        "import fake_work, builders, time\n"
        "from mnist_sweep.execution.executor import Limits\n"
        "from mnist_sweep.execution.pool import run_in_pool\n"
        "if __name__ == '__main__':\n"
        "    trials = [builders.a_trial(r) for r in (1, 2)]\n"
        "    for event in run_in_pool(iter(trials), fake_work.make_sleeps, Limits(1)):\n"
        "        print('event', flush=True)\n"
    )
    Path("parent.py").write_text(code)
    with subprocess.Popen([sys.executable, "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        parent.stdout.readline()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_alive(int(pid)) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children
    assert not any(_alive(int(pid)) for pid in children)
