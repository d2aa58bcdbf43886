"""One contract for all backends, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_JAX = "jax_program:JaxBackend"
_ENOUGH_ON_JAX = "not (amount or turn or field or noise or square)"
"""The same lines draw on both backends; how they are spread is looked at on TensorFlow, which is quicker."""


@pytest.mark.parametrize("contract", ["backend", "settings", "augmentation"])
@pytest.mark.parametrize("backend", ["tensorflow_program:TensorFlowBackend", _JAX])
def test_a_backend_keeps_the_contract(mnist: object, backend: str, contract: str) -> None:
    """Every test of the contract passes, and none is skipped."""
    assert mnist
    chosen = ["-k", _ENOUGH_ON_JAX] if (backend, contract) == (_JAX, "augmentation") else []
    options = [*chosen, "-q", "-n0", "--no-skips", "-p", "no:cacheprovider", "--rootdir", str(_HERE.parents[1])]
    command = [sys.executable, "-m", "pytest", *options, str(_HERE / f"{contract}_contract.py")]
    environment = {**os.environ, "MNIST_SWEEP_BACKEND": f"mnist_sweep.training.{backend}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout
