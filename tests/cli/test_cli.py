"""The command line as people meet it: real processes, real MNIST, real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from command import TINY, command, run
from mnist_sweep.mnist.images import cache_folder

_TIMES = ["Train Time", "Loss * Time", "Average epoch time", "Attempts"]


pytestmark = pytest.mark.usefixtures("mnist")  # which processes that the tests start find in the cache


def _write(name: str = "tiny.yaml", **changes: str) -> str:
    """The tiny sweep with these lines of its grid changed."""
    text = TINY
    for key, value in changes.items():
        text = re.sub(rf"^  {key}: .*$", f"  {key}: {value}", text, flags=re.MULTILINE)
    Path(name).write_text(text)
    return name


def _names(folder: str | Path) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def _full(folder: str) -> pd.DataFrame:
    return pd.read_excel(Path(folder) / "full.xlsx").drop(columns=_TIMES)


def test_run_ends_with_the_best_row_and_its_file(first_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A run writes all reports, and ends with the best by validation and the path of best.xlsx."""
    folder, done = first_run
    assert (0, "output/tiny/best.xlsx") == (done.returncode, done.stdout.splitlines()[-1]), done.stderr
    assert re.search(
        r"Best by validation: 2×(8|16) relu batch 100 adam 0.001: validation accuracy 0\.\d{4} ± ", done.stdout
    )
    assert 4 == len(re.findall(r"^\[\d/4\] ", done.stderr, re.MULTILINE))
    workbooks = {"hyperparams.xlsx", "full.xlsx", "best.xlsx"}
    assert {"journal.jsonl", ".lock", *workbooks, "report.html", "plots", "rows"} == _names(folder / "output/tiny")
    assert not re.search("cuda|TF_|oneDNN|WARNING|tensorflow/|the sweep goes on", done.stderr)


@pytest.mark.usefixtures("trained")
def test_two_folders_get_identical_results() -> None:
    """The same file run into two folders gives the same full.xlsx, times aside; one of them after a stop between."""
    one = ("run", "tiny.yaml", "--output", "b", "--workers", "1")
    with subprocess.Popen(command(*one), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        for line in running.stderr:
            if line.startswith("[2/4]"):
                running.kill()
    again = run(*one)
    assert 0 == again.returncode
    assert {"[3/4]", "[4/4]"} == set(re.findall(r"^\[\d/4\]", again.stderr, re.MULTILINE))
    pd.testing.assert_frame_equal(_full("output/tiny"), _full("b/tiny"))
    assert _bits("output/tiny") == _bits("b/tiny")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_in_good_order(number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM write the reports of what there is and say how to go on; the same command finishes."""
    config = _write(hidden_width="8", max_epochs="100000\n  early_stopping: off")
    with subprocess.Popen(
        command("run", config, "--workers", "1"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        journal = Path("output/tiny/journal.jsonl")
        while not (journal.exists() and '"started"' in journal.read_text()):
            time.sleep(0.1)
        time.sleep(1)
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (code, True) == (running.returncode, f"mnist-sweep run {config}" in err)
    assert "none yet" in out
    assert ["pending", "pending"] == list(_full("output/tiny")["Status"])


def test_a_finished_sweep_answers_at_once(trained: str) -> None:
    """A second run trains nothing, leaves the journal as it is and rebuilds the reports."""
    journal = Path(trained, "journal.jsonl").read_bytes()
    Path(trained, "best.xlsx").unlink()
    again = run("run", "tiny.yaml")
    assert (0, "") == (again.returncode, again.stderr)
    assert journal == Path(trained, "journal.jsonl").read_bytes()
    assert Path(trained, "best.xlsx").is_file()


@pytest.mark.usefixtures("trained")
def test_a_changed_sweep_is_refused_and_fresh_moves_it_aside() -> None:
    """A file that drops results is refused with what changed; --fresh keeps the old folder under another name."""
    config = _write(max_epochs="1")
    refused = run("run", config)
    assert 5 == refused.returncode
    assert "max_epochs 1 instead of 2" in refused.stderr
    assert "--fresh" in refused.stderr
    fresh = run("run", config, "--fresh", "--workers", "1")
    assert 0 == fresh.returncode
    aside = [name for name in _names("output") if name.startswith("tiny.until-")]
    assert [2, 1] == [_full(f"output/{name}")["Num epochs"].max() for name in (*aside, "tiny")]


def test_more_repeats_train_only_what_is_new(trained: str) -> None:
    """A larger plan keeps what is done; rows stand in plan order."""
    Path("tiny.yaml").write_text(TINY.replace("repeats: 2", "repeats: 3"))
    again = run("run", "tiny.yaml", "--workers", "1")
    assert {"[5/6]", "[6/6]"} == set(re.findall(r"^\[\d/6\]", again.stderr, re.MULTILINE))
    assert [1, 2, 3, 1, 2, 3] == list(_full(trained)["Repeat"])


def test_a_diverging_trial_is_a_row_and_not_the_end() -> None:
    """Failed trials are in full.xlsx with their reason and make exit code 1; a rerun leaves them as they are."""
    rates = "8\n  hidden_funcs: exponential\n  learning_rate: [0.001, 1e9]\n  optimizer: sgd"
    config = _write(hidden_width=rates, max_epochs="3")
    done = run("run", config, "--workers", "1")
    assert 1 == done.returncode, done.stderr
    full = _full("output/tiny")
    assert ["finished", "finished", "failed", "failed"] == list(full["Status"])
    assert full["Reason"].iloc[2].startswith("diverged: the ")
    assert 1 == run("run", config).returncode
    best = pd.read_excel("output/tiny/best.xlsx").dropna(subset=["Type"])
    assert {0.001} == set(best["Learning rate"])


def test_two_runs_at_once() -> None:
    """The second run on a folder says who holds it, and exits 4."""
    config = _write(max_epochs="500")
    with subprocess.Popen(command("run", config, "--quiet")) as first:
        while not Path("output/tiny/journal.jsonl").exists():
            time.sleep(0.05)
        second = run("run", config)
        first.kill()
    assert 4 == second.returncode
    assert f"process {first.pid} on " in second.stderr


def test_bad_input_runs_and_writes_nothing() -> None:
    """A sweep file with faults gives all of them at once, exit code 2, no traceback, and no output folder."""
    Path("bad.yaml").write_text("name: a/b\nrepeat: 2\ngrid:\n  batch_size: [on, 70000]\n")
    done = run("run", "bad.yaml")
    assert (2, "") == (done.returncode, done.stdout)
    assert [
        "bad.yaml:1: name:",
        "bad.yaml:2: repeat:",
        "bad.yaml:4: grid.batch_size[0]:",
        "bad.yaml:4: grid.batch_size[1]:",
    ] == [" ".join(line.split()[:2]) for line in done.stderr.splitlines()]
    assert "Traceback" not in done.stderr
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "missing.yaml"], 2, "missing.yaml:1: cannot be read: No such file"),
        (["report", "nowhere"], 2, "nowhere: not the folder of a sweep"),
        (["confirm", "nowhere"], 2, "nowhere: not the folder of a sweep"),
        (["compare", "nowhere"], 2, "one folder alone cannot be compared"),
        (["compare", "nowhere", "there"], 2, "nowhere: not the folder of a sweep"),
        (["step", "nowhere"], 2, "nowhere: not the folder of a sweep"),
        (["data", "--from", "nowhere"], 9, "nowhere: no such file"),
        (["init", "a/b"], 2, "name"),
        (["run"], 2, "Missing argument 'CONFIG'"),
        (["run", "x.yaml", "--max-hours", "nan"], 2, "Invalid value for '--max-hours': nan is not a finite number"),
        (["run", "x.yaml", "--max-hours", "inf"], 2, "Invalid value for '--max-hours': inf is not a finite number"),
        (["confirm", "x", "--max-hours", "nan"], 2, "Invalid value for '--max-hours'"),
        (["run", "x.yaml", "--trial-timeout", "NaN"], 2, "Invalid value for '--trial-timeout'"),
        (["run", "x.yaml", "--trial-timeout", "-inf"], 2, "Invalid value for '--trial-timeout'"),
        (["run", "x.yaml", "--trial-timeout", "1e999"], 2, "Invalid value for '--trial-timeout'"),
        (["run", "/dev/zero"], 2, "/dev/zero:1: cannot be read: found a device, needed: a regular file"),
        (["plan", "pipe"], 2, "pipe:1: cannot be read: found a named pipe, needed: a regular file"),
        (["plan", "."], 2, ".:1: cannot be read: found a folder, needed: a regular file"),
        (["data", "--from", "/dev/zero"], 9, "/dev/zero: not MNIST: it cannot be read (found a device"),
        (["data", "--from", "pipe"], 9, "pipe: not MNIST: it cannot be read (found a named pipe"),
        (["data", "--from", "n" * 300], 9, "no such file or folder"),
        (["plan", "piped.yaml"], 9, "output/piped/journal.jsonl: cannot be read: found a named pipe"),
        (["run", "piped.yaml"], 9, "output/piped/journal.jsonl: cannot be read: found a named pipe"),
        (["report", "output/piped"], 2, "output/piped: not the folder of a sweep"),
        (["nonsense"], 2, "No such command"),
        (["run", "x.yaml", "--set", "grid.batchsize=3"], 2, "--set grid.batchsize: found an unknown key; did you mean"),
        (["plan", "x.yaml", "--set", "grid.max_epochs=0"], 2, "--set grid.max_epochs: found 0, allowed: a whole"),
        (["confirm", "x", "--set", "repeats=3"], 2, "No such option '--set'"),
        (["run", "x.yaml", "--output", "/proc/nowhere"], 9, "/proc/nowhere/tiny: cannot make this folder"),
    ],
)
def test_mistakes_get_words(arguments: list[str], code: int, words: str) -> None:
    """A user's mistake gets a clear message and its exit code, never a traceback."""
    _write("x.yaml")
    Path("piped.yaml").write_text(TINY.replace("name: tiny", "name: piped"))
    Path("output/piped").mkdir(parents=True)
    os.mkfifo("pipe")
    os.mkfifo("output/piped/journal.jsonl")
    done = run(*arguments)
    assert code == done.returncode
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corrupt_journal_is_named_and_left_alone(trained: str) -> None:
    """A line in the middle that cannot be read ends the command with its number, exit code 6, nothing changed."""
    journal = Path(trained, "journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:50] + b"\n"
    journal.write_bytes(b"".join(lines))
    for words in (["run", "tiny.yaml"], ["plan", "tiny.yaml"], ["report", trained]):
        done = run(*words)
        assert 6 == done.returncode
        assert "journal.jsonl:4: this line has no checksum, but lines before it have one" in done.stderr
    assert b"".join(lines) == journal.read_bytes()


def test_report_needs_no_sweep_file(trained: str) -> None:
    """The reports can be rebuilt from the folder alone."""
    before = _full(trained)
    Path("tiny.yaml").unlink()
    files = [path for path in Path(trained).rglob("*") if path.is_file() and path.suffix not in {"", ".jsonl"}]
    for path in files:
        path.unlink()
    done = run("report", trained)
    assert 0 == done.returncode
    assert done.stdout.startswith("Take 2×")
    assert done.stdout.endswith("output/tiny/best.xlsx\noutput/tiny/report.html\n")
    assert all(path.is_file() for path in files)
    pd.testing.assert_frame_equal(before, _full(trained))


def test_a_sweep_is_told_and_compared(trained: str) -> None:
    """The step lands in the story, twice the same; two folders with the same seeds hold the same trainings."""
    assert 0 == run("step", trained).returncode
    once = Path("DETAILED_STEPS.md").read_text()
    assert 0 == run("step", trained).returncode
    assert once == Path("DETAILED_STEPS.md").read_text()
    assert "## tiny" in once
    os.mkfifo("pipe")
    for into in ("pipe", "/dev/zero"):
        done = run("step", trained, "--into", into)
        assert (9, True) == (done.returncode, ", needed: a regular file" in done.stderr), done.stderr
    shutil.copytree(trained, "other/tiny")
    done = run("compare", trained, "other/tiny")
    assert (0, 2) == (done.returncode, done.stdout.count("same trainings"))


def test_a_live_page_is_there_from_the_first_trial_on() -> None:
    """With --live the page is written while the sweep runs, and stops reloading itself when it ends."""
    config = _write(max_epochs="10\n  early_stopping: off")
    page = Path("output/tiny/report.html")
    with subprocess.Popen(command("run", config, "--live", "--workers", "1"), stdout=-3, stderr=-3) as process:
        while not page.exists():
            assert process.poll() is None
            time.sleep(0.05)
        running = page.read_text()
        assert 0 == process.wait(timeout=300)
    assert '"refresh_s": 30' in running.replace('":30', '": 30')
    assert '"refresh_s": null' in page.read_text().replace('":null', '": null')


def test_any_number_of_workers_gives_the_same_bits(trained: str) -> None:
    """In processes of their own or in this one, two of them or three: the results are the same to the last bit."""
    for folder, options in {"serial": ["--executor", "serial"], "three": ["--workers", "3"]}.items():
        assert 0 == run("run", "tiny.yaml", "--output", folder, *options, "--quiet").returncode
    assert _bits("serial/tiny") == _bits(trained) == _bits("three/tiny")


def _bits(folder: str) -> dict[str, Any]:
    """Every recorded number but the times, by trial, as the journal has it."""
    lines = map(json.loads, (Path(folder) / "journal.jsonl").read_text().splitlines())
    results = {json.dumps(line["trial"]): line["result"] for line in lines if line.get("event") == "finished"}
    for result in results.values():
        del result["curves"]["seconds"]
    return results


def test_a_stack_is_refused_before_anything_is_done() -> None:
    """Trials cannot be trained side by side on TensorFlow: the user hears why, and no folder is made."""
    refused = run("run", _write(), "--stack", "2")
    assert 2 == refused.returncode
    assert "--stack: found 2, allowed: 1; on TensorFlow a program trains one model" in refused.stderr
    assert not Path("output").exists()


def test_many_shapes_say_nothing_but_their_lines() -> None:
    """Compiling shape after shape brings no word of TensorFlow or Keras to the user."""
    config = _write(hidden_width="[1, 2, 3, 4, 5, 6, 7]", batch_size="100\n  hidden_funcs: softmax")
    Path(config).write_text(Path(config).read_text().replace("repeats: 2", "repeats: 1\nseed: 3"))
    done = run("run", config, "--workers", "1")
    assert 0 == done.returncode
    first, *lines = done.stderr.splitlines()
    assert "Training on TensorFlow, the default on a CPU" == first
    assert [True] * 7 == [line.startswith("[") for line in lines]


def test_a_reader_who_goes_away_costs_nothing(tiny: str) -> None:
    """When the other end of the pipe closes, the sweep is trained to its end all the same."""
    words = command("run", tiny, "--workers", "1")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stderr
        assert running.stdout
        running.stderr.close()
        running.stdout.close()
        assert 0 == running.wait(timeout=120)
    assert ["finished"] * 4 == list(_full("output/tiny")["Status"])


def test_failed_trials_are_trained_again_on_demand(trained: str) -> None:
    """--retry-failed trains what failed, and only that."""
    journal = Path(trained, "journal.jsonl")
    lines = [{k: v for k, v in json.loads(line).items() if k != "crc"} for line in journal.read_text().splitlines()]
    index = next(i for i, line in enumerate(lines) if line.get("event") == "finished")
    lines[index] = {k: v for k, v in lines[index].items() if k != "result"} | {
        "event": "failed",
        "cause": "error",
        "reason": "no memory",
        "curves": {name: [] for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")},
    }
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 1 == run("run", "tiny.yaml").returncode
    again = run("run", "tiny.yaml", "--retry-failed")
    assert 0 == again.returncode
    assert ["[4/4]"] == re.findall(r"^\[\d/4\]", again.stderr, re.MULTILINE)


@pytest.mark.usefixtures("trained")
def test_plan_says_when_run_would_refuse() -> None:
    """`plan` shows what a changed file asks for, and that results would drop out, as `run` does."""
    done = run("plan", _write(max_epochs="1"))
    assert 5 == done.returncode
    assert "max_epochs 1 instead of 2" in done.stderr


@pytest.mark.usefixtures("trained")
def test_plan_counts_what_is_done() -> None:
    """`plan` shows the axes, how many combinations and trials there are, and how many are done."""
    assert "4 (0 done, 4 to train)" in run("plan", "tiny.yaml", "--output", "other").stdout
    assert not Path("other").exists()
    done = run("plan", "tiny.yaml")
    assert 0 == done.returncode
    assert "4 (4 done, 0 to train)" in done.stdout
    assert "combinations  2" in done.stdout


def test_one_off_changes_are_planned_and_run() -> None:
    """What --set says is as if it stood in the file: in the plan, in the journal, and in what reports read from it."""
    _write("tiny.yaml")
    changes = ["--set", "grid.hidden_width=8", "--set", "repeats=1", "--set", "grid.max_epochs=1"]
    assert "1 (0 done, 1 to train)" in run("plan", "tiny.yaml", *changes).stdout
    assert 0 == run("run", "tiny.yaml", *changes, "--executor", "serial").returncode
    assert "1 (1 done, 0 to train)" in run("plan", "tiny.yaml", *changes).stdout
    assert 5 == run("plan", "tiny.yaml").returncode
    assert "Trials: 1 finished, 0 failed, 0 left" in run("status", "output/tiny").stdout
    rows = json.loads(Path("output/tiny/rows/full.json").read_text())
    assert [(8, 1)] == [(row["Hidden width"], row["Num epochs"]) for row in rows]
    assert rows[0]["Last test accuracy"] == rows[0]["Test Accuracy"]


def test_plan_says_what_is_excluded_and_included() -> None:
    """Beside the number of combinations, in words and for scripts."""
    _write("tiny.yaml")
    rules = ["--set", "exclude=[{hidden_width: 8}]", "--set", "include=[{hidden_width: [32, 64]}]"]
    assert "combinations  3 (1 excluded, 2 included)" in run("plan", "tiny.yaml", *rules).stdout
    data = json.loads(run("plan", "tiny.yaml", *rules, "--json").stdout)["data"]
    assert (3, 1, 2) == (data["n_combinations"], data["n_excluded"], data["n_included"])


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--help"], set()),
        (["run", "--help"], set()),
        (["schema"], set()),
        (["plan", "tiny.yaml", "--list"], set()),
        (["plan", "tiny.yaml"], {"numpy", "rich"}),  # it times products of matrices, and prints a table
    ],
)
def test_light_commands_import_nothing_heavy(arguments: list[str], needed: set[str]) -> None:
    """Of the libraries that are imported late, help and plan answer without all that they do not need."""
    _write()
    heavy = {"tensorflow", "keras", "jax", "pandas", "openpyxl", "numpy", "rich", "vl_convert", "scipy", "lxml"}
    code = (
        f"import sys; sys.argv[1:] = {arguments!r}\n"
        "from mnist_sweep.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"print(*{heavy!r} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert needed == set(done.stderr.split())


def test_init_writes_a_file_that_plan_takes() -> None:
    """`init` writes a sweep file with its schema, which `plan` takes as it is, and never writes over one."""
    assert 0 == run("init", "mine").returncode
    assert json.loads(Path("sweep.schema.json").read_text()) == json.loads(run("schema").stdout)
    planned = run("plan", "mine.yaml")
    assert (0, True) == (planned.returncode, "combinations  48" in planned.stdout)
    written = Path("mine.yaml").read_bytes()
    assert 2 == run("init", "mine").returncode
    assert written == Path("mine.yaml").read_bytes()


def test_data_says_where_it_comes_from() -> None:
    """`data` names the file that MNIST comes from, and that all four digests hold."""
    done = run("data")
    assert 0 == done.returncode
    assert str(cache_folder()) in done.stdout
    assert 4 == done.stdout.count(" holds")
