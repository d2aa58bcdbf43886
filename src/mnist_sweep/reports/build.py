"""All reports of a folder, each written whole or not at all."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.errors import StorageError
from mnist_sweep.reports.charts.pictures import draw, figures
from mnist_sweep.reports.charts.plot_library import Made, Plotter
from mnist_sweep.reports.page.page import report_html, vega
from mnist_sweep.reports.result_tables import ranking_table
from mnist_sweep.reports.rows import as_csv, as_json
from mnist_sweep.reports.tables import varying_axes
from mnist_sweep.reports.workbooks.full import epochs_table, full_table
from mnist_sweep.reports.workbooks.xlsx import best_xlsx, full_xlsx, hyperparams_xlsx
from mnist_sweep.system.files import write_whole

Renderer = Callable[[Summary, str], bytes]
WORKBOOKS: Mapping[str, Renderer] = {
    "hyperparams": lambda summary, _folder: hyperparams_xlsx(summary),
    "full": lambda summary, _folder: full_xlsx(summary),
    "best": best_xlsx,
}
RENDERERS: Mapping[str, Renderer] = {
    **WORKBOOKS,
    "page": report_html,
    "full_csv": lambda summary, _folder: as_csv(full_table(summary)),
    "full_json": lambda summary, _folder: as_json(full_table(summary)),
    "ranking_csv": lambda summary, _folder: as_csv(ranking_table(summary).without("Model")),
    "ranking_json": lambda summary, _folder: as_json(ranking_table(summary).without("Model")),
    "epochs_csv": lambda summary, _folder: as_csv(epochs_table(summary, varying_axes(summary))),
}

_loading = Lock()


def load_libraries() -> None:
    """Import what reports are made with; what fails here fails again, in words, where it is used.

    By one thread at a time: of packages whose modules import one another in a circle, two threads may get halves.
    """
    with _loading:
        for name in ("pandas", "lxml.etree", "openpyxl.chart", "scipy.stats"):
            with suppress(Exception):
                import_module(name)


def get_ready(plotter: Plotter) -> None:
    """Start what takes long before there is anything to render, beside other work; what fails here is tried again."""
    with suppress(OSError, RuntimeError):
        plotter.start()
        Thread(target=load_libraries, daemon=True).start()


def write_reports(
    summary: Summary, folder: str, paths: Mapping[str, Path], plots: Path, plotter: Plotter | None = None
) -> tuple[dict[str, Path], list[str]]:
    """Render every report and put it in its place, or beside it while a spreadsheet program has it open.

    A report that cannot be made or written is no reason for another to be missing. Gives where each of RENDERERS went,
    and in words what is missing, or old, and why. Commands in the reports name the folder; the plotter may be warm.
    """
    written: dict[str, Path] = {}
    missing: dict[str, list[Path]] = {}
    with plotter or Plotter() as artist, ThreadPoolExecutor(2) as beside:
        with suppress(OSError):  # drawing tries again, and tells why
            artist.start()
        script = beside.submit(lambda: vega() if summary.ranked else Made({}))
        drawing = None
        with _collecting(missing, plots):
            drawing = beside.submit(draw, figures(summary), artist)
        renderers: Mapping[str, Renderer] = {**RENDERERS, "page": partial(report_html, script=script.result)}
        for name, render in renderers.items():
            target = paths[name]
            # LibreOffice and Excel leave a mark of an open file: saving there would undo what is written now.
            if any(target.with_name(mark).exists() for mark in (f".~lock.{target.name}#", f"~${target.name}")):
                target = target.with_name(f"{target.stem}.new{target.suffix}")
            with _collecting(missing, target):
                _write(target, render(summary, folder))
                written[name] = target
        if drawing:
            with _collecting(missing, plots):
                made = drawing.result()
                for name, content in made.files.items():
                    _write(plots / name, content)
                if made.trouble:
                    missing[f"missing or old: {made.trouble}"] = [plots]
    if "page" in written and script.result().trouble:
        missing[f"its charts are missing: {script.result().trouble}"] = [written["page"]]
    return written, [f"{', '.join(map(str, targets))}: {why}" for why, targets in missing.items()]


@contextmanager
def _collecting(missing: dict[str, list[Path]], path: Path) -> Iterator[None]:
    """Whatever fails in the block is noted beside what fails for the same reason; the work goes on."""
    try:
        yield
    except StorageError as error:
        why = str(error).removeprefix(f"{path}: ")
    except Exception as error:  # noqa: BLE001  one report's bug must not cost the others
        place = traceback.extract_tb(error.__traceback__)[-1]
        why = f"missing or old: {type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
    else:
        return
    missing.setdefault(why, []).append(path)


def write_page(summary: Summary, folder: str, path: Path, *, refresh_s: int) -> None:
    """Write report.html alone, as a page that reloads itself."""
    _write(path, report_html(summary, folder, refresh_s=refresh_s))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path.parent}: cannot make this folder: {error.strerror}; correct that, then run report"
        ) from error
    write_whole(path, content)
