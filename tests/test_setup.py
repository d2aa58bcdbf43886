"""What is installed is what the locks say: nothing else, and in no other version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).resolve().parent.parent
_USERS, _DEVELOPERS = _ROOT / "requirements.lock", _ROOT / "requirements-dev.lock"
_LOCKS = sorted(_ROOT.glob("requirements*.lock"))
_EXTRAS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def _pinned(lock: Path) -> dict[str, str]:
    """The versions that a lock gives this machine, by name."""
    lines = [line.rstrip("\\ ") for line in lock.read_text().splitlines() if "==" in line and line[0].isalnum()]
    wanted = [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate()]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in wanted}


def test_what_is_installed_is_exactly_the_developers_lock() -> None:
    """No package has another version than locked, none is missing, and none came along beside the lock."""
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    del installed[canonicalize_name("mnist-sweep")]

    assert installed == _pinned(_DEVELOPERS)


def test_every_extra_uses_the_versions_of_users() -> None:
    """Each extra has a lock, which holds the users' with the same versions, and what the extra adds."""
    for extra, wanted in _EXTRAS.items():
        pinned = _pinned(_ROOT / f"requirements-{extra}.lock")
        assert _pinned(_USERS).items() < pinned.items()
        added = [r for r in map(Requirement, wanted) if r.name != "mnist-sweep"]
        assert all(r.specifier.contains(pinned[canonicalize_name(r.name)]) for r in added)
    assert _pinned(_ROOT / "requirements-jax.lock").items() < _pinned(_DEVELOPERS).items()
    assert len(_LOCKS) == 1 + len(_EXTRAS)
    assert "pytest" not in _pinned(_USERS)


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_what_builds_and_runs_the_package(lock: Path) -> None:
    """Nothing has to be fetched beside the lock: neither a dependency nor what builds the package."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    pinned = _pinned(lock)

    for wanted in map(Requirement, project["project"]["dependencies"] + project["build-system"]["requires"]):
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)])


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_its_hashes(lock: Path) -> None:
    """Each package of a lock is followed by at least one hash of its files."""
    blocks = lock.read_text().split("\n")
    pins = [i for i, line in enumerate(blocks) if line[:1].isalnum()]

    assert pins
    assert all("==" in blocks[i] and blocks[i + 1].lstrip().startswith("--hash=sha256:") for i in pins)


@pytest.mark.skipif(not shutil.which("make"), reason="this system has no make")
@pytest.mark.parametrize(("end", "shown"), [("", False), ("raise ImportError('broken')", True)])
def test_setup_shows_chatter_only_with_an_error(end: str, shown: bool) -> None:  # noqa: FBT001
    """What libraries say when they are imported for the first time is read only where an import fails."""
    Path("tensorflow.py").write_text(f"import os; os.write(2, b'chatter')\n{end}\n")
    Path("keras.py").touch()
    Path("Makefile").write_text(f"include {_ROOT}/Makefile\nimports: ; @'{sys.executable}' -c '$(IMPORT_ALL)'\n")
    paths = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    command = ["make", "--no-print-directory", "imports"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (shown, shown, shown) == (bool(done.returncode), "chatter" in done.stderr, "broken" in done.stderr)
