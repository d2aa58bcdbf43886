"""Python processes that import nothing from the current folder, where users keep files of any name.

Only what every interpreter has loaded anyway is imported here, since this comes before the folder is shut out.
"""

import os
import sys

_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120
_ROOM = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
_HOME = os.path.dirname(os.path.dirname(_ROOM))  # noqa: PTH120  where this package lies


def search_path() -> list[str]:
    """What `sys.path` holds without the current folder, unless packages are installed there.

    What Python itself and PYTHONPATH have put there comes before the standard library, and packages come after it.
    """
    n_before = sys.path.index(_LIBRARY) if _LIBRARY in sys.path else len(sys.path)
    kept = [*_elsewhere(sys.path[:n_before]), *sys.path[n_before:]]
    return kept if _HOME in kept else [*kept, _HOME]


def python(*arguments: str) -> list[str]:
    """The command that runs this Python with these arguments."""
    return [sys.executable, "-P", *arguments]


def clean_environment() -> dict[str, str]:
    """Its environment; an empty entry of PYTHONPATH, which scripts leave there by accident, is the folder too."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(_elsewhere(entries))}


def _elsewhere(entries: list[str]) -> list[str]:
    named = [entry for entry in entries if entry]
    try:
        here = os.path.realpath(".")
    except OSError:  # it was deleted, so nothing can be in it
        return named
    return [entry for entry in named if os.path.realpath(entry) != here]
