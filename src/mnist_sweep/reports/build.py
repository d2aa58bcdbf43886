"""All reports of a home, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mnist_sweep.errors import StorageError
from mnist_sweep.files import write_whole
from mnist_sweep.reports.page import report_html
from mnist_sweep.reports.pictures import pictures
from mnist_sweep.reports.rows import epochs_csv, full_csv, full_json, ranking_csv, ranking_json
from mnist_sweep.reports.xlsx import best_xlsx, full_xlsx, hyperparams_xlsx
from mnist_sweep.summary import Summary

Renderer = Callable[[Summary, str], bytes]
WORKBOOKS: Mapping[str, Renderer] = {
    "hyperparams": lambda summary, _home: hyperparams_xlsx(summary),
    "full": lambda summary, _home: full_xlsx(summary),
    "best": best_xlsx,
}
RENDERERS: Mapping[str, Renderer] = {
    **WORKBOOKS,
    "page": report_html,
    "full_csv": lambda summary, _home: full_csv(summary),
    "full_json": lambda summary, _home: full_json(summary),
    "ranking_csv": lambda summary, _home: ranking_csv(summary),
    "ranking_json": lambda summary, _home: ranking_json(summary),
    "epochs_csv": lambda summary, _home: epochs_csv(summary),
}


def write_reports(summary: Summary, home: str, paths: Mapping[str, Path], plots: Path) -> dict[str, Path]:
    """Render every report and put it in its place, or beside it while a spreadsheet program has it open.

    Args:
        home: the sweep's folder, as commands in the reports name it.
        paths: where each of RENDERERS goes, by its name.
        plots: the folder of the pictures.

    Returns:
        Where each of them went.

    Raises:
        StorageError: when one cannot be written.
    """
    written = {}
    for name, render in RENDERERS.items():
        target = _beside(paths[name]) if _is_open(paths[name]) else paths[name]
        _write(target, render(summary, home))
        written[name] = target
    for name, content in pictures(summary).items():
        _write(plots / name, content)
    return written


def write_page(summary: Summary, home: str, path: Path, *, refresh_s: int) -> None:
    """Write report.html alone, as a page that reloads itself.

    Raises:
        StorageError: when it cannot be written.
    """
    _write(path, report_html(summary, home, refresh_s=refresh_s))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path.parent}: cannot make this folder: {error.strerror}; correct that, then run report"
        ) from error
    write_whole(path, content)


def _is_open(path: Path) -> bool:
    """Whether LibreOffice or Excel has left its mark of an open file: saving there would undo what is written now."""
    return any(path.with_name(mark).exists() for mark in (f".~lock.{path.name}#", f"~${path.name}"))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.new{path.suffix}")
