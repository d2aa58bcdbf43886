"""Libraries chatter on stderr while they start; only when that fails do people want to read it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WELL = b"\0well"
_KEEPER = f"""\
import os
held = b"".join(iter(lambda: os.read(0, 65536), b""))
held.endswith({_WELL!r}) or os.write(2, held)
"""


@contextmanager
def held_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and show it only when the block raises or the process ends in it.

    Another process holds it, since one that a C++ library ends has no chance to say anything more.
    """
    sys.stderr.flush()
    # A session of its own: Ctrl-C is not for the keeper, which ends with the block or with this process.
    command = [sys.executable, "-I", "-S", "-c", _KEEPER]
    try:
        keeper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, bufsize=0)  # noqa: S603
    except OSError:  # no process to be had: chatter does less harm than to give up
        yield
        return
    with keeper:
        assert keeper.stdin
        saved = os.dup(2)
        os.dup2(keeper.stdin.fileno(), 2)
        try:
            yield
            sys.stderr.flush()
            keeper.stdin.write(_WELL)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
