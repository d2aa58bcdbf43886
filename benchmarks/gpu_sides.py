"""The sides of gpu.py's comparisons, each run in a process of its own; each prints its figures as JSON.

A training sees 54,000 images an epoch and is validated on 6,000 after it, unless said otherwise: the same images in the
same order on every side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sides import _recipe, _trial

_ENOUGH_S = 60
"""After so many seconds no further round begins."""


def _about(device: str, *packages: str) -> dict[str, Any]:
    from mnist_sweep.execution.machine import _cpu_name, n_cores, visible_gpus
    from mnist_sweep.plan.counts import counted

    gpus = [f"{gpu.name} with driver {gpu.driver}" for gpu in visible_gpus()]
    machine = ", ".join([_cpu_name(), counted(n_cores(), "core"), *gpus])
    versions = {"python": sys.version.split()[0]} | {name: version(name) for name in packages}
    return {"machine": machine, "device": device, "versions": versions}


def _about_jax() -> dict[str, Any]:
    from mnist_sweep.training.jax_runtime import device

    return _about(device().device_kind, "jax", "jaxlib", "keras", "numpy")


def _trainer(stack: int | None = None, *, deterministic: bool = True) -> Any:
    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training import jax_runtime
    from mnist_sweep.training.jax_program import JaxBackend
    from mnist_sweep.training.trainer import Trainer

    if not deterministic:
        jax_runtime._SETTINGS["XLA_FLAGS"] = ""  # noqa: SLF001  nobody else may train without the flag
    data = load()
    return Trainer(data, JaxBackend(data), stack)


def _train(trainer: Any, trials: tuple[Any, ...]) -> tuple[float, list[Any]]:
    """Seconds that these trainings of one shape take side by side, and the results of those that finished."""
    from mnist_sweep.journal.events import Finished

    began = time.perf_counter()
    results = [event.result for event in trainer(trials) if isinstance(event, Finished)]
    return time.perf_counter() - began, results


def engine(
    *,
    width: int,
    batch: int,
    stack: int,
    epochs: int,
    rounds: int,
    precision: str = "float32",
    deterministic: bool = True,
) -> dict[str, Any]:
    """Whole trainings, this many side by side, first weights and test included; the shape is compiled before."""
    from statistics import median

    trainer = _trainer(stack, deterministic=deterministic)
    trials = tuple(_trial(_recipe(width, batch, epochs, precision), i) for i in range(1, stack + 1))
    _train(trainer, tuple(replace(trial, recipe=replace(trial.recipe, max_epochs=1)) for trial in trials))
    pairs: list[tuple[float, list[Any]]] = []
    while len(pairs) < rounds and sum(seconds for seconds, _ in pairs) < _ENOUGH_S:
        pairs.append(_train(trainer, trials))
    everyone = [result for _, results in pairs for result in results]
    held = {result.execution["stack"] for result in everyone}
    if held != {stack}:
        raise SystemExit(f"the device had room for {min(held, default=0)} at once only")
    accuracy = median(result.test_accuracy for result in everyone)
    epoch_s = [value for _, results in pairs for value in results[0].curves.seconds]
    return {"round_s": [seconds for seconds, _ in pairs], "epoch_s": epoch_s, "accuracy": accuracy, **_about_jax()}


def torch_loop(width: int, batch: int, epochs: int, rounds: int) -> dict[str, Any]:
    """A plain loop of PyTorch, one model at a time: model and images on the device, batches by index, Adam."""
    import torch

    from mnist_sweep.mnist.sources import load
    from mnist_sweep.training.trainer import epoch_order, split

    torch.set_num_threads(1)  # as the engine has on a CPU
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data, (training, held_out) = load(), split(60_000, 0.1, 100)
    x, y, x_test, y_test = (
        torch.tensor(array).to(device) for array in (data.x_train, data.y_train, data.x_test, data.y_test)
    )
    x, y, x_test, y_test = x.float() / 255, y.long(), x_test.float() / 255, y_test.long()
    validation = x[torch.tensor(held_out).long().to(device)], y[torch.tensor(held_out).long().to(device)]
    loss_of, seconds = torch.nn.CrossEntropyLoss(), list[float]()

    def evaluated(model: Any, images: Any, labels: Any) -> tuple[float, float]:
        with torch.no_grad():
            logits = model(images)
            return loss_of(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()

    def train(n_epochs: int) -> float:
        hidden = [torch.nn.Linear(784, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
        model = torch.nn.Sequential(*hidden, torch.nn.Linear(width, 10)).to(device)
        optimizer = torch.optim.Adam(model.parameters(), 0.001)
        for epoch in range(1, n_epochs + 1):
            began = time.perf_counter()
            total, n_correct = torch.zeros((), device=device), torch.zeros((), device=device)
            for chosen in torch.tensor(epoch_order(training, 100, epoch)).long().to(device).split(batch):
                optimizer.zero_grad()
                logits, labels = model(x[chosen]), y[chosen]
                loss = loss_of(logits, labels)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(chosen)
                n_correct += (logits.argmax(1) == labels).sum()
            _ = total.item(), n_correct.item(), evaluated(model, *validation)
            seconds.append(time.perf_counter() - began)
        return evaluated(model, x_test, y_test)[1]

    train(1)
    seconds.clear()
    timed = [_timed(lambda: train(epochs)) for _ in range(rounds)]
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    rounds_s = [duration for duration, _ in timed]
    return {"round_s": rounds_s, "epoch_s": seconds, "accuracy": timed[-1][1], **_about(name, "torch", "numpy")}


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    value = call()
    return time.perf_counter() - began, value


def floor(width: int, batch: int, stack: int, rounds: int) -> dict[str, Any]:
    """Seconds a model-epoch of the matrix products of an epoch's training steps alone, in one compiled loop.

    The products follow each other as in a step, and the last three are added to the weights, so that none can be left
    out or taken out of the loop; there is no loss, no activation and no optimizer.
    """
    import numpy as np

    from mnist_sweep.training.jax_runtime import jax, matmul_precision

    lax, rng = jax().lax, np.random.default_rng(0)

    def matrix(*shape: int) -> Any:
        return jax().device_put(rng.standard_normal((stack, *shape), np.float32) / shape[0] ** 0.5)

    def step(x: Any, weights: tuple[Any, ...]) -> tuple[Any, ...]:
        first, second, third = weights
        a = x @ first
        b = a @ second
        out = b @ third
        to_b = out @ third.T
        to_a = to_b @ second.T
        products = x.T @ to_a, a.T @ to_b, b.T @ out
        return tuple(weight - 1e-6 * product for weight, product in zip(weights, products, strict=True))

    def epoch(x: Any, weights: tuple[Any, ...]) -> Any:
        return lax.fori_loop(0, 54_000 // batch, lambda _, state: jax().vmap(step)(x, state), weights)

    x, weights = matrix(batch, 784), (matrix(784, width), matrix(width, width), matrix(width, 10))
    with jax().default_matmul_precision(matmul_precision("float32")):
        compiled = jax().jit(epoch).lower(x, weights).compile()
    jax().block_until_ready(compiled(x, weights))
    seconds = [_timed(lambda: jax().block_until_ready(compiled(x, weights)))[0] / stack for _ in range(rounds)]
    return {"epoch_s": seconds, **_about_jax()}


def step(width: int, batch: int, optimizer: str, path: str | None = None) -> dict[str, Any]:
    """By how much loss and weights after one step in float32 differ from those of a process on the CPU.

    Args:
        path: where to write them instead of comparing.
    """
    import numpy as np

    from mnist_sweep.mnist.sources import load
    from mnist_sweep.plan.axes import compile_key
    from mnist_sweep.plan.recipe import Seeds
    from mnist_sweep.training.jax_program import JaxBackend
    from mnist_sweep.training.trainer import epoch_order, split

    fraction = (60_000 - batch) / 60_000  # which leaves one batch to train on
    shape = compile_key(replace(_recipe(width, batch, 1), optimizer=optimizer, validation_fraction=fraction))
    program = JaxBackend(load()).program(shape, 1)
    program.reset(0, Seeds(1, 100, 100))
    orders, rates = epoch_order(split(60_000, fraction, 100)[0], 100, 1)[np.newaxis], np.full((1, 1), 0.001, np.float32)
    ((loss, _),) = program.train(orders, rates, [1])
    weights = program.kept(0)
    if path:
        np.savez(path, np.array(loss), *weights)
        return {}
    with tempfile.TemporaryDirectory() as folder:
        there = f"{folder}/cpu.npz"
        chosen = {"width": width, "batch": batch, "optimizer": optimizer, "path": there}
        command = [sys.executable, __file__, "step", json.dumps(chosen)]
        environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
        with np.load(there) as arrays:
            loss_there, *weights_there = (arrays[f"arr_{i}"] for i in range(len(weights) + 1))
    off = max(float(np.abs(a - b).max()) for a, b in zip(weights, weights_there, strict=True))
    return {"loss": abs(loss - float(loss_there)), "weights": off, **_about_jax()}


def grid(*, layers: int, width: int, batch: int, file: str, quick: bool) -> dict[str, Any]:
    """The trainings of a part of a sweep file, all repeats of a shape side by side, compiling included."""
    from itertools import groupby

    from mnist_sweep.plan.axes import compile_key
    from mnist_sweep.plan.data_set import MNIST
    from mnist_sweep.plan.sweep_plan import make_plan
    from mnist_sweep.sweepfile.sweep_file import load_spec

    trials = make_plan(load_spec(Path(file)), MNIST).trials
    part = (layers, {width}, batch)
    chosen = [t for t in trials if (t.recipe.num_layers, set(t.recipe.hidden_widths), t.recipe.batch_size) == part]
    shapes = [tuple(group) for _, group in groupby(chosen, lambda trial: compile_key(trial.recipe))]
    if quick:
        shapes = [tuple(replace(t, recipe=replace(t.recipe, max_epochs=2)) for t in shapes[0])]
    trainer = _trainer()
    pairs = [_train(trainer, shape) for shape in shapes]
    results = [result for _, of_shape in pairs for result in of_shape]
    return {
        "shapes": len(shapes),
        "trainings": len(results),
        "epochs": sum(len(result.curves.seconds) for result in results),
        "seconds": sum(seconds for seconds, _ in pairs),
        "training_s": sum(sum(result.curves.seconds) for result in results),
        **_about_jax(),
    }


def main() -> None:
    """Run the side that the command line names and print what it gives."""
    name, arguments = sys.argv[1:]
    print(json.dumps(globals()[name](**json.loads(arguments))))


if __name__ == "__main__":
    main()
