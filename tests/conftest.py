"""Guards and data for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mnist_sweep.training.data import Mnist

# Hash order, threads and colours of the machine that runs the tests must not decide their outcome.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["NO_COLOR"] = "1"
# Nor must signals that nohup, or a shell's background, has had ignored: commands that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, so that none can write into the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """Real MNIST, from this machine's cache or fetched into it."""
    from mnist_sweep.training.fetch import load

    return load()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI, which installs every program that a test needs, insist that none was skipped."""
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
