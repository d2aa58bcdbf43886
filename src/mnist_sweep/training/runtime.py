"""TensorFlow, imported late, quietly, and set up so that equal trials give equal bits; what other backends need too."""

import gc
import importlib
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from mnist_sweep.training.fingerprint import fingerprint

_SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_REMOVED = (
    "AUTOGRAPH_",
    "CUBLAS",
    "CUDNN_",
    "DNNL_",
    "JAX_",
    "KERAS_",
    "KMP_",
    "MKL_",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_",
    "ONEDNN_",
    "TF_",
    "XLA_",
)
"""How the names of variables begin that can choose other kernels, threads or formats, and so give other bits."""
_KEPT = frozenset(
    {
        "KERAS_HOME",
        "TF_GPU_ALLOCATOR",
        "TF_FORCE_UNIFIED_MEMORY",
        "TF_PER_DEVICE_MEMORY_LIMIT_MB",
        "XLA_PYTHON_CLIENT_ALLOCATOR",
        "XLA_PYTHON_CLIENT_MEM_FRACTION",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
    }
)
"""Of those the ones that only say where things lie."""


@cache
def tensorflow() -> ModuleType:
    """TensorFlow with one thread inside on a CPU, Keras on top of it in float32; it chatters on stderr."""
    pin_variables(_SETTINGS)
    tf = _libraries()
    # The number of threads decides how sums are split, hence their last bits.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()
    tf.constant(0.0)  # the devices start up, and chatter, with the first tensor
    tf.get_logger().setLevel("ERROR")  # advice on compiling often, which a sweep of many shapes does by design
    warnings.filterwarnings("ignore", module=r"keras\.")  # advice on models, such as softmax over a width of 1
    return tf


def pin_variables(settings: Mapping[str, str]) -> None:
    """Let no variable of the user's decide how numbers are computed; the libraries read them when they are imported."""
    for name in [name for name in os.environ if name.startswith(_REMOVED) and name not in _KEPT]:
        del os.environ[name]
    os.environ.update(settings)


@contextmanager
def without_keras_json() -> Iterator[None]:
    """Keras, imported in the block, finds no keras.json, which may be damaged or ask for another epsilon or float."""
    home = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        if home is not None:
            os.environ["KERAS_HOME"] = home  # MNIST lies there too


def _libraries() -> ModuleType:
    gc.disable()  # it would look for garbage among hundreds of thousands of objects that stay, which takes seconds
    try:
        with without_keras_json():
            tf = importlib.import_module("tensorflow")
            importlib.import_module("keras")
    finally:
        gc.freeze()
        gc.enable()
    return tf


def execution(device: str, program: str, *packages: str) -> dict[str, Any]:
    """Host, rounding, device, kind of program, threads and versions, once a backend has been set up."""
    return {
        "host": platform.node(),
        "fingerprint": fingerprint(),
        "device": device,
        "program": program,
        "threads": 1,
        "versions": {name: version(name) for name in packages},
    }


def set_precision(precision: str) -> None:
    """Let a GPU round the factors of matrix products to TensorFloat-32, or not; a CPU has no such thing."""
    tensorflow().config.experimental.enable_tensor_float_32_execution(precision == "tf32")
