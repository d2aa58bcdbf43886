"""Work that trains nothing, for executors to have done; at the top of a module, so that it can be pickled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from builders import finished
from mnist_sweep.events import Failed, Finished, Progress
from mnist_sweep.execution.executor import Work
from mnist_sweep.recipe import Trial

Events = Iterator[Progress | Finished | Failed]


def trains(trials: tuple[Trial, ...]) -> Events:
    """An epoch of each, then the result of each; the device tells which process it was."""
    for trial in trials:
        yield Progress(trial, 1, 0.3, 0.9)
    for trial in trials:
        yield finished(trial)


def tells_process(trials: tuple[Trial, ...]) -> Events:
    """Finishes each trial with the number of this process and of its stack as device."""
    for trial in trials:
        time.sleep(0.02)
        yield finished(trial, execution={"device": str(os.getpid()), "stack": len(trials)})


def hoards_on_the_third(trials: tuple[Trial, ...]) -> Events:
    """Takes 1.3 GiB in the third repeat and never gives them back; the device tells which process it was."""
    for trial in trials:
        if trial.repeat == 3:
            _HOARD.append(b"x" * (13 * 2**30 // 10))
        yield finished(trial, execution={"device": str(os.getpid())})


_HOARD: list[bytes] = []


def breaks_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Raises in the second repeat, after an epoch."""
    for trial in trials:
        yield Progress(trial, 1, 0.3, 0.9)
        if trial.repeat == 2:
            raise ValueError("no such layer")
        yield finished(trial)


def dies_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Is killed in the second repeat, every time."""
    for trial in trials:
        if trial.repeat == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield finished(trial)


def dies_once(trials: tuple[Trial, ...]) -> Events:
    """Is killed at the first trial of all, once; a file remembers that."""
    for trial in trials:
        mark = Path("died")
        if not mark.exists():
            mark.touch()
            os._exit(7)
        yield finished(trial)


def sleeps_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Takes for ever in the second repeat, an epoch after the other."""
    for trial in trials:
        while trial.repeat == 2:
            time.sleep(0.05)
            yield Progress(trial, 1, 0.3, 0.9)
        yield finished(trial)


def hangs(trials: tuple[Trial, ...]) -> Events:
    """Leaves its process number in a file and says nothing for a long time."""
    Path(f"worker-{os.getpid()}").touch()
    time.sleep(600)
    yield from trains(trials)


def make_trains(number: int) -> Work:
    """Any number of worker does the plain work."""
    assert number >= 0
    return trains


def make_tells_process(_number: int) -> Work:
    return tells_process


def make_hoards(_number: int) -> Work:
    return hoards_on_the_third


def make_breaks(_number: int) -> Work:
    return breaks_on_the_second


def make_dies(_number: int) -> Work:
    return dies_on_the_second


def make_dies_once(_number: int) -> Work:
    return dies_once


def make_sleeps(_number: int) -> Work:
    return sleeps_on_the_second


def make_hangs(_number: int) -> Work:
    return hangs


def make_nothing(_number: int) -> Work:
    """Cannot get ready."""
    raise RuntimeError("no memory for the images")


def make_corpse(_number: int) -> Work:
    """Dies while it gets ready."""
    os._exit(3)
