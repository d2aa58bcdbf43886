from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mnist_sweep.errors import StorageError, UsageError
from mnist_sweep.journal.folder import Home, existing_home

_NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_files_have_fixed_names(tmp_path: Path) -> None:
    """Everything lies in the sweep's folder, under the names that users know."""
    home = Home(tmp_path)
    workbooks = [home.reports[name] for name in ("hyperparams", "full", "best", "page")]

    assert ["journal.jsonl", ".lock"] == [home.journal.name, home.lock.name]
    assert ["hyperparams.xlsx", "full.xlsx", "best.xlsx", "report.html"] == [path.name for path in workbooks]
    assert {tmp_path} == {path.parent for path in [home.journal, home.lock, home.plots, *workbooks]}


def test_the_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """A missing folder is made, and one that is there is left as it is."""
    home = Home(tmp_path / "output" / "first")
    home.create()
    home.journal.write_text("kept")
    home.create()

    assert "kept" == home.journal.read_text()


@pytest.mark.parametrize("name", ["file", "file/sweep", "file/deep/sweep", "x" * 300])
def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, name: str) -> None:
    """A file in the way, or an impossible name, is told with the path and what to do."""
    (tmp_path / "file").write_text("in the way")
    home = Home(tmp_path / name)

    with pytest.raises(StorageError) as error:
        home.create()

    assert str(error.value).startswith(f"{home.path}: cannot make this folder: ")
    assert "--output" in str(error.value)
    assert "in the way" == (tmp_path / "file").read_text()


def test_moving_aside_keeps_everything(tmp_path: Path) -> None:
    """The folder gets a name with the date in it, which is told, and its content goes along."""
    home = Home(tmp_path / "first")
    home.create()
    home.journal.write_text("all results")
    aside = home.move_aside(_NOW)

    assert tmp_path / "first.until-20260102-030405-000678" == aside
    assert [aside] == list(tmp_path.iterdir())
    assert "all results" == Home(aside).journal.read_text()


def test_moving_aside_twice_keeps_both(tmp_path: Path) -> None:
    """Two folders moved aside at different moments lie beside each other."""
    home = Home(tmp_path / "first")
    asides = []
    for microsecond in (1, 2):
        home.create()
        home.journal.write_text(f"results {microsecond}")
        asides.append(home.move_aside(_NOW.replace(microsecond=microsecond)))

    assert ["results 1", "results 2"] == [Home(aside).journal.read_text() for aside in asides if aside]


def test_there_may_be_nothing_to_move_aside(tmp_path: Path) -> None:
    """Without a folder nothing is moved, and that is told."""
    assert Home(tmp_path / "first").move_aside(_NOW) is None
    assert [] == list(tmp_path.iterdir())


def test_a_folder_with_a_journal_is_a_home(tmp_path: Path) -> None:
    """A folder that a run has written is found."""
    Home(tmp_path).journal.touch()

    assert Home(tmp_path) == existing_home(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "file", "odd"])
def test_what_is_no_home_is_refused(tmp_path: Path, name: str) -> None:
    """A missing folder, one without a journal, a file, or a folder in the journal's place is a wrong command line."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    Home(tmp_path / "odd").journal.mkdir(parents=True)

    with pytest.raises(UsageError) as error:
        existing_home(tmp_path / name)

    assert str(error.value).startswith(f"{tmp_path / name}: not the folder of a sweep: it has no journal.jsonl")
