"""The folder of one sweep: the only module that knows the names of the files inside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mnist_sweep.errors import UsageError
from mnist_sweep.system.files import refusing


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Where a sweep's journal and reports lie."""

    path: Path

    @property
    def journal(self) -> Path:
        """Every event of the sweep, one line of JSON each; everything else is rebuilt from it."""
        return self.path / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Locked by the process that works here, and naming it."""
        return self.path / ".lock"

    @property
    def full(self) -> Path:
        """Every repeat of every combination."""
        return self.path / "full.xlsx"

    @property
    def reports(self) -> Mapping[str, Path]:
        """Where each report goes, by its name; rows for other programs in a folder of their own."""
        rows = self.path / "rows"
        return {
            "hyperparams": self.path / "hyperparams.xlsx",
            "full": self.full,
            "best": self.path / "best.xlsx",
            "page": self.path / "report.html",
            "full_csv": rows / "full.csv",
            "full_json": rows / "full.json",
            "ranking_csv": rows / "ranking.csv",
            "ranking_json": rows / "ranking.json",
            "epochs_csv": rows / "epochs.csv",
        }

    @property
    def plots(self) -> Path:
        """The folder of the plots as PNG and SVG."""
        return self.path / "plots"

    def crash(self, now: datetime) -> Path:
        """Where the report of a crash at this moment goes."""
        return self.path / f"crash-{now:%Y%m%d-%H%M%S}.txt"

    def create(self) -> None:
        """Make the folder where it is missing."""
        with refusing(f"{self.path}: cannot make this folder", "; choose another one with --output DIR"):
            self.path.mkdir(parents=True, exist_ok=True)

    def move_aside(self, now: datetime) -> Path | None:
        """Give the folder another name, with the date in it, and return that; None when there was none."""
        if not self.path.exists():
            return None
        aside = self.path.with_name(f"{self.path.name}.until-{now:%Y%m%d-%H%M%S-%f}")
        with refusing(f"{self.path}: cannot be moved aside", "; correct the permissions, or use --output DIR"):
            return self.path.rename(aside)


def existing_folder(path: Path) -> SweepFolder:
    """The folder at `path`, which must have a journal."""
    folder = SweepFolder(path)
    if not folder.journal.is_file():
        missing = f"{path}: not the folder of a sweep: it has no {folder.journal.name}"
        raise UsageError(f"{missing}; give a folder that a run has written")
    return folder
