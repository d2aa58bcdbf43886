"""Whatever goes wrong with one report, the others are written, and what is missing is said."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sweeps

from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.reports import build
from mnist_sweep.reports.build import RENDERERS, write_reports
from mnist_sweep.reports.charts.plot_library import Made, Plotter

_HOME = SweepFolder(Path())
_CHART = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}


def _artist(monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    """A module that is run in place of the artist."""
    folder = Path("stand_ins").resolve()
    folder.mkdir()
    (folder / "stand_in.py").write_text(f"import os, signal, sys, time\n{code}\n")
    monkeypatch.syspath_prepend(folder)
    return "stand_in"


def test_an_engine_that_aborts_ends_its_own_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made before is there, and the signal is named."""
    code = 'print(\'["one.svg", "b2s=", ""]\', flush=True)\nos.kill(os.getpid(), signal.SIGTRAP)'
    made = Plotter(_artist(monkeypatch, code)).make({})
    assert {"one.svg": b"ok"} == made.files
    assert made.trouble.startswith("the plot library was ended by SIGTRAP")


def test_an_engine_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed, and that is said."""
    plotter = Plotter(_artist(monkeypatch, "time.sleep(600)"), patience_s=1)
    assert Made({}, "the plot library took longer than 1 s") == plotter.make({})


def test_a_plot_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception's last line says why."""
    artist = _artist(monkeypatch, "import no_such_library")
    assert Plotter(artist).make({}).trouble == (
        "the plot library failed: ModuleNotFoundError: No module named 'no_such_library'"
    )


def test_one_chart_that_cannot_be_drawn_costs_no_other() -> None:
    """The others are drawn, and it is named."""
    made = Plotter().make({"charts": {"bad": {"mark": 3}, "good": _CHART}})
    assert {"good.svg", "good.png"} == set(made.files)
    assert made.trouble.startswith("bad: ")


@pytest.mark.parametrize("path", ["", os.pathsep, ".", os.pathsep + "/elsewhere"])
def test_nothing_is_imported_from_the_folder_that_the_user_is_in(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A file of the user's named like a module of ours or of Python's is not run, whatever PYTHONPATH says."""
    monkeypatch.setenv("PYTHONPATH", path)
    Path("base64.py").write_text("raise SystemExit(9)")
    assert {"good.svg", "good.png"} == set(Plotter().make({"charts": {"good": _CHART}}).files)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_for_the_whole_group_does_not_reach_it(number: signal.Signals) -> None:
    """Whether there is time to draw is for the parent to decide."""
    with Plotter() as plotter:
        plotter.start()
        assert plotter.process
        plotter.process.send_signal(number)
        assert {"good.svg", "good.png"} == set(plotter.make({"charts": {"good": _CHART}}).files)


def test_a_process_that_has_ended_before_there_is_a_task_is_replaced() -> None:
    """Memory may have been short while the last trials were in training."""
    with Plotter() as plotter:
        plotter.start()
        assert plotter.process
        plotter.process.kill()
        plotter.process.wait()
        assert {"good.svg", "good.png"} == set(plotter.make({"charts": {"good": _CHART}}).files)


def test_a_process_without_a_task_ends_with_its_parent() -> None:
    """Its input ends then, and it has nothing to say."""
    plotter = Plotter()
    plotter.start()
    process = plotter.process
    assert process
    assert (b"", b"") == process.communicate(timeout=60)
    assert 0 == process.returncode


def test_a_process_that_nobody_needs_is_ended_at_once() -> None:
    """It is not waited for, and nothing of it is left."""
    with Plotter() as plotter:
        plotter.start()
        process = plotter.process
    assert process
    assert -signal.SIGKILL == process.returncode


def test_without_plots_and_script_all_else_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every report is there, the page without the script for its charts, and both are told."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken = Made({}, "the plot library was ended by SIGTRAP")
    with monkeypatch.context() as without:
        without.setattr(Plotter, "make", lambda *_: broken)
        written, missing = write_reports(sweeps.several_axes(), "out", _HOME.reports, _HOME.plots)
    assert set(RENDERERS) == set(written)
    assert all(path.stat().st_size for path in written.values())
    assert [
        "plots: missing or old: the plot library was ended by SIGTRAP",
        "report.html: its charts are missing: the plot library was ended by SIGTRAP",
    ] == missing
    assert not (tmp_path / "cache").exists()
    assert [] == write_reports(sweeps.several_axes(), "out", _HOME.reports, _HOME.plots)[1]
    assert b"vegaEmbed" in _HOME.reports["page"].read_bytes(), "a failure is not remembered"


@pytest.mark.parametrize("name", ["full", "page", "epochs_csv"])
def test_a_bug_in_one_report_costs_no_other(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The others are written, and the bug is told with its place."""

    def broken(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError("a planted bug")

    monkeypatch.setattr(build, "RENDERERS", {**RENDERERS, name: broken})
    if name == "page":
        monkeypatch.setattr(build, "report_html", broken)
    monkeypatch.setattr(build, "draw", lambda *_: Made({"a.svg": b"a"}))
    written, (missing,) = write_reports(sweeps.several_axes(), "out", _HOME.reports, _HOME.plots)
    assert set(RENDERERS) - {name} == set(written)
    assert Path("plots/a.svg").is_file()
    assert missing.startswith(
        f"{_HOME.reports[name]}: missing or old: ZeroDivisionError: a planted bug (test_missing.py"
    )


def test_files_that_cannot_be_written_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two places are taken by folders, both are named in one sentence, and the others are written."""
    monkeypatch.setattr(build, "draw", lambda *_: Made({"a.svg": b"a"}))
    for name in ("best", "full"):
        _HOME.reports[name].mkdir()
    written, (missing,) = write_reports(sweeps.several_axes(), "out", _HOME.reports, _HOME.plots)
    assert set(RENDERERS) - {"best", "full"} == set(written)
    assert missing.startswith("full.xlsx, best.xlsx: cannot be written: ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce this limit")
def test_the_command_ends_in_words_under_a_limit_on_the_address_space(tmp_path: Path) -> None:
    """`report` under `ulimit -v` says the decision, what is missing and why, writes all else, and ends with 9."""
    golden = Path(__file__).parents[1] / "golden" / "format-1-loop-1.jsonl"
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(golden.read_bytes())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))

    command = [sys.executable, "-m", "mnist_sweep", "report", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert f"{folder / 'plots'}: missing or old: the plot library was ended by {signal.SIGTRAP.name}" in done.stderr
    assert "ulimit -v, here 8 GiB" in done.stderr
    assert ", 0 left" in done.stdout
    assert str(folder / "best.xlsx") in done.stdout
    assert 9 == done.returncode
    assert all(path.is_file() for path in SweepFolder(folder).reports.values())


def test_two_threads_never_import_the_libraries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants to write reports waits for who gets ready: of packages that import in a circle two would get halves."""
    importing, seen = threading.Lock(), []

    def import_slowly(name: str) -> None:
        alone = importing.acquire(blocking=False)
        seen.append((name, alone))
        time.sleep(0.02)
        if alone:
            importing.release()

    monkeypatch.setattr(build, "import_module", import_slowly)
    with Plotter(_artist(monkeypatch, "time.sleep(600)"), patience_s=1) as plotter:
        build.get_ready(plotter)
        build.load_libraries()
    assert {True} == {alone for _, alone in seen}
    assert 2 == [name for name, _ in seen].count("pandas")
