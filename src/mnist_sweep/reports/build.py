"""All reports of a home, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mnist_sweep.files import write_whole
from mnist_sweep.reports.xlsx import best_xlsx, full_xlsx, hyperparams_xlsx
from mnist_sweep.summary import Summary

Renderer = Callable[[Summary], bytes]
RENDERERS: Mapping[str, Renderer] = {"hyperparams": hyperparams_xlsx, "full": full_xlsx, "best": best_xlsx}


def write_reports(summary: Summary, paths: Mapping[str, Path]) -> dict[str, Path]:
    """Render every report and put it in its place, or beside it while a spreadsheet program has it open.

    Args:
        paths: where each of RENDERERS goes, by its name.

    Returns:
        Where each of them went.

    Raises:
        StorageError: when one cannot be written.
    """
    written = {}
    for name, render in RENDERERS.items():
        target = _beside(paths[name]) if _is_open(paths[name]) else paths[name]
        write_whole(target, render(summary))
        written[name] = target
    return written


def _is_open(path: Path) -> bool:
    """Whether LibreOffice or Excel has left its mark of an open file: saving there would undo what is written now."""
    return any(path.with_name(mark).exists() for mark in (f".~lock.{path.name}#", f"~${path.name}"))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.new{path.suffix}")
