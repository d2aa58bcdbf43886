"""The sweep file that `init` writes, and those of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from builders import DATA
from mnist_sweep.errors import SweepError, UsageError
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.sweepfile.model import json_schema
from mnist_sweep.sweepfile.sweep_file import load_spec, parse_spec
from mnist_sweep.sweepfile.template import SCHEMA_NAME, sweep_file, write_sweep_file

_CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("name", ["first", "width 2", "a-b.c_d", "Größe"])
def test_the_template_is_a_sweep_file_of_that_name(name: str) -> None:
    """What init writes can be run as it is."""
    spec = parse_spec(sweep_file(name).encode(), "first.yaml")

    assert (name, 48) == (spec.name, len(make_plan(spec, DATA).combinations))


def test_the_template_shows_every_key() -> None:
    """Each key of the schema stands in the template, some behind a comment mark."""
    schema = json_schema()
    text = sweep_file("first")

    assert [] == [key for key in schema["properties"] if f"{key}:" not in text]
    grid = yaml.safe_load(text)["grid"]
    assert {"network", "weight_decay"} == {key for key in schema["$defs"]["Grid"]["properties"] if key not in grid}
    assert "\n  # network:" in text
    assert "\n  # weight_decay:" in text


@pytest.mark.parametrize("line", ["split_seed: 100", "order_seed: each_repeat"])
def test_lines_behind_a_comment_mark_work_without_it(line: str) -> None:
    """A line that the template offers in a comment is valid when it is switched on."""
    text = sweep_file("first")
    key, value = line.split(": ")

    assert f"# {line} " in text
    spec = parse_spec(text.replace(f"# {line} ", f"{line} ").encode(), "first.yaml")
    assert value == str(getattr(spec.seeds, key))


def test_the_repository_has_sweep_files() -> None:
    """There is at least one file for the test below."""
    assert _CONFIGS


@pytest.mark.parametrize("path", _CONFIGS, ids=lambda path: path.name)
def test_the_sweep_files_of_the_repository_are_valid(path: Path) -> None:
    """Each of them is read without a problem and is named like its sweep."""
    assert path.stem == load_spec(path).name


def test_the_file_and_its_schema_are_written(tmp_path: Path) -> None:
    """The folder is made if need be, and holds the sweep file and the schema that its first line names."""
    folder = tmp_path / "new" / "folder"
    path = write_sweep_file("first", folder)

    assert folder / "first.yaml" == path
    assert ["first.yaml", SCHEMA_NAME] == sorted(item.name for item in folder.iterdir())
    assert f"# yaml-language-server: $schema=./{SCHEMA_NAME}" == path.read_text(encoding="utf-8").splitlines()[0]
    assert "first" == load_spec(path).name
    assert json_schema() == json.loads((folder / SCHEMA_NAME).read_text(encoding="utf-8"))


def test_a_second_file_beside_the_first_is_written(tmp_path: Path) -> None:
    """The schema of the first file is no hindrance."""
    write_sweep_file("first", tmp_path)
    write_sweep_file("second", tmp_path)

    assert ["first.yaml", "second.yaml", SCHEMA_NAME] == sorted(item.name for item in tmp_path.iterdir())


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """The file stays as it was, and nothing is written beside it."""
    path = tmp_path / "first.yaml"
    path.write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="is there already"):
        write_sweep_file("first", tmp_path)
    assert ["mine"] == [item.read_text(encoding="utf-8") for item in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["a/b", "../up", "", "a: b", ".", "a #b", "a #/b", "'a'", "a\nseed: 2"])
def test_a_name_that_is_none_for_a_sweep_writes_nothing(name: str, tmp_path: Path) -> None:
    """A name with a slash, or that YAML would read as something else, is refused before anything is made."""
    folder = tmp_path / "folder"

    with pytest.raises(SweepError):
        write_sweep_file(name, folder)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["2024", "null", "1e3", "on"])
def test_a_name_that_yaml_would_read_otherwise_is_quoted(name: str) -> None:
    """A sweep may be called like a number or a word of YAML."""
    assert name == parse_spec(sweep_file(name).encode(), "x").name
