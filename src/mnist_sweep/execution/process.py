"""Workers that are processes of this machine, each with a pipe of its own: started, talked to, asked how they ended.

A shared queue can die with the worker that holds its lock, and a ProcessPoolExecutor breaks whole when one worker dies
(https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.process.BrokenProcessPool); here a worker
that dies is one closed pipe.

They are not started by multiprocessing, whose processes import from the current folder and write to the terminal.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.context import set_spawning_popen
from multiprocessing.reduction import ForkingPickler
from typing import Any

from mnist_sweep.execution.executor import MakeWork
from mnist_sweep.execution.schedule import Ended, Message
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.system.child import ending_words, start

_PIECE_BYTES, _LAST_BYTES, _LAST_LINES = 65536, 4096, 10
_ENDING_S = 10  # its pipe is closed, so it is about to end; but a library may hang while it is unloaded
# C++ programs drown what they have to say in such lines.
_ADDRESS = re.compile(r"\s*@\s+0x|\*\*\* Check failure stack trace")


class Processes:
    """The transport to workers that are processes here."""

    def __init__(self, make_work: MakeWork) -> None:
        self._make_work = make_work
        self._processes: dict[int, _Process] = {}
        self._refused: list[tuple[int, Message]] = []

    def start(self, number: int) -> None:
        """Start the worker of that number; if the system has no room for it, that is how it ended."""
        try:
            self._processes[number] = _Process(self._make_work, number)
        except OSError as error:
            self._refused.append((number, Ended(f"cannot be started: {error}")))

    def send(self, number: int, trials: tuple[Trial, ...]) -> None:
        """Hand it trials."""
        self._processes[number].send(trials)

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        """What workers have said, each in its order, once there is anything or the time is over."""
        messages, self._refused = self._refused, []
        sources = [source for process in self._processes.values() for source in process.sources]
        spoke = set(wait(sources, 0 if messages else timeout_s))
        for number, process in self._processes.items():
            if process.output in spoke:
                process.take_output()
            if process.pipe in spoke:
                messages += ((number, message) for message in process.messages())
        return messages

    def kill(self, number: int) -> None:
        """Kill it, if it is there; it holds nothing that is not here."""
        if process := self._processes.pop(number, None):
            process.end()


class _Process:
    """The process of the worker with this number; it ends with the thread that starts it here."""

    def __init__(self, make_work: MakeWork, number: int) -> None:
        open_files = _OpenFiles()
        first = open_files.pickle((make_work, number))
        self._said, self._talks = b"", True
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

    @property
    def sources(self) -> list[Connection | int]:
        """Where something can come from: its pipe, and its standard streams until it has closed them."""
        return [self.pipe, self.output] if self._talks else [self.pipe]

    def take_output(self) -> None:
        """Keep the end of what it has written to its standard streams."""
        with suppress(BlockingIOError):
            while piece := os.read(self.output, _PIECE_BYTES):
                self._said = (self._said + piece)[-_LAST_BYTES:]
            self._talks = False

    def messages(self) -> Iterator[Message]:
        """All that it has said by now, and how it ended, if it did."""
        try:
            while self.pipe.poll():
                yield self.pipe.recv()
        except (EOFError, OSError):
            yield self._ended()

    def _ended(self) -> Ended:
        """Wait for its end."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_ENDING_S)
        self._popen.kill()
        code = self._popen.wait()
        self.take_output()
        how = ending_words(code) + (" (often: out of memory)" if code == -signal.SIGKILL else "")
        lines = [line.rstrip() for line in self._said.decode(errors="replace").splitlines()]
        *earlier, last = [line for line in lines if line and not _ADDRESS.match(line)][-_LAST_LINES:] or [""]
        words = "\n".join([f": {last}", *(["Before that it wrote:", *earlier] if earlier else [])]) if last else ""
        return Ended(how, words)

    def end(self) -> None:
        """Kill it, and close what leads to it."""
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
