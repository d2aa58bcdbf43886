"""A clock that stands while this process does not run: suspended by Ctrl-Z or by a scheduler, or frozen."""

import threading
import time
from functools import cache

_TICK_S = 0.25
_LATE_S = 2.0  # a busy machine delays a tick too, by less


class _Clock:
    """Reads itself all the time, so that a reading long after the one before shows that nothing ran in between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now, self._computed, self._stood = time.monotonic(), time.process_time(), 0.0
        threading.Thread(target=self._tick, name="clock", daemon=True).start()

    def read(self) -> float:
        with self._lock:
            now, computed = time.monotonic(), time.process_time()
            late = now - self._now - _TICK_S
            if late > _LATE_S:  # what was computed meanwhile was no standstill: a library may have held all threads up
                self._stood += max(0.0, late - (computed - self._computed))
            self._now, self._computed = now, computed
            return now - self._stood

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_S)
            self.read()


@cache
def _clock() -> _Clock:
    return _Clock()


def running_s() -> float:
    """Seconds in which this process ran, from some moment on; it counts from the first call."""
    return _clock().read()
