"""The page: one file that opens from a disk, without a network, and says what the sweep has found."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from mnist_sweep.analysis import conclusions
from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.combination import Status
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.wording import cut_words, duration_words, repeats_words
from mnist_sweep.errors import StorageError
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.charts.drawing import COLOURS, CONFIG
from mnist_sweep.reports.charts.landscapes import COMBINATIONS, heat_axes, heat_metrics
from mnist_sweep.reports.charts.plot_library import Made, Plotter
from mnist_sweep.reports.page.page_sections import SECTIONS, Page, bullets, section
from mnist_sweep.system.files import read_file, write_whole


def report_html(
    summary: Summary, folder: str, script: Callable[[], Made] | None = None, *, refresh_s: int | None = None
) -> bytes:
    """The whole report as one file, which loads itself again after `refresh_s` seconds.

    Commands name the folder. What draws the charts, when there are some, comes from `script`, else from `vega`.
    """
    page = Page(summary)
    main = "\n".join(part for write in SECTIONS for part in write(page))
    # While trainings run, advice to start them would be wrong, and any other is premature.
    steps = next_steps(summary, folder) if refresh_s is None else []
    title = escape(f"{summary.spec.name}: which network is best?")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{_colours()}{_text("page.css")}</style>
</head>
<body>
<header>
<p class="name">{escape(summary.spec.name)}</p>
{_decision(summary)}
{f'<p class="cut">{escape(cut_words(summary))}</p>' if summary.cut else ""}
<p class="state">{escape(_state(summary))}</p>
{f'<p class="goal">{escape(summary.spec.goal)}</p>' if summary.spec.goal else ""}
{section("next", "What to do next", bullets(steps)) if steps else ""}
</header>
<main>
{main}
</main>
<footer><p id="written"></p></footer>
<script type="application/json" id="values">{_json(_values(page, refresh_s))}</script>
<script>{(script or vega)().files.get("script", b"").decode() if page.specs else ""}</script>
<script>{_text("page.js")}</script>
</body>
</html>
""".encode()


def _values(page: Page, refresh_s: int | None) -> dict[str, Any]:
    summary = page.summary
    return {
        "charts": page.specs,
        "config": CONFIG,
        "datasets": {COMBINATIONS: page.rows},
        "axes": heat_axes(summary),
        "metrics": heat_metrics(),
        "refresh_s": refresh_s,
    }


def _json(value: Any) -> str:
    """JSON that can stand within a script element: pure ASCII, and nothing that looks like a tag or a comment."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def vega() -> Made:
    """The script that draws the charts; making it takes seconds, so it is kept in the user's cache."""
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        kept = caches / "mnist-sweep" / f"vega-{version('vl-convert-python')}.js"
    except (RuntimeError, PackageNotFoundError):  # a user without a folder, as some services have; no plot library
        return _bundle()
    with suppress(OSError):
        return Made({"script": read_file(kept)})
    made = _bundle()
    if made.files:
        with suppress(OSError, StorageError):  # without a cache it is made anew the next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, made.files["script"])
    return made


def _bundle() -> Made:
    made = Plotter().make({"script": "window.vegaEmbed = vegaEmbed;"})
    if "script" not in made.files:
        return made
    bundle = made.files["script"].replace(b"</script", b"<\\/script").replace(b"<!--", b"<\\!--")
    return Made({"script": b"(()=>{" + bundle + b"})();"})  # a function: its many short names are not the page's


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _colours() -> str:
    def variables(night: bool) -> str:  # noqa: FBT001  the two sides of a colour
        return "".join(f"--{name}:{pair[night]};" for name, pair in COLOURS.items())

    # A page that is printed is on white paper, whatever the screen was.
    return f":root{{{variables(False)}}}@media screen and (prefers-color-scheme:dark){{:root{{{variables(True)}}}}}"


def _decision(summary: Summary) -> str:
    """The decision: what to take in large type, how sure that is below."""
    head, dot, rest = conclusions.decision(summary).partition("). ")
    sure = f'<p class="sure">{escape(rest)}</p>' if rest else ""
    return f"<h1>{escape(head + dot.rstrip())}</h1>{sure}"


def _state(summary: Summary) -> str:
    counts = ((status, summary.n(status)) for status in Status)
    words = {Status.FINISHED: "finished", Status.FAILED: "failed", Status.PENDING: "left"}
    told = ", ".join(f"{n:,} {words[status]}" for status, n in counts)
    size = f"{counted(len(summary.combinations), 'combination')}, {repeats_words(summary.combinations)}"
    return f"{size}: {told}; {duration_words(summary.seconds)} of training"
