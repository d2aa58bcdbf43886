"""Runs tiny sweeps under random kills and suspensions, and counts what was lost or doubled.

    python benchmarks/soak.py [minutes]

Workers and the parent are killed, interrupted, terminated, hung up on, suspended and continued; the same command goes
on each time. Once finished, the results are compared with those of an undisturbed sweep, number by number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
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
_ENDINGS = {
    "parent": signal.SIGKILL,
    "interrupt": signal.SIGINT,
    "terminate": signal.SIGTERM,
    "hang up": signal.SIGHUP,
}


def _start(config: Path, output: Path) -> subprocess.Popen[bytes]:
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


def _results(home: Path) -> list[tuple[str, str]]:
    """Trial and result of every finished line of the journal, the times left out."""
    lines = [json.loads(line) for line in (home / "journal.jsonl").read_text().splitlines()]
    pairs = []
    for line in lines:
        if line.get("event") == "finished":
            del line["result"]["curves"]["seconds"]
            pairs.append((json.dumps(line["trial"]), json.dumps(line["result"])))
    return pairs


def _soak_once(folder: Path, config: Path, chance: random.Random, kills: Counter[str]) -> list[tuple[str, str]]:
    """One sweep to its end under kills; its results."""
    while True:
        running = _start(config, folder)
        while running.poll() is None:
            time.sleep(chance.uniform(0.2, 12.0))
            if running.poll() is None:
                kind = _disturb(running, chance)
                kills[kind] += bool(kind)
                if kind not in {"", "worker", "suspend"}:
                    running.wait(timeout=120)
        if running.returncode == 0:
            return _results(folder / "soak")


def main() -> None:
    """Soak for the minutes that the command line gives, and print what came of it."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    chance, kills = random.Random(1), Counter[str]()  # noqa: S311  nothing secret
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = folder / "soak.yaml"
        config.write_text(_SWEEP)
        _start(config, folder / "calm").wait()
        calm = dict(_results(folder / "calm" / "soak"))
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            totals["sweeps"] += 1
            results = _soak_once(folder / str(totals["sweeps"]), config, chance, kills)
            finished = Counter(trial for trial, _ in results)
            totals["trials"] += _N_TRIALS
            totals["lost"] += _N_TRIALS - len(finished)
            totals["doubled"] += sum(n - 1 for n in finished.values())
            totals["different"] += sum(calm.get(trial) != result for trial, result in results)
            print(_words(minutes, totals, kills), flush=True)


def _words(minutes: float, totals: Counter[str], kills: Counter[str]) -> str:
    which: Any = ", ".join(f"{n} {kind}" for kind, n in sorted(kills.items()) if kind)
    return (
        f"Soak of {minutes:.0f} minutes: {totals['sweeps']} sweeps of {_N_TRIALS} trials, "
        f"{sum(n for kind, n in kills.items() if kind)} disturbances survived ({which}); {totals['trials']} trials: "
        f"{totals['lost']} lost, {totals['doubled']} doubled, {totals['different']} with other numbers than undisturbed."
    )


if __name__ == "__main__":
    main()
