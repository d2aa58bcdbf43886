"""Work that trains nothing, for executors to have done; at the top of a module, so that it can be pickled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from builders import finished
from mnist_sweep.errors import DeviceLostError
from mnist_sweep.execution.executor import Work
from mnist_sweep.journal.events import Failed, Finished, Progress, Started
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.system.quiet import held_stderr

Events = Iterator[Started | Progress | Finished | Failed]


def trains(trials: tuple[Trial, ...]) -> Events:
    """An epoch of each, then the result of each; the device tells which process it was."""
    yield from map(Started, trials)
    for trial in trials:
        yield Progress(trial, 1, 0.3, 0.9)
    for trial in trials:
        yield finished(trial)


def silent(trials: tuple[Trial, ...]) -> Events:
    """Begins, and ends without an outcome."""
    yield from map(Started, trials)


def does_well_with_large_rates(trials: tuple[Trial, ...]) -> Events:
    """Finishes each trial with its learning rate as accuracy."""
    for trial in trials:
        yield Started(trial)
        yield finished(trial, test_accuracy=trial.recipe.learning_rate)


def tells_process(trials: tuple[Trial, ...]) -> Events:
    """Finishes each trial with the number of this process and of its stack as device."""
    yield from map(Started, trials)
    for trial in trials:
        time.sleep(0.02)
        yield finished(trial, execution={"device": str(os.getpid()), "stack": len(trials)})


def hoards_on_the_third(trials: tuple[Trial, ...]) -> Events:
    """Takes 1.3 GiB in the third repeat and never gives them back; the device tells which process it was."""
    yield from map(Started, trials)
    for trial in trials:
        if trial.repeat == 3:
            _HOARD.append(b"x" * (13 * 2**30 // 10))
        yield finished(trial, execution={"device": str(os.getpid())})


_HOARD: list[bytes] = []


def breaks_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Raises in the second repeat, after an epoch."""
    yield from map(Started, trials)
    for trial in trials:
        yield Progress(trial, 1, 0.3, 0.9)
        if trial.repeat == 2:
            raise ValueError("no such layer")
        yield finished(trial)


def dies_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Is killed in the second repeat, every time."""
    yield from map(Started, trials)
    for trial in trials:
        if trial.repeat == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield finished(trial)


def dies_once(trials: tuple[Trial, ...]) -> Events:
    """Is killed at the first trial of all, once; a file remembers that."""
    yield from map(Started, trials)
    for trial in trials:
        mark = Path("died")
        if not mark.exists():
            mark.touch()
            os._exit(7)
        yield finished(trial)


def sleeps_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Takes for ever in the second repeat, an epoch after the other."""
    yield from map(Started, trials)
    for trial in trials:
        while trial.repeat == 2:
            time.sleep(0.05)
            yield Progress(trial, 1, 0.3, 0.9)
        yield finished(trial)


def works_for_two_seconds(trials: tuple[Trial, ...]) -> Events:
    """Twenty epochs of a tenth of a second for each trial; a file says that the first one is over."""
    yield from map(Started, trials)
    for trial in trials:
        for epoch in range(1, 21):
            time.sleep(0.1)
            yield Progress(trial, epoch, 0.3, 0.9)
            Path("at-work").touch()
        yield finished(trial)


def speaks_and_aborts_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Ends as a C++ library does when a check fails, in the second repeat."""
    yield from map(Started, trials)
    for trial in trials:
        if trial.repeat == 2:
            _abort(f"Check failed: repeat {trial.repeat}")
        os.write(2, b"chatter\n")
        os.write(1, b"chatter\n")
        yield finished(trial)


def _abort(words: str) -> None:
    os.write(2, f"first words\n{words}\n*** Check failure stack trace: ***\n    @     0x7f00  tsl::Fail()\n".encode())
    os.abort()


def hangs(trials: tuple[Trial, ...]) -> Events:
    """Leaves its process number in a file and says nothing for a long time."""
    yield from map(Started, trials)
    Path(f"worker-{os.getpid()}").touch()
    time.sleep(600)
    yield from trains(trials)


def loses_the_device_on_the_second(trials: tuple[Trial, ...]) -> Events:
    """Finds its device lost in the second repeat, after an epoch."""
    for trial in trials:
        yield Started(trial)
        yield Progress(trial, 1, 0.3, 0.9)
        if trial.repeat == 2:
            raise DeviceLostError("the device is lost")
        yield finished(trial)


def loses_the_device(trials: tuple[Trial, ...]) -> Events:
    """Finds its device lost after an epoch, and leaves a file."""
    yield from map(Started, trials)
    yield Progress(trials[0], 1, 0.3, 0.9)
    Path("lost").touch()
    raise DeviceLostError("the device is lost")


def outlives_the_other(trials: tuple[Trial, ...]) -> Events:
    """Trains once another has lost its device."""
    while not Path("lost").exists():
        time.sleep(0.02)
    yield from trains(trials)


def make_trains(number: int) -> Work:
    """Any number of worker does the plain work."""
    assert number >= 0
    return trains


def make_silent(_number: int) -> Work:
    return silent


def make_does_well_with_large_rates(_number: int) -> Work:
    return does_well_with_large_rates


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


def make_works_for_two_seconds(_number: int) -> Work:
    return works_for_two_seconds


def make_aborts(_number: int) -> Work:
    return speaks_and_aborts_on_the_second


def make_loses_devices(_number: int) -> Work:
    return loses_the_device_on_the_second


def make_second_loses_its_device(number: int) -> Work:
    """The second worker does, and does not start again."""
    if number and Path("lost").exists():
        raise RuntimeError("no such device")
    return loses_the_device if number else outlives_the_other


def make_hangs(_number: int) -> Work:
    return hangs


def make_hangs_with_a_child(_number: int) -> Work:
    """Hangs while its libraries chatter, which another process holds back for it."""

    def hangs_in_chatter(trials: tuple[Trial, ...]) -> Events:
        with held_stderr():
            yield from hangs(trials)

    return hangs_in_chatter


def make_nothing(_number: int) -> Work:
    """Cannot get ready."""
    raise RuntimeError("no memory for the images")


def make_corpse(_number: int) -> Work:
    """Dies while it gets ready."""
    os._exit(3)


def make_loud_corpse(_number: int) -> Work:
    """Dies while it gets ready, as a C++ library does."""
    _abort("Check failed: no such device")
    return trains


def make_only_the_first(number: int) -> Work:
    """Gets ready in the first worker alone; the others leave a file for each time that they tried."""
    if number:
        Path(f"tried-{os.getpid()}").touch()
        raise MemoryError("no room for another")
    return tells_process


def make_after_two_failures(_number: int) -> Work:
    """Gets ready at the third time of trying."""
    if len(list(Path().glob("tried-*"))) < 2:
        Path(f"tried-{os.getpid()}").touch()
        os._exit(3)
    return trains


def make_slowly(_number: int) -> Work:
    """Leaves its process number in a file and gets ready for a long time."""
    Path(f"worker-{os.getpid()}").touch()
    time.sleep(600)
    return trains
