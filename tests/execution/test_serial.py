from __future__ import annotations

from collections.abc import Iterator

import pytest

from builders import a_trial, finished
from mnist_sweep.events import Cause, Failed, Finished, Progress, Started
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.recipe import Trial

_TRIALS = [a_trial(1), a_trial(2), a_trial(3)]


def _trains(trial: Trial) -> Iterator[Progress | Finished | Failed]:
    yield Progress(trial, 1, 0.3, 0.9)
    yield finished(trial)


def test_each_trial_starts_before_its_work_is_heard_of() -> None:
    """For each trial in order: that it started, then all that its work says."""
    expected = [event for trial in _TRIALS for event in (Started(trial), Progress(trial, 1, 0.3, 0.9), finished(trial))]

    assert expected == list(run_serially(iter(_TRIALS), _trains))


def test_no_trials_make_no_events() -> None:
    """Without trials there is nothing to tell."""
    assert [] == list(run_serially(iter([]), _trains))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such layer"), "ValueError: no such layer"),
        (MemoryError(), "MemoryError: "),
        (RuntimeError("\n long \n"), "RuntimeError: long"),
        (RuntimeError("x" * 5000), "RuntimeError: " + "x" * 2000),
    ],
)
@pytest.mark.parametrize("early", [True, False])
def test_work_that_breaks_is_a_failed_trial(error: Exception, reason: str, *, early: bool) -> None:
    """An exception, at once or after an epoch, fails its trial with cause and reason, and the next one is trained."""

    def breaks(trial: Trial) -> Iterator[Progress | Finished | Failed]:
        if trial.repeat != 2:
            yield finished(trial)
            return
        if not early:
            yield Progress(trial, 1, 0.3, 0.9)
        raise error

    one, two, three = _TRIALS
    events = [event for event in run_serially(iter(_TRIALS), breaks) if not isinstance(event, Progress)]

    assert [
        Started(one),
        finished(one),
        Started(two),
        Failed(two, Cause.ERROR, reason),
        Started(three),
        finished(three),
    ] == events


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_end_the_process_is_no_failure(signal: type[BaseException]) -> None:
    """Ctrl-C and exit pass through instead of failing the trial."""

    def interrupted(trial: Trial) -> Iterator[Progress | Finished | Failed]:
        yield Progress(trial, 1, 0.3, 0.9)
        raise signal

    events = run_serially(iter(_TRIALS), interrupted)
    heard = [next(events), next(events)]

    with pytest.raises(signal):
        next(events)
    assert [Started(_TRIALS[0]), Progress(_TRIALS[0], 1, 0.3, 0.9)] == heard


def test_a_trial_is_pulled_only_when_the_one_before_has_ended() -> None:
    """Neither a trial nor its work is touched before it is its turn."""
    log: list[str] = []

    def trials() -> Iterator[Trial]:
        for trial in _TRIALS:
            log.append(f"pull {trial.repeat}")
            yield trial

    def work(trial: Trial) -> Iterator[Progress | Finished | Failed]:
        log.append(f"work {trial.repeat}")
        yield finished(trial)

    events = run_serially(trials(), work)
    assert [] == log
    log.extend(type(event).__name__ for event in events)

    turns = [[f"pull {i}", "Started", f"work {i}", "Finished"] for i in (1, 2, 3)]
    assert [word for turn in turns for word in turn] == log


def test_closing_early_gives_up_the_running_trial() -> None:
    """Closed in the middle of a trial, the work is told to stop, no outcome is made up, and no other trial begins."""
    log: list[str] = []

    def work(trial: Trial) -> Iterator[Progress | Finished | Failed]:
        try:
            for epoch in range(1, 100):
                log.append(f"epoch {epoch}")
                yield Progress(trial, epoch, 0.3, 0.9)
        finally:
            log.append("given up")

    trials = iter(_TRIALS)
    events = run_serially(trials, work)
    heard = [next(events), next(events), next(events)]
    events.close()

    assert [Started, Progress, Progress] == [type(event) for event in heard]
    assert ["epoch 1", "epoch 2", "given up"] == log
    assert _TRIALS[1:] == list(trials)
    assert [] == list(events)
