"""Dataclasses from plain JSON values: what does not fit the types of the fields is refused."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from itertools import chain
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
}
"""What JSON has beside lists and objects; true and false are no numbers."""

_LARGEST = sys.float_info.max

Reader = Callable[[Any], Any]


def from_plain(kind: Any, value: Any) -> Any:
    """The value as this type: a dataclass, an enum, a tuple, a mapping, number, text, or one of them or None.

    Raises:
        ValueError: names the field that does not fit, and what was found there.
    """
    return _reader(kind)(value)


@cache
def _reader(kind: Any) -> Reader:
    leaves = _leaves(kind)
    if leaves:
        words = " or ".join(_WORDS[leaf] for leaf in leaves)
        return lambda value: value if _fit((value,), leaves) else _refuse(value, words)
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple_reader(args)
    if origin is UnionType:
        (reader,) = (_reader(part) for part in args if part is not NoneType)
        return lambda value: None if value is None else reader(value)
    if origin is Mapping:
        return lambda value: value if isinstance(value, dict) else _refuse(value, "an object")
    return partial(kind)  # an enum, which raises ValueError itself


def _leaves(kind: Any) -> tuple[Any, ...]:
    """The parts of a union of numbers, text and None, or such a type alone; none for any other type."""
    parts = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    return parts if all(part in _WORDS for part in parts) else ()


def _fit(values: Iterable[Any], leaves: tuple[Any, ...]) -> bool:
    """Whether all values have one of these types and no number is infinite; a float may be written without a point."""
    allowed = {*leaves, int} if float in leaves else {*leaves}
    if not allowed.issuperset(map(type, values)):
        return False
    return str in leaves or max(map(abs, filter(None, values)), default=0) <= _LARGEST


def _dataclass_reader(kind: Any) -> Reader:
    hints, parts = get_type_hints(kind), fields(kind)
    needed = [part.name for part in parts if part.default is MISSING and part.default_factory is MISSING]

    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, dict):
            _refuse(value, "an object")
        if missing := [name for name in needed if name not in value]:
            raise ValueError(f"lacks {missing[0]}")
        if unknown := [name for name in value if name not in hints]:
            raise ValueError(f"has {shortened(unknown[0])}, which is unknown")
        return kind(**{name: _within(name, _reader(hints[name]), part) for name, part in value.items()})

    return read


def _within(name: str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _tuple_reader(args: tuple[Any, ...]) -> Reader:
    """Of parts that have one type; a tuple without an ellipsis has a length."""
    length = None if args[-1] is Ellipsis else len(args)
    reader, leaves = _reader(args[0]), _leaves(args[0])
    row = get_args(args[0]) if get_origin(args[0]) is tuple else ()

    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple) or length not in {None, len(value)}:
            _refuse(value, f"a list of {length}" if length else "a list")
        if leaves and _fit(value, leaves):
            return tuple(value)
        if row and {list}.issuperset(map(type, value)) and {len(row)}.issuperset(map(len, value)):
            flat = tuple(chain.from_iterable(value))  # one by one, hundreds of pairs take five times as long
            if _fit(flat, _leaves(row[0])):
                return tuple(map(tuple, value))
        return tuple(map(reader, value))

    return read


def _refuse(value: Any, needed: str) -> Any:
    raise ValueError(f"found {shortened(value)}, needed {needed}")
