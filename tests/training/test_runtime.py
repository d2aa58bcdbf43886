"""What the environment may not change: the numbers that a recipe gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_sweep.mnist.images import Mnist, cache_folder

_TRAIN = """
import json
from builders import a_recipe
from mnist_sweep.plan.recipe import Seeds, Trial
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.mnist.sources import load
from mnist_sweep.training.tensorflow_program import TensorFlowBackend
from mnist_sweep.training.trainer import Trainer

recipe = a_recipe(max_epochs=1, validation_fraction=0.95, hidden_funcs=("relu", "tanh"), batch_size=100)
data = load()
*_, finished = Trainer(data, TensorFlowBackend(data))((Trial(recipe, 1, Seeds(11, 100, 100), MNIST.digest, 2),))
print(json.dumps([finished.result.curves.train_loss, finished.result.curves.val_loss, finished.result.test_loss]))
"""

_HOSTILE = {
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "4",
    "OMP_NUM_THREADS": "3",
    "NVIDIA_TF32_OVERRIDE": "0",
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "none",
}


def _python(code: str, **variables: str) -> str:
    here = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment = {**plain, "CUDA_VISIBLE_DEVICES": "-1", **variables, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def _keras_home(content: str) -> str:
    """A folder for Keras that holds MNIST and this keras.json."""
    home = Path("keras-home").absolute()
    home.mkdir()
    (home / "datasets").symlink_to(cache_folder(), target_is_directory=True)
    (home / "keras.json").write_text(content)
    return str(home)


def test_no_variable_and_no_keras_json_changes_the_bits(mnist: Mnist) -> None:
    """A recipe gives the same numbers to the last bit whatever the user has set for other programs."""
    assert mnist
    home = _keras_home(json.dumps({"epsilon": 1, "image_data_format": "channels_first", "floatx": "float16"}))
    plain = _python(_TRAIN, KERAS_HOME=str(cache_folder().parent))
    assert plain.startswith("[[")
    assert plain == _python(_TRAIN, KERAS_HOME=home, **_HOSTILE)


@pytest.mark.parametrize("content", ["[]", '{"backend": "torch", "epsilon": 0.5}'])
def test_keras_is_as_it_comes_whatever_its_json_says(content: str) -> None:
    """No content of keras.json changes Keras or stops it; the file stays as it was, and KERAS_HOME too."""
    code = (
        "import os\n"
        "from mnist_sweep.training.runtime import tensorflow\n"
        "tensorflow()\n"
        "from keras import config as c\n"
        "print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), os.environ['KERAS_HOME'])"
    )
    home = _keras_home(content)
    assert f"tensorflow float32 1e-07 channels_last {home}\n" == _python(code, KERAS_HOME=home)
    assert content == Path(home, "keras.json").read_text()
