"""Measures the engine side by side with others, alternating, in one run, and writes RESULTS.md.

python benchmarks/bench.py            everything; about half an hour on two cores
python benchmarks/bench.py --rounds 1 a quick look, not written
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from overhead import measure_overhead
from sides import SHAPES, SWEEP_EPOCHS, SWEEP_RATES, SWEEP_REPEATS, SWEEP_WIDTHS

from mnist_sweep.execution.machine import environment, n_cores

_HERE = Path(__file__).parent
_SWEEP = f"""\
name: bench
repeats: {SWEEP_REPEATS}
grid:
  hidden_width: {list(SWEEP_WIDTHS)}
  learning_rate: {list(SWEEP_RATES)}
  batch_size: 100
  max_epochs: {SWEEP_EPOCHS}
  early_stopping: off
"""
_ENGINE_TARGETS = {"float32": (9.0, 4.0, 1.9), "mixed_bfloat16": (9.0, 5.5, 3.0)}
_TF_DATA_TARGETS, _FLOOR_TARGETS, _SWEEP_TARGET = (20.0, 9.0, 4.0), (0.55, 0.75, 0.88), 4.0


def _start(side: str, *arguments: str) -> subprocess.Popen[str]:
    one_thread = {"OPENBLAS_NUM_THREADS": "1"} if side == "floor" else {}
    command = [sys.executable, str(_HERE / "sides.py"), side, *arguments]
    environ = {**os.environ, **one_thread}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ)


def _figures(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a side failed: {process.args!r}")
    return json.loads(out.splitlines()[-1])


def _alone(side: str, *arguments: str) -> Any:
    return _figures(_start(side, *arguments))


def _on_every_core(side: str, *arguments: str) -> list[float]:
    """Seconds for each model-epoch when every core has a process: their mean time by their number."""
    figures = [_figures(process) for process in [_start(side, *arguments) for _ in range(n_cores())]]
    return [fmean(times) / n_cores() for times in zip(*figures, strict=True)]


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _sweep_seconds() -> float:
    """A sweep from start to finish, process start and reports included."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bench.yaml"
        config.write_text(_SWEEP)
        return _seconds([sys.executable, "-m", "mnist_sweep", "run", str(config), "--output", folder, "--quiet"])


def _round(*, tuner: bool) -> dict[str, Any]:
    figures = {
        "engine": _on_every_core("engine", "float32"),
        "fit": _alone("model_fit"),
        "floor": _on_every_core("floor"),
        "bfloat16": _on_every_core("engine", "mixed_bfloat16"),
        "tf_data": _alone("tf_data"),
        "sweep": [_sweep_seconds()],
        "loop": [_seconds([sys.executable, str(_HERE / "sides.py"), "loop_of_fit"])],
    }
    if tuner:
        figures["tuner"] = [_seconds([sys.executable, str(_HERE / "sides.py"), "keras_tuner"])]
    print(json.dumps(figures), flush=True)
    return figures


def _medians(rounds: list[dict[str, Any]]) -> dict[str, list[float]]:
    return {name: [median(values) for values in zip(*(r[name] for r in rounds), strict=True)] for name in rounds[0]}


def _ratio_rows(title: str, slow: list[float], fast: list[float], targets: tuple[float, ...]) -> list[str]:
    """A row a shape: both times, their ratio, the target, whether it was reached."""
    rows = []
    for (width, batch), a, b, target in zip(SHAPES, slow, fast, targets, strict=True):
        ratio = a / b
        reached = "reached" if ratio >= target else f"missed by {(1 - ratio / target) * 100:.0f}%"
        rows.append(
            f"| {title} | 2×{width}, batch {batch} | {a:.3f} | {b:.3f} | **{ratio:.2f}** | {target} | {reached} |"
        )
    return rows


def _interval(differences: list[float]) -> tuple[float, float]:
    """Mean and half-width of the 95% interval of paired differences (Student's t)."""
    from scipy import stats

    n = len(differences)
    half = stats.t.ppf(0.975, n - 1) * stdev(differences) / math.sqrt(n)
    return fmean(differences), float(half)


def _accuracy_rows(n: int) -> list[str]:
    figures = _alone("accuracies", str(n))
    rows = []
    for name, other in (("engine", "fit"), ("bfloat16", "engine")):
        mean, half = _interval([a - b for a, b in zip(figures[name], figures[other], strict=True)])
        rows.append(
            f"| {name} − {other} | {fmean(figures[name]):.4f} ± {stdev(figures[name]):.4f} "
            f"| {fmean(figures[other]):.4f} ± {stdev(figures[other]):.4f} | {mean:+.5f} ± {half:.5f} | {n} |"
        )
    return rows


def _text(rounds: list[dict[str, Any]], accuracies: list[str], growth: dict[str, float], overhead: list[str]) -> str:
    m = _medians(rounds)
    about = environment()
    machine = ", ".join(about["machine"].values())
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    ratio = m["loop"][0] / m["sweep"][0]
    tuner = (
        f"| KerasTuner GridSearch, the same 24 trainings | {m['tuner'][0]:.1f} | **{m['tuner'][0] / m['sweep'][0]:.2f}** |  |"
        if "tuner" in m
        else "| KerasTuner | not measured: it could not be installed |  |  |"
    )
    lines = [
        "# Benchmark results",
        "",
        f"Written by `benchmarks/bench.py` on {datetime.now(UTC):%Y-%m-%d}; {len(rounds)} rounds, alternating, medians.",
        f"Machine: {machine}. Versions: {versions}.",
        "",
        "## Seconds a model-epoch (54,000 images trained, 6,000 validated; two hidden relu layers, Adam)",
        "",
        "The engine runs one process a core; its figure is the seconds of a process by the number of processes. model.fit",
        "has all cores for one model. The floor is the bare matrix products of the training steps in NumPy (OpenBLAS), also",
        "one process a core, the best of four passes; its ratio is the engine's part of that speed.",
        "",
        "| compared with | shape | its seconds | engine | ratio | target | |",
        "|---|---|---|---|---|---|---|",
        *_ratio_rows("(a) model.fit, float32", m["fit"], m["engine"], _ENGINE_TARGETS["float32"]),
        *_ratio_rows("(a) model.fit, engine in bfloat16", m["fit"], m["bfloat16"], _ENGINE_TARGETS["mixed_bfloat16"]),
        *_ratio_rows("(b) tf.data pipeline", m["tf_data"], m["engine"], _TF_DATA_TARGETS),
        *_ratio_rows("(d) floor", m["floor"], m["engine"], _FLOOR_TARGETS),
        "",
        f"## A sweep of {len(SWEEP_WIDTHS) * len(SWEEP_RATES) * SWEEP_REPEATS} trainings from start to finish",
        "",
        f"2×{SWEEP_WIDTHS[0]} and 2×{SWEEP_WIDTHS[1]}, {len(SWEEP_RATES)} learning rates, batch 100, {SWEEP_REPEATS} repeats,"
        f" {SWEEP_EPOCHS} epochs; process start and reports included.",
        "",
        "| | seconds | ratio | target |",
        "|---|---|---|---|",
        f"| mnist-sweep run | {m['sweep'][0]:.1f} |  |  |",
        f"| a loop around model.fit | {m['loop'][0]:.1f} | **{ratio:.2f}** | {_SWEEP_TARGET}: "
        f"{'reached' if ratio >= _SWEEP_TARGET else f'missed by {(1 - ratio / _SWEEP_TARGET) * 100:.0f}%'} |",
        tuner,
        "",
        "## Equal results (2×64, batch 100, 5 epochs; test accuracy, mean ± sd; paired difference with its 95% interval)",
        "",
        "Engine and model.fit start from the same weights and see the same batches; bfloat16 differs in precision alone.",
        "",
        "| | first | second | difference | pairs |",
        "|---|---|---|---|---|",
        *accuracies,
        "",
        "## Memory of a worker",
        "",
        f"{growth['trials']} tiny trials over {growth['shapes']} shapes: {growth['after 50']:.0f} MiB after the first 50, "
        f"{growth['at the end']:.0f} MiB at the end ({(growth['at the end'] / growth['after 50'] - 1) * 100:+.1f}%).",
        "",
        "## Overhead",
        "",
        *overhead,
        "",
        (_HERE / "NOTES.md").read_text(),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--pairs", type=int, default=16)
    options.add_argument("--no-tuner", action="store_true")
    chosen = options.parse_args()
    rounds = [_round(tuner=not chosen.no_tuner) for _ in range(chosen.rounds)]
    text = _text(rounds, _accuracy_rows(chosen.pairs), _alone("growth"), measure_overhead())
    print(text)
    if chosen.rounds > 1:
        (_HERE / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    main()
