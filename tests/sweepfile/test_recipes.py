"""Settings of richer recipes: what a sweep file is told when they are wrong, each with its line, all at once."""

from __future__ import annotations

import pytest

from builders import DATA, a_spec
from mnist_sweep.errors import ConfigError, Problem
from mnist_sweep.plan.keras_names import REFUSED_INITIALIZERS
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.sweepfile.sweep_file import parse_spec


def _problems(grid: str, top: str = "") -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_spec(f"name: a\n{top}\ngrid:\n  {grid}\n".encode(), "sweep.yaml")
    return caught.value.problems


_SETTINGS = [
    ("dropout: 1", "dropout", "found 1, allowed: a number from 0 and below 1"),
    ("dropout: [0.5, 1.0]", "dropout[1]", "found 1.0, allowed: a number from 0 and below 1"),
    ("dropout: [[0.2, 0.5]]", "dropout[0]", "found 2 rates (0.2, 0.5), but 4 layers have 2 hidden ones and an input"),
    ("label_smoothing: 1", "label_smoothing", "found 1, allowed: a number from 0 and below 1"),
    ("ema: 1", "ema", "found 1, allowed: off, a number from 0 and below 1"),
    ("clip_norm: 0", "clip_norm", "found 0, allowed: off, a number above 0"),
    ("max_norm: [1, 0.0]", "max_norm[1]", "found 0.0, allowed: off, a number above 0"),
    ("max_norm: on", "max_norm", "found the text on, allowed: off, a number above 0"),
    ("l2: -1", "l2", "found -1, allowed: a number from 0"),
    ("use_bias: 1", "use_bias", "found 1, allowed: true or false"),
    ("batch_norm: yes", "batch_norm", "found the text yes, allowed: true or false"),
    ("weight_decay: off", "weight_decay", "found the text off, allowed: a number from 0"),
    ("initializer: glorot", "initializer", "found glorot, no Keras initializer; did you mean glorot_"),
    ("optimizer: {name: adam, nesterov: true}", "optimizer.nesterov", "allowed: name, beta_1, beta_2, epsilon, amsgr"),
    ("optimizer: {name: sgd, momentun: 0.9}", "optimizer.momentun", "did you mean momentum?"),
    ("optimizer: {name: adam, beta_1: [0.9, 1]}", "optimizer.beta_1[1]", "found 1, allowed: a number from 0 and below"),
    ("optimizer: {name: adam, epsilon: 0}", "optimizer.epsilon", "found 0, allowed: a number above 0"),
    ("schedule: cosin", "schedule", "found cosin, no schedule; did you mean cosine?"),
    ("schedule: step", "schedule.every", "found no every, needed: a whole number from 1"),
    ("schedule: {name: exponential, factor: 1}", "schedule.factor", "found 1, allowed: a number above 0 and below 1"),
    ("schedule: {name: plateau, patience: 0}", "schedule.patience", "found 0, allowed: a whole number from 1"),
    ("schedule: {name: plateau, monitor: loss}", "schedule.monitor", "allowed: val_loss or val_accuracy"),
    ("schedule: {name: plateau, every: 3}", "schedule.every", "allowed: name, monitor, factor, patience, min_delta"),
    ("schedule: cosine", "schedule", "found cosine without epochs, allowed: {name: cosine, epochs: 20}, or early_sto"),
    ("schedule: [off, one_cycle]", "schedule[1]", "found one_cycle without epochs, allowed: {name: one_cycle, epochs:"),
    ("schedule: [off, plateau]", "schedule[1]", "found 10, allowed: less than 10, the patience of early stopping"),
    ("schedule: {name: step, every: 50}\n  max_epochs: 20", "schedule.every", "allowed: at most the 20 epochs"),
    (
        "schedule: {name: plateau, patience: 3, min_rate: 1}",
        "schedule.min_rate",
        "allowed: less than the learning rate",
    ),
    ("schedule: {name: constant, warmup: 1}\n  optimizer: ftrl", "schedule", "found a rate of 0 beside ftrl"),
    ("network: {'': [Flatten]}", "network.", "allowed: a list of layers"),
    ("augment: on", "augment", "found the text on, allowed: off, a mapping with some of rotation, shift"),
    ("augment: {rotate: 5}", "augment.rotate", "found an unknown key; did you mean rotation?"),
    ("augment: {rotation: 200}", "augment.rotation", "found 200, allowed: a number from 0 to 180"),
    ("augment: {elastic: 3}", "augment.elastic", "found 3, allowed: a mapping with alpha, sigma"),
    ("augment: {elastic: {alpha: 3}}", "augment.elastic.sigma", "found no sigma, needed: a number from 1 to 28"),
]


@pytest.mark.parametrize(("grid", "path", "words"), _SETTINGS)
def test_a_wrong_setting_is_named(grid: str, path: str, words: str) -> None:
    """Where it stands, what was found, and what is allowed."""
    (problem,) = _problems(grid)
    assert (4, f"grid.{path}") == (problem.line, problem.path)
    assert words in problem.text


_NETWORKS = [
    ("[Flatten]", "", "found the list ['Flatten'], allowed: a mapping from names to lists of layers"),
    ("lenet", "", "found the text lenet, allowed: a mapping from names to lists of layers"),
    ("{}", "", "found an empty mapping, allowed: a mapping from names to lists of layers"),
    ("{a: Flatten}", ".a", "found the text Flatten, allowed: a list of layers, such as [Flatten"),
    ("{a: []}", ".a", "found an empty list, allowed: a list of layers"),
    ("{a: [Flatten, 3]}", ".a[1]", "found 3, allowed: the name of a Keras layer, or a mapping from one to its"),
    ("{a: [Flatten, {Dense: 5, ReLU: {}}]}", ".a[1]", "found the mapping {'Dense': 5, 'ReLU': {}}, allowed: the name"),
    ("{a: [Conv2d]}", ".a[0]", "found Conv2d, no Keras layer that can stand here; did you mean Conv2D?"),
    ("{a: [Lambda]}", ".a[0]", "found Lambda, no Keras layer that can stand here; allowed: Dense, Conv2D"),
    ("{a: [Flatten, {Dropout: 1}]}", ".a[1].Dropout", "found 1, allowed: a number from 0 and below 1"),
    ("{a: [{Conv2D: 3}]}", ".a[0].Conv2D", "found 3, allowed: a mapping with activation, use_bias"),
    (
        "{a: [{Conv2D: {filters: 3, kernel_size: 3, kernel_sise: 5}}, Flatten]}",
        ".a[0].Conv2D.kernel_sise",
        "did you mean kernel_size?",
    ),
    ("{a: [Flatten, {Dense: {units: 5, momentum: 1}}]}", ".a[1].Dense.momentum", "unknown key; allowed: activation"),
    ("{a: [Flatten, {Dense: {units: 5, activation: rellu}}]}", ".a[1].Dense.activation", "did you mean relu?"),
    ("{a: [Flatten, {Dense: {units: 5, activation: glu}}]}", ".a[1].Dense.activation", "found glu, refused: it halves"),
    ("{a: [Flatten, {Dense: {units: 5, initializer: ones}}]}", ".a[1].Dense.initializer", "found ones, refused"),
    (
        "{a: [{Conv2D: {filters: 3, kernel_size: 20}}, {Conv2D: {filters: 3, kernel_size: 20}}, Flatten]}",
        ".a[1].Conv2D.kernel_size",
        "found a window of 20×20 over 9×9 values, allowed: one that fits into them, or padding: same",
    ),
    ("{a: [Flatten, {MaxPooling2D: 2}]}", ".a[1]", "found MaxPooling2D behind 784 values, allowed: it takes an image"),
    ("{a: [{Dense: 5}]}", ".a[0]", "found Dense behind 28×28×1 values, allowed: it takes a vector; put Flatten or a"),
    ("{a: [{Conv2D: {filters: 3, kernel_size: 3}}]}", ".a[0]", "found Dense behind 26×26×3 values"),
    ("{a: [Flatten, Softmax]}", ".a[1]", "found 784 values at the end, allowed: 10"),
]


@pytest.mark.parametrize(("network", "path", "words"), _NETWORKS)
def test_a_wrong_network_is_named(network: str, path: str, words: str) -> None:
    """The layer and its argument are named; what does not fit the layer before it says the shape it gets."""
    (problem,) = _problems(f"network: {network}")
    assert (4, f"grid.network{path}") == (problem.line, problem.path)
    assert words in problem.text


@pytest.mark.parametrize(("name", "why"), REFUSED_INITIALIZERS.items())
def test_a_refused_initializer_says_why(name: str, why: str) -> None:
    """One that needs more than its name, or that no network learns from."""
    assert [f"found {name}, refused: {why}"] == [problem.text for problem in _problems(f"initializer: [{name}]")]


_TOGETHER = [
    (
        "schedule: {name: cosine, epochs: 30}\n  max_epochs: [20, 40]",
        4,
        "schedule.epochs",
        "found 30, allowed: at most the 20 epochs of max_epochs",
    ),
    (
        "schedule: [{name: step, every: [3, 5]}, {name: one_cycle, epochs: 30}]\n  max_epochs: 20",
        4,
        "schedule[1].epochs",
        "found 30, allowed: at most the 20 epochs",
    ),
    (
        "schedule: {name: step, every: 5, warmup: 30}\n  max_epochs: 20",
        4,
        "schedule.warmup",
        "found 30, allowed: at most the 20 epochs of max_epochs",
    ),
    (
        "schedule: {name: cosine, epochs: 5, warmup: 5}",
        4,
        "schedule.warmup",
        "found 5, allowed: less than its 5 epochs",
    ),
    (
        "early_stopping: [off, {}]\n  schedule: cosine",
        5,
        "schedule",
        "a training that stops early would end before the rate has come down",
    ),
    ("batch_norm: true\n  batch_size: [9, 1]", 5, "batch_size[1]", "found 1, allowed: batches of several images"),
    (
        "batch_norm: [false, true]\n  batch_size: 53999",
        5,
        "batch_size",
        "found 53999, which leaves one of 54,000 images for the last batch, allowed: batches of several images",
    ),
    ("batch_size: 1\n  network: {a: [Flatten, BatchNormalization]}", 4, "batch_size", "beside batch normalisation"),
    (
        "network: {a: [Flatten]}\n  hidden_width: 5",
        5,
        "hidden_width",
        "found hidden_width beside network, allowed: inside the layers of each network",
    ),
    (
        "optimizer: [adam, {name: sgd, momentum: [0, 0.9]}, {name: adamw, weight_decay: 0.1}]\n  weight_decay: 0.1",
        4,
        "optimizer[2].weight_decay",
        "found weight_decay here and as an axis, allowed: one of the two",
    ),
]


@pytest.mark.parametrize(("grid", "line", "path", "words"), _TOGETHER)
def test_settings_that_cannot_stand_together_are_named(grid: str, line: int, path: str, words: str) -> None:
    """The value that has to change has the blame, in its place among those that were written."""
    (problem,) = _problems(grid)
    assert (line, f"grid.{path}") == (problem.line, problem.path)
    assert words in problem.text


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ("training_images: 54001", "found 54,001, allowed: at most the 54,000 images that are not held out"),
        ("training_images: 0", "found 0, allowed: a whole number from 1"),
        ("training_images: 100", "found 100, which are fewer than the default batch_size of 200; allowed: more images"),
        ("target: {}", "found an empty mapping, allowed: a mapping with either test_accuracy or val_accuracy"),
        ("target: 0.99", "found 0.99, allowed: a mapping with either test_accuracy or val_accuracy"),
        ("target: {parameters: 9}", "allowed: a mapping with either test_accuracy or val_accuracy"),
        ("target: {test_accuracy: 0.9, val_accuracy: 0.9}", "allowed: a mapping with either test_accuracy or"),
        ("target: {test_accuracy: 1.5}", "found 1.5, allowed: a number from 0 to 1"),
        ("target: {acuracy: 0.9}", "found an unknown key; did you mean "),
    ],
)
def test_what_stands_beside_the_grid_is_checked(top: str, words: str) -> None:
    """Images to train on, and the target."""
    (problem,) = _problems("hidden_width: 8", top)
    assert (2, top.partition(":")[0]) == (problem.line, problem.path.partition(".")[0])
    assert words in problem.text


def test_all_wrong_settings_are_told_at_once() -> None:
    """Faults of single values and of several together, by their lines."""
    text = """\
name: a
training_images: 54001
grid:
  dropout: [[0.2, 0.5]]
  initializer: zeros
  optimizer: {name: adam, nesterov: true}
  schedule: {name: cosine, epochs: 30}
  max_epochs: 20
  batch_norm: true
  batch_size: 1
  augment: {rotate: 5}
"""
    with pytest.raises(ConfigError) as caught:
        parse_spec(text.encode(), "sweep.yaml")
    assert [
        (2, "training_images"),
        (4, "grid.dropout[0]"),
        (5, "grid.initializer"),
        (6, "grid.optimizer.nesterov"),
        (7, "grid.schedule.epochs"),
        (10, "grid.batch_size"),
        (11, "grid.augment.rotate"),
    ] == [(problem.line, problem.path) for problem in caught.value.problems]


def test_off_is_off_and_no_number() -> None:
    """`off` and false mean the same where something can be off; 0 is a number."""
    for value in ("off", "false"):
        assert (None,) == a_spec(f"clip_norm: {value}").axis("clip_norm").choices
    assert (0,) == a_spec("ema: 0").axis("ema").choices


@pytest.mark.parametrize(
    "grid",
    [
        "optimizer: {name: sgd, nesterov: [true, false]}",
        "num_layers: 2\nbatch_norm: [true, false]",
        "network: {a: [{MaxPooling2D: 2}, Flatten], b: [{MaxPooling2D: {pool_size: 2, strides: 2}}, Flatten]}",
    ],
)
def test_what_is_the_same_training_is_one_combination(grid: str) -> None:
    """A setting that means nothing beside others makes no second one."""
    plan = make_plan(a_spec(grid), DATA)
    assert (1, 1) == (len(plan.combinations), plan.n_duplicates)
