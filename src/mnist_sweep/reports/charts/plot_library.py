"""The plot library at work in a process of its own: whatever happens there, its absence is all that is noticed here."""

import base64
import json
import resource
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mnist_sweep.system.child import ending_words, start


@dataclass(frozen=True, slots=True)
class Made:
    """The files that were made, by name, and why others are missing; empty when none is."""

    files: Mapping[str, bytes]
    trouble: str = ""


@dataclass(slots=True)
class Plotter:
    """The process that does one task of the artist; started early, it is warm when the task is there."""

    artist: str = "mnist_sweep.reports.charts.artist"
    patience_s: float = 300.0  # after so long it is given up
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process unless it is there.

        Raises:
            OSError: when the system has no room for it.
        """
        if self.process is None or self.process.poll() is not None:
            self.end()
            pipe = subprocess.PIPE
            self.process = start(self.artist, stdin=pipe, stdout=pipe, stderr=pipe)

    def make(self, task: Mapping[str, Any]) -> Made:
        """Have the task done; the process ends with it."""
        try:
            self.start()
            assert self.process
            output, error = self.process.communicate(json.dumps(task).encode(), self.patience_s)
        except subprocess.TimeoutExpired as late:
            return _made(late.stdout or b"", f"the plot library took longer than {self.patience_s:.0f} s")
        except OSError as refusal:
            return Made({}, f"no process for the plot library: {refusal.strerror}")
        else:
            return _made(output, _trouble(self.process.returncode, error.decode(errors="replace")))
        finally:
            self.end()

    def end(self) -> None:
        """End the process if it is there."""
        if self.process:
            with self.process:
                self.process.kill()
            self.process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def _made(answers: bytes, ending: str) -> Made:
    files, troubles = {}, []
    for line in answers.splitlines(keepends=True):
        if line.endswith(b"\n"):  # else it was cut off
            name, content, error = json.loads(line)
            if error:
                troubles.append(f"{name}: {error}")
            else:
                files[name] = base64.b64decode(content)
    return Made(files, "; ".join([*troubles, *([ending] if ending else [])]))


def _trouble(code: int, stderr: str) -> str:
    """What made the process end before its work was done; empty when nothing did."""
    if code > 0:
        last = stderr.strip().splitlines()[-1:] or [f"it {ending_words(code)}"]
        return f"the plot library failed: {last[0]}"
    return f"the plot library {ending_words(code)}{_limit_words()}" if code else ""


def _limit_words() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return ""
    return f", which a limit on the address space (ulimit -v, here {limit / 2**30:.0f} GiB) can cause"
