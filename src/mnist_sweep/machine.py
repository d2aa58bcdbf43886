"""What this machine is, and the versions of what runs on it, in words for the record."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("mnist-sweep", "tensorflow", "keras", "numpy", "pandas")


def environment() -> dict[str, Any]:
    """Machine and versions as plain JSON values."""
    return {
        "machine": {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu_name(),
            "cores": f"{n_cores()} cores",
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


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
