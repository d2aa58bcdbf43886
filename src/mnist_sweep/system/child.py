"""Processes of this Python that do a part of its work: started, and told of how they ended."""

import signal
import subprocess
from typing import Any

from mnist_sweep.system.interpreter import clean_environment, python, search_path

# These reach the whole group, and the parent decides: a child is born with them blocked, and stays so.
_FOR_THE_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(module: str, *arguments: int, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that calls the module's `main` with these arguments; the options are those of Popen."""
    code = f"import sys; sys.path[:] = {search_path()!r}; from {module} import main; main{arguments!r}"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
    try:
        return subprocess.Popen(python("-c", code), env=clean_environment(), **options)  # noqa: S603  our own words
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ending_words(code: int) -> str:
    """How a process ended, by its return code; some signals have no name."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was ended by {name}"
