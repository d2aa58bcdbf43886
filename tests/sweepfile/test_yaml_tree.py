"""YAML 1.2 scalars, lines, and every fault of the text."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_sweep.sweepfile.yaml_tree import path_text, read_yaml


def _faults(content: bytes) -> list[tuple[int, str]]:
    return [(problem.line, problem.path) for problem in read_yaml(content).problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+1.5e+2", 150.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("true", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
    ],
)
def test_numbers_booleans_and_null_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    """A plain scalar in a form of the core schema becomes that value, with its type."""
    value = read_yaml(f"key: {text}".encode()).value["key"]

    assert (type(expected), expected) == (type(value), value)


def test_not_a_number_is_read() -> None:
    """The word .nan is the float that equals nothing."""
    assert math.isnan(read_yaml(b".NaN").value)


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "Off", "y", "nUll", "tRue", "1_000", "1:30", "0b11", "-0x1F", "1e", ".", "2001-01-01"],
)
def test_words_of_older_yaml_are_text(text: str) -> None:
    """What only YAML 1.1 takes for a boolean, number or date stays the text that was written."""
    document = read_yaml(f"key: {text}".encode())

    assert ({"key": text}, []) == (document.value, document.problems)


@pytest.mark.parametrize("text", ["'12'", '"12"', "|-\n  12", ">-\n  12"])
def test_quoted_and_block_text_stays_text(text: str) -> None:
    """Quotes and block marks make text of what would be a number."""
    assert {"key": "12"} == read_yaml(f"key: {text}".encode()).value


def test_lines_of_keys_and_items_are_counted_from_one() -> None:
    """Every key and every item of a list knows its line, and an unknown path that of what is above it."""
    document = read_yaml(b"# comment\nname: a\ngrid:\n  batch_size:\n    - 1\n    - 2\n  width: [3,\n    4]\n")

    assert {
        (): 2,
        ("name",): 2,
        ("grid",): 3,
        ("grid", "batch_size"): 4,
        ("grid", "batch_size", 0): 5,
        ("grid", "batch_size", 1): 6,
        ("grid", "width"): 7,
        ("grid", "width", 0): 7,
        ("grid", "width", 1): 8,
    } == document.lines
    assert 6 == document.line(("grid", "batch_size", 1, "deeper", 0))


def test_a_path_is_written_with_dots_and_brackets() -> None:
    """Keys are joined by dots, and positions stand in brackets."""
    assert "grid.hidden_width[1][0]" == path_text(("grid", "hidden_width", 1, 0))


def test_every_duplicate_key_is_reported_and_the_first_value_stays() -> None:
    """Each repetition of a key is a problem of its own, at any depth."""
    document = read_yaml(b"a: 1\na: 2\nb: {c: 1,\n  c: 2}\na: 3\n")

    assert {"a": 1, "b": {"c": 1}} == document.value
    assert [(2, "a", 1), (4, "b.c", 3), (5, "a", 1)] == [
        (problem.line, problem.path, first)
        for problem, first in zip(document.problems, (1, 3, 1), strict=True)
        if f"twice (first in line {first})" in problem.text
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: !thing 2\n", [(2, "b")]),
        (b"a: !!int 1\nb: [!!python/name:os.system '']\n", [(1, "a"), (2, "b[0]")]),
        (b"!!set {a}\n", [(1, "")]),
        (b"a:\n  - !x {b: 1}\n  - !y [1]\n", [(2, "a[0]"), (3, "a[1]")]),
    ],
)
def test_tags_are_refused(content: bytes, expected: list[tuple[int, str]]) -> None:
    """A tag on any value is a problem at its place."""
    assert expected == _faults(content)
    assert all("tag" in problem.text for problem in read_yaml(content).problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"a: 1\nb: &b\n  c: *b\n", (3, "b.c")), (b"- &x [1, *x]\n", (1, "[0][1]")), (b"&x {a: [*x]}\n", (1, "a[0]"))],
)
def test_an_alias_to_something_that_holds_it_is_refused(content: bytes, expected: tuple[int, str]) -> None:
    """A loop of aliases ends in a problem, not in an endless descent."""
    assert [expected] == _faults(content)


def test_an_alias_beside_its_anchor_is_followed() -> None:
    """An alias repeats the value that it names."""
    document = read_yaml(b"a: &x [1, 2]\nb: *x\n")

    assert ({"a": [1, 2], "b": [1, 2]}, []) == (document.value, document.problems)


def test_a_key_that_is_no_word_is_refused() -> None:
    """A list or mapping as a key is a problem, and the other keys are read."""
    document = read_yaml(b"a: 1\n? [x, y]\n: 2\n")

    assert ({"a": 1}, [(2, "")]) == (document.value, _faults(b"a: 1\n? [x, y]\n: 2\n"))


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"\xff", 1), (b"a: 1\nb: \xe4\n", 2), (b"\xef\xbb\xbfa: 1\n\xff", 2)],
)
def test_bytes_that_are_no_utf_8_are_refused_with_their_line(content: bytes, line: int) -> None:
    """The line of the first byte that is no UTF-8 is named."""
    assert [(line, "")] == _faults(content)
    assert "UTF-8" in read_yaml(content).problems[0].text


def test_a_byte_order_mark_is_skipped() -> None:
    """The mark that some editors put in front is no part of the first key."""
    assert {"name": "ä"} == read_yaml("\ufeffname: ä\n".encode()).value


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: [1, 2\nb: 3\n", 2),
        (b"a: 1\n b: 2\n", 2),
        (b"a: 'x\n", 2),
        (b"a: 1\n\tb: 2\n", 2),
        (b"a: 1\n--- \nb: 1\n", 2),
        (b"a: *missing\n", 1),
        (b"a: \x00\n", 1),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(content: bytes, line: int) -> None:
    """A fault of the syntax is one problem, and there is no value."""
    document = read_yaml(content)

    assert (None, [line]) == (document.value, [problem.line for problem in document.problems])


@pytest.mark.parametrize("escape", ["ud800", "U00110000", "UFFFFFFFF"])
def test_an_escape_that_is_no_character_is_refused(escape: str) -> None:
    """An escape for something that no text can hold is a problem, not a crash here or where the text is printed."""
    assert read_yaml(f'a: "\\{escape}"'.encode()).problems


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a:\n" + b"  - 1\n" * 250_000, 10_000),
        (b"[" + b"1, " * 250_000 + b"]", 1),
        (b"[" + b"[], " * 250_000, 1),
        (b"a: 1\nb: &b [" + b"1, " * 200 + b"]\nc: &c [" + b"*b, " * 200 + b"]\nd: [" + b"*c, " * 200 + b"]", 2),
    ],
)
def test_reading_ends_where_there_are_too_many_values(content: bytes, line: int) -> None:
    """A list without end and aliases of aliases are one problem, told where counting ended; the rest is not read."""
    document = read_yaml(content)

    assert (None, [line]) == (document.value, [problem.line for problem in document.problems])
    assert "found more than 10,000 values (aliases counted)" in document.problems[0].text


def test_a_long_key_is_shown_by_its_beginning() -> None:
    """A path stays readable however long its keys are."""
    assert f"grid.{'x' * 60}…[1]" == path_text(("grid", "x" * 1000, 1))


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- "])
def test_thousands_of_levels_are_refused(opening: bytes) -> None:
    """A file that nests deeper than anyone writes is a problem, not a crash."""
    assert 1 == len(read_yaml(opening * 3000).problems)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n", b"---\n"])
def test_a_file_without_a_value_is_empty(content: bytes) -> None:
    """Nothing, blank lines and comments hold no value and no problem."""
    document = read_yaml(content)

    assert (None, []) == (document.value, document.problems)


def test_an_integer_too_long_for_python_stays_text() -> None:
    """A number of thousands of digits, which Python does not convert, is text and no crash."""
    assert {"a": "9" * 5000} == read_yaml(b"a: " + b"9" * 5000).value


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.integers() | st.booleans() | st.none()))
def test_written_values_are_read_back(values: dict[str, Any]) -> None:
    """Any mapping of plain values, written one a line, is read as it was, each with its line."""
    document = read_yaml("\n".join(f"{key}: {json.dumps(value)}" for key, value in values.items()).encode())

    assert values == (document.value or {})
    assert list(range(1, len(values) + 1)) == [document.line((key,)) for key in values]


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No content makes the reader raise, and every problem lies in a line of the file."""
    n_lines = len(content.splitlines()) + content.count(b"\xc2\x85") + content.count(b"\xe2\x80")

    assert all(1 <= problem.line <= n_lines + 1 for problem in read_yaml(content).problems)
