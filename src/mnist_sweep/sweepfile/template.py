"""The sweep file that `init` writes: every key, with what it means."""

import json
from pathlib import Path
from textwrap import indent

from mnist_sweep.errors import UsageError
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.table import SETTINGS
from mnist_sweep.sweepfile.model import json_schema
from mnist_sweep.sweepfile.sweep_file import parse_spec
from mnist_sweep.sweepfile.yaml_tree import read_yaml
from mnist_sweep.system.files import refusing, write_whole

SCHEMA_NAME = "sweep.schema.json"

_TEMPLATE = """\
# yaml-language-server: $schema=./{schema}
# What to train. See the plan:  mnist-sweep plan {name}.yaml
# Train it:                     mnist-sweep run {name}.yaml

name: {word}                 # its results go to output/{name}/
goal: Which width and batch size suit four and five layers?
# target: {{test_accuracy: 0.98, parameters: 200000}}   # what the reports look for; or {{val_accuracy: 0.98}}
repeats: 3                   # trainings of each combination; below 3 hardly anything can be said about noise
seed: 1                      # initial weights: repeat 1, 2, 3 ... start alike in every combination
shuffle_seed: 100            # held-out images and order of the batches: the same in every training
# split_seed: 100            # the held-out images by themselves; a number, or each_repeat
# order_seed: each_repeat    # the order of the batches by itself; a number, or each_repeat
validation_fraction: 0.1     # of the {n_train:,} training images
# training_images: 10000     # left out, all that are not held out
# backend: tensorflow        # or jax; left out, what suits the machine: TensorFlow on a CPU, JAX on a GPU

# Each key takes one value, or a list: a list is an axis, and every combination is trained. Leave out what you do not
# care for. The first axis varies slowest.
grid:
"""
_RULES = """

# exclude:                   # combinations of the grid that are not trained
#   - {num_layers: 5, batch_size: 300}
# include:                   # combinations that are added; what the grid has several values of must be said
#   - {num_layers: 3, hidden_width: 500, hidden_funcs: relu, batch_size: 200}
"""


def sweep_file(name: str) -> str:
    """The text of a commented sweep file."""
    word = name if read_yaml(name.encode()).value == name else json.dumps(name)
    grid = indent("\n".join(one.template for one in SETTINGS), "  ")
    return _TEMPLATE.format(word=word, name=name, schema=SCHEMA_NAME, n_train=MNIST.n_train) + f"{grid}{_RULES}"


def write_sweep_file(name: str, folder: Path) -> Path:
    """Write NAME.yaml and the schema into a folder."""
    path = folder / f"{name}.yaml"
    text = sweep_file(name) if name.isprintable() else ""
    if not text or parse_spec(text.encode(), f"NAME {name}").name != name:
        raise UsageError(f"{name}: found more than a plain name; allowed: letters, digits, spaces, and - _ . inside")
    if path.exists():
        raise UsageError(f"{path}: is there already; choose another name, or remove it first")
    with refusing(f"{folder}: cannot make this folder"):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SCHEMA_NAME, f"{json.dumps(json_schema(), indent=2)}\n".encode())
    write_whole(path, text.encode())
    return path
