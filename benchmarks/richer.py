"""Measures richer training steps against model.fit with the same Keras layers, alternating, in one run.

python benchmarks/richer.py            prints a table in Markdown; about ten minutes on two cores
python benchmarks/richer.py --rounds 1 a quick look

Both sides train 54,000 images for an epoch and validate on 6,000. model.fit has all cores for one model. Ours is what a
sweep does: a process on one thread for each core, all at once; its figure is their mean time by their number. The first
epoch of each is thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import fmean, median
from typing import Any

from mnist_sweep.execution.machine import environment, n_cores

_N_TRAINING, _N = 54_000, 60_000
_GRIDS = {
    "2×200 relu": "hidden_width: 200",
    "2×200 relu, dropout": "hidden_width: 200\n  dropout: 0.2",
    "2×200 relu, batch normalisation": "hidden_width: 200\n  batch_norm: true",
    "2×200 relu, rotation and elastic": ("hidden_width: 200\n  augment: {rotation: 5, elastic: {alpha: 20, sigma: 5}}"),
    "LeNet-5": """network:
    lenet5:
      - Conv2D: {filters: 6, kernel_size: 5, padding: same, activation: tanh}
      - MaxPooling2D: 2
      - Conv2D: {filters: 16, kernel_size: 5, activation: tanh}
      - MaxPooling2D: 2
      - Conv2D: {filters: 120, kernel_size: 5, activation: tanh}
      - Flatten
      - Dense: {units: 84, activation: tanh}""",
}
"""What is trained, as a sweep file says it: batches of 200 by Adam."""


def _recipe(name: str) -> Any:
    from mnist_sweep.plan.data_set import MNIST
    from mnist_sweep.plan.sweep_plan import make_plan
    from mnist_sweep.sweepfile.sweep_file import parse_spec

    text = f"name: bench\ngrid:\n  {_GRIDS[name]}\n  early_stopping: off\n  batch_size: 200\n"
    return make_plan(parse_spec(text.encode(), name), MNIST).combinations[0]


def ours(name: str) -> Iterator[float]:
    """Seconds of one epoch after another, on one thread."""
    import numpy as np

    from mnist_sweep.mnist.sources import load
    from mnist_sweep.plan.axes import compile_key
    from mnist_sweep.plan.recipe import Seeds
    from mnist_sweep.training.rates import learning_rates
    from mnist_sweep.training.tensorflow_program import TensorFlowBackend

    recipe = _recipe(name)
    program = TensorFlowBackend(load()).program(compile_key(recipe), 1)
    program.reset(0, Seeds(1, 100, 100))
    order = np.arange(_N, dtype=np.int32)[np.newaxis]
    rates = learning_rates(recipe, _N_TRAINING, 1)[np.newaxis]
    for epoch in range(1, 1000):
        began = time.perf_counter()
        program.train(order[:, :_N_TRAINING], rates, [epoch])
        program.validate(order[:, _N_TRAINING:])
        yield time.perf_counter() - began


def fit(name: str) -> Iterator[float]:
    """The same by model.fit, with Keras's own layers for what is drawn."""
    import keras

    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training.model import build_model

    data, recipe = load(), _recipe(name)
    x, y = data.x_train.astype("float32") / 255, data.y_train.astype("int32")
    model = build_model(recipe)
    if recipe.augment:
        changes = [
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.RandomRotation(recipe.augment.rotation / 360, fill_mode="constant"),
            keras.layers.Flatten(),
        ]
        model = keras.Sequential([keras.Input((784,)), *changes, *model.layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    given = {"batch_size": 200, "verbose": 0, "validation_data": (x[_N_TRAINING:], y[_N_TRAINING:])}
    while True:
        began = time.perf_counter()
        model.fit(x[:_N_TRAINING], y[:_N_TRAINING], **given)
        yield time.perf_counter() - began


class _Side:
    """Processes that run an epoch, side by side, for each line that they get."""

    def __init__(self, side: str, name: str, n: int) -> None:
        command = [sys.executable, __file__, "--side", side, name]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(n)]
        self.epoch()  # the first is thrown away

    def epoch(self) -> float:
        """Seconds of the next one for each model that is trained meanwhile."""
        pipes: list[Any] = [(process.stdin, process.stdout) for process in self._processes]
        for inside, _ in pipes:
            print(file=inside, flush=True)
        return fmean(float(json.loads(outside.readline())) for _, outside in pipes) / len(pipes)

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.wait()


def _measure(name: str, rounds: int) -> str:
    sides = _Side("ours", name, n_cores()), _Side("fit", name, 1)
    seconds = [[side.epoch() for side in sides] for _ in range(rounds)]
    for side in sides:
        side.close()
    mine, theirs = map(median, zip(*seconds, strict=True))
    return f"| {name} | {theirs:.2f} | {mine:.2f} | **{theirs / mine:.1f}** |"


def main() -> None:
    """Measure all, or be one side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", nargs=2)
    wished = parser.parse_args()
    if wished.side:
        side, name = wished.side
        if side == "ours":
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        else:
            os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
        epochs = {"ours": ours, "fit": fit}[side](name)
        for _ in sys.stdin:
            print(json.dumps(next(epochs)), flush=True)
        return
    found = environment()
    print(", ".join(f"{key} {value}" for key, value in found["versions"].items()))
    print(f"{found['machine']['cpu']}, {n_cores()} cores; medians of {wished.rounds} alternating epochs of each\n")
    print("| model, batch 200, Adam | model.fit, seconds | ours, seconds | ratio |")
    print("|---|--:|--:|--:|")
    for name in _GRIDS:
        print(_measure(name, wished.rounds), flush=True)


if __name__ == "__main__":
    main()
