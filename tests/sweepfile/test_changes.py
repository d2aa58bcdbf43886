"""Changes that stand on the command line instead of in the sweep file."""

from __future__ import annotations

import pytest

from mnist_sweep.errors import ConfigError
from mnist_sweep.sweepfile.sweep_file import parse_spec

_FILE = b"name: a\ngrid:\n  hidden_width: [8, 16]\n  optimizer: sgd\n"


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        (["grid.batch_size=128"], b"name: a\ngrid: {hidden_width: [8, 16], optimizer: sgd, batch_size: 128}"),
        (["grid.hidden_width=[[8, 4]]"], b"name: a\ngrid: {hidden_width: [[8, 4]], optimizer: sgd}"),
        (["grid.hidden_width=3", "grid.hidden_width=4"], b"name: a\ngrid: {hidden_width: 4, optimizer: sgd}"),
        (["name=b", "repeats=1"], b"name: b\nrepeats: 1\ngrid: {hidden_width: [8, 16], optimizer: sgd}"),
        (
            ["grid.optimizer={name: sgd, momentum: 0.9}", "grid.optimizer.nesterov=true"],
            b"name: a\ngrid: {hidden_width: [8, 16], optimizer: {name: sgd, momentum: 0.9, nesterov: true}}",
        ),
        (
            ["grid.early_stopping.patience=3"],
            b"name: a\ngrid: {hidden_width: [8, 16], optimizer: sgd, early_stopping: {patience: 3}}",
        ),
        (["goal=a=b"], b"name: a\ngoal: a=b\ngrid: {hidden_width: [8, 16], optimizer: sgd}"),
    ],
)
def test_a_change_is_as_if_it_stood_in_the_file(changes: list[str], same: bytes) -> None:
    """Values are YAML; what is not there yet is put there, and the last one of a key counts."""
    assert parse_spec(same, "x") == parse_spec(_FILE, "x", changes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("grid.batch_szie=3", "--set grid.batch_szie: found an unknown key; did you mean batch_size?"),
        ("gird.batch_size=3", "--set gird: found an unknown key; did you mean grid?"),
        ("batch_size=3", "--set batch_size: found this key in the wrong place, it belongs under grid"),
        ("grid.batch_size=x", "--set grid.batch_size: found the text x, allowed: a whole number from 1"),
        ("grid.hidden_width=[8, 0]", "--set grid.hidden_width[1]: found 0, allowed: a whole number from 1"),
        ("grid.batch_size=", "--set grid.batch_size: found nothing, allowed: a whole number"),
        ("grid.batch_size=[1", "--set grid.batch_size: found [1, which is no value in YAML: not YAML"),
        ("grid.batch_size", "--set grid.batch_size: found no key with a value, allowed: such as grid.batch_size=128"),
        ("=3", "--set =3: found no key with a value"),
        ("grid..x=3", "--set grid..x=3: found no key with a value"),
        ("grid.optimizer.momentum=0.9", "--set grid.optimizer.momentum: found no mapping at grid.optimizer; set"),
        ("grid=3", "--set grid: found 3, allowed: a mapping with at least one of"),
    ],
)
def test_what_is_wrong_with_a_change_names_it(change: str, told: str) -> None:
    """The message says --set, the path, and what the same mistake in the file says."""
    with pytest.raises(ConfigError) as caught:
        parse_spec(_FILE, "x.yaml", [change])
    assert str(caught.value).startswith(told)
    assert 1 == len(caught.value.problems)


def test_mistakes_of_the_file_and_of_changes_are_told_together() -> None:
    """A change that replaces what is wrong mends it; all else is told with its line."""
    wrong = b"name: a\ngrid:\n  hidden_width: 0\n  batch_size: 0\n"
    with pytest.raises(ConfigError) as caught:
        parse_spec(wrong, "x.yaml", ["grid.hidden_width=8", "repeats=0"])
    assert [(0, "repeats"), (4, "grid.batch_size")] == [(one.line, one.path) for one in caught.value.problems]


def test_an_empty_file_stays_one() -> None:
    """Changes change a file; they are none."""
    with pytest.raises(ConfigError, match="found an empty file"):
        parse_spec(b"", "x.yaml", ["name=a"])
