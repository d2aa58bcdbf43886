"""The fingerprint of rounding: the same in every process of a machine, another with other kernels."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import pytest

from mnist_sweep.execution.machine import cpu_flags
from mnist_sweep.training.fingerprint import fingerprint
from mnist_sweep.training.runtime import tensorflow

_PRINT = "from mnist_sweep.training.fingerprint import fingerprint; print(fingerprint())"
_TENSORFLOW = "from mnist_sweep.training.runtime import tensorflow; tensorflow()"
_HELD = """
import os
from mnist_sweep.training import runtime
runtime.pin_variables(runtime._SETTINGS)
os.environ["ONEDNN_MAX_CPU_ISA"] = "SSE41"
runtime.pin_variables = lambda _: None
runtime.tensorflow()
"""
_JAX = "import os; os.environ['KERAS_BACKEND'] = 'jax'"


def _elsewhere(setup: str) -> str:
    """The fingerprint in a process of its own."""
    code = f"{setup}\n{_PRINT}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_processes_of_a_machine_have_one_fingerprint() -> None:
    """Eight digits, whatever the process did before."""
    tensorflow()
    here = fingerprint()
    assert 8 == len(f"{int(here, 16):08x}")
    assert here == fingerprint() == _elsewhere(_TENSORFLOW)


@pytest.mark.skipif("avx" not in cpu_flags(), reason="oneDNN has other kernels than those of SSE4.1 with AVX only")
def test_other_kernels_give_another_fingerprint() -> None:
    """OneDNN held to an older instruction set, which the trainings here forbid, adds up in another order."""
    tensorflow()
    assert fingerprint() != _elsewhere(_HELD)


def test_it_moves_no_random_number() -> None:
    """What is drawn after it is what would have been drawn without it."""
    import keras
    import numpy as np

    tf = tensorflow()

    def draws() -> list[float]:
        initial = keras.initializers.GlorotUniform()((1, 1))
        tensors = (initial, keras.random.normal((1,)), tf.random.normal((1,)))
        legacy = [random.random(), np.random.rand()]  # noqa: NPY002, S311  both are what Keras may draw from
        return [*legacy, *(float(np.asarray(tensor).item()) for tensor in tensors)]

    keras.utils.set_random_seed(1)
    before = draws()
    keras.utils.set_random_seed(1)
    fingerprint()
    assert before == draws()


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_has_a_fingerprint_too() -> None:
    """On Keras's other backend it is as stable, and another."""
    tensorflow()
    assert fingerprint() != _elsewhere(_JAX) == _elsewhere(_JAX)
