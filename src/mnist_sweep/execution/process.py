"""A worker process as its parent sees it: started, talked to, and asked how it ended.

It is not started by multiprocessing, whose processes import from the current folder and write to the user's terminal.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from multiprocessing.connection import Pipe
from multiprocessing.context import set_spawning_popen
from multiprocessing.reduction import ForkingPickler
from typing import Any

from mnist_sweep.execution.executor import MakeWork
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.system.child import ending_words, start

_PIECE_BYTES, _LAST_BYTES, _LAST_LINES = 65536, 4096, 10
_ENDING_S = 10  # its pipe is closed, so it is about to end; but a library may hang while it is unloaded
# C++ programs drown what they have to say in such lines.
_ADDRESS = re.compile(r"\s*@\s+0x|\*\*\* Check failure stack trace")


class Process:
    """The process of the worker with this number; it ends with the thread that starts it here.

    Raises:
        OSError: when the system has no room for another one.
    """

    def __init__(self, make_work: MakeWork, number: int) -> None:
        open_files = _OpenFiles()
        first = open_files.pickle((make_work, number))
        self._said = b""
        self.pipe, theirs = Pipe()
        self.output, its_output = os.pipe()  # a file would need room on a disk, and more in every week of chatter
        os.set_blocking(self.output, False)
        try:
            self._popen = start(
                "mnist_sweep.execution.worker",
                theirs.fileno(),
                os.getpid(),
                stdin=subprocess.DEVNULL,
                stdout=its_output,
                stderr=its_output,
                pass_fds=[theirs.fileno(), *open_files.numbers],
            )
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()
            os.close(its_output)
        with suppress(OSError):  # one that died already is noticed when its pipe is read
            self.pipe.send_bytes(first)

    def send(self, batch: tuple[Trial, ...]) -> None:
        """Hand it trials; if it has just died, that is noticed when its pipe is read."""
        with suppress(OSError):
            self.pipe.send(batch)

    def take_output(self) -> bool:
        """Keep the end of what it has written to its standard streams; whether more can come."""
        with suppress(BlockingIOError):
            while piece := os.read(self.output, _PIECE_BYTES):
                self._said = (self._said + piece)[-_LAST_BYTES:]
            return False
        return True

    def how_it_ended(self) -> tuple[str, str]:
        """Wait for its end: how that came, and what it wrote last, the last line first."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_ENDING_S)
        self._popen.kill()
        code = self._popen.wait()
        self.take_output()
        how = ending_words(code) + (" (often: out of memory)" if code == -signal.SIGKILL else "")
        lines = [line.rstrip() for line in self._said.decode(errors="replace").splitlines()]
        *earlier, last = [line for line in lines if line and not _ADDRESS.match(line)][-_LAST_LINES:] or [""]
        return how, "\n".join([f": {last}", *(["Before that it wrote:", *earlier] if earlier else [])]) if last else ""

    def end(self) -> None:
        """Kill it; it holds nothing that is not here."""
        self._popen.kill()
        self._popen.wait()
        self._close()

    def _close(self) -> None:
        self.pipe.close()
        os.close(self.output)


class _OpenFiles:
    """Lets what is pickled for a process bring open files along, in the way of multiprocessing's own processes."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def pickle(self, value: Any) -> bytes:
        set_spawning_popen(self)  # type: ignore[arg-type] # it is asked for what follows, and for nothing else
        try:
            return bytes(ForkingPickler.dumps(value))
        finally:
            set_spawning_popen(None)

    def duplicate_for_child(self, number: int) -> int:
        self.numbers.append(number)
        return number

    class DupFd:
        """What a descriptor is pickled as."""

        def __init__(self, number: int) -> None:
            self._number = number

        def detach(self) -> int:
            """The descriptor in the process that has inherited it."""
            return self._number
