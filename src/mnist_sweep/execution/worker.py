"""What runs in a worker process."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from mnist_sweep.errors import DeviceLostError
from mnist_sweep.execution.executor import guarded
from mnist_sweep.execution.schedule import DeviceLost, Ready
from mnist_sweep.plan.recipe import Trial

_PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def main(handle: int, parent: int) -> None:
    """The worker's life: get ready, then trials in and events out until the parent is gone."""
    _end_with(parent)
    pipe, batches = Connection(handle), SimpleQueue[tuple[Trial, ...]]()
    make_work, number = pipe.recv()
    threading.Thread(target=_receive, args=(pipe, batches), daemon=True).start()
    try:
        work = make_work(number)
    except Exception as error:  # noqa: BLE001  the parent hears of it as of any end
        sys.exit(f"{type(error).__name__}: {error}")
    with suppress(OSError):  # the parent is gone
        while True:
            pipe.send(Ready(_memory()))
            try:
                for event in guarded(work, batches.get()):
                    pipe.send(event)
            except DeviceLostError as error:
                pipe.send(DeviceLost())
                sys.exit(str(error))


def _end_with(parent: int) -> None:
    """Have Linux end this process with its parent's thread; loading TensorFlow, it has no ear for a closed pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def _receive(pipe: Connection, batches: SimpleQueue[tuple[Trial, ...]]) -> None:
    """Take in trials; when the parent is gone, end at once, whatever is being done: nobody waits for it."""
    with suppress(EOFError, OSError):
        while True:
            batches.put(pipe.recv())
    os._exit(1)


def _memory() -> int:
    """Bytes that this process holds in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0
