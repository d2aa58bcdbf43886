"""Nothing is imported from the current folder, where users keep files of any name."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_sweep
from mnist_sweep.system.interpreter import clean_environment, python, search_path

_NAMES = ("signal", "socket", "random", "numpy", "click", "yaml", "subprocess", "json", "shlex")
_PACKAGE = str(Path(mnist_sweep.__path__[0]).parent)


@pytest.fixture
def names() -> None:
    """The current folder holds files that are named like modules, and that nobody should run."""
    for name in _NAMES:
        Path(f"{name}.py").write_text("raise SystemExit('taken from the current folder')")


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("path", [_PACKAGE, os.pathsep + _PACKAGE, f"{_PACKAGE}{os.pathsep}."])
def test_the_command_leaves_files_named_like_modules_alone(path: str) -> None:
    """`python -m mnist_sweep` works beside them, also with an empty entry of PYTHONPATH."""
    command = [sys.executable, "-m", "mnist_sweep", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert ("", 0) == (done.stderr, done.returncode)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("path", ["", os.pathsep, ".", "{here}", "{here}" + os.pathsep + "/elsewhere"])
def test_processes_that_are_started_leave_them_alone(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Another Python that is started here imports the real modules, whatever PYTHONPATH says."""
    monkeypatch.setenv("PYTHONPATH", path.format(here=Path.cwd()))
    code = "import sys, random, socket; print([entry for entry in sys.path if 'elsewhere' in entry])"
    done = subprocess.run(python("-c", code), capture_output=True, text=True, check=False, env=clean_environment())
    assert ("", 0) == (done.stderr, done.returncode)
    assert ("/elsewhere" in path) == ("/elsewhere" in done.stdout)


def test_the_package_is_found_from_within_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the current folder is where the package lies, it comes last."""
    monkeypatch.setattr(sys, "path", ["", _PACKAGE, "/elsewhere"])
    assert [_PACKAGE, "/elsewhere"] == search_path()
    monkeypatch.chdir(_PACKAGE)
    assert ["/elsewhere", _PACKAGE] == search_path()


def test_a_folder_of_packages_stays_also_when_it_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what Python or PYTHONPATH puts before the standard library is shut out; packages come after it."""
    here, library = str(Path.cwd()), str(Path(os.__file__).parent)
    for first in ("", here):
        monkeypatch.setattr(sys, "path", [first, here, "/elsewhere", library, here, _PACKAGE])
        assert ["/elsewhere", library, here, _PACKAGE] == search_path()


@pytest.mark.parametrize("package", ["mnist_sweep", "click"])
def test_the_command_runs_from_where_packages_are_installed(package: str) -> None:
    """`python -m mnist_sweep` finds itself and its libraries also in their own folders."""
    folder = Path(str(importlib.import_module(package).__file__)).parents[1]
    command = [sys.executable, "-m", "mnist_sweep", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert ("", 0) == (done.stderr, done.returncode)


def test_a_folder_that_was_deleted_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be imported from a folder that is gone, so nothing but its empty entry is left out."""
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    Path("../gone").rmdir()
    monkeypatch.setattr(sys, "path", ["", _PACKAGE])
    assert [_PACKAGE] == search_path()
