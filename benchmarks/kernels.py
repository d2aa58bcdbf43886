"""Variants of the compiled epoch, alternating in one run on one core: what helps and what does not.

    python benchmarks/kernels.py [rounds]

Prints the seconds of an epoch (54,000 images, two hidden relu layers, Adam) of each variant as a ratio to the engine's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from sides import SHAPES, _recipe

from mnist_sweep.recipe import compile_key
from mnist_sweep.training.data import Mnist, load
from mnist_sweep.training.loop import Program
from mnist_sweep.training.model import build_model, build_optimizer, initial_weights
from mnist_sweep.training.optimizers import make_optimizer
from mnist_sweep.training.runtime import tensorflow
from mnist_sweep.training.work import epoch_order, split

Epoch = Callable[[Any], object]


def _engine(data: Mnist, width: int, batch: int) -> Epoch:
    tf = tensorflow()
    shape = compile_key(_recipe(width, batch, 1))
    program = Program(shape, tf.constant(data.x_train), tf.constant(data.y_train, tf.int32))
    program.compile(1)
    program.reset(0, 1, 0.001)
    return lambda order: program.train(order[None], [0.001], 1)


def _hand_made(
    data: Mnist, width: int, batch: int, *, floats: bool = False, unroll: int = 1, dead: bool = False
) -> Epoch:
    """The same epoch written out, with images as floats, several steps an iteration, or dead pixels left out."""
    import keras
    import numpy as np

    tf = tensorflow()
    shape = compile_key(_recipe(width, batch, 1))
    images = data.x_train
    first, *rest = initial_weights(shape, 1)
    if dead:
        alive = np.flatnonzero(images.any(axis=0))
        images, first = images[:, alive], tf.gather(first, alive)
    weights = [keras.Variable(weight) for weight in (first, *rest)]
    optimizer = make_optimizer(shape, weights)
    x_all = tf.constant(images.astype("float32") / 255 if floats else images)
    y_all = tf.constant(data.y_train, tf.int32)
    raw = [weight.value for weight in weights]
    n_steps = 54_000 // batch

    def step(chosen: Any, number: Any) -> Any:
        x, y = tf.gather(x_all, chosen), tf.gather(y_all, chosen)
        x = x if floats else tf.cast(x, tf.float32) / 255.0
        with tf.GradientTape() as tape:
            tape.watch(raw)
            for i in (0, 2):
                x = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, raw[i]), raw[i + 1]))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.nn.bias_add(tf.matmul(x, raw[4]), raw[5]))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, raw), tf.constant(0.001), number)
        return loss

    def epoch(order: Any) -> Any:
        def body(i: Any, total: Any) -> Any:
            for k in range(unroll):
                total += step(
                    tf.slice(order, [(i * unroll + k) * batch], [batch]), tf.cast(i * unroll + k + 1, tf.float32)
                )
            return i + 1, total

        return tf.while_loop(lambda i, _: i < n_steps // unroll, body, (0, 0.0), parallel_iterations=1)[1]

    compiled = tf.function(epoch, autograph=False)
    return lambda order: float(compiled(tf.constant(order)))


def _keras_in_graph(data: Mnist, width: int, batch: int, *, xla: bool) -> Epoch:
    """Keras's model and optimizer in one compiled call an epoch, as a plain graph or with XLA."""
    import keras

    tf = tensorflow()
    shape = compile_key(_recipe(width, batch, 1))
    model = build_model(shape, 1)
    optimizer = build_optimizer(shape, 0.001, model.trainable_variables)
    x_all, y_all, n_steps = tf.constant(data.x_train), tf.constant(data.y_train, tf.int32), 54_000 // batch

    def epoch(order: Any) -> Any:
        def body(i: Any, total: Any) -> Any:
            chosen = tf.slice(order, [i * batch], [batch])
            with tf.GradientTape() as tape:
                outputs = model(tf.cast(tf.gather(x_all, chosen), tf.float32) / 255.0, training=True)
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(tf.gather(y_all, chosen), outputs))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return i + 1, total + loss

        return tf.while_loop(lambda i, _: i < n_steps, body, (0, 0.0), parallel_iterations=1)[1]

    compiled = tf.function(epoch, autograph=False, jit_compile=xla)
    return lambda order: float(compiled(tf.constant(order)))


VARIANTS: dict[str, Callable[[Mnist, int, int], Epoch]] = {
    "the engine": _engine,
    "images as float32": lambda *a: _hand_made(*a, floats=True),
    "ten steps an iteration": lambda *a: _hand_made(*a, unroll=10),
    "pixels that are always 0 left out": lambda *a: _hand_made(*a, dead=True),
    "Keras's model and Adam, plain graph": lambda *a: _keras_in_graph(*a, xla=False),
    "Keras's model and Adam, XLA": lambda *a: _keras_in_graph(*a, xla=True),
}


def main() -> None:
    """Measure every variant, alternating, and print a row of Markdown for each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    data = load()
    training, _ = split(60_000, 0.1, 100)
    columns: dict[str, list[str]] = {name: [] for name in VARIANTS}
    for width, batch in SHAPES:
        epochs = {name: make(data, width, batch) for name, make in VARIANTS.items()}
        seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for number in range(rounds + 1):
            order = epoch_order(training, 100, number + 1)
            for name, epoch in epochs.items():
                began = time.perf_counter()
                epoch(order)
                seconds[name].append(time.perf_counter() - began)
        base = median(seconds["the engine"][1:])
        for name in VARIANTS:
            own = median(seconds[name][1:])
            columns[name].append(f"{own:.3f} ({own / base:.2f})")
    print("| seconds an epoch (ratio to the engine) |", " | ".join(f"2×{w}, batch {b}" for w, b in SHAPES), "|")
    print("|---|" + "---|" * len(SHAPES))
    for name, cells in columns.items():
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
