"""YAML 1.2 with the line of every value, and all that is wrong with the text at once.

PyYAML follows YAML 1.1, where 1e-3 is text, `on` and `no` are booleans, and of two equal keys the last silently wins.
So PyYAML only parses here, and scalars are read by the core schema of YAML 1.2:
https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from mnist_sweep.errors import Problem

Path = tuple[str | int, ...]

_MAX_INT = 10**4000  # Python writes no longer integers


def _int(text: str, base: int = 10) -> int | str:
    try:
        number = int(text, base)
    except ValueError:  # Python refuses integers of thousands of digits
        return text
    return number if abs(number) < _MAX_INT else text


_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"(?:~|null|Null|NULL|)\Z"), lambda _: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda _: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+\Z"), _int),
    (re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z"), lambda text: _int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"), lambda text: float(text.replace(".", ""))),
)
MAX_BYTES = 131_072
_MAX_VALUES = 10_000  # an alias of aliases of aliases would grow without end
_MAX_FLOW_LEVELS = 30
_SHOWN = 60  # characters of a key that a message repeats
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


@dataclass(slots=True)
class Document:
    """A YAML document as plain values, the line (from 1) of each, and what was wrong."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def path_text(path: Path) -> str:
    """A path as people write it: grid.batch_size[1]."""
    words = (f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in path)
    return "".join(words).removeprefix(".")


def _short(key: str) -> str:
    return key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…"


class _TooManyError(Exception):
    """More values than any sweep file needs; it holds the line where counting ended."""

    def __init__(self, line: int) -> None:
        super().__init__(f"found more than {_MAX_VALUES:,} values (aliases counted); this is no sweep file")
        self.line = line


class _Loader(yaml.SafeLoader):
    """Leaves every scalar as the text that was written, and gives up early where there is too much."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML declares it so
    _n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._n_nodes += 1
        if self._n_nodes > _MAX_VALUES:
            raise _TooManyError(self.line + 1)
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803  as PyYAML calls it
        if self.flow_level >= _MAX_FLOW_LEVELS:  # for each character ahead the scanner looks at all open levels
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


def read_yaml(content: bytes) -> Document:
    """Parse a file's bytes; whatever is wrong stands in `problems`."""
    document = Document()
    try:
        node = yaml.compose(content.decode().removeprefix("\ufeff"), Loader=_Loader)
        if node is not None:
            document.value = _Reader(document).read(node, ())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        document.problems.append(Problem(line, "", f"found bytes that are no UTF-8 text ({error.reason})"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        text = f"not YAML: {error.problem or error.context}"
        document.problems.append(Problem(mark.line + 1 if mark else 1, "", text))
    except yaml.YAMLError as error:
        document.problems.append(Problem(1, "", f"not YAML: {str(error).splitlines()[0]}"))
    except RecursionError:
        document.problems.append(Problem(1, "", "found lists or mappings nested too deep"))
    except (ValueError, OverflowError):  # PyYAML hands the number of an escape to chr() unchecked
        document.problems.append(Problem(1, "", "not YAML: found an escape that is no character"))
    except _TooManyError as error:
        document.problems.append(Problem(error.line, "", str(error)))
    return document


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[yaml.Node] = []
        self._n_nodes = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        line = self._document.lines.setdefault(path, node.start_mark.line + 1)
        self._n_nodes += 1
        if self._n_nodes > _MAX_VALUES:
            raise _TooManyError(line)
        refusal = self._refusal(node)
        if refusal:
            return self._wrong(line, path, refusal)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.pop()

    def _refusal(self, node: yaml.Node) -> str | None:
        if any(node is outer for outer in self._open):
            return "found an alias to something that holds it"
        if node.tag not in _PLAIN_TAGS:
            return f"found the tag {node.tag}; no tags are allowed"
        if isinstance(node, yaml.ScalarNode) and _HALF_CHARACTER.search(node.value):
            return "found an escape that is no character"
        return None

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(line, path, "found a list or mapping as a key; keys are words")
                continue
            key, inner = key_node.value, (*path, key_node.value)
            if not key.isprintable():
                self._wrong(line, path, f"found the key {key!a}; keys are words")
            elif key in values:
                first = self._document.line(inner)
                self._wrong(line, inner, f"found this key twice (first in line {first}); keep one of them")
            else:
                self._document.lines[inner] = line
                values[key] = self.read(value_node, inner)
        return values

    def _wrong(self, line: int, path: Path, text: str) -> None:
        self._document.problems.append(Problem(line, path_text(path), text))


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:  # quoted, or a block of text
        return text
    for pattern, read in _CORE_SCHEMA:
        if pattern.match(text):
            return read(text)
    return text
