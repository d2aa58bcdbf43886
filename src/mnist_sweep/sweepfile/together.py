"""Settings that cannot stand beside each other in a sweep file."""

from collections.abc import Iterator
from typing import Any

from mnist_sweep.errors import Problem
from mnist_sweep.plan.choices import Optimizer
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.networks import IMAGE, LayerError, sizes
from mnist_sweep.plan.recipe import Network
from mnist_sweep.plan.sweep_plan import SweepSpec
from mnist_sweep.sweepfile.problems import problem_at
from mnist_sweep.sweepfile.yaml_tree import Document, Path

_OF_DENSE_LAYERS = (
    "num_layers",
    "hidden_width",
    "hidden_funcs",
    "batch_norm",
    "dropout",
    "initializer",
    "l2",
    "max_norm",
    "use_bias",
)
"""The axes that a network has inside its layers instead."""


def check_together(spec: SweepSpec, document: Document) -> list[Problem]:
    """Every such pair, each with its line."""
    found = [*_networks(spec, document), *_schedules(spec), *_batches_of_one(spec), *_images(spec)]
    if "weight_decay" in document.value.get("grid", {}):
        found += [
            (("grid", "optimizer", i), "found weight_decay here and as an axis, allowed: one of the two")
            for i, one in enumerate(spec.axis("optimizer").choices)
            if isinstance(one, Optimizer) and one.weight_decay is not None
        ]
    return [problem_at(document, path, text) for path, text in found]


def _networks(spec: SweepSpec, document: Document) -> Iterator[tuple[Path, str]]:
    """Layers that do not fit one another, and settings that belong into layers."""
    networks = [one for one in spec.axis("network").choices if isinstance(one, Network)]
    if networks:
        for name in _OF_DENSE_LAYERS:
            if name in document.value["grid"]:
                yield ("grid", name), f"found {name} beside network, allowed: inside the layers of each network"
    for network in networks:
        written = document.value["grid"]["network"][network.name]
        try:
            sizes(network.layers, IMAGE)
        except LayerError as error:
            place: Path = ("grid", "network", network.name, min(error.index, len(written) - 1))
            inside = (network.layers[error.index].name, error.argument) if error.argument else ()
            yield (*place, *inside), str(error)


def _schedules(spec: SweepSpec) -> Iterator[tuple[Path, str]]:
    """Schedules that are longer than the training, or have no end to come down to."""
    limits: Any = spec.axis("max_epochs").choices
    shortest = min(limits)
    for i, one in enumerate(spec.axis("schedule").choices):
        if not isinstance(one, Named):
            continue
        settings, path = dict(one.settings), ("grid", "schedule", i)
        if "epochs" in settings and settings["epochs"] is None and any(spec.axis("early_stopping").choices):
            text = f"found {one.name} without epochs of its own, allowed: epochs, or early_stopping: off"
            yield path, f"{text}; a training that stops early would end before the rate has come down"
        for name in ("epochs", "warmup"):
            value: Any = settings.get(name) or 0
            if value > shortest:
                yield (*path, name), f"found {value:g}, allowed: at most the {shortest:,} epochs of max_epochs"
        lasting: Any = settings.get("epochs") or shortest
        if "epochs" in settings and settings.get("warmup", 0) >= lasting:
            yield (*path, "warmup"), f"found {settings['warmup']:g}, allowed: less than its {lasting:,} epochs"


def _batches_of_one(spec: SweepSpec) -> Iterator[tuple[Path, str]]:
    """Batch normalisation has nothing to normalise by in a single image."""
    networks = [one for one in spec.axis("network").choices if isinstance(one, Network)]
    normalizes = any(spec.axis("batch_norm").choices) or any(
        layer.name == "BatchNormalization" for network in networks for layer in network.layers
    )
    n_left = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    n_training = min(n_left, spec.training_images or n_left)
    batch_sizes: Any = spec.axis("batch_size").choices
    for i, size in enumerate(batch_sizes):
        if normalizes and (size == 1 or n_training % size == 1):
            last = "" if size == 1 else f", which leaves a last batch of one of {n_training:,} images"
            text = f"found {size}{last}, allowed: batches of several images beside batch normalisation"
            yield ("grid", "batch_size", i), text


def _images(spec: SweepSpec) -> Iterator[tuple[Path, str]]:
    n_left = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    if spec.training_images and spec.training_images > n_left:
        yield (
            ("training_images",),
            f"found {spec.training_images:,}, allowed: at most the {n_left:,} images that are not held out",
        )
