"""What a small sweep takes beside its training: until the first trial begins, between trials, and after the last one.

    python benchmarks/edges.py [SRC ...]

Each SRC is a folder `src` of this project, such as that of an older commit in a worktree; without one, this tree's is
measured. The sources take turns, round by round, so that what else the machine does concerns all of them alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

_ROUNDS = 3
_SWEEP = """\
name: edges
repeats: 2
grid:
  hidden_width: [64, 128]
  hidden_funcs: [relu, tanh]
  max_epochs: 6
  early_stopping: off
"""
_PARTS = ("whole", "training", "before the first trial", "between trials", "after the last trial")


def _measure(source: Path, folder: Path) -> list[float]:
    """Seconds of each part of one sweep; training is the sum of all epochs over the number of workers."""
    config = folder / "edges.yaml"
    config.write_text(_SWEEP)
    began, clock = time.time(), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "mnist_sweep", "run", str(config), "--output", str(folder), "--quiet", "--fresh"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    whole = time.perf_counter() - clock
    events = [json.loads(line) for line in (folder / "edges" / "journal.jsonl").read_text().splitlines()[1:]]
    (run,) = (event for event in events if event["event"] == "run_started")
    start_s = _stamp(run) - run["run_s"] - began
    first = start_s + min(event["run_s"] for event in events if event["event"] == "started")
    finished = [event for event in events if event["event"] == "finished"]
    last = start_s + max(event["run_s"] for event in finished)
    epochs = sum(sum(event["result"]["curves"]["seconds"]) for event in finished)
    training = epochs / run["environment"]["workers"]
    return [whole, training, first, last - first - training, whole - last]


def _stamp(event: dict[str, str]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def main() -> None:
    """Measure the sources in turn, and print the medians as a table of Markdown."""
    sources = [Path(path).resolve() for path in sys.argv[1:]] or [Path(__file__).resolve().parents[1] / "src"]
    rounds: dict[Path, list[list[float]]] = {source: [] for source in sources}
    for _ in range(_ROUNDS):
        for source in sources:
            with tempfile.TemporaryDirectory() as folder:
                rounds[source].append(_measure(source, Path(folder)))
    print(f"| seconds, medians of {_ROUNDS} rounds | {' | '.join(_PARTS)} |")
    print("|---|" + "--:|" * len(_PARTS))
    for source, measured in rounds.items():
        medians = [median(column) for column in zip(*measured, strict=True)]
        print(f"| {source} | {' | '.join(f'{seconds:.1f}' for seconds in medians)} |", flush=True)


if __name__ == "__main__":
    main()
