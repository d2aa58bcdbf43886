from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mnist_sweep.errors import StorageError, UsageError
from mnist_sweep.journal.folder import SweepFolder, existing_folder

_NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_files_have_fixed_names(tmp_path: Path) -> None:
    """Everything lies in the sweep's folder, under the names that users know."""
    folder = SweepFolder(tmp_path)
    workbooks = [folder.reports[name] for name in ("hyperparams", "full", "best", "page")]

    assert ["journal.jsonl", ".lock"] == [folder.journal.name, folder.lock.name]
    assert ["hyperparams.xlsx", "full.xlsx", "best.xlsx", "report.html"] == [path.name for path in workbooks]
    assert {tmp_path} == {path.parent for path in [folder.journal, folder.lock, folder.plots, *workbooks]}


def test_the_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """A missing folder is made, and one that is there is left as it is."""
    folder = SweepFolder(tmp_path / "output" / "first")
    folder.create()
    folder.journal.write_text("kept")
    folder.create()

    assert "kept" == folder.journal.read_text()


@pytest.mark.parametrize("name", ["file", "file/sweep", "file/deep/sweep", "x" * 300])
def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, name: str) -> None:
    """A file in the way, or an impossible name, is told with the path and what to do."""
    (tmp_path / "file").write_text("in the way")
    folder = SweepFolder(tmp_path / name)

    with pytest.raises(StorageError) as error:
        folder.create()

    assert str(error.value).startswith(f"{folder.path}: cannot make this folder: ")
    assert "--output" in str(error.value)
    assert "in the way" == (tmp_path / "file").read_text()


def test_moving_aside_keeps_everything(tmp_path: Path) -> None:
    """The folder gets a name with the date in it, which is told, and its content goes along."""
    folder = SweepFolder(tmp_path / "first")
    folder.create()
    folder.journal.write_text("all results")
    aside = folder.move_aside(_NOW)

    assert tmp_path / "first.until-20260102-030405-000678" == aside
    assert [aside] == list(tmp_path.iterdir())
    assert "all results" == SweepFolder(aside).journal.read_text()


def test_moving_aside_twice_keeps_both(tmp_path: Path) -> None:
    """Two folders moved aside at different moments lie beside each other."""
    folder = SweepFolder(tmp_path / "first")
    asides = []
    for microsecond in (1, 2):
        folder.create()
        folder.journal.write_text(f"results {microsecond}")
        asides.append(folder.move_aside(_NOW.replace(microsecond=microsecond)))

    assert ["results 1", "results 2"] == [SweepFolder(aside).journal.read_text() for aside in asides if aside]


def test_there_may_be_nothing_to_move_aside(tmp_path: Path) -> None:
    """Without a folder nothing is moved, and that is told."""
    assert SweepFolder(tmp_path / "first").move_aside(_NOW) is None
    assert [] == list(tmp_path.iterdir())


def test_a_folder_with_a_journal_is_a_folder(tmp_path: Path) -> None:
    """A folder that a run has written is found."""
    SweepFolder(tmp_path).journal.touch()

    assert SweepFolder(tmp_path) == existing_folder(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "file", "odd"])
def test_what_is_no_sweep_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A missing folder, one without a journal, a file, or a folder in the journal's place is a wrong command line."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    SweepFolder(tmp_path / "odd").journal.mkdir(parents=True)

    with pytest.raises(UsageError) as error:
        existing_folder(tmp_path / name)

    assert str(error.value).startswith(f"{tmp_path / name}: not the folder of a sweep: it has no journal.jsonl")
