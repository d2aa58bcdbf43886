"""Training on JAX, in processes of their own, since a process has one Keras backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from builders import a_recipe
from mnist_sweep.plan.recipe import CompileKey
from mnist_sweep.training.jax_program import stack_size
from reference import COMPARED

_HERE = Path(__file__).parent
_on_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX: make test installs it")
_beside_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow to compare with")
_COMPARES = "test_steps_equal_those_of_tensorflow"
_LOSS = """
from reference import a_shape, small_net, some_images
import numpy as np
from mnist_sweep.plan.recipe import Seeds
from mnist_sweep.training.jax_program import JaxBackend
program = JaxBackend(some_images()).program(a_shape(800), 1)
program.reset(0, Seeds(1, 2, 3))
(loss, _), = program.train(np.arange(800, dtype=np.int32)[None], np.full((1, 8), 0.001, np.float32), [1])
print(loss, program.test(0).loss)
"""


def _run(*arguments: str, **variables: str) -> str:
    path = os.pathsep.join(filter(None, [str(_HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **variables, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _tests(wanted: str, **variables: str) -> str:
    return _run("-m", "pytest", "-q", "-o", "addopts=", "-k", wanted, str(_HERE / "on_jax.py"), **variables)


@_on_jax
def test_programs_on_jax() -> None:
    """The tests in on_jax.py that need no TensorFlow pass, each of them."""
    assert "skipped" not in _tests(f"not {_COMPARES}")


@_on_jax
@_beside_tensorflow
def test_jax_equals_tensorflow() -> None:
    """Plain Keras on TensorFlow takes the steps, then our program on JAX."""
    _run(str(_HERE.parent / "reference.py"), "reference.npz")
    assert f"{len(COMPARED)} passed" in _tests(_COMPARES, MNIST_SWEEP_REFERENCE=str(Path("reference.npz").absolute()))


@_on_jax
def test_no_variable_and_no_keras_json_changes_the_bits() -> None:
    """A recipe gives the same numbers to the last bit whatever the user has set for other programs."""
    Path("keras.json").write_text(json.dumps({"backend": "torch", "epsilon": 1, "floatx": "float16"}))
    hostile = {
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(Path.cwd()),
        "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_ENABLE_X64": "1",
        "JAX_DISABLE_JIT": "1",
        "NPROC": "4",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    }
    assert _run("-c", _LOSS) == _run("-c", _LOSS, **hostile)


def _shape(width: int) -> CompileKey:
    return CompileKey(a_recipe(hidden_widths=(width, width), batch_size=100))


@pytest.mark.parametrize(
    ("width", "gigabytes", "expected"), [(64, 80, 1024), (450, 80, 1024), (450, 24, 256), (4096, 16, 8), (4096, 0.1, 1)]
)
def test_a_stack_is_as_large_as_half_the_memory(width: int, gigabytes: float, expected: int) -> None:
    """By a power of two from 1 to 1,024; a wider net gets a smaller one."""
    assert expected == stack_size(_shape(width), 54_000, int(gigabytes * 1e9))
