"""Changes to a sweep file that stand on the command line: --set grid.batch_size=128."""

from collections.abc import Iterable

from mnist_sweep.errors import Problem
from mnist_sweep.sweepfile.yaml_tree import Document, Path, path_text, read_yaml

NO_LINE = 0
"""The line of what no file has."""


def apply_changes(document: Document, changes: Iterable[str]) -> None:
    """Put values into a file as if they stood there; what is wrong with the changes is among its problems."""
    for change in changes:
        name, equals, text = change.partition("=")
        path, value = tuple(name.split(".")), read_yaml(text.encode(errors="replace"))
        if not equals or not all(path):
            _refuse(document, change, "found no key with a value, allowed: such as grid.batch_size=128")
        elif value.problems:
            _refuse(document, name, f"found {text}, which is no value in YAML: {value.problems[0].text}")
        elif isinstance(document.value, dict):
            _put(document, path, value.value)


def _put(document: Document, path: Path, value: object) -> None:
    *outer, last = path
    tree = document.value
    for i, key in enumerate(outer):
        tree = tree.setdefault(key, {})
        document.lines.setdefault(path[: i + 1], NO_LINE)
        if not isinstance(tree, dict):
            place = path_text(path[: i + 1])
            _refuse(document, path_text(path), f"found no mapping at {place}; set {place} as a whole")
            return
    tree[last] = value
    document.lines = {known: line for known, line in document.lines.items() if known[: len(path)] != path}
    document.lines[path] = NO_LINE


def _refuse(document: Document, path: str, text: str) -> None:
    document.problems.append(Problem(NO_LINE, path, text))
