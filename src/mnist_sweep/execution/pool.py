"""Several workers at once that stay warm for the whole sweep: the loop between a schedule and a transport."""

from collections.abc import Generator, Iterator
from typing import Protocol

from mnist_sweep.execution.executor import Limits, MakeWork, TrialEvent
from mnist_sweep.execution.process import Processes
from mnist_sweep.execution.schedule import Message, Schedule
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.system.clock import running_s

_LOOK_S = 0.25  # how often stop signs and deadlines are looked at while no worker says anything


class Transport(Protocol):
    """Reaches workers, wherever they are, by their numbers; what goes wrong with one is a message that it has ended."""

    def start(self, number: int) -> None:
        """Start the worker of that number, which is not there."""

    def send(self, number: int, trials: tuple[Trial, ...]) -> None:
        """Hand it trials."""

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        """What workers have said, each in its order, once there is anything or the time is over."""

    def kill(self, number: int) -> None:
        """Have nothing left of it, whether it was there or not."""


def run_in_pool(trials: Iterator[Trial | None], make_work: MakeWork, limits: Limits) -> Generator[TrialEvent]:
    """Work on the trials in processes of their own; when this generator is closed, none of them is left."""
    return run_over(Processes(make_work), trials, limits)


def run_over(transport: Transport, trials: Iterator[Trial | None], limits: Limits) -> Generator[TrialEvent]:
    """Hand out and listen until nothing is left to do."""
    schedule = Schedule(trials, limits)
    try:
        while not limits.stop() and not schedule.is_over():
            for number in schedule.to_start():
                transport.start(number)
            for number, batch in schedule.to_send(running_s()):
                transport.send(number, batch)
            for words in schedule.to_say():
                limits.say(words)
            now_s = running_s()  # before the messages are taken in: whoever hears of them may take long
            for number, message in transport.wait(_LOOK_S):
                yield from schedule.hear(number, message)
            yield from schedule.overdue(now_s)
            for number in schedule.to_kill():
                transport.kill(number)
    finally:
        for number in range(limits.n_workers):
            transport.kill(number)
