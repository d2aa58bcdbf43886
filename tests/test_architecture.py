"""Who may import whom, so that the house keeps its shape: the table in ARCHITECTURE.md, which cannot be wrong."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).parents[1]
_SOURCE = _ROOT / "src" / "mnist_sweep"
_LATE_IN_PURE = {"numpy", "scipy"}
_HEAVY = {"tensorflow", "keras", "jax", "pandas", "openpyxl", "numpy", "rich", "vl_convert", "scipy"}
_READS_THE_WORLD = {"os", "time", "random", "pathlib", "datetime", "io", "socket", "subprocess"}
_MOST_ARROWS = 60


class _Room(NamedTuple):
    """A row of the table."""

    name: str
    pure: str
    imports: frozenset[str]


def _rooms() -> list[_Room]:
    lines = (_ROOT / "ARCHITECTURE.md").read_text().split("| imports |")[1].splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[: lines.index("")]]
    return [_Room(name.strip("`"), pure, frozenset(re.findall(r"`(\w+)`", imports))) for name, _, pure, imports in rows]


_ROOMS = _rooms()
_MODULES = {
    ".".join(path.relative_to(_SOURCE).with_suffix("").parts): path
    for path in sorted(_SOURCE.rglob("*.py"))
    if path.stem not in {"__init__", "__main__"}
}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported; of `from package import module`, both."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))


def _ours(module: str) -> set[str]:
    """The modules of ours that a module imports."""
    names = {name.removeprefix("mnist_sweep.") for name in _imports(ast.parse(_MODULES[module].read_text()))}
    return names & set(_MODULES)


def _room(module: str) -> str:
    return module.partition(".")[0]


def _pure_modules() -> list[str]:
    pure = {room.name: room.pure for room in _ROOMS}
    return [m for m in _MODULES if pure[_room(m)] == "all" or f"`{m.rpartition('.')[2]}`" in pure[_room(m)]]


@pytest.mark.parametrize("room", _ROOMS, ids=lambda room: room.name)
def test_the_table_of_rooms_is_true(room: _Room) -> None:
    """A room imports what the table says, no more and no less, and nothing that stands below it there."""
    inside = [module for module in _MODULES if _room(module) == room.name]
    assert inside
    assert room.imports == {_room(module) for one in inside for module in _ours(one)} - {room.name}
    above = [other.name for other in _ROOMS[: _ROOMS.index(room)]]
    assert set() == room.imports - set(above)


def test_the_table_has_every_room() -> None:
    """No module lies beside the rooms, and there are few arrows between them."""
    assert {room.name for room in _ROOMS} == {_room(module) for module in _MODULES}
    assert sum(len(room.imports) for room in _ROOMS) <= _MOST_ARROWS


def test_no_imports_run_in_a_circle() -> None:
    """Neither do those of the modules within a room."""
    order = list(TopologicalSorter({module: _ours(module) for module in _MODULES}).static_order())
    assert set(_MODULES) == set(order)


@pytest.mark.parametrize("module", _pure_modules())
def test_pure_modules_have_no_clock_no_files_no_chance(module: str) -> None:
    """Pure modules import the standard library, and late NumPy and SciPy, and nothing that reads the world."""
    imports = {name.partition(".")[0] for name in _imports(ast.parse(_MODULES[module].read_text()))}
    assert set() == imports - set(sys.stdlib_module_names) - {"mnist_sweep"} - _LATE_IN_PURE
    assert set() == imports & _READS_THE_WORLD


@pytest.mark.parametrize("module", _MODULES)
def test_heavy_libraries_are_imported_late(module: str) -> None:
    """Nothing heavy is imported when a module is: only inside the function that uses it, or for types alone."""
    tree = ast.parse(_MODULES[module].read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.partition(".")[0] for node in top for name in _imports(node)}
    assert set() == names & _HEAVY


def test_only_run_sweep_opens_the_journal_for_appending() -> None:
    """One place appends to the journal."""
    users = {module for module, path in _MODULES.items() if re.search(r"\bJournal\(", path.read_text())}
    assert {"execution.run_sweep"} == users - {"journal.journal_file"}
