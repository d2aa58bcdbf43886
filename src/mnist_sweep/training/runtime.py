"""TensorFlow, imported late, quietly, and set up so that equal trials give equal bits."""

from __future__ import annotations

import importlib
import os
import warnings
from functools import cache
from types import ModuleType

_SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # other kernels give other bits; a user's setting must not decide that
}


@cache
def tensorflow() -> ModuleType:
    """TensorFlow with one thread inside on a CPU, Keras on top of it in float32; it chatters on stderr."""
    os.environ.update(_SETTINGS)
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
