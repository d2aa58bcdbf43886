"""Devices are found without TensorFlow, and what follows from them depends on nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from builders import a_trial
from mnist_sweep.errors import UsageError
from mnist_sweep.execution import setup as engine
from mnist_sweep.execution.machine import Gpu, arithmetic, devices_words, environment, n_cores, visible_gpus
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.execution.setup import Wishes, training, usable_gpus

_TWO = "0, GPU-aaa, 570.1, NVIDIA H200\n1, GPU-bbb, 570.1, NVIDIA H200\n"


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that shows two GPUs."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '{_TWO}'\n".replace("\n'", "\\n'", 1).replace("H200\n1", "H200\\n1"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_all_gpus_of_the_driver_are_seen(smi: Path) -> None:
    """Without a choice of the user's every GPU counts, by number."""
    assert smi.exists()
    assert [Gpu("0", "NVIDIA H200", "570.1"), Gpu("1", "NVIDIA H200", "570.1")] == visible_gpus()
    assert devices_words() == f"GPU 0: NVIDIA H200, GPU 1: NVIDIA H200, {n_cores()} CPU cores"
    assert environment()["machine"]["gpu 1"] == "NVIDIA H200"
    assert arithmetic(visible_gpus())["device"] == "NVIDIA H200 with driver 570.1"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("1", ["1"]), ("1,0", ["1", "0"]), ("GPU-bbb", ["GPU-bbb"]), ("0,7,1", ["0"]), ("", []), ("-1", [])],
)
def test_a_choice_of_the_user_holds(
    smi: Path, monkeypatch: pytest.MonkeyPatch, visible: str, expected: list[str]
) -> None:
    """CUDA_VISIBLE_DEVICES chooses by number or by UUID, in its order, up to the first that is none."""
    assert smi.exists()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert expected == [gpu.id for gpu in visible_gpus()]


def test_no_driver_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without nvidia-smi, or one where it fails, has no GPU."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [] == visible_gpus()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert [] == visible_gpus()


@pytest.mark.parametrize(("backend", "name"), [("tensorflow", "TensorFlow"), ("jax", "JAX")])
def test_a_gpu_that_the_backend_cannot_use_is_told_with_its_remedy(backend: str, name: str) -> None:
    """The user hears that there is a GPU, and which command lets the backend use it."""
    said: list[str] = []
    assert [] == usable_gpus([Gpu("0", "NVIDIA H200")], backend, said.append, count=lambda _: 0)
    assert f"NVIDIA H200: there is a GPU, but {name} sees 0 of 1" in said[0]
    assert f"make {backend}-cuda" in said[0]


def test_usable_gpus_are_used_without_a_word() -> None:
    """When TensorFlow sees them all, they are taken, and nothing is said."""
    said: list[str] = []
    gpus = [Gpu("0", "A"), Gpu("1", "B")]
    assert gpus == usable_gpus(gpus, "jax", said.append, count=lambda _: 2)
    assert [] == usable_gpus([], "jax", said.append, count=lambda _: 0)
    assert [] == said


@pytest.mark.parametrize(
    ("wishes", "n_trials", "n_workers", "stack"),
    [
        (Wishes(), 100, n_cores(), 1),
        (Wishes(), 1, 1, 1),
        (Wishes(n_workers=5), 100, 5, 1),
        (Wishes(n_workers=5, stack=1), 3, 3, 1),
        (Wishes(executor="serial", n_workers=5), 100, 1, 1),
    ],
)
def test_workers_and_stack(
    monkeypatch: pytest.MonkeyPatch, wishes: Wishes, n_trials: int, n_workers: int, stack: int
) -> None:
    """A CPU gets a worker a core, unless the user says otherwise, and none more than needed; trials one at a time."""
    monkeypatch.setenv("PATH", "")
    with training(wishes, [a_trial()] * n_trials, stop=lambda: False, say=print) as ready:
        assert (n_workers, stack, 1) == (ready.limits.n_workers, ready.environment["stack"], ready.limits.batch)
        assert ready.execute is (run_serially if wishes.executor == "serial" else run_in_pool)
        assert {"machine", "versions", "arithmetic", "workers", "stack"} == set(ready.environment)


@pytest.mark.parametrize(
    ("backend", "asked", "n_gpus", "expected"),
    [
        ("tensorflow", None, 0, (1, 1)),
        ("tensorflow", None, 2, (1, 1)),
        ("jax", None, 0, (1, 1)),
        ("jax", 8, 0, (32, 8)),
        ("jax", 8, 2, (32, 8)),
        ("jax", None, 2, (4096, None)),
    ],
)
def test_a_worker_gets_more_trials_than_its_stack_has_places(
    monkeypatch: pytest.MonkeyPatch, backend: str, asked: int | None, n_gpus: int, expected: tuple[int, int | None]
) -> None:
    """On a GPU JAX decides how many it trains side by side; elsewhere it is one, or as many as asked for."""
    monkeypatch.setattr(engine, "usable_gpus", lambda *_: [Gpu(str(i), "A") for i in range(n_gpus)])
    trials = [replace(a_trial(), backend=backend)] * 9
    with training(Wishes(stack=asked), trials, stop=lambda: False, say=print) as ready:
        assert expected == (ready.limits.batch, ready.environment.get("stack"))
        assert (n_gpus or n_cores()) == ready.limits.n_workers


def test_a_stack_is_refused_with_the_reason() -> None:
    """On TensorFlow nobody gets trials side by side; one at a time may be asked for."""
    Wishes(stack=1).check("tensorflow")
    Wishes(stack=2).check("jax")
    with pytest.raises(UsageError, match="--stack: found 2, allowed: 1; on TensorFlow a program trains one model"):
        Wishes(stack=2).check("tensorflow")


def test_what_decides_bits_is_recorded_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Device, processor, its instructions and caches, the C library and what is loaded before it are plain text."""
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    known = arithmetic([])
    assert ("CPU", "none") == (known["device"], known["LD_PRELOAD"])
    assert "glibc.malloc.check=0" == known["GLIBC_TUNABLES"]
    assert all(isinstance(value, str) and value for value in known.values())
