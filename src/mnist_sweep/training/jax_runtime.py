"""JAX, imported late, with Keras on top of it, and set up so that equal trials give equal bits.

Nothing here needs TensorFlow.
"""

import importlib
import os
import warnings
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from mnist_sweep.mnist.images import cache_folder
from mnist_sweep.training.runtime import pin_variables, without_keras_json

_SETTINGS = {
    "KERAS_BACKEND": "jax",
    "NPROC": "1",  # XLA's threads on a CPU: their number decides how sums are split, hence their last bits
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_FLAGS": "--xla_gpu_deterministic_ops=true",  # no measured choice of kernels either: https://openxla.org/xla
}
_MAX_CACHE_BYTES = 2**28
_NO_GPU = ("", "-1")


@cache
def jax() -> ModuleType:
    """JAX with one thread on a CPU, Keras on top of it in float32; on a GPU compiled programs are kept on the disk."""
    pin_variables(_SETTINGS)
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpus is not None:  # else JAX would quietly train on the CPU where the GPU that was asked for does not start
        os.environ["JAX_PLATFORMS"] = "cpu" if gpus in _NO_GPU else "cuda"
    with without_keras_json():
        module = importlib.import_module("jax")
        importlib.import_module("keras")
    warnings.filterwarnings("ignore", module=r"keras\.")  # advice on models, such as softmax over a width of 1
    if device().platform != "cpu":
        _keep_programs(module)
    return module


def device() -> Any:
    """The device that trains, as JAX describes it."""
    return importlib.import_module("jax").devices()[0]


def matmul_precision(precision: str) -> str:
    """What JAX calls a recipe's precision: on a GPU its products are in TensorFloat-32 unless it is told otherwise."""
    return "tensorfloat32" if precision == "tf32" else "highest"


def _keep_programs(module: ModuleType) -> None:
    """Keep compiled programs beside MNIST, in a folder for each version and device that JAX keeps small.

    On a CPU they would not be found again: https://github.com/jax-ml/jax/issues/38445
    """
    if find_spec("filelock") is None:  # JAX bounds the folder only with its help
        return
    folder = cache_folder() / "mnist-sweep-jax" / f"{module.__version__} {device().device_kind}".replace("/", "-")
    module.config.update("jax_compilation_cache_dir", str(folder))
    module.config.update("jax_compilation_cache_max_size", _MAX_CACHE_BYTES)
    module.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
