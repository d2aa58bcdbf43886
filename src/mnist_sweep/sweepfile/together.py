"""Settings that cannot stand beside each other in a sweep file."""

from collections.abc import Iterator
from typing import Any

from mnist_sweep.errors import Problem
from mnist_sweep.plan.choices import Optimizer
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.networks import IMAGE, LayerError, sizes
from mnist_sweep.plan.recipe import EarlyStopping, Network
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.plan.sweep_plan import MAX_TRIALS, count_points, layer_mismatches
from mnist_sweep.sweepfile.problems import problem_at
from mnist_sweep.sweepfile.values import as_list
from mnist_sweep.sweepfile.written import Written
from mnist_sweep.sweepfile.yaml_tree import Document, Path

OF_DENSE_LAYERS = (
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


FEWER_TRIALS = f"at most {MAX_TRIALS:,} trials; take some values out, or write several sweeps"
_MANY = 10**15


def count_words(n: int) -> str:
    """A number that may be very large."""
    return f"{n:,}" if n <= _MANY else f"more than {_MANY:,}"


def n_trained_on(spec: SweepSpec) -> int:
    """Images that a training sees."""
    n_left = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    return min(n_left, spec.training_images or n_left)


def check_together(spec: SweepSpec, written: Written) -> list[Problem]:
    """Every such pair, each with its line."""
    return [
        *_networks(spec, written),
        *_schedules(spec, written),
        *_rates(spec, written),
        *_batches_of_one(spec, written),
        *_images(spec, written),
        *_weight_decays(spec, written),
    ]


def check_trials(spec: SweepSpec, document: Document, place: Path) -> Iterator[Problem]:
    """More trials than are allowed."""
    n_points = count_points(spec)
    n_trials = n_points * spec.repeats
    if n_trials > MAX_TRIALS:
        product = f"combinations: {count_words(n_points)}; repeats: {spec.repeats:,}"
        text = f"found {count_words(n_trials)} trials ({product}), allowed: {FEWER_TRIALS}"
        yield problem_at(document, place, text)


def check_layers(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Widths, functions and rates that do not fit the layers."""
    yield from (written.problem(str(error), error.axis, error.index) for error in layer_mismatches(spec))


def check_batches(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Batches that are larger than the training part."""
    n_training = n_trained_on(spec)
    for i, size in enumerate(as_list(written.raw.get("batch_size", []))):
        if type(size) is int and size > n_training:
            text = f"found {size}, allowed: at most the {n_training:,} images of the training part"
            yield problem_at(written.document, (*written.root, "batch_size", i), text)


def _weight_decays(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    if spec.axis("weight_decay").choices == (None,):
        return
    for i, one in enumerate(spec.axis("optimizer").choices):
        if isinstance(one, Optimizer) and one.weight_decay is not None:
            text = "found weight_decay here and as an axis, allowed: one of the two"
            yield written.problem(text, "optimizer", i, "weight_decay")


def _networks(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Layers that do not fit one another, and settings that belong into layers."""
    networks = [one for one in spec.axis("network").choices if isinstance(one, Network)]
    if networks:
        for name in OF_DENSE_LAYERS:
            if name in written.raw:
                text = f"found {name} beside network, allowed: inside the layers of each network"
                yield problem_at(written.document, (*written.root, name), text)
    for network in networks:
        try:
            sizes(network.layers, IMAGE)
        except LayerError as error:
            place: Path = ("grid", "network", network.name)
            last = len(written.document.value["grid"]["network"][network.name]) - 1
            inside = (network.layers[error.index].name, error.argument) if error.argument else ()
            yield problem_at(written.document, (*place, min(error.index, last), *inside), str(error))


def _schedules(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Schedules that are longer than the training, or have no end to come down to."""
    limits: Any = spec.axis("max_epochs").choices
    shortest = min(limits)
    for i, one in enumerate(spec.axis("schedule").choices):
        if not isinstance(one, Named):
            continue
        settings = dict(one.settings)
        if "epochs" in settings and settings["epochs"] is None and any(spec.axis("early_stopping").choices):
            text = f"found {one.name} without epochs, allowed: {{name: {one.name}, epochs: 20}}, or early_stopping: off"
            why = "a training that stops early would end before the rate has come down"
            yield written.problem(f"{text}; {why}", "schedule", i)
        for name in ("epochs", "warmup", "every"):
            value: Any = settings.get(name) or 0
            if value > shortest:
                text = f"found {value:g}, allowed: at most the {shortest:,} epochs of max_epochs"
                yield written.problem(text, "schedule", i, name)
        lasting: Any = settings.get("epochs") or shortest
        if "epochs" in settings and settings.get("warmup", 0) >= lasting:
            text = f"found {settings['warmup']:g}, allowed: less than its {lasting:,} epochs"
            yield written.problem(text, "schedule", i, "warmup")


def _rates(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Schedules that reduce nothing, or reduce the rate to 0 for an optimizer that divides by it."""
    rates: Any = spec.axis("learning_rate").choices
    limits: Any = spec.axis("max_epochs").choices
    has_ftrl = any(isinstance(one, Optimizer) and one.name == "ftrl" for one in spec.axis("optimizer").choices)
    for i, one in enumerate(spec.axis("schedule").choices):
        settings: dict[str, Any] = dict(one.settings) if isinstance(one, Named) else {}
        ends_at_0 = settings.get("final") == 0 and (settings["epochs"] or min(limits)) < max(limits)
        if has_ftrl and (settings.get("warmup") or ends_at_0):
            text = "found a rate of 0 beside ftrl, which divides by it, allowed: no warmup, and a final rate above 0"
            yield written.problem(text, "schedule", i)
        if settings.get("min_rate", 0) >= min(rates):
            text = f"found {settings['min_rate']:g}, allowed: less than the learning rate, {min(rates):g}"
            yield written.problem(text, "schedule", i, "min_rate")
        rules = [rule for rule in spec.axis("early_stopping").choices if isinstance(rule, EarlyStopping)]
        patience = min((rule.patience for rule in rules if rule.monitor == settings.get("monitor")), default=None)
        if patience is not None and settings["patience"] >= patience:
            text = f"found {settings['patience']}, allowed: less than {patience}, the patience of early stopping"
            yield written.problem(f"{text}, or the rate is never reduced", "schedule", i, "patience")


def _batches_of_one(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    """Batch normalisation has nothing to normalise by in a single image."""
    networks = [one for one in spec.axis("network").choices if isinstance(one, Network)]
    normalizes = any(spec.axis("batch_norm").choices) or any(
        layer.name == "BatchNormalization" for network in networks for layer in network.layers
    )
    n_training = n_trained_on(spec)
    batch_sizes: Any = spec.axis("batch_size").choices
    for i, size in enumerate(batch_sizes):
        if normalizes and (size == 1 or n_training % size == 1):
            last = "" if size == 1 else f", which leaves one of {n_training:,} images for the last batch"
            text = f"found {size}{last}, allowed: batches of several images beside batch normalisation"
            yield written.problem(text, "batch_size", i)


def _images(spec: SweepSpec, written: Written) -> Iterator[Problem]:
    n_left = MNIST.n_train - round(MNIST.n_train * spec.validation_fraction)
    if spec.training_images and spec.training_images > n_left:
        text = f"found {spec.training_images:,}, allowed: at most the {n_left:,} images that are not held out"
        yield problem_at(written.document, ("training_images",), text)
