"""Chatter is held back, and shown when it has become the reason of an end."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        ("pass", False),
        ("raise SystemExit('an end')", True),
        ("os.abort()", True),
        ("os.kill(os.getpid(), 9)", True),
        ("os._exit(0)", True),
    ],
)
def test_chatter_is_shown_only_when_the_block_does_not_end_well(end: str, shown: bool) -> None:  # noqa: FBT001
    """What was written to the descriptor is lost when all went well, and only then, whatever ended the process."""
    code = (
        "import os\n"
        "from mnist_sweep.system.quiet import held_stderr\n"
        "with held_stderr():\n"
        "    os.write(2, b'chatter\\n')\n"
        f"    {end}\n"
        "os.write(2, b'later\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown == ("chatter" in done.stderr)
    assert shown != ("later" in done.stderr)


def test_who_presses_ctrl_c_is_answered_while_chatter_is_held_back() -> None:
    """A signal is answered on the terminal itself, and the block goes on."""
    code = (
        "import os, signal\n"
        "from mnist_sweep.system.stop import stop_signals\n"
        "from mnist_sweep.system.quiet import held_stderr\n"
        "with stop_signals(None), held_stderr():\n"
        "    os.write(2, b'chatter')\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "stopping; press Ctrl-C again to stop at once\n" == done.stderr


def test_without_room_for_another_process_chatter_is_let_through() -> None:
    """When the system refuses a process, the block runs all the same."""
    code = (
        "import os, subprocess\n"
        "from mnist_sweep.system.quiet import held_stderr\n"
        "def refuse(*_, **__): raise BlockingIOError\n"
        "subprocess.Popen = refuse\n"
        "with held_stderr():\n"
        "    os.write(2, b'chatter\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "chatter\n" == done.stderr
