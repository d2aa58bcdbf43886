"""Runs tiny sweeps under random kills and suspensions, and counts what was lost or doubled.

    python benchmarks/soak.py [--minutes N] [--backend tensorflow|jax] [--stack N]

Workers and the parent are killed, interrupted, terminated, hung up on, suspended and continued; the same command goes
on each time. Once finished, the results are compared with those of an undisturbed sweep, number by number: with a stack
the losses alone and up to rounding, since they depend on the company in which a trial was trained.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_SWEEP = """\
name: soak
repeats: 4
validation_fraction: 0.97
grid:
  hidden_width: [8, 16, 24, 32, 40]
  learning_rate: [0.001, 0.002, 0.004, 0.008, 0.016]
  batch_size: [50, 100]
  max_epochs: 4
"""
_N_TRIALS = 200
_ROUNDING = 1e-4  # of a loss
_LONGEST_PAUSE_S = {"tensorflow": 12.0, "jax": 40.0}
"""Between two disturbances: time enough, more often than not, for a worker to get ready and train."""
_ENDINGS = {
    "parent": signal.SIGKILL,
    "interrupt": signal.SIGINT,
    "terminate": signal.SIGTERM,
    "hang up": signal.SIGHUP,
}


def _start(config: Path, output: Path, options: list[str]) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "mnist_sweep",
        "run",
        str(config),
        "--output",
        str(output),
        "--quiet",
        "--trial-timeout",
        "60",
        *options,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _workers(parent: int) -> list[int]:
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in children if b"execution.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def _disturb(running: subprocess.Popen[bytes], chance: random.Random) -> str:
    """Do the process some harm; what was done, or nothing if it was too late."""
    kind = chance.choice(["worker", "worker", "parent", "all", "interrupt", "terminate", "hang up", "suspend"])
    try:
        if kind == "worker":
            os.kill(chance.choice(_workers(running.pid) or [running.pid]), signal.SIGKILL)
        elif kind == "all":
            os.killpg(running.pid, signal.SIGKILL)
        elif kind == "suspend":
            os.killpg(running.pid, signal.SIGSTOP)
            time.sleep(chance.uniform(0.5, 8.0))
            os.killpg(running.pid, signal.SIGCONT)
        else:
            running.send_signal(_ENDINGS[kind])
    except ProcessLookupError:
        return ""
    return kind


def _results(folder: Path) -> list[tuple[str, Any]]:
    """Trial and result of every finished line of the journal, the times left out."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    pairs = []
    for line in lines:
        if line.get("event") == "finished":
            del line["result"]["curves"]["seconds"]
            pairs.append((json.dumps(line["trial"]), line["result"]))
    return pairs


def _alike(first: Any, second: Any, stack: int) -> bool:
    """Whether two results of a trial are equal, with stacks up to rounding."""
    if stack == 1:
        return bool(first == second)
    pairs = zip(_losses(first), _losses(second), strict=True)
    return all(math.isclose(a, b, rel_tol=0.0, abs_tol=_ROUNDING) for a, b in pairs)


def _losses(result: Any) -> list[float]:
    curves = result["curves"]
    return [*curves["train_loss"], *curves["val_loss"], result["test_loss"]]


def _soak_once(
    start: Callable[[Path], subprocess.Popen[bytes]],
    folder: Path,
    pause_s: float,
    chance: random.Random,
    kills: Counter[str],
) -> list[tuple[str, Any]]:
    """One sweep to its end under kills, with pauses between them; its results."""
    while True:
        running = start(folder)
        while running.poll() is None:
            time.sleep(chance.uniform(0.2, pause_s))
            if running.poll() is None:
                kind = _disturb(running, chance)
                kills[kind] += bool(kind)
                if kind not in {"", "worker", "suspend"}:
                    running.wait(timeout=120)
        if running.returncode == 0:
            return _results(folder / "soak")


def main() -> None:
    """Soak for the minutes that the command line gives, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--backend", choices=_LONGEST_PAUSE_S, default="tensorflow")
    parser.add_argument("--stack", type=int, default=1)
    wishes = parser.parse_args()
    chance, kills = random.Random(1), Counter[str]()  # noqa: S311  nothing secret
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = folder / "soak.yaml"
        config.write_text(_SWEEP)
        start = partial(_start, config, options=["--backend", wishes.backend, "--stack", str(wishes.stack)])
        start(folder / "calm").wait()
        calm = dict(_results(folder / "calm" / "soak"))
        end = time.monotonic() + wishes.minutes * 60
        while time.monotonic() < end:
            totals["sweeps"] += 1
            results = _soak_once(start, folder / str(totals["sweeps"]), _LONGEST_PAUSE_S[wishes.backend], chance, kills)
            finished = Counter(trial for trial, _ in results)
            totals["trials"] += _N_TRIALS
            totals["lost"] += _N_TRIALS - len(finished)
            totals["doubled"] += sum(n - 1 for n in finished.values())
            totals["different"] += sum(not _alike(calm[trial], result, wishes.stack) for trial, result in results)
            print(_words(wishes.minutes, totals, kills), flush=True)


def _words(minutes: float, totals: Counter[str], kills: Counter[str]) -> str:
    which: Any = ", ".join(f"{n} {kind}" for kind, n in sorted(kills.items()) if kind)
    return (
        f"Soak of {minutes:.0f} minutes: {totals['sweeps']} sweeps of {_N_TRIALS} trials, "
        f"{sum(n for kind, n in kills.items() if kind)} disturbances survived ({which}); {totals['trials']} trials: "
        f"{totals['lost']} lost, {totals['doubled']} doubled, {totals['different']} with other numbers than undisturbed."
    )


if __name__ == "__main__":
    main()
