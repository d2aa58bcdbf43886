"""Guards and data for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import command
from guards import Guard

if TYPE_CHECKING:
    from mnist_sweep.mnist.images import Mnist

# Hash order, threads and colours of the machine that runs the tests must not decide their outcome.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["NO_COLOR"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nor must each process that tests start compile all that it imports
# Nor must signals that nohup, or a shell's background, has had ignored: commands that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test runs in a folder of its own, and none does unnoticed what `guards` tells of."""
    monkeypatch.chdir(tmp_path)
    guard = Guard(tmp_path, {mark.name for mark in request.node.iter_markers()}, monkeypatch)
    yield
    assert [] == list(guard.faults())


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """Real MNIST, from this machine's cache or fetched into it, where processes that tests start find it."""
    from mnist_sweep.mnist.sources import load

    return load()


@pytest.fixture
def tiny(mnist: Mnist) -> str:
    """The file of a sweep of four quick trials."""
    assert mnist
    Path("tiny.yaml").write_text(command.TINY)
    return "tiny.yaml"


@pytest.fixture(scope="session")
def first_run(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which two workers have trained tiny.yaml, and what the command said."""
    assert mnist
    folder = tmp_path_factory.mktemp("first_run")
    (folder / "tiny.yaml").write_text(command.TINY)
    return folder, command.run("run", "tiny.yaml", "--workers", "2", cwd=folder)


@pytest.fixture
def trained(first_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> str:
    """The folder of a finished sweep of four trials, with its file beside it: a copy of the first run's."""
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    return "output/tiny"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI, which installs every program that a test needs, insist that none was skipped."""
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in {"test_backends.py", "test_jax.py"})


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
