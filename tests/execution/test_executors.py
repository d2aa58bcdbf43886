"""One contract for all executors, and what the pool promises beyond it."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fake_work
import pytest

from builders import a_trial, finished
from mnist_sweep.errors import WorkersError
from mnist_sweep.execution.executor import Executor, Limits, TrialEvent, Window, guarded
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.journal.events import Cause, Failed, Finished, Progress, Started
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.recipe import Trial

_TRIALS = [a_trial(repeat) for repeat in (1, 2, 3)]
_BOTH = pytest.mark.parametrize("execute", [run_serially, run_in_pool])


class _Unknown:
    """Work that a worker cannot even read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("unknown",)


def _run(execute: Executor, make_work: Any, trials: list[Trial] | None = None, **limits: Any) -> list[Any]:
    chosen = _TRIALS if trials is None else trials
    return list(execute(iter(chosen), make_work, Limits(**{"n_workers": 2, **limits})))


def _outcomes(events: list[Any]) -> dict[int, Any]:
    return {event.trial.repeat: event for event in events if isinstance(event, Finished | Failed)}


def _alive(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):  # it may end while it is looked at
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@_BOTH
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_every_trial_starts_goes_on_and_ends(execute: Executor, batch: int) -> None:
    """Each trial starts, then its epochs are heard of, then its outcome: in this order, once."""
    events = _run(execute, fake_work.make_trains, batch=batch)
    for trial in _TRIALS:
        mine = [event for event in events if event.trial == trial]
        assert [Started(trial), Progress(trial, 1, 0.3, 0.9), finished(trial)] == mine


@_BOTH
def test_no_trials_make_no_events(execute: Executor) -> None:
    """Without trials there is nothing to tell."""
    assert [] == _run(execute, fake_work.make_trains, [])


@_BOTH
@pytest.mark.parametrize("batch", [1, 3])
def test_work_that_breaks_is_a_failed_trial(execute: Executor, batch: int) -> None:
    """An exception fails the trial that raised it, with cause and reason, and none that was beside it."""
    outcomes = _outcomes(_run(execute, fake_work.make_breaks, batch=batch, n_workers=1))
    assert finished(_TRIALS[0]) == outcomes[1]
    assert Failed(_TRIALS[1], Cause.ERROR, "ValueError: no such layer") == outcomes[2]
    assert finished(_TRIALS[2]) == outcomes[3]


@_BOTH
@pytest.mark.parametrize("batch", [1, 3])
def test_a_trial_that_takes_too_long_has_failed(execute: Executor, batch: int) -> None:
    """A trial over its time fails with that as the reason, and the others, also beside it, are trained."""
    outcomes = _outcomes(_run(execute, fake_work.make_sleeps, trial_timeout_s=1.5, batch=batch, n_workers=1))
    assert Failed(_TRIALS[1], Cause.TIMEOUT, "took longer than the 1.5 s allowed to a trial") == outcomes[2]
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}


@_BOTH
@pytest.mark.parametrize("trials", [[], _TRIALS[:1]])
def test_nothing_is_waited_for_in_vain(execute: Executor, trials: list[Trial]) -> None:
    """Where the next trial depends on a result, and none is out, also after work without an outcome, it ends."""
    deadline = time.monotonic() + 60
    limits = Limits(1, stop=lambda: time.monotonic() > deadline)
    chosen = itertools.chain(trials, itertools.repeat(None))
    assert list(map(Started, trials)) == list(execute(chosen, fake_work.make_silent, limits))
    assert time.monotonic() < deadline


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
def test_batches_hold_trials_of_one_shape(execute: Executor) -> None:
    """Trials are handed out together up to the limit, repeats and learning rates together, shapes never."""
    trials = [a_trial(r, learning_rate=rate, batch_size=b) for b in (100, 200) for rate in (0.1, 0.01) for r in (1, 2)]
    events = _run(execute, fake_work.make_tells_process, trials, batch=3, n_workers=1)
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

    window = Window(trials(), Limits(1))
    (first,) = window.take()
    shape = compile_key(first.recipe)
    assert len(pulled) < 1000
    assert shape == compile_key(window.take(shape)[0].recipe)
    assert shape != compile_key(window.take(None, frozenset({shape}))[0].recipe)


def _repeats(batches: Iterable[tuple[Trial, ...]]) -> list[list[int]]:
    return [[trial.repeat for trial in batch] for batch in batches]


def _all_of(window: Window) -> list[list[int]]:
    return _repeats(iter(window.take, ()))


def test_what_is_put_back_comes_again_first_and_suspects_in_halves() -> None:
    """Suspects are handed out before all others as two batches, then what had not begun, as if never taken."""
    window = Window(iter([a_trial(repeat) for repeat in range(1, 12)]), Limits(1, batch=7))
    taken = window.take()
    window.put_back(taken[:5], taken[5:])
    window.put_back(window.take())
    assert [[1, 2], [3], [4, 5], [6, 7, 8, 9, 10, 11]] == _all_of(window)
    assert not window


def test_every_worker_gets_its_share() -> None:
    """Batches become smaller as the trials run out, so that no worker is idle while another has many; none is split."""
    window = Window(iter([a_trial(repeat) for repeat in range(1, 15)]), Limits(3, batch=4))
    assert [4, 4, 2, 2, 1, 1] == list(map(len, _all_of(window)))
    many = Window(iter([a_trial(repeat) for repeat in range(1, 3001)]), Limits(2, batch=1000))
    assert [1000, 1000, 500, 250, 125] == [len(many.take()) for _ in range(5)]


def test_a_slow_listener_costs_no_trial_its_time() -> None:
    """A trial that ended in time has its result, however long what it said before kept whoever listens."""
    outcomes = {}
    for event in run_in_pool(iter(_TRIALS), fake_work.make_trains, Limits(2, trial_timeout_s=1.0)):
        if isinstance(event, Progress):
            time.sleep(1.2)
        if isinstance(event, Finished | Failed):
            outcomes[event.trial.repeat] = event
    assert {trial.repeat: finished(trial) for trial in _TRIALS} == outcomes


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


@pytest.mark.parametrize("batch", [1, 3])
def test_a_worker_that_keeps_dying_fails_its_trial_alone(batch: int) -> None:
    """A trial that kills its worker is tried up to the limit, then fails with how it died; none beside it is blamed."""
    events = _run(run_in_pool, fake_work.make_dies, max_attempts=2, batch=batch, n_workers=1)
    outcomes = _outcomes(events)
    reason = "the worker process was ended by SIGKILL (often: out of memory), 2 times"
    assert Failed(_TRIALS[1], Cause.WORKER_DIED, reason) == outcomes[2]
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}
    alone = 2
    assert alone + (batch > 1) == sum(event == Started(_TRIALS[1]) for event in events)
    assert 1 + (batch > 1) == sum(event == Started(_TRIALS[2]) for event in events)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_worker_that_dies_once_costs_nothing(batch: int) -> None:
    """A trial whose worker died is trained again by the worker that replaces it."""
    outcomes = _outcomes(_run(run_in_pool, fake_work.make_dies_once, batch=batch, n_workers=1))
    assert {trial.repeat: finished(trial) for trial in _TRIALS} == outcomes


def test_trials_of_a_lost_device_go_to_the_others() -> None:
    """A worker whose device is lost in the middle of training, and does not start again, fails no trial."""
    trials = [a_trial(repeat) for repeat in range(1, 21)]
    events = _run(run_in_pool, fake_work.make_second_loses_its_device, trials, batch=3, max_attempts=1)
    assert Path("lost").exists()
    assert sorted(map(repr, map(finished, trials))) == sorted(repr(e) for e in events if isinstance(e, Finished))
    assert not [event for event in events if isinstance(event, Failed)]


def test_a_trial_by_which_a_device_is_lost_again_and_again_fails_alone() -> None:
    """Where the device comes back each time, the usual limit holds after all, and nothing goes on for ever."""
    outcomes = _outcomes(_run(run_in_pool, fake_work.make_loses_devices, n_workers=1, batch=3, max_attempts=2))
    reason = "the worker process ended with exit code 1, 2 times: the device is lost"
    assert Failed(_TRIALS[1], Cause.WORKER_DIED, reason) == outcomes[2]
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}


def test_a_device_lost_here_ends_the_sweep() -> None:
    """Without workers nobody can go on: the trials stay without an outcome."""
    with pytest.raises(WorkersError, match="the device is lost"):
        _run(run_serially, fake_work.make_loses_devices)


@pytest.mark.parametrize(
    ("n_begun", "expected"), [(16, [16, 8, 8, 4, 2, 2, 1, 1, 4]), (4, [16, 2, 2, 1, 1, 4])], ids=["all", "some"]
)
def test_what_breaks_the_work_is_found_by_halves(n_begun: int, expected: list[int]) -> None:
    """Those that were in training are tried again in halves until one is left; those that had not begun, together."""
    trials, sizes = tuple(a_trial(repeat) for repeat in range(1, 17)), list[int]()

    def work(given: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        sizes.append(len(given))
        for i in range(0, len(given), n_begun):
            group = given[i : i + n_begun]
            yield from map(Started, group)
            if trials[10] in group:
                raise ValueError("broken")
            yield from map(finished, group)

    outcomes = [event for event in guarded(work, trials) if isinstance(event, Finished | Failed)]
    assert expected == sizes
    assert Failed(trials[10], Cause.ERROR, "ValueError: broken") in outcomes
    assert set(trials) == {event.trial for event in outcomes}
    assert 15 == sum(isinstance(event, Finished) for event in outcomes)


def test_what_a_worker_wrote_before_it_died_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason holds what a library wrote last; what workers write while all is well reaches no terminal."""
    outcomes = _outcomes(_run(run_in_pool, fake_work.make_aborts, max_attempts=2))
    failed = outcomes[2]
    assert isinstance(failed, Failed)
    first, second, *earlier = failed.reason.splitlines()
    assert "the worker process was ended by SIGABRT, 2 times: Check failed: repeat 2" == first
    assert ("Before that it wrote:", "first words") == (second, earlier[-1])
    assert {1: finished(_TRIALS[0]), 3: finished(_TRIALS[2])} == {r: outcomes[r] for r in (1, 3)}
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(
    ("make_work", "words"),
    [
        (fake_work.make_nothing, "ended with exit code 1: RuntimeError: no memory for the images"),
        (fake_work.make_corpse, "ended with exit code 3"),
        (
            fake_work.make_loud_corpse,
            "was ended by SIGABRT: Check failed: no such device\nBefore that it wrote:\nfirst",
        ),
        (_Unknown(), "exit code 1: .*NameError: name 'unknown' is not defined"),
    ],
)
def test_workers_that_cannot_start_end_the_sweep(make_work: Any, words: str) -> None:
    """When no worker can get ready, that one cause is told instead of failing every trial."""
    with pytest.raises(WorkersError, match=f"no worker can start: the last one .*{words}"):
        _run(run_in_pool, make_work)


def test_a_system_without_room_for_a_process_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system refuses every process, that is told; no file stays open."""

    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(WorkersError, match=r"no worker can start: .*Resource temporarily unavailable"):
        _run(run_in_pool, fake_work.make_trains)
    assert n_open == len(list(Path("/proc/self/fd").iterdir()))


def test_work_that_cannot_be_made_ready_here_ends_the_sweep() -> None:
    """Without workers the cause is told likewise."""
    with pytest.raises(WorkersError, match="no trial can be trained: RuntimeError: no memory for the images"):
        _run(run_serially, fake_work.make_nothing)


def test_a_worker_that_cannot_start_is_given_up_alone() -> None:
    """It is tried three times; the others train everything, and the user hears of it once."""
    said: list[str] = []
    trials = [a_trial(repeat) for repeat in range(1, 401)]
    events = _run(run_in_pool, fake_work.make_only_the_first, trials, n_workers=2, say=said.append)
    assert 400 == sum(isinstance(event, Finished) for event in events)
    assert 3 == len(list(Path().glob("tried-*")))
    given_up = "Worker 2 of 2 was given up after 3 failed starts, and the others go on: "
    assert [given_up + "it ended with exit code 1: MemoryError: no room for another"] == said


def test_failed_starts_are_forgotten_once_a_worker_is_ready() -> None:
    """A worker that starts at the third time of trying trains everything, and nobody hears of it."""
    said: list[str] = []
    outcomes = _outcomes(_run(run_in_pool, fake_work.make_after_two_failures, n_workers=1, say=said.append))
    assert {trial.repeat: finished(trial) for trial in _TRIALS} == outcomes
    assert [] == said


def _descendants(parent: int) -> set[int]:
    """The processes below this one, also those that have ended and that nobody has asked how."""
    below = set(_children(parent))
    return below.union(*map(_descendants, below))


def test_closing_leaves_no_process_behind() -> None:
    """When the generator is closed, its workers are gone, whatever they were doing; their own children end too."""
    before = _descendants(os.getpid())
    events = run_in_pool(iter(_TRIALS), fake_work.make_hangs_with_a_child, Limits(2))
    assert [Started(_TRIALS[0]), Started(_TRIALS[1])] == [next(events), next(events)]
    assert _wait_until(lambda: len(list(Path().glob("worker-*"))) == 2)
    workers = {int(path.name.removeprefix("worker-")) for path in Path().glob("worker-*")}
    mine = _descendants(os.getpid()) - before
    assert workers < mine
    assert {1} == {len(_children(worker)) for worker in workers}
    events.close()
    assert not workers & _descendants(os.getpid())
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert _wait_until(lambda: not any(map(_alive, mine)), 5)


def _command(executor: str, make_work: str, before: str = "", **limits: Any) -> subprocess.Popen[str]:
    """A process of its own, in a group of its own, that runs two trials and prints the kind of each event."""
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    Path("parent.py").write_text(
        f"import sys; sys.path[:0] = {folders!r}\n"
        "import os, fake_work, builders\n"
        "from mnist_sweep.execution.executor import Limits\n"
        "from mnist_sweep.execution.pool import run_in_pool\n"
        "from mnist_sweep.execution.serial import run_serially\n"
        f"{before}\n"
        "trials = [builders.a_trial(r) for r in (1, 2)]\n"
        f"for event in {executor}(iter(trials), fake_work.{make_work}, Limits(2, **{limits!r})):\n"
        "    print(type(event).__name__, flush=True)\n"
    )
    return subprocess.Popen([sys.executable, "parent.py"], stdout=subprocess.PIPE, text=True, start_new_session=True)


def _children(parent: int) -> list[int]:
    """What any thread of this process has started."""
    with suppress(FileNotFoundError, ProcessLookupError):  # it may have ended by now
        tasks = Path(f"/proc/{parent}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return []


def _wait_until(true: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_parent_that_is_killed_leaves_no_idle_worker_behind() -> None:
    """Workers end by themselves when the process that owns them is killed, also in the middle of a trial."""
    with _command("run_in_pool", "make_hangs") as parent:
        assert _wait_until(lambda: len(list(Path().glob("worker-*"))) == 2)
        children = _children(parent.pid)
        parent.kill()
    assert 2 == len(children)
    assert _wait_until(lambda: not any(map(_alive, children)), 5)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, None])
def test_a_parent_that_is_killed_leaves_no_starting_worker_behind(delay: float | None) -> None:
    """Workers that are starting end too: killed as their interpreters start, or while they get ready (None)."""
    with _command("run_in_pool", "make_slowly") as parent:
        assert _wait_until(lambda: len(_children(parent.pid)) == 2)
        children = _children(parent.pid)
        if delay is None:
            assert _wait_until(lambda: len(list(Path().glob("worker-*"))) == 2)
        time.sleep(delay or 0.0)
        parent.kill()
    assert _wait_until(lambda: not any(map(_alive, children)), 5)


@pytest.mark.parametrize("executor", ["run_serially", "run_in_pool"])
def test_time_in_which_nothing_ran_does_not_count_against_a_trial(executor: str) -> None:
    """A group that was stopped for longer than a trial may take goes on with its trials as if nothing had been."""
    with _command(executor, "make_works_for_two_seconds", trial_timeout_s=6.0) as parent:
        assert _wait_until(Path("at-work").exists)
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(7)
        os.killpg(parent.pid, signal.SIGCONT)
        assert parent.stdout
        kinds = parent.stdout.read().split()
    assert 2 == kinds.count("Finished")
    assert 0 == kinds.count("Failed")


def test_workers_import_nothing_from_the_current_folder() -> None:
    """Files named like modules in the current folder are left alone, also where the parent looks for modules there."""
    Path("names").mkdir()
    for name in ("sitecustomize", "signal", "socket", "random", "numpy", "pickle", "subprocess"):
        (Path("names") / f"{name}.py").write_text("raise SystemExit('a module was taken from the current folder')")
    here = "os.chdir('names'); sys.path.insert(0, ''); sys.path.insert(0, os.getcwd())"
    with _command("run_in_pool", "make_trains", f"{here}; os.environ['PYTHONPATH'] = os.pathsep") as parent:
        assert parent.stdout
        kinds = parent.stdout.read().split()
    assert 2 == kinds.count("Finished")
