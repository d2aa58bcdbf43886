"""TensorFlow, imported late, quietly, and set up so that equal trials give equal bits."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

_SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # other kernels give other bits; a user's setting must not decide that
}


@cache
def tensorflow() -> ModuleType:
    """TensorFlow with one thread inside on a CPU, Keras on top of it in float32, and nothing said on stderr."""
    os.environ.update(_SETTINGS)
    with _quiet_stderr():
        tf = importlib.import_module("tensorflow")
        keras = importlib.import_module("keras")
        # The number of threads decides how sums are split, hence their last bits.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.experimental.enable_op_determinism()
        tf.constant(0.0)  # the devices start up, and chatter, with the first tensor
    tf.get_logger().setLevel("ERROR")  # advice on compiling often, which a sweep of many shapes does by design
    warnings.filterwarnings("ignore", module=r"keras\.")  # advice on models, such as softmax over a width of 1
    keras.config.set_floatx("float32")
    return tf


def set_precision(precision: str) -> None:
    """Let a GPU round the factors of matrix products to TensorFloat-32, or not; a CPU has no such thing."""
    tensorflow().config.experimental.enable_tensor_float_32_execution(precision == "tf32")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to file descriptor 2, and show it only when the block raises."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
