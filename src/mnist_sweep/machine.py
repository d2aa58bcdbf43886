"""What this machine is, and the versions of what runs on it, in words for the record."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mnist_sweep.counts import counted

_PACKAGES = ("mnist-sweep", "tensorflow", "keras", "numpy", "pandas")


def environment() -> dict[str, Any]:
    """Machine and versions as plain JSON values."""
    return {
        "machine": {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu_name(),
            "cores": counted(n_cores(), "core"),
            **{f"gpu {gpu.id}": gpu.name for gpu in visible_gpus()},
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU: its name for CUDA_VISIBLE_DEVICES, and what it is called."""

    id: str
    name: str


def visible_gpus() -> list[Gpu]:
    """The GPUs that the driver shows and CUDA_VISIBLE_DEVICES lets through; asked of nvidia-smi, not of TensorFlow."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603  fixed words
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[part.strip() for part in line.split(",", 2)] for line in done.stdout.splitlines() if line.count(",") > 1]
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return [Gpu(index, name) for index, _, name in rows]
    by_id = {key: name for index, uuid, name in rows for key in (index, uuid)}
    chosen = [part.strip() for part in allowed.split(",")]
    end = next(
        (i for i, part in enumerate(chosen) if part not in by_id), len(chosen)
    )  # CUDA stops at the first unknown
    return [Gpu(part, by_id[part]) for part in chosen[:end]]


def devices_words() -> str:
    """What trials can be trained on here."""
    gpus = [f"GPU {gpu.id}: {gpu.name}" for gpu in visible_gpus()]
    return ", ".join([*gpus, counted(n_cores(), "CPU core")])


def n_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
