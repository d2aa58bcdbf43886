"""What gpu.py measured, as Markdown: machine, versions, medians with their spread, goals reached or missed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

_GOAL_RATIO, _GOAL_TRAININGS, _GOAL_EPOCHS, _GOAL_STEP = 15, 20_000, 10, 1e-5

Turns = list[dict[str, Any]]  # the figures of each turn of a side
Figures = dict[str, dict[str, Turns]]  # by unit and side


def read(folder: Path) -> Figures:
    """All that was measured into a folder."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return {unit: sides for line in lines for unit, sides in json.loads(line).items()}


def report(folder: Path) -> None:
    """Write RESULTS-GPU.md into the folder and print it."""
    done = read(folder)
    if not done:
        raise SystemExit(f"{folder}: nothing was measured there")
    parts = _head, _goals, _grid, _stacks, _torch, _floor, _step, _flags, _failures
    text = "\n".join(line for part in parts for line in part(done))
    print(text)
    (folder / "RESULTS-GPU.md").write_text(text)


def _head(done: Figures) -> list[str]:
    turns = [turn for sides in done.values() for turns in sides.values() for turn in turns if "device" in turn]
    versions = sorted({f"{name} {value}" for turn in turns for name, value in turn["versions"].items()})
    epochs = {turn["asked"]["epochs"] for turn in turns if "epochs" in turn["asked"]}
    return [
        "# Training on a GPU" if any(turn["device"] != "cpu" for turn in turns) else "# gpu.py on a CPU",
        "",
        f"Written by `benchmarks/gpu.py` on {datetime.now(UTC):%Y-%m-%d}. Device: "
        f"{_one_of({turn['device'] for turn in turns})}. Machine: {_one_of({turn['machine'] for turn in turns})}.",
        f"Versions: {', '.join(versions)}.",
        "",
        "Two hidden relu layers, Adam, 54,000 images trained and 6,000 validated an epoch, "
        f"{' or '.join(map(str, sorted(epochs))) or 'no'} epochs a training; median (least to most, n).",
        "",
    ]


def _one_of(names: set[str]) -> str:
    return names.pop() if len(names) == 1 else f"several, not to be compared: {'; '.join(sorted(names))}"


def _goals(done: Figures) -> list[str]:
    rates = {
        name: median(rate)
        for name, sides in _of_kind(done, "stack")
        if (rate := _an_hour([turn for turn in sides["engine"] if turn["asked"]["epochs"] == _GOAL_EPOCHS]))
    }
    best = {w: max((rate for name, rate in rates.items() if name.split()[0] == w), default=0.0) for w in ("64", "200")}
    found: list[tuple[str, int, float]] = [
        (f"2×{w}: trainings an hour stacked, by those one at a time", _GOAL_RATIO, best[w] / rates[f"{w} 1"])
        for w in best
        if f"{w} 1" in rates
    ]
    if best["64"]:
        found.append(("2×64: trainings an hour", _GOAL_TRAININGS, best["64"]))
    rows = [[name, f"{goal:,}", f"**{value:,.1f}**", _reached(value, goal)] for name, goal, value in found]
    return _table(f"Goals, for one H100 or H200 and trainings of {_GOAL_EPOCHS} epochs", "what | goal | found | ", rows)


def _reached(value: float, goal: float) -> str:
    return f"reached, {value / goal:.2f} times" if value >= goal else f"missed by {(1 - value / goal) * 100:.0f}%"


def _grid(done: Figures) -> list[str]:
    parts = [(name, sides["grid"][0]) for name, sides in _of_kind(done, "grid") if "failed" not in sides["grid"][0]]
    counted = ("shapes", "trainings", "epochs", "training_s", "seconds")
    total = {key: sum(part[key] for _, part in parts) for key in counted}
    rows = [
        [*(f"{part[key]:,.0f}" for key in counted), f"**{3600 * part['trainings'] / part['seconds']:,.0f}**"]
        for _, part in [*parts, *([("all", total)] if parts else [])]
    ]
    names = [*(name for name, _ in parts), "all"]
    return _table(
        "configs/grid.yaml, on a GPU the three repeats of a shape side by side, each part once",
        "layers, width, batch | shapes | trainings | epochs | seconds in epochs | seconds, compiling included | trainings an hour",
        [[name, *row] for name, row in zip(names, rows, strict=False)],
    )


def _stacks(done: Figures) -> list[str]:
    rows = []
    for name, sides in _of_kind(done, "stack"):
        width, stack = name.split()
        turn, one = sides["engine"][0], done.get(f"stack {width} 1", {}).get("engine", [])
        if "failed" not in turn:
            rates, n_rounds = _an_hour([turn]), len(turn["round_s"])
            beside_s = (sum(turn["round_s"]) / int(stack) - sum(turn["epoch_s"])) / n_rounds
            spreads = [_spread(turn["epoch_s"], 4), _spread(rates, 0)]
            ratio = _ratio(rates, _an_hour(one))
            rows.append([f"2×{width}", stack, *spreads, ratio, f"{1000 * beside_s:.1f}", f"{turn['accuracy']:.4f}"])
    head = "shape | stack | seconds a model-epoch | trainings an hour | by stack 1 | ms a training beside epochs | accuracy"
    return _table("Stacks: how many are trained side by side", head, rows)


def _torch(done: Figures) -> list[str]:
    rows = []
    for width, sides in _of_kind(done, "torch"):
        rates = {label: _an_hour(turns) for label, turns in sides.items()}
        stack = sides["large"][0]["asked"]["stack"]
        ratios = [_ratio(rates[label], rates["torch"]) for label in ("one", "large")]
        rows.append([f"2×{width}", *(_spread(rate, 0) for rate in rates.values()), *ratios, str(stack)])
    head = "shape | PyTorch | engine, one | engine, stacked | one by PyTorch | stacked by PyTorch | stack"
    title = (
        "Trainings an hour against a plain loop of PyTorch, equal images, order, batches, validation and test; in turn"
    )
    return _table(title, head, rows)


def _floor(done: Figures) -> list[str]:
    rows = []
    for name, sides in _of_kind(done, "floor"):
        width, stack = name.split()
        both = [_values(sides[label]) for label in ("floor", "engine")]
        rows.append([f"2×{width}", stack, *(_spread(values, 4) for values in both), _ratio(*both)])
    head = "shape | stack | products alone | engine | part of that speed"
    return _table("Seconds a model-epoch against the products of matrices alone, in float32; in turn", head, rows)


def _step(done: Figures) -> list[str]:
    rows = []
    for name, sides in _of_kind(done, "step"):
        width, optimizer = name.split()
        turn = sides["step"][0]
        if "failed" not in turn:
            within = "within" if max(turn["loss"], turn["weights"]) <= _GOAL_STEP else "**not within**"
            rows.append([f"2×{width}", optimizer, f"{turn['loss']:.1e}", f"{turn['weights']:.1e}", within])
    head = f"shape | optimizer | loss | largest of a weight | {_GOAL_STEP:g}"
    return _table("Differences from the CPU after one step in float32", head, rows)


def _flags(done: Figures) -> list[str]:
    rows = []
    for name, sides in _of_kind(done, "flags"):
        width, stack = name.split()
        on, off, tf32 = (_values(sides[label]) for label in ("on", "off", "tf32"))
        spreads = [_spread(values, 4) for values in (on, off, tf32)]
        rows.append([f"2×{width}", stack, *spreads, _ratio(on, off), _ratio(on, tf32)])
    head = "shape | stack | deterministic operations | without that flag | TF32 | flag's cost | gain of TF32"
    return _table("Seconds a model-epoch by flag and precision; in turn", head, rows)


def _failures(done: Figures) -> list[str]:
    rows = [
        [unit, label, turn["failed"].replace("|", "/")]
        for unit, sides in done.items()
        for label, turns in sides.items()
        for turn in turns
        if "failed" in turn
    ]
    return _table("What was not measured", "unit | side | reason", rows) if rows else []


def _of_kind(done: Figures, kind: str) -> list[tuple[str, dict[str, Turns]]]:
    """The units of a kind, by the rest of their names."""
    return [(unit.removeprefix(f"{kind} "), sides) for unit, sides in done.items() if unit.startswith(f"{kind} ")]


def _values(turns: Turns) -> list[float]:
    return [value for turn in turns for value in turn.get("epoch_s", ())]


def _an_hour(turns: Turns) -> list[float]:
    """Trainings an hour, by round."""
    return [3600 * turn["asked"].get("stack", 1) / value for turn in turns for value in turn.get("round_s", ())]


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "none"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f}, {len(values)})"


def _ratio(above: list[float], below: list[float]) -> str:
    return f"**{median(above) / median(below):.2f}**" if above and below else ""


def _table(title: str, head: str, rows: list[list[str]]) -> list[str]:
    columns = head.split(" | ")
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]
    return [f"## {title}", "", *(lines if rows else ["Not measured."]), ""]
