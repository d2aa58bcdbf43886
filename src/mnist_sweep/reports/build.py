"""All reports of a home, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mnist_sweep.files import write_whole
from mnist_sweep.reports.xlsx import best_xlsx, full_xlsx, hyperparams_xlsx
from mnist_sweep.summary import Summary

Renderer = Callable[[Summary], bytes]
RENDERERS: Mapping[str, Renderer] = {"hyperparams": hyperparams_xlsx, "full": full_xlsx, "best": best_xlsx}


def write_reports(summary: Summary, paths: Mapping[str, Path]) -> None:
    """Render every report and put it in its place.

    Args:
        paths: where each of RENDERERS goes, by its name.

    Raises:
        StorageError: when one cannot be written.
    """
    for name, render in RENDERERS.items():
        write_whole(paths[name], render(summary))
