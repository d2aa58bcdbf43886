"""The wish to stop in good order: a signal, or the user's own time limit."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType


def _clock() -> float:
    """Seconds, also those in which the machine sleeps; a clock that is set counts only where there is no other."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


@dataclass(slots=True)
class Stop:
    """Whether the command is to stop in good order: asked by a signal, or by the user's own time limit."""

    signal: int = 0
    deadline: float = float("inf")  # by _clock()
    shown: bool = False  # by live lines, which what the handler writes would put in disorder

    def __call__(self) -> bool:
        """Whether it is time to stop."""
        return bool(self.signal) or _clock() > self.deadline


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_signals(max_hours: float | None) -> Iterator[Stop]:
    """Take Ctrl-C, SIGTERM and SIGHUP as a wish to stop in good order; a second Ctrl-C or SIGTERM ends at once.

    A terminal that closes sends SIGHUP twice: as it goes, and when its shell ends. So the second is no wish to hurry:
    from the first signal on SIGHUP is ignored, also by what the user has run at the end, and after the block. Where it
    is ignored from the start, as under nohup, it stays so.
    """
    stop = Stop(deadline=_clock() + max_hours * 3600 if max_hours else float("inf"))
    stderr = os.dup(2)  # of its own: what is written to 2 itself is held back while libraries start

    def say_now(text: str) -> None:
        with suppress(OSError):  # the terminal may be what has gone
            os.write(stderr, text.encode())

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal:
            say_now("\x1b[?25h\n" if os.isatty(stderr) else "")  # the live lines have hidden the cursor
            say_now("stopped at once; finished trials are kept; run again without --fresh to continue\n")
            os._exit(128 + number)  # the journal is whole at every moment
        stop.signal = number
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        say_now("" if stop.shown else "stopping; press Ctrl-C again to stop at once\n")

    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in _STOPPING if not (ignored and number == signal.SIGHUP)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop.signal and number == signal.SIGHUP else handler)
        os.close(stderr)
