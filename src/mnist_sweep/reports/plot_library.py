"""The plot library at work in a process of its own: whatever happens there, its absence is all that is noticed here."""

from __future__ import annotations

import base64
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PATIENCE_S = 300.0
_ARTIST = "mnist_sweep.reports.artist"


@dataclass(frozen=True, slots=True)
class Made:
    """The files that were made, by name, and why others are missing; empty when none is."""

    files: Mapping[str, bytes]
    trouble: str = ""


def make(task: Mapping[str, Any], *, patience_s: float = _PATIENCE_S, artist: str = _ARTIST) -> Made:
    """Have a task of the artist done.

    Args:
        patience_s: after so many seconds it is given up.
        artist: the module that does it.
    """
    command = [sys.executable, "-P", "-m", artist]  # -P: nothing is imported from the folder that the user is in
    try:
        done = subprocess.run(  # noqa: S603  our own module
            command, input=json.dumps(task).encode(), capture_output=True, timeout=patience_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        return _made(error.stdout or b"", f"the plot library took longer than {patience_s:.0f} s")
    except OSError as error:
        return Made({}, f"no process for the plot library: {error.strerror}")
    return _made(done.stdout, _ending_words(done.returncode, done.stderr.decode(errors="replace")))


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


def _ending_words(code: int, stderr: str) -> str:
    """What made the process end before its work was done; empty when nothing did."""
    if code == 0:
        return ""
    if code > 0:
        last = stderr.strip().splitlines()[-1:] or [f"it ended with exit code {code}"]
        return f"the plot library failed: {last[0]}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"the plot library was ended by {name}{_limit_words()}"


def _limit_words() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return ""
    return f", which a limit on the address space (ulimit -v, here {limit / 2**30:.0f} GiB) can cause"
