"""What scripts read: one JSON object a command, from the same figures as the words, and the list of sweeps."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import a_plan, a_spec, finished
from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.main import cli
from mnist_sweep.journal.events import Cause, Curves, Event, Failed, Planned, Record, RunEnded, RunStarted, Started
from mnist_sweep.journal.journal_file import Journal
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.sweep_plan import Plan, confirmations, make_plan
from mnist_sweep.system.locks import locked
from mnist_sweep.terminal.json_facts import print_json

_FILE = """\
name: {name}
repeats: 2
grid:
  hidden_width: [32, 64, 128]
  max_epochs: 5
"""


def _write_sweep(name: str, *, n_done: int = 6, output: str = "output") -> Plan:
    """A sweep file, and a folder in which the first of its six trials finished, the wider the better."""
    Path(f"{name}.yaml").write_text(_FILE.format(name=name))
    plan = make_plan(a_plan("hidden_width: [32, 64, 128]\nmax_epochs: 5", name=name).spec, MNIST)
    events: list[Event] = [Planned(plan.spec), RunStarted({"workers": 2})]
    for trial in plan.trials[:n_done]:
        accuracy = 0.9 + trial.recipe.hidden_widths[0] / 10_000 + trial.repeat / 1_000
        curves = Curves((0.5, 0.2), (0.85, 0.94), (0.3, 0.15), (0.8, accuracy), (1.25, 1.0))
        events += [Started(trial), finished(trial, curves=curves, test_accuracy=accuracy - 0.01)]
    _append(Path(output, name), [*events, RunEnded()])
    return plan


def _append(folder: Path, events: list[Event]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Journal(folder / "journal.jsonl")) as journal:
        for i, event in enumerate(events):
            journal.append(Record(f"2026-01-02T03:04:{i:02}.000Z", 10.0 * i, event))


def _json(*arguments: str, unstable: bool = False) -> dict[str, Any]:
    """The data that a command prints, and nothing beside it."""
    done = CliRunner().invoke(cli, [*arguments, "--json"], obj=Context(), catch_exceptions=False)
    tree = json.loads(done.stdout)
    assert (0, "") == (done.exit_code, done.stderr)
    assert done.stdout.isascii()
    assert {"schema_version": 1, "command": arguments[0]} | ({"unstable": True} if unstable else {}) == {
        key: value for key, value in tree.items() if key != "data"
    }
    data: dict[str, Any] = tree["data"]
    return data


def test_plan_is_told_to_scripts() -> None:
    """Counts, axes, the time left with its range in seconds, memory in bytes; each trial where they are asked for."""
    _write_sweep("grid", n_done=4)
    data = _json("plan", "grid.yaml")
    assert ("grid", "output/grid", 3, 2, 6, 4, 2) == tuple(
        data[key] for key in ("name", "folder", "n_combinations", "repeats", "n_trials", "n_done", "n_left")
    )
    assert ([32, 64, 128], [None]) == (data["axes"]["hidden_width"], data["axes"]["num_layers"])
    assert 0 < data["time_left_s"]["low"] <= data["time_left_s"]["likely"] <= data["time_left_s"]["high"]
    assert data["n_parameters"]["least"] < data["n_parameters"]["most"] < data["worker_memory_bytes"]
    assert "trials" not in data
    trials = _json("plan", "grid.yaml", "--list")["trials"]
    assert ["finished"] * 4 + ["pending"] * 2 == [trial["status"] for trial in trials]
    assert ([32, 32], 1, 2.25) == (trials[0]["recipe"]["hidden_widths"], trials[0]["repeat"], trials[0]["train_time_s"])


def test_nothing_left_is_null() -> None:
    """Of a finished sweep there is no time left: null, not 0."""
    _write_sweep("grid")
    assert _json("plan", "grid.yaml")["time_left_s"] is None
    assert _json("status", "output/grid")["time_left_s"] is None


def test_status_is_told_to_scripts() -> None:
    """What is done, left and failed with its reason, who works there, what is being trained, and the best so far."""
    plan = _write_sweep("grid", n_done=3)
    confirmed = confirmations(plan, plan.combinations[:1], 1)
    failed = Failed(plan.trials[3], Cause.DIVERGED, "diverged: the loss is no number")
    _append(
        Path("output/grid"), [RunStarted({"workers": 2}), failed, Started(plan.trials[4]), *map(finished, confirmed)]
    )
    with locked(Path("output/grid/.lock")):
        data = _json("status", "output/grid")
    assert (3, 1, 2, 1) == tuple(data[k] for k in ("n_finished", "n_failed", "n_left", "n_confirmations_finished"))
    running = data["running"]
    assert (os.getpid(), socket.gethostname()) == (running["process"], running["host"])
    assert datetime.now(UTC) - datetime.fromisoformat(running["since"]) < timedelta(minutes=5)
    assert [("2×128 relu batch 200 adam 0.001", 1)] == [(t["model"], t["repeat"]) for t in data["training"]]
    assert ["diverged: the loss is no number"] == [trial["reason"] for trial in data["failed"]]
    assert [32, 32] == data["best"]["recipe"]["hidden_widths"]
    assert pytest.approx(0.9047, abs=1e-4) == data["best"]["val_accuracy"]["mean"]
    assert data["time_left_s"]["likely"] > 0
    assert data["spent_s"] > 0
    later = _json("status", "output/grid")
    assert (None, []) == (later["running"], later["training"])


def test_report_is_told_to_scripts_and_written() -> None:
    """The decision and the whole ranking in the order of the words; the reports are written and named."""
    _write_sweep("grid")
    data = _json("report", "output/grid", unstable=True)
    assert [1, 2, 3] == [standing["rank"] for standing in data["ranking"]]
    assert [[128] * 2, [64] * 2, [32] * 2] == [standing["recipe"]["hidden_widths"] for standing in data["ranking"]]
    assert pytest.approx(0.0064, abs=2e-4) == data["ranking"][1]["behind"]
    assert data["ranking"][0]["may_be_the_best"]
    assert "2×128" in data["decision"]
    assert Path(data["files"]["best"]).is_file()
    assert Path(data["files"]["page"]).is_file()


def test_comparisons_are_told_to_scripts() -> None:
    """The best of each sweep, and for each shared combination both means and what may be said of the difference."""
    _write_sweep("first")
    _write_sweep("second", n_done=4)
    data = _json("compare", "output/first", "output/second")
    assert ["first", "second"] == [sweep["name"] for sweep in data["sweeps"]]
    (pair,) = data["pairs"]
    assert ("output/first", "output/second", 2) == (pair["first"], pair["second"], len(pair["shared"]))
    assert (True, False, 0.0) == tuple(
        pair["shared"][0][key] for key in ("same_trainings", "differs", "second_less_first")
    )


def test_errors_leave_standard_output_empty() -> None:
    """With --json an error is told on standard error, with its exit code, and standard output has nothing."""
    _write_sweep("grid")
    Path("bad.yaml").write_text("name: a/b\n")
    mistakes = {
        2: [["status", "nowhere"], ["report", "."], ["compare", "output/grid"], ["plan", "bad.yaml"], ["list", "none"]],
        6: [["status", "output/damaged"], ["report", "output/endless"]],
    }
    _append(Path("output/endless"), [Planned(a_plan(name="endless").spec), Planned(a_spec(repeats=50_000))])
    journal = Path("output/endless/journal.jsonl")
    journal.write_text(journal.read_text().replace('"repeats":50000', '"repeats":50000000'))
    _append(Path("output/damaged"), [])
    with Path("output/damaged/journal.jsonl").open("ab") as file:
        file.write(b"[1]\n")
    for code, commands in mistakes.items():
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", "mnist_sweep", *command, "--json"], capture_output=True, text=True, check=False
            )
            assert (code, "") == (done.returncode, done.stdout), done.stderr
            assert done.stderr


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has neither infinity nor a number that is none."""
    print_json("plan", {"a": float("inf"), "b": [float("nan"), (1.5,)]})
    assert {"a": None, "b": [None, [1.5]]} == json.loads(capsys.readouterr().out)["data"]


def _began() -> list[str]:
    return f"{datetime.fromisoformat('2026-01-02T03:04:01Z').astimezone():%Y-%m-%d %H:%M}".split()


def test_the_sweeps_in_a_folder_are_listed() -> None:
    """A line each with counts, the last run and the best; a damaged and a foreign folder say what is wrong."""
    _write_sweep("done")
    _write_sweep("half", n_done=1)
    _write_sweep("damaged")
    Path("output/foreign").mkdir()
    Path("output/notes.txt").write_text("no folder")
    with Path("output/damaged/journal.jsonl").open("ab") as file:
        file.write(b"\xff\n")
    done = CliRunner().invoke(cli, ["list"], obj=Context(), catch_exceptions=False)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert ["damaged", "done", "foreign", "half"] == list(lines)
    assert "journal.jsonl:" in lines["damaged"]
    assert lines["done"].split()[:8] == ["6", "done", "0", "left", "0", "failed", *_began()]
    assert "2×128" in lines["done"]
    assert "not the folder of a sweep" in lines["foreign"]
    assert lines["half"].startswith("1 done     5 left    0 failed")
    assert lines["half"].endswith("no best yet")
    data = _json("list", "output")
    assert [False, True, False, True] == [sweep["problem"] is None for sweep in data["sweeps"]]
    assert ("done", 6, "2026-01-02T03:04:01.000Z") == tuple(
        data["sweeps"][1][key] for key in ("name", "n_finished", "last_run_began_at")
    )
    assert data["sweeps"][3]["best"] is None


def test_the_last_run_is_told_in_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal has its times in UTC; a person reads them as the clock on the wall shows them."""
    _write_sweep("done")
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "JST-9")
        time.tzset()
        shown = CliRunner().invoke(cli, ["list"], obj=Context(), catch_exceptions=False).stdout
    time.tzset()
    assert "2026-01-02 12:04" in shown


@pytest.mark.parametrize("words", [["--json"], []])
def test_a_sweep_is_not_compared_with_itself(words: list[str]) -> None:
    """The same folder given twice, under any name, is a mistake of the command line."""
    _write_sweep("grid")
    _write_sweep("other")
    Path("link").symlink_to("output/grid")
    for twice in (["output/grid", "output/grid"], ["output/grid", "output/other", "link"]):
        done = subprocess.run(
            [sys.executable, "-m", "mnist_sweep", "compare", *twice, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        told = "Error: output/grid: found more than once, allowed: each folder once; compare different sweeps\n"
        assert (2, "", told) == (done.returncode, done.stdout, done.stderr)


def test_a_process_that_does_not_say_who_it_is_runs_all_the_same() -> None:
    """Its parts are null, and what it works at is no null."""
    _write_sweep("grid")
    with locked(Path("output/grid/.lock")):
        Path("output/grid/.lock").write_text("")
        assert {"process": None, "host": None, "since": None} == _json("status", "output/grid")["running"]
        assert {"process": None, "host": None, "since": None} == _json("list")["sweeps"][0]["running"]


def test_models_are_named_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails and what is trained have the axes that vary in their names, in `status` and in `plan`."""
    monkeypatch.setattr(sys.modules[__name__], "_FILE", _FILE.replace("max_epochs: 5", "max_epochs: [5, 6]"))
    plan = make_plan(a_plan("hidden_width: [32, 64, 128]\nmax_epochs: [5, 6]", name="grid").spec, MNIST)
    Path("grid.yaml").write_text(_FILE.format(name="grid"))
    events: list[Event] = [Planned(plan.spec), RunStarted({})]
    events += [Failed(plan.trials[0], Cause.DIVERGED, "diverged"), Started(plan.trials[2])]
    _append(Path("output/grid"), events)
    with locked(Path("output/grid/.lock")):
        data = _json("status", "output/grid")
    model = "2×32 relu batch 200 adam 0.001 max"
    assert [f"{model} 5", f"{model} 6"] == [data["failed"][0]["model"], data["training"][0]["model"]]
    assert f"{model} 5" == _json("plan", "grid.yaml", "--list")["trials"][0]["model"]


def test_an_empty_and_a_missing_folder_are_told() -> None:
    """Where no sweep lies that is said; where no folder lies that is an error."""
    Path("output").mkdir()
    assert "output: no sweeps here\n" == CliRunner().invoke(cli, ["list"], obj=Context()).stdout
    done = subprocess.run(
        [sys.executable, "-m", "mnist_sweep", "list", "nowhere"], capture_output=True, text=True, check=False
    )
    assert (2, True) == (done.returncode, "nowhere: cannot be looked into" in done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str) -> None:
    """Each shell gets its script, and completes the commands by it."""

    def complete(instruction: str, **words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "_MNIST_SWEEP_COMPLETE": f"{shell}_{instruction}", **words}
        return subprocess.run(
            [sys.executable, "-m", "mnist_sweep"], env=environment, capture_output=True, text=True, check=False
        )

    script = complete("source")
    assert (0, "") == (script.returncode, script.stderr)
    assert "_MNIST_SWEEP_COMPLETE" in script.stdout
    words = {"COMP_WORDS": "mnist-sweep sta", "COMP_CWORD": "sta" if shell == "fish" else "1"}
    assert "status" in complete("complete", **words).stdout
