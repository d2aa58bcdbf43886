"""What this machine is, and the versions of what runs on it, in words for the record."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.recipe import BACKENDS, JAX, TENSORFLOW

_COMPUTING = {TENSORFLOW: ("tensorflow",), JAX: ("jax", "jaxlib")}
_PACKAGES = ("keras", "numpy", "pandas")


def environment(backends: Iterable[str] = BACKENDS) -> dict[str, Any]:
    """Machine, and the versions of what is installed for these backends, as plain JSON values."""
    packages = ["mnist-sweep", *(name for backend in backends for name in _COMPUTING[backend]), *_PACKAGES]
    return {
        "machine": {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu_name(),
            "cores": counted(n_cores(), "core"),
            **{f"gpu {gpu.id}": gpu.name for gpu in visible_gpus()},
        },
        "versions": {"python": platform.python_version(), **_versions(packages)},
    }


def _versions(packages: list[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


_INSTRUCTIONS = (
    *("sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx_ne_convert", "avx512f", "avx512bw", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),  # x86 down to here, then ARM
    *("asimd", "asimdhp", "asimddp", "sve", "sve2", "bf16", "i8mm"),
)
"""By these, libraries choose how they multiply matrices; named as in /proc/cpuinfo."""


def arithmetic(gpus: list[Gpu]) -> dict[str, str]:
    """What decides the last bits of a training here, beside the versions, and can only be recorded."""
    caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))  # kernels cut matrices to fit them
    return {
        "device": ", ".join(dict.fromkeys(f"{gpu.name} with driver {gpu.driver}" for gpu in gpus)) or "CPU",
        "processor": _cpu_model(),
        "instructions": " ".join(name for name in _INSTRUCTIONS if name in cpu_flags()) or "unknown",
        "caches": " ".join(path.read_text().strip() for path in caches) or "unknown",
        "C library": " ".join(platform.libc_ver()).strip() or platform.release(),
        **{name: os.environ.get(name) or "none" for name in ("LD_PRELOAD", "GLIBC_TUNABLES")},
    }


def cpu_flags() -> frozenset[str]:
    """What the processor can do, as /proc/cpuinfo names it; empty where the system does not say."""
    return frozenset((_cpu_facts().get("flags") or _cpu_facts().get("Features") or "").split())


def emulates_bfloat16() -> bool:
    """Whether the processor is known to have no products of bfloat16."""
    flags = cpu_flags()
    x86 = "avx" in flags and not flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert"}
    arm = "asimd" in flags and "bf16" not in flags
    return x86 or arm


def others_load() -> float:
    """The processes that want a core here, as an average over the last minute; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU: its name for CUDA_VISIBLE_DEVICES, what it is called, and the version of its driver."""

    id: str
    name: str
    driver: str = "unknown"


def visible_gpus() -> list[Gpu]:
    """The GPUs that the driver shows and CUDA_VISIBLE_DEVICES lets through; asked of nvidia-smi, not of TensorFlow."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,driver_version,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603  fixed words
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line.split(",", 3) for line in done.stdout.splitlines()]
    rows = [[part.strip() for part in line] for line in lines if len(line) == len(("index", "uuid", "driver", "name"))]
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return [Gpu(index, name, driver) for index, _, driver, name in rows]
    by_id = {key: (name, driver) for index, uuid, driver, name in rows for key in (index, uuid)}
    chosen = [part.strip() for part in allowed.split(",")]
    end = next(
        (i for i, part in enumerate(chosen) if part not in by_id), len(chosen)
    )  # CUDA stops at the first unknown
    return [Gpu(part, *by_id[part]) for part in chosen[:end]]


def devices_words() -> str:
    """What trials can be trained on here."""
    gpus = [f"GPU {gpu.id}: {gpu.name}" for gpu in visible_gpus()]
    return ", ".join([*gpus, counted(n_cores(), "CPU core")])


def n_workers_for(gpus: Sequence[Gpu]) -> int:
    """How many processes train at once where the user does not say: one a GPU, without one as many as cores."""
    return len(gpus) or n_cores()


def n_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    return _cpu_facts().get("model name") or platform.processor() or "unknown processor"


def _cpu_model() -> str:
    """The processor by its numbers too: its name may say little, as on virtual machines and on ARM."""
    names = ("cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU revision")
    return ", ".join([_cpu_name(), *(f"{name} {_cpu_facts()[name]}" for name in names if name in _cpu_facts())])


@cache
def _cpu_facts() -> Mapping[str, str]:
    """What /proc/cpuinfo says of the first core."""
    try:
        first, *_ = Path("/proc/cpuinfo").read_text().split("\n\n")
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
