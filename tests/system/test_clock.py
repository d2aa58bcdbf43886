"""The clock counts the time in which the process ran, and no other."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from mnist_sweep.system.clock import running_s


def test_it_stands_while_the_process_is_stopped() -> None:
    """Stopped for three seconds by a signal, the process has run for none of them."""
    clock, began = running_s(), time.monotonic()
    stop = f"kill -STOP {os.getpid()}; sleep 3; kill -CONT {os.getpid()}"
    subprocess.run(["sh", "-c", stop], check=True)
    passed = time.monotonic() - began
    assert passed >= 3
    assert pytest.approx(passed - 3, abs=0.5) == running_s() - clock


def test_it_runs_on_while_threads_wait_for_one() -> None:
    """A computation that lets no other thread run is no standstill."""
    clock, began = running_s(), time.process_time()
    n = 10**6
    while time.process_time() - began < 2:
        pow(3, n)
        n *= 2
    computed = time.process_time() - began
    assert running_s() - clock >= computed - 0.5
