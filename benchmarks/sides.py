"""The sides of the comparisons, each run by bench.py in processes of its own; each prints its figures as JSON.

Every side trains the same models on the same images: two hidden relu layers, Adam, 54,000 images a training epoch and
6,000 validated after it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

SHAPES = ((64, 100), (200, 200), (450, 450))  # width of both hidden layers, batch size
SWEEP_WIDTHS, SWEEP_RATES, SWEEP_REPEATS, SWEEP_EPOCHS = (32, 64), (0.0005, 0.001, 0.002, 0.004), 3, 3


def _recipe(width: int, batch_size: int, epochs: int, precision: str = "float32", rate: float = 0.001) -> Any:
    from mnist_sweep.plan.recipe import Recipe

    return Recipe((width, width), ("relu", "relu"), batch_size, rate, "adam", epochs, None, 0.1, precision=precision)


def _trial(recipe: Any, repeat: int) -> Any:
    from mnist_sweep.plan.data_set import MNIST
    from mnist_sweep.plan.recipe import Seeds, Trial, loop_version

    return Trial(recipe, repeat, Seeds(repeat, 100, 100), MNIST.digest, loop_version(recipe, MNIST.n_train))


def _trainer() -> Any:
    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training.tensorflow_program import TensorFlowBackend
    from mnist_sweep.training.trainer import Trainer

    data = load()
    return Trainer(data, TensorFlowBackend(data))


def engine(precision: str, epochs: int = 5) -> list[float]:
    """Seconds an epoch, validation included, of one worker as a sweep has it, by shape; its median epoch."""
    from statistics import median

    from mnist_sweep.journal.events import Finished

    trainer, seconds = _trainer(), []
    for width, batch_size in SHAPES:
        (result,) = (
            event.result
            for event in trainer((_trial(_recipe(width, batch_size, epochs, precision), 1),))
            if isinstance(event, Finished)
        )
        seconds.append(median(value or 0.0 for value in result.curves.seconds))
    return seconds


def _keras_data() -> tuple[Any, Any, Any, Any]:
    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training.trainer import split

    data = load()
    training, held_out = split(60_000, 0.1, 100)
    x, y = data.x_train.astype("float32") / 255, data.y_train.astype("int32")
    return x[training], y[training], x[held_out], y[held_out]


def _keras_model(width: int, rate: float = 0.001) -> Any:
    import keras

    layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(width, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((784,)), *layers])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _timed_epochs(fit: Callable[[], object], epochs: int) -> float:
    """The median of the epochs after the first, which compiles."""
    from statistics import median

    fit()
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        fit()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def model_fit(epochs: int = 3) -> list[float]:
    """Seconds an epoch of model.fit on arrays in memory, with all cores."""
    x, y, x_val, y_val = _keras_data()
    seconds = []
    for width, batch_size in SHAPES:
        model = _keras_model(width)
        fit = partial(model.fit, x, y, batch_size=batch_size, validation_data=(x_val, y_val), verbose=0)
        seconds.append(_timed_epochs(fit, epochs))
    return seconds


def tf_data(epochs: int = 1) -> list[float]:
    """Seconds an epoch of model.fit on a tf.data pipeline that scales, shuffles and batches image by image."""
    import tensorflow as tf

    x, y, x_val, y_val = _keras_data()

    def pipeline(images: Any, labels: Any, batch_size: int, shuffle: int) -> Any:
        data = tf.data.Dataset.from_tensor_slices(((images * 255).astype("uint8"), labels))
        data = data.map(lambda image, label: (tf.cast(image, tf.float32) / 255.0, label))
        return (data.shuffle(shuffle) if shuffle else data).batch(batch_size)

    seconds = []
    for width, batch_size in SHAPES:
        model = _keras_model(width)
        train, val = pipeline(x, y, batch_size, 54_000), pipeline(x_val, y_val, 6_000, 0)
        fit = partial(model.fit, train, validation_data=val, verbose=0)
        seconds.append(_timed_epochs(fit, epochs))
    return seconds


def floor() -> list[float]:
    """Seconds that the bare matrix products of an epoch's training steps take on one core, by NumPy's OpenBLAS."""
    import numpy as np

    rng, seconds = np.random.default_rng(0), []

    def matrix(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    for width, batch in SHAPES:
        x, h, g, g_out = matrix(batch, 784), matrix(batch, width), matrix(batch, width), matrix(batch, 10)
        w1, w2, w3 = matrix(784, width), matrix(width, width), matrix(width, 10)
        pairs = ((x, w1), (h, w2), (h, w3), (x.T, g), (h.T, g), (h.T, g_out), (g_out, w3.T), (g, w2.T))
        outs = [np.empty((a.shape[0], b.shape[1]), np.float32) for a, b in pairs]
        best = float("inf")
        for _ in range(4):
            began = time.perf_counter()
            for _ in range(54_000 // batch):
                for (a, b), out in zip(pairs, outs, strict=True):
                    np.matmul(a, b, out=out)
            best = min(best, time.perf_counter() - began)
        seconds.append(best)
    return seconds


def _points() -> Iterator[tuple[int, float]]:
    return ((width, rate) for width in SWEEP_WIDTHS for rate in SWEEP_RATES)


def loop_of_fit() -> int:
    """The sweep of 24 trainings as a plain loop around model.fit with all cores."""
    x, y, x_val, y_val = _keras_data()
    for width, rate in _points():
        for _ in range(SWEEP_REPEATS):
            model = _keras_model(width, rate)
            model.fit(x, y, batch_size=100, epochs=SWEEP_EPOCHS, validation_data=(x_val, y_val), verbose=0)
    return len(list(_points())) * SWEEP_REPEATS


def keras_tuner() -> int:
    """The same 24 trainings by KerasTuner's GridSearch."""
    import tempfile

    import keras_tuner

    x, y, x_val, y_val = _keras_data()

    def build(choices: Any) -> Any:
        return _keras_model(choices.Choice("width", list(SWEEP_WIDTHS)), choices.Choice("rate", list(SWEEP_RATES)))

    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.GridSearch(
            build, objective="val_accuracy", max_trials=8, executions_per_trial=SWEEP_REPEATS, directory=folder
        )
        tuner.search(x, y, batch_size=100, epochs=SWEEP_EPOCHS, validation_data=(x_val, y_val), verbose=0)
        return len(tuner.oracle.trials) * SWEEP_REPEATS


def accuracies(n: int, epochs: int = 5) -> dict[str, list[float]]:
    """Test accuracies of n trainings (2×64, batch 100): model.fit and engine paired by weights and orders; bfloat16."""
    import numpy as np

    from mnist_sweep.journal.events import Finished
    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training.model import build_model, initialize, initializer_seeds
    from mnist_sweep.training.trainer import epoch_order, split

    data, trainer = load(), _trainer()
    results: dict[str, list[float]] = {"engine": [], "bfloat16": [], "fit": []}
    for precision, name in (("float32", "engine"), ("mixed_bfloat16", "bfloat16")):
        for repeat in range(1, n + 1):
            events = trainer((_trial(_recipe(64, 100, epochs, precision), repeat),))
            results[name] += [event.result.test_accuracy for event in events if isinstance(event, Finished)]
    training, _ = split(60_000, 0.1, 100)
    x, y = data.x_train.astype("float32") / 255, data.y_train.astype("int32")
    x_test = data.x_test.astype("float32") / 255
    for repeat in range(1, n + 1):
        model = build_model(_recipe(64, 100, epochs))
        initialize(model, initializer_seeds(model, repeat))
        model.compile("adam", "sparse_categorical_crossentropy")
        for epoch in range(1, epochs + 1):
            order = epoch_order(training, 100, epoch)
            model.fit(x[order], y[order], batch_size=100, shuffle=False, verbose=0)
        predicted = model.predict(x_test, batch_size=1000, verbose=0).argmax(1)
        results["fit"].append(float(np.mean(predicted == data.y_test)))
    return results


def growth(n_shapes: int = 63, n_repeats: int = 8) -> dict[str, float]:
    """Memory of a worker in MiB after its first 50 and after its last of 504 tiny trials over 63 shapes."""
    from pathlib import Path

    from mnist_sweep.mnist.sources import load
    from mnist_sweep.plan.recipe import Recipe
    from mnist_sweep.training.tensorflow_program import TensorFlowBackend
    from mnist_sweep.training.trainer import Trainer

    def mebibytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    data = load()
    backend, sizes = TensorFlowBackend(data), list[float]()
    trainer = Trainer(data, backend)
    for width in range(1, n_shapes + 1):
        for repeat in range(1, n_repeats + 1):
            list(trainer((_trial(Recipe((width,), ("relu",), 20, 0.001, "adam", 1, None, 0.999), repeat),)))
            sizes.append(mebibytes())
    return {"trials": len(sizes), "shapes": backend.n_compiled, "after 50": sizes[49], "at the end": sizes[-1]}


def main() -> None:
    """Run the side that the command line names and print what it gives."""
    name, *arguments = sys.argv[1:]
    if name in {"engine", "growth"}:  # a worker of a sweep has one thread and no GPU here
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    print(json.dumps(globals()[name](*(int(a) if a.isdigit() else a for a in arguments))))


if __name__ == "__main__":
    main()
