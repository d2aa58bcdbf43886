"""Measures training on a GPU in pieces, also on a machine without TensorFlow and without a package index.

python benchmarks/gpu.py pack FOLDER               everything that such a machine lacks, for Python 3.12; 30 MB at most
python FOLDER/gpu.py measure PIECE --out RESULTS   there; or here with benchmarks/gpu.py; a piece is done once
python benchmarks/gpu.py report RESULTS            writes RESULTS/RESULTS-GPU.md
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpu_report import read, report

_HERE = Path(__file__).resolve().parent
_WHEELS, _SITE = _HERE / "wheels", _HERE / "site"
_ROOT = _HERE if _WHEELS.is_dir() else _HERE.parent
_CARRIED = (
    *("keras", "optree", "namex", "absl-py", "packaging", "rich", "pygments"),
    *("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection", "pyyaml"),
)
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_MAX_BYTES = 30_000_000
_TIMEOUT_S = 240
_SHAPES = {64: 100, 200: 200, 450: 450}  # width of both hidden layers: batch size
_GRID = [(layers, width, batch) for layers in (4, 5) for width in (200, 300) for batch in (200, 300)]
_LARGE = 256  # a stack that should fill a GPU

_Side = tuple[str, str, dict[str, Any]]  # what the report calls it, the function of gpu_sides.py, its arguments


def pack(folder: Path) -> None:
    """Gather the script, our package, MNIST and the wheels that Python 3.12 on x86-64 Linux needs beside JAX and h5py.

    Raises:
        SystemExit: when the folder is there already, or becomes larger than it may be.
    """
    from mnist_sweep.mnist.images import cached_file, store
    from mnist_sweep.mnist.sources import load

    if folder.exists():
        raise SystemExit(f"{folder} is there already; name a new folder")
    store(load())
    shutil.copytree(_ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for source, target in ((_ROOT / "configs" / "grid.yaml", "configs"), (cached_file(), "datasets")):
        (folder / target).mkdir()
        shutil.copy(source, folder / target)
    for name in ("gpu.py", "gpu_report.py", "gpu_sides.py", "sides.py"):
        shutil.copy(_HERE / name, folder)
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
    wanted += [f"--platform={name}" for name in _PLATFORMS]
    names = [f"{name}=={version(name)}" for name in _CARRIED]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted, "--dest", str(folder / "wheels"), *names]
    subprocess.run(command, check=True)
    size = sum(path.stat().st_size for path in folder.rglob("*"))
    print(f"{folder}: {size / 1e6:.1f} MB")
    if size > _MAX_BYTES:
        raise SystemExit(f"larger than the {_MAX_BYTES / 1e6:.0f} MB that it may be")


def _environment() -> dict[str, str]:
    """That of a side: in a packed folder with our package, MNIST and what the wheels hold."""
    if not _WHEELS.is_dir():
        return dict(os.environ)
    if not _SITE.is_dir():
        partial = _SITE.with_suffix(".partial")
        for wheel in _WHEELS.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(partial)
        partial.rename(_SITE)
    return {**os.environ, "KERAS_HOME": str(_HERE), "PYTHONPATH": f"{_ROOT / 'src'}{os.pathsep}{_SITE}"}


def _pieces(*, quick: bool) -> dict[str, dict[str, tuple[int, list[_Side]]]]:
    """By piece and unit: how many turns its sides take, one after the other, and what they are."""
    widths = (64,) if quick else tuple(_SHAPES)
    stacks = (1, 2, 4) if quick else tuple(2**i for i in range(11))
    large, turns, rounds, epochs = (4, 1, 2, 2) if quick else (_LARGE, 3, 3, 10)
    file = str(_ROOT / "configs" / "grid.yaml")

    def engine(label: str, width: int, stack: int, rounds: int, **more: Any) -> _Side:
        chosen = {"width": width, "batch": _SHAPES[width], "stack": stack, "epochs": epochs, "rounds": rounds}
        return label, "engine", {**chosen, **more}

    def loop(width: int) -> _Side:
        return "torch", "torch_loop", {"width": width, "batch": _SHAPES[width], "epochs": epochs, "rounds": 1}

    def floor(width: int, stack: int) -> _Side:
        return "floor", "floor", {"width": width, "batch": _SHAPES[width], "stack": stack, "rounds": rounds}

    def step(width: int, optimizer: str) -> _Side:
        return "step", "step", {"width": width, "batch": _SHAPES[width], "optimizer": optimizer}

    flags: tuple[tuple[str, dict[str, Any]], ...] = (
        ("on", {}),
        ("off", {"deterministic": False}),
        ("tf32", {"precision": "tf32"}),
    )
    grid = [dict(zip(("layers", "width", "batch"), part, strict=True)) for part in _GRID]
    return {
        "grid": {
            f"grid {' '.join(map(str, part.values()))}": (1, [("grid", "grid", {**part, "file": file, "quick": quick})])
            for part in grid
        },
        "step": {f"step {w} {o}": (1, [step(w, o)]) for w in widths for o in ("adam", "sgd")},
        **{f"stacks-{w}": {f"stack {w} {n}": (1, [engine("engine", w, n, rounds)]) for n in stacks} for w in _SHAPES},
        "torch": {
            f"torch {w}": (turns, [loop(w), engine("one", w, 1, 1), engine("large", w, large, 1)]) for w in widths
        },
        "floor": {
            f"floor {w} {n}": (turns, [floor(w, n), engine("engine", w, n, 1)]) for w in widths for n in (1, large)
        },
        "flags": {
            f"flags {w} {n}": (turns, [engine(label, w, n, 1, **more) for label, more in flags])
            for w in widths
            for n in (1, large)
        },
    }


def _figures(side: _Side, *, quick: bool) -> dict[str, Any]:
    """What a side gives, or the reason why it gave nothing; only a quick look may be taken without a GPU."""
    _, name, arguments = side
    command = [sys.executable, str(_HERE / "gpu_sides.py"), name, json.dumps(arguments)]
    environ = _environment() if quick else {"CUDA_VISIBLE_DEVICES": "0", **_environment()}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {"asked": arguments, "failed": f"took longer than {_TIMEOUT_S} s"}
    if done.returncode:
        return {"asked": arguments, "failed": " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"}
    return {"asked": arguments, **json.loads(done.stdout.splitlines()[-1])}


def measure(piece: str, folder: Path, minutes: float, *, quick: bool) -> None:
    """Measure what a piece lacks; begin no unit after so many minutes."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    done = read(folder)
    for name, (turns, sides) in _pieces(quick=quick)[piece].items():
        if name in done:
            continue
        if time.monotonic() - began > minutes * 60:
            raise SystemExit(f"{piece}: not finished; run the same command again")
        figures: dict[str, list[dict[str, Any]]] = {label: [] for label, _, _ in sides}
        for _ in range(turns):
            for side in sides:
                if not (figures[side[0]] and "failed" in figures[side[0]][-1]):
                    figures[side[0]].append(_figures(side, quick=quick))
        line = json.dumps({name: figures})
        print(line, flush=True)
        with (folder / f"{piece}.jsonl").open("a") as file:
            file.write(line + "\n")


def main() -> None:
    """Pack, measure or report."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    commands.add_parser("pack").add_argument("folder", type=Path)
    commands.add_parser("report").add_argument("folder", type=Path)
    asked = commands.add_parser("measure")
    asked.add_argument("piece", choices=_pieces(quick=False))
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--minutes", type=float, default=4, help="begin nothing after so many")
    asked.add_argument("--quick", action="store_true", help="small stacks and few epochs, for a CPU")
    chosen = options.parse_args()
    if chosen.command == "measure":
        measure(chosen.piece, chosen.out, chosen.minutes, quick=chosen.quick)
    elif chosen.command == "pack":
        pack(chosen.folder)
    else:
        report(chosen.folder)


if __name__ == "__main__":
    main()
