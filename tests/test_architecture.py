"""Who may import whom, so that the house keeps its shape."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[1] / "src" / "mnist_sweep"
_PURE = (
    "counts",
    "errors",
    "plain",
    "recipe",
    "keras_names",
    "axis",
    "axes",
    "plan",
    "events",
    "ledger",
    "noise",
    "effects",
    "summary",
    "comparison",
    "estimate",
    "provenance",
)
_LATE_IN_PURE = {"numpy", "scipy"}
_HEAVY = {"tensorflow", "keras", "jax", "pandas", "openpyxl", "numpy", "rich", "vl_convert", "scipy"}
_MAY_IMPORT = {
    "counts": set(),  # which all may import
    "screen": set(),
    "errors": set(),
    "plain": set(),
    "recipe": {"plain"},
    "keras_names": set(),
    "axis": {"plain", "recipe"},
    "axes": {"axis", "keras_names", "plain", "recipe"},
    "plan": {"axis", "plain", "recipe"},
    "events": {"plain", "plan", "recipe"},
    "ledger": {"events", "plan", "recipe"},
    "noise": set(),
    "effects": {"noise", "recipe"},
    "summary": {"effects", "events", "ledger", "noise", "plan", "recipe"},
    "files": {"errors"},
    "home": {"errors"},
    "machine": {"recipe"},
    "backends": {"errors", "ledger", "machine", "plan", "recipe"},
    "clock": set(),
    "interpreter": set(),
    "child": {"interpreter"},
    "quiet": set(),
    "provenance": set(),
    "yaml_tree": {"errors"},
    "config": {"axis", "errors", "files", "keras_names", "plan", "recipe", "yaml_tree"},
    "template": {"config", "errors", "files", "yaml_tree"},
    "journal": {"errors", "events", "files"},
    "locks": {"errors"},
    "sweep": {"errors", "events", "execution", "journal", "ledger", "plan", "provenance", "recipe"},
    "estimate": {"events", "ledger", "recipe"},
    "streams": set(),
    "boundary": {"errors", "home", "machine", "screen", "streams"},
    "comparison": {"noise", "recipe", "summary"},
    "findings": {"advice", "comparison", "conclusions", "screen", "summary", "words"},
    "drive": {
        "backends",
        "boundary",
        "clock",
        "engine",
        "errors",
        "events",
        "execution",
        "home",
        "journal",
        "ledger",
        "locks",
        "plan",
        "recipe",
        "reports",
        "streams",
        "summary",
        "sweep",
        "terminal",
    },
    "facts": {
        "advice",
        "comparison",
        "conclusions",
        "estimate",
        "events",
        "ledger",
        "listing",
        "machine",
        "overview",
        "plan",
        "recipe",
        "summary",
        "words",
    },
    "listing": {"errors", "home", "journal", "locks", "summary", "words"},
    "notify": {"facts"},
    "overview": {
        "estimate",
        "events",
        "ledger",
        "machine",
        "plan",
        "recipe",
        "reports",
        "screen",
        "summary",
        "terminal",
        "words",
    },
    "words": {"events", "recipe", "summary"},
    "advice": {"summary", "words"},
    "conclusions": {"effects", "noise", "plan", "recipe", "summary", "words"},
    "terminal": {
        "boundary",
        "clock",
        "estimate",
        "events",
        "execution",
        "ledger",
        "plan",
        "recipe",
        "screen",
        "summary",
        "sweep",
        "words",
    },
    "execution": {"child", "clock", "errors", "events", "interpreter", "quiet", "recipe"},
    "engine": {"backends", "errors", "execution", "interpreter", "machine", "recipe", "sweep", "training"},
    "training": {"clock", "errors", "events", "files", "interpreter", "quiet", "recipe"},
    "reports": {
        "axis",
        "advice",
        "child",
        "conclusions",
        "effects",
        "errors",
        "events",
        "files",
        "home",
        "locks",
        "noise",
        "plan",
        "provenance",
        "recipe",
        "streams",
        "summary",
        "words",
    },
}


def _modules() -> list[Path]:
    return sorted(path for path in _SOURCE.rglob("*.py") if path.stem not in {"__init__", "__main__", "cli"})


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _room(path: Path) -> str:
    return path.relative_to(_SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", _modules(), ids=str)
def test_imports_run_one_way(path: Path) -> None:
    """A module imports only what stands below it."""
    room = _room(path)
    ours = {name.split(".")[1] for name in _imports(ast.parse(path.read_text())) if name.startswith("mnist_sweep.")}
    assert set() == ours - _MAY_IMPORT[room] - {room, "counts", "axes"}


@pytest.mark.parametrize("name", _PURE)
def test_pure_modules_have_no_clock_no_files_no_chance(name: str) -> None:
    """Pure modules import the standard library, and late NumPy and SciPy, and nothing that reads the world."""
    imports = {module.split(".")[0] for module in _imports(ast.parse((_SOURCE / f"{name}.py").read_text()))}
    assert set() == imports - set(sys.stdlib_module_names) - {"mnist_sweep"} - _LATE_IN_PURE
    assert set() == imports & {"os", "time", "random", "pathlib", "datetime", "io", "socket", "subprocess"}


@pytest.mark.parametrize("path", [*_modules(), _SOURCE / "cli.py"], ids=str)
def test_heavy_libraries_are_imported_late(path: Path) -> None:
    """Nothing heavy is imported when a module is: only inside the function that uses it, or for types alone."""
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.split(".")[0] for node in top for name in _imports(node)}
    assert set() == names & _HEAVY


def test_only_run_sweep_opens_the_journal_for_appending() -> None:
    """One place appends to the journal."""
    users = [path.stem for path in [*_modules(), _SOURCE / "cli.py"] if "Journal(" in path.read_text()]
    assert {"journal", "sweep"} == set(users) | {"journal"}
