"""Sweep files: what they mean, and every way to be told that one is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import DATA, a_plan, a_spec
from mnist_sweep.errors import ConfigError
from mnist_sweep.plan.choices import EachLayer, Optimizer
from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    OPTIMIZER_SETTINGS,
    OPTIMIZERS,
    REFUSED_ACTIVATIONS,
    REFUSED_OPTIMIZERS,
)
from mnist_sweep.plan.recipe import EarlyStopping
from mnist_sweep.plan.sweep_plan import SeedPolicy, count_points, make_plan
from mnist_sweep.sweepfile.model import json_schema
from mnist_sweep.sweepfile.sweep_file import load_spec, parse_spec

_EXAMPLE = """\
name: example
repeats: 3
shuffle_seed: 100
grid:
  num_layers: [4, 5]
  hidden_width: [200, 300]
  hidden_funcs: {each_layer: [relu, tanh]}
  batch_size: [200, 300, 400]
  learning_rate: 0.001
  max_epochs: 1000
  early_stopping:
    monitor: val_loss
    min_delta: 0.0001
    patience: 10
    restore_best_weights: true
"""
_TOP_KEYS = [
    "name",
    "goal",
    "repeats",
    "seed",
    "shuffle_seed",
    "split_seed",
    "order_seed",
    "validation_fraction",
    "training_images",
    "backend",
    "grid",
]
_GRID_KEYS = [
    "num_layers",
    "hidden_width",
    "hidden_funcs",
    "batch_size",
    "learning_rate",
    "optimizer",
    "schedule",
    "weight_decay",
    "clip_norm",
    "ema",
    "label_smoothing",
    "batch_norm",
    "dropout",
    "initializer",
    "l2",
    "max_norm",
    "use_bias",
    "augment",
    "network",
    "precision",
    "max_epochs",
    "early_stopping",
]
_STOPPING_KEYS = ["monitor", "min_delta", "patience", "restore_best_weights"]
_DEFAULT_STOPPING = EarlyStopping("val_loss", 0.0001, 10, restore_best_weights=True)


def _error(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text.encode(), "sweep.yaml")
    return caught.value


def _grid_error(grid: str) -> ConfigError:
    return _error(f"name: a\ngrid:\n  {grid}\n")


def test_the_full_example_means_72_combinations_and_216_trials() -> None:
    """Four axes make 2·(4+8)·3 = 72 combinations, and three repeats of each make 216 trials."""
    spec = parse_spec(_EXAMPLE.encode(), "example.yaml")
    plan = make_plan(spec, DATA)

    assert ("example", 3, 0.1) == (spec.name, spec.repeats, spec.validation_fraction)
    assert SeedPolicy(seed=1, shuffle_seed=100, split_seed=100, order_seed=100, base=100) == spec.seeds
    assert (72, 216, 0) == (len(plan.combinations), len(plan.trials), plan.n_duplicates)


def test_a_name_and_one_axis_are_enough() -> None:
    """All that a file leaves out is filled in, and every default stands in the spec."""
    spec = parse_spec(b"name: small\ngrid:\n  hidden_width: [32, 64]\n", "small.yaml")

    assert ("small", "", 3, 0.1) == (spec.name, spec.goal, spec.repeats, spec.validation_fraction)
    assert {
        "hidden_width": (32, 64),
        "num_layers": (None,),
        "hidden_funcs": ("relu",),
        "batch_size": (200,),
        "learning_rate": (0.001,),
        "optimizer": (Optimizer("adam", 0.0),),
        "schedule": (None,),
        "weight_decay": (None,),
        "clip_norm": (None,),
        "ema": (None,),
        "label_smoothing": (0.0,),
        "batch_norm": (False,),
        "dropout": (0.0,),
        "initializer": ("glorot_uniform",),
        "l2": (0.0,),
        "max_norm": (None,),
        "use_bias": (True,),
        "augment": (None,),
        "network": (None,),
        "precision": ("float32",),
        "max_epochs": (1000,),
        "early_stopping": (_DEFAULT_STOPPING,),
    } == {axis.name: axis.choices for axis in spec.axes}


def test_axes_stand_in_the_order_of_the_file() -> None:
    """The written axes come first, as they were written, the others after them."""
    spec = a_spec("max_epochs: 3\nhidden_funcs: relu\nnum_layers: [4, 5]")

    assert ["max_epochs", "hidden_funcs", "num_layers"] == [axis.name for axis in spec.axes[:3]]
    assert sorted(_GRID_KEYS) == sorted(axis.name for axis in spec.axes)


@pytest.mark.parametrize(
    ("grid", "axis", "expected"),
    [
        ("batch_size: 5", "batch_size", (5,)),
        ("hidden_width: [8, [4, 6]]\nnum_layers: 4", "hidden_width", (8, (4, 6))),
        (
            "hidden_funcs: [relu, [tanh, elu], {each_layer: elu}]",
            "hidden_funcs",
            ("relu", ("tanh", "elu"), EachLayer(("elu",))),
        ),
        ("hidden_funcs: swish", "hidden_funcs", ("silu",)),
        ("hidden_funcs: {each_layer: [hard_swish, relu]}", "hidden_funcs", (EachLayer(("hard_silu", "relu")),)),
        ("optimizer: sgd", "optimizer", (Optimizer("sgd", 0.0),)),
        (
            "optimizer: [adam, {name: sgd, momentum: [0.0, 0.9]}]",
            "optimizer",
            (Optimizer("adam", 0.0), Optimizer("sgd", 0.0), Optimizer("sgd", 0.9)),
        ),
        ("early_stopping: off", "early_stopping", (None,)),
        ("early_stopping: false", "early_stopping", (None,)),
        ("early_stopping: {}", "early_stopping", (_DEFAULT_STOPPING,)),
        (
            "early_stopping: [off, {patience: 3}]",
            "early_stopping",
            (None, replace(_DEFAULT_STOPPING, patience=3)),
        ),
        (
            "early_stopping: {patience: [5, 7], min_delta: [0.0, 0.1]}",
            "early_stopping",
            tuple(replace(_DEFAULT_STOPPING, patience=p, min_delta=d) for p in (5, 7) for d in (0.0, 0.1)),
        ),
        (
            "early_stopping: {monitor: [val_accuracy, val_loss], restore_best_weights: [false, true]}",
            "early_stopping",
            tuple(
                replace(_DEFAULT_STOPPING, monitor=m, restore_best_weights=r)
                for m in ("val_accuracy", "val_loss")
                for r in (False, True)
            ),
        ),
    ],
)
def test_the_choices_of_an_axis(grid: str, axis: str, expected: tuple[Any, ...]) -> None:
    """One value, a list, and each of the longer forms become the alternatives of an axis, in order."""
    assert expected == a_spec(grid).axis(axis).choices


@pytest.mark.parametrize(
    ("whole", "decimal"),
    [
        ("learning_rate: [1, 2]", "learning_rate: [1.0, 2.0]"),
        ("optimizer: {name: sgd, momentum: 0}", "optimizer: {name: sgd, momentum: 0.0}"),
        ("early_stopping: {min_delta: [0, 1]}", "early_stopping: {min_delta: [0.0, 1.0]}"),
    ],
)
def test_whole_numbers_are_the_same_as_decimal_ones(whole: str, decimal: str) -> None:
    """A rate of 1 is 1.0, so that both ways to write it make the same trials."""
    assert a_plan(decimal).keys == a_plan(whole).keys


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({}, SeedPolicy(1, 100, 100, 100, 100)),
        ({"seed": 7, "shuffle_seed": 3}, SeedPolicy(7, 3, 3, 3, 3)),
        ({"split_seed": 5}, SeedPolicy(1, 100, 5, 100, 100)),
        ({"order_seed": 0}, SeedPolicy(1, 100, 100, 0, 100)),
        ({"shuffle_seed": 8, "order_seed": "each_repeat"}, SeedPolicy(1, 8, 8, "each_repeat", 8)),
        ({"shuffle_seed": "each_repeat"}, SeedPolicy(1, "each_repeat", "each_repeat", "each_repeat", 100)),
        ({"shuffle_seed": "each_repeat", "split_seed": 4}, SeedPolicy(1, "each_repeat", 4, "each_repeat", 100)),
    ],
)
def test_where_the_seeds_come_from(top: dict[str, Any], expected: SeedPolicy) -> None:
    """Without a seed of its own, split and order follow shuffle_seed."""
    assert expected == a_spec(**top).seeds


@pytest.mark.parametrize("name", ["a", "Größe 2", "a.b-c_d", "7th", "'7'", "x" * 100])
def test_plain_folder_names_are_taken(name: str) -> None:
    """Letters of any language, digits, blanks, and - _ . inside make a name."""
    assert name.strip("'") == a_spec(name=name).name


@pytest.mark.parametrize(
    "name",
    ["a/b", "'a\\b'", "..", ".hidden", "'a.'", "'a '", "''", "_a", "-a", "7", "true", "x" * 101, '"a\\nb"'],
)
def test_other_names_are_refused(name: str) -> None:
    """A name that could leave its folder, or that is no text, is a problem."""
    problems = _error(f"name: {name}\ngrid: {{batch_size: 1}}").problems

    assert [(1, "name")] == [(problem.line, problem.path) for problem in problems]


@pytest.mark.parametrize(
    ("grid", "path", "found", "allowed"),
    [
        ("num_layers: 1", "num_layers", "1", "from 2 to 100"),
        ("num_layers: [4, 101]", "num_layers[1]", "101", "from 2 to 100"),
        ("num_layers: 4.0", "num_layers", "4.0", "whole number"),
        ("hidden_width: 0", "hidden_width", "0", "from 1 to 65536"),
        ("hidden_width: [8, [4, 0]]", "hidden_width[1][1]", "0", "from 1 to 65536"),
        ("hidden_width: 65537", "hidden_width", "65537", "from 1 to 65536"),
        ("hidden_width: {a: 1}", "hidden_width", "the mapping {'a': 1}", "list"),
        ("hidden_width: [[[1]]]", "hidden_width[0][0]", "the list [1]", "list"),
        ("hidden_width: []", "hidden_width", "an empty list", "list"),
        ("hidden_width: [[]]", "hidden_width[0]", "an empty list", "list"),
        ("hidden_funcs: 3", "hidden_funcs", "3", "Keras activation"),
        ("hidden_funcs: on", "hidden_funcs", "on", "relu"),
        ("hidden_funcs: [[]]", "hidden_funcs[0]", "an empty list", "Keras activation"),
        ("hidden_funcs: {each_layer: []}", "hidden_funcs.each_layer", "an empty list", "Keras activation"),
        ("batch_size: 0", "batch_size", "0", "from 1"),
        ("batch_size: on", "batch_size", "the text on", "whole number"),
        ("batch_size: '200'", "batch_size", "the text 200", "whole number"),
        ("batch_size: true", "batch_size", "true", "whole number"),
        ("batch_size: 2e2", "batch_size", "200.0", "whole number"),
        ("batch_size:", "batch_size", "nothing", "whole number"),
        ("batch_size: [1, ~]", "batch_size[1]", "nothing", "whole number"),
        ("batch_size: {}", "batch_size", "an empty mapping", "whole number"),
        ("batch_size: 54001", "batch_size", "54001", "at most the 54,000 images"),
        ("batch_size: [1, 54001]", "batch_size[1]", "54001", "at most the 54,000 images"),
        ("learning_rate: 0", "learning_rate", "0", "above 0"),
        ("learning_rate: -0.1", "learning_rate", "-0.1", "above 0"),
        ("learning_rate: .nan", "learning_rate", "nan", "above 0"),
        ("learning_rate: [0.1, .inf]", "learning_rate[1]", "inf", "above 0"),
        ("learning_rate: 1e999", "learning_rate", "inf", "above 0"),
        ("learning_rate: no", "learning_rate", "the text no", "above 0"),
        ("learning_rate: true", "learning_rate", "true", "above 0"),
        ("optimizer: 3", "optimizer", "3", "Keras optimizer"),
        ("optimizer: []", "optimizer", "an empty list", "Keras optimizer"),
        ("optimizer: [[adam]]", "optimizer[0]", "the list ['adam']", "Keras optimizer"),
        ("optimizer: {name: [sgd]}", "optimizer.name", "the list ['sgd']", "Keras optimizer"),
        ("optimizer: {name: sgd, momentum: 1}", "optimizer.momentum", "1", "below 1"),
        ("optimizer: [{name: sgd, momentum: [0, -0.1]}]", "optimizer[0].momentum[1]", "-0.1", "from 0"),
        ("optimizer: {name: sgd, momentum: .nan}", "optimizer.momentum", "nan", "from 0"),
        ("optimizer: {name: adam, momentum: 0.9}", "optimizer.momentum", "an unknown key", "name, beta_1, beta_2, eps"),
        ("optimizer: [sgd, {name: adam, momentum: 0.9}]", "optimizer[1].momentum", "an unknown key", "name, beta_1"),
        ("max_epochs: 0", "max_epochs", "0", "from 1"),
        ("early_stopping: on", "early_stopping", "the text on", "off, or a mapping"),
        ("early_stopping: true", "early_stopping", "true", "off, or a mapping"),
        ("early_stopping: 0", "early_stopping", "0", "off, or a mapping"),
        ("early_stopping:", "early_stopping", "nothing", "off, or a mapping"),
        ("early_stopping: []", "early_stopping", "an empty list", "off, or a mapping"),
        ("early_stopping: {patience: -1}", "early_stopping.patience", "-1", "from 0"),
        ("early_stopping: [off, {patience: 2.5}]", "early_stopping[1].patience", "2.5", "whole number"),
        ("early_stopping: {min_delta: -1}", "early_stopping.min_delta", "-1", "from 0"),
        ("early_stopping: {min_delta: .inf}", "early_stopping.min_delta", "inf", "from 0"),
        ("early_stopping: {monitor: loss}", "early_stopping.monitor", "the text loss", "val_loss or val_accuracy"),
        ("early_stopping: {restore_best_weights: 1}", "early_stopping.restore_best_weights", "1", "true or false"),
        ("early_stopping: {restore_best_weights: yes}", "early_stopping.restore_best_weights", "the text yes", "true"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(grid: str, path: str, found: str, allowed: str) -> None:
    """One line says file, line, path, what was found and what is allowed."""
    text = str(_grid_error(grid))
    start, _, rest = text.partition(", allowed: ") if ", allowed: " in text else text.partition("; allowed: ")

    assert start.startswith(f"sweep.yaml:3: grid.{path}: found {found}")
    assert allowed in rest
    assert 1 == len(text.splitlines())


@pytest.mark.parametrize(
    ("line", "found", "allowed"),
    [
        ("goal: 3", "3", "text"),
        ('goal: "a\\eb"', "the text ", "without control characters"),
        ("repeats: 0", "0", "from 1"),
        ("repeats: true", "true", "from 1"),
        ("repeats: 2.0", "2.0", "from 1"),
        ("seed: -1", "-1", "from 0 to 2147483647"),
        ("seed: each_repeat", "the text each_repeat", "from 0 to 2147483647"),
        ("shuffle_seed: each", "the text each", "or each_repeat"),
        ("split_seed: 2147483648", "2147483648", "or each_repeat"),
        ("order_seed: true", "true", "or each_repeat"),
        ("validation_fraction: 0", "0", "above 0 and below 1"),
        ("validation_fraction: 1", "1", "above 0 and below 1"),
        ("validation_fraction: 1e-6", "1e-06", "leaves images"),
        ("validation_fraction: 0.999999", "0.999999", "leaves images"),
    ],
)
def test_a_wrong_value_at_the_top_is_named_with_what_is_allowed(line: str, found: str, allowed: str) -> None:
    """The keys beside the grid are checked as those in it."""
    start, _, rest = str(_error(f"name: a\n{line}\ngrid: {{batch_size: 1}}")).partition(", allowed: ")

    assert start.startswith(f"sweep.yaml:2: {line.partition(':')[0]}: found {found}")
    assert allowed in rest


@pytest.mark.parametrize(
    ("text", "line", "path", "words"),
    [
        ("name: a\ngrid: {hidden_widht: 1}", 2, "grid.hidden_widht", "did you mean hidden_width?"),
        ("name: a\nRepeats: 2\ngrid: {batch_size: 1}", 2, "Repeats", "did you mean repeats?"),
        ("name: a\ngrid: {early_stopping: {patients: 1}}", 2, "grid.early_stopping.patients", "did you mean patience?"),
        ("name: a\ngrid: {optimizer: {name: sgd, momentun: 0}}", 2, "grid.optimizer.momentun", "did you mean momentum"),
        ("name: a\ngrid: {optimizer: {name: sgd, xyz: 0}}", 2, "grid.optimizer.xyz", "unknown key; allowed: name, mom"),
        ("name: a\nxyzzy: 1\ngrid: {batch_size: 1}", 2, "xyzzy", "found an unknown key; allowed: name, goal"),
        ("name: a\n1: 1\ngrid: {batch_size: 1}", 2, "1", "found an unknown key; allowed: name, goal"),
        ("name: a\nbatch_size: 1\ngrid: {hidden_width: 1}", 2, "batch_size", "belongs under grid"),
        ("name: a\ngrid:\n  repeats: 1\n  batch_size: 2", 3, "grid.repeats", "belongs at the top level"),
        ("name: a\ngrid: {patience: 1}", 2, "grid.patience", "belongs under grid: early_stopping"),
        ("name: a\ngrid: {momentum: 0.9}", 2, "grid.momentum", "belongs inside optimizer"),
        ("name: a\ngrid: {each_layer: relu}", 2, "grid.each_layer", "belongs under grid: hidden_funcs"),
        ("name: a\ngrid: {hidden_funcs: rellu}", 2, "grid.hidden_funcs", "did you mean relu?"),
        ("name: a\ngrid: {hidden_funcs: [[relu, Tanh]]}", 2, "grid.hidden_funcs[0][1]", "did you mean tanh?"),
        ("name: a\ngrid: {optimizer: Adam}", 2, "grid.optimizer", "did you mean adam?"),
        ("name: a\nname: b\ngrid: {batch_size: 1}", 2, "name", "twice (first in line 1)"),
        ("name: a\ngrid: {batch_size: !x 1}", 2, "grid.batch_size", "no tags are allowed"),
        ("name: a", 1, "grid", "found no grid, needed: a mapping with at least one of num_layers"),
        ("grid: {batch_size: 1}", 1, "name", "found no name, needed: a plain folder name"),
        ("name: a\ngrid: {optimizer: {}}", 2, "grid.optimizer.name", "needed: the name of a Keras optimizer"),
        ("name: a\ngrid: {optimizer: {momentum: 0.9}}", 2, "grid.optimizer.name", "the name of a Keras optimizer"),
        ("name: a\ngrid: {hidden_funcs: {}}", 2, "grid.hidden_funcs.each_layer", "needed: the name of a Keras activ"),
        ("name: a\ngrid:\n", 2, "grid", "found nothing, allowed: a mapping with at least one of num_layers"),
        ("name: a\ngrid: {}\n", 2, "grid", "found nothing in it, allowed: a mapping with at least one of"),
        ("name: a\ngrid: [batch_size]\n", 2, "grid", "found the list ['batch_size'], allowed: a mapping"),
        ("name: a\ngrid: 3\n", 2, "grid", "found 3, allowed: a mapping"),
        ("", 1, "", "found an empty file, allowed: a mapping with name and grid"),
        ("# only this\n", 1, "", "found an empty file"),
        ("null", 1, "", "found an empty file"),
        ("just text", 1, "", "found the text just text, allowed: a mapping with name and grid"),
        ("- a\n", 1, "", "found the list ['a'], allowed: a mapping with name and grid"),
        ("name: a\ngrid: [1\n", 3, "", "not YAML"),
    ],
)
def test_wrong_keys_and_wrong_files_are_named(text: str, line: int, path: str, words: str) -> None:
    """A key that is unknown, misplaced, missing or twice there is the one problem, with its line and advice."""
    problems = _error(text).problems

    assert [(line, path)] == [(problem.line, problem.path) for problem in problems]
    assert words in problems[0].text


@pytest.mark.parametrize(
    ("grid", "path", "words"),
    [
        ("{num_layers: 5, hidden_funcs: [[relu, tanh]]}", "hidden_funcs[0]", "2 functions (relu, tanh), but 5 layers"),
        ("{num_layers: 5, hidden_width: [[8, 4]]}", "hidden_width[0]", "2 widths (8, 4), but 5 layers have 3 hidden"),
        ("{num_layers: [4, 5], hidden_width: [9, [8, 4]]}", "hidden_width[1]", "5 layers have 3 hidden"),
        (
            "{hidden_width: [[8, 4, 2]], hidden_funcs: [relu, [relu, tanh]]}",
            "hidden_funcs[1]",
            "5 layers have 3 hidden",
        ),
    ],
)
def test_widths_and_functions_must_fit_the_layers(grid: str, path: str, words: str) -> None:
    """As many widths and functions are needed as there are hidden layers."""
    problems = _error(f"name: a\ngrid: {grid}").problems

    assert [(2, f"grid.{path}")] == [(problem.line, problem.path) for problem in problems]
    assert words in problems[0].text


@pytest.mark.parametrize(("name", "why"), REFUSED_ACTIVATIONS.items())
@pytest.mark.parametrize("form", ["{}", "[relu, {}]", "[[relu, {}]]", "{{each_layer: {}}}"])
def test_a_refused_activation_is_named_with_the_reason(name: str, why: str, form: str) -> None:
    """An activation that cannot work by its name alone says why, wherever it stands."""
    assert f"found {name}, refused: {why}" in str(_grid_error(f"hidden_funcs: {form.format(name)}"))


@pytest.mark.parametrize(("name", "why"), REFUSED_OPTIMIZERS.items())
@pytest.mark.parametrize("form", ["{}", "[adam, {}]", "{{name: {}}}"])
def test_a_refused_optimizer_is_named_with_the_reason(name: str, why: str, form: str) -> None:
    """An optimizer that cannot work by its name alone says why, wherever it stands."""
    assert f"found {name}, refused: {why}" in str(_grid_error(f"optimizer: {form.format(name)}"))


def test_the_training_part_decides_how_large_a_batch_may_be() -> None:
    """With a larger validation part, a smaller batch is the limit, and the limit itself is allowed."""
    assert (6000,) == a_spec("batch_size: 6000", validation_fraction=0.9).axis("batch_size").choices
    assert "at most the 6,000 images" in str(_error("name: a\nvalidation_fraction: 0.9\ngrid: {batch_size: 6001}"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("repeats: 100001\ngrid: {batch_size: 1}", "100,001 trials (combinations: 1; repeats: 100,001)"),
        ("repeats: 1000000\ngrid: {batch_size: [1, 2]}", "2,000,000 trials (combinations: 2; repeats: 1,000,000)"),
        (
            "repeats: 1\ngrid: {num_layers: 22, hidden_funcs: {each_layer: [relu, elu]}}",
            "1,048,576 trials (combinations: 1,048,576; repeats: 1)",
        ),
        (
            "repeats: 1\ngrid: {num_layers: 100, hidden_funcs: {each_layer: [relu, elu]}}",
            "more than 1,000,000,000,000,000 trials",
        ),
        (
            f"grid: {{num_layers: {[4] * 3000}, hidden_width: {[8] * 3000}, hidden_funcs: {['elu'] * 3000}}}",
            "81,000,000,000 trials",
        ),
        (
            f"repeats: 1\ngrid: {{optimizer: {{name: sgd, momentum: {[0.5] * 4000}}}, batch_size: {[9] * 4000}}}",
            "16,000,000 trials",
        ),
    ],
)
def test_more_trials_than_anybody_trains_are_refused(text: str, found: str) -> None:
    """The number of trials is known, and refused, without making them."""
    error = _error(f"name: a\n{text}")

    assert ["grid"] == [problem.path for problem in error.problems]
    assert f"found {found}" in str(error)
    assert "allowed: at most 100,000 trials; take some values out" in str(error)


@pytest.mark.parametrize("listed", ["{}", "[off, {}]"])
def test_ways_to_stop_are_counted_before_they_are_made(listed: str) -> None:
    """A rule of two long lists would be 16 million rules; that is said at its place, without making them."""
    rule = f"{{patience: {list(range(4000))}, min_delta: {[0.1] * 4000}}}"
    (problem,) = _grid_error(f"early_stopping: {listed.format(rule)}").problems

    assert (3, "grid.early_stopping") == (problem.line, problem.path)
    assert f"{16_000_000 + ('off' in listed):,} choices, allowed: at most 100,000 trials" in problem.text


def test_as_many_trials_as_are_allowed_are_taken() -> None:
    """The limit itself can be planned, and one more cannot."""
    spec = a_spec("max_epochs: [1, 2]", repeats=50_000)

    assert 100_000 == count_points(spec) * spec.repeats


def test_long_axes_that_fit_no_layers_are_told_by_their_values() -> None:
    """Each list that misses the layers is one problem, however many combinations it is in."""
    funcs, widths = [["relu"] * 2] * 800, [[8, 8]] * 800
    error = _grid_error(f"num_layers: {[5] * 1000}\n  hidden_width: {widths}\n  hidden_funcs: {funcs}")

    assert 1600 == sum("but 5 layers have 3 hidden ones" in problem.text for problem in error.problems)


@pytest.mark.parametrize("key", ["hidden_width", "hidden_funcs"])
def test_a_list_of_one_value_a_layer_has_as_many_as_layers_are_allowed(key: str) -> None:
    """98 hidden layers make the 100 that num_layers may say; a list that makes more is refused as well."""
    value = "8" if key == "hidden_width" else "relu"
    listed = ", ".join([value] * 98)

    (choice,) = a_spec(f"{key}: [[{listed}]]").axis(key).choices
    assert isinstance(choice, tuple)
    assert 98 == len(choice)
    (problem,) = _grid_error(f"{key}: [[{listed}, {value}]]").problems
    assert (f"grid.{key}[0]", True) == (problem.path, "(at most 98)" in problem.text)


@pytest.mark.parametrize("value", ["x{}", "{{x{}: 1}}", "[[rellu{}]]", "{{name: sgd, momentum{}: 1}}"])
@pytest.mark.parametrize("key", ["hidden_funcs", "optimizer", "batch_size"])
def test_the_first_fifty_problems_are_shown(key: str, value: str) -> None:
    """Of thousands of problems 50 are shown, by line, and how many more there are."""
    lines = "".join(f"    - {value.format(i)}\n" for i in range(1000))
    error = _error(f"name: a\ngrid:\n  {key}:\n{lines}")
    *shown, last = str(error).splitlines()

    assert f"sweep.yaml: and {len(error.problems) - 50:,} more problems" == last
    assert 50 == len(shown)
    assert shown[0].startswith(f"sweep.yaml:4: grid.{key}[0]")


def test_a_name_is_suggested_for_the_first_problems_by_line() -> None:
    """With hundreds of problems the shown ones still say what may have been meant."""
    wrong = "\n".join("    - tannh" for _ in range(200))
    error = _error(f"name: a\ngrid:\n  hidden_funcs: rellu\n  optimizer:\n{wrong}\nRepeats: 2\n")

    assert "grid.hidden_funcs: found rellu, no Keras activation; did you mean relu?" in str(error).splitlines()[0]


def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    """What is too large for a sweep file is not read to its end."""
    path = tmp_path / "large.yaml"
    path.write_bytes(b"- 1\n" * 250_000)
    with pytest.raises(ConfigError, match=r"found a file of 1,000,000 bytes, allowed: at most 131,072"):
        load_spec(path)


def test_the_default_batch_size_must_fit_the_training_part_too() -> None:
    """A part for validation that leaves fewer images than the default batch takes is refused, and says both."""
    (problem,) = _error("name: a\nvalidation_fraction: 0.999\ngrid: {hidden_width: 8}").problems

    assert (2, "validation_fraction") == (problem.line, problem.path)
    assert "found 0.999, which leaves 60 images to train on, fewer than the default batch_size of 200" in problem.text
    assert 60 == a_spec("batch_size: 60", validation_fraction=0.999).axis("batch_size").choices[0]


def test_a_batch_size_that_is_wrong_is_not_taken_for_the_default() -> None:
    """Where a key is refused, its default is not held against another key."""
    text = "name: a\nvalidation_fraction: 0.999\ngrid: {batch_size: on}"

    assert ["grid.batch_size"] == [problem.path for problem in _error(text).problems]


def test_all_problems_of_a_file_are_told_at_once() -> None:
    """Faults of the text, of single values and of several values together are all in one list, by line."""
    text = """\
name: a/b
goal: 3
repeats: 0
repeats: 2
sede: 4
shuffle_seed: soon
batch_size: 7
grid:
  num_layers: [4, 1]
  hidden_width: [0, [8, -1]]
  hidden_funcs:
    - glu
    - {each_layer: [relu, rellu]}
  batch_size:
    - 200
    - 60000
  learning_rate: .nan
  optimizer: [lamb, {name: adam, momentum: 0.9}, {name: sgd, momentum: 1}]
  max_epochs: on
  early_stopping:
    - {patience: -1, monitor: loss}
    - min_delta: !x 3
  momentum: 0.9
"""

    assert [
        (1, "name"),
        (2, "goal"),
        (3, "repeats"),
        (4, "repeats"),
        (5, "sede"),
        (6, "shuffle_seed"),
        (7, "batch_size"),
        (9, "grid.num_layers[1]"),
        (10, "grid.hidden_width[0]"),
        (10, "grid.hidden_width[1][1]"),
        (12, "grid.hidden_funcs[0]"),
        (13, "grid.hidden_funcs[1].each_layer[1]"),
        (16, "grid.batch_size[1]"),
        (17, "grid.learning_rate"),
        (18, "grid.optimizer[0]"),
        (18, "grid.optimizer[1].momentum"),
        (18, "grid.optimizer[2].momentum"),
        (19, "grid.max_epochs"),
        (21, "grid.early_stopping[0].monitor"),
        (21, "grid.early_stopping[0].patience"),
        (22, "grid.early_stopping[1].min_delta"),
        (23, "grid.momentum"),
    ] == [(problem.line, problem.path) for problem in _error(text).problems]


def test_layers_that_do_not_fit_are_told_beside_other_faults() -> None:
    """A fault elsewhere does not hide that the widths do not fit the layers."""
    text = "name: a\nrepeats: 0\ngrid:\n  num_layers: 5\n  hidden_width: [[8, 4]]\n  max_epochs: 0\n"

    assert [(2, "repeats"), (5, "grid.hidden_width[0]"), (6, "grid.max_epochs")] == [
        (problem.line, problem.path) for problem in _error(text).problems
    ]


def test_a_long_value_is_shown_by_its_beginning() -> None:
    """What was found stays recognisable, and the message short."""
    text = str(_grid_error(f"batch_size: {'ab' * 200}"))

    assert "found the text abababab" in text
    assert len(text) < 200


@pytest.mark.parametrize(
    "text",
    [
        "name: a\ngrid: {early_stopping: {mapping: 1, patience: -1}}",
        "name: a\ngrid: {early_stopping: {mapping: {x: 1}, x: 1}}",
        "name: a\ngrid: {optimizer: {mapping: 1, momentum: 3}}",
        "name: a\ngrid: {hidden_funcs: {mapping: {each_layer: 1}, each_layer: 3}}",
        f"name: a\nrepeats: 0x{'f' * 5000}\ngrid: {{batch_size: 1}}",
        f"name: a\nseed: 0x{'f' * 5000}\ngrid: {{batch_size: 1}}",
        f"name: a\nrepeats: 1{'0' * 4299}\ngrid: {{batch_size: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}",
        f"name: a\ngrid: {{batch_size: 0x{'f' * 5000}}}",
        f"name: a\ngrid: {{learning_rate: 1{'0' * 400}}}",
        f"name: a\ngrid: {{max_epochs: 0x{'f' * 5000}}}",
        'name: a\n"\\ud800": 1\ngrid: {batch_size: 1}',
        'name: a\ngrid: {hidden_funcs: "\\ud800"}',
        'name: "\\ud800"\ngrid: {batch_size: 1}',
    ],
)
def test_odd_files_are_refused_with_a_text_that_can_be_printed(text: str) -> None:
    """Keys named like our own marks, endless numbers and half characters are problems, not crashes."""
    assert str(_error(text)).encode().startswith(b"sweep.yaml:")


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(tmp_path: Path) -> None:
    """A missing file and a folder in its place are told as other problems are."""
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_spec(path)
        assert str(caught.value).startswith(f"{path}:1: ")


def test_a_file_on_disk_is_read(tmp_path: Path) -> None:
    """A file gives the spec of its bytes, and its path stands in the messages."""
    path = tmp_path / "x.yaml"
    path.write_text(_EXAMPLE, encoding="utf-8")

    assert parse_spec(_EXAMPLE.encode(), "x.yaml") == load_spec(path)


def _or_list(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=2)


@st.composite
def _valid_files(draw: st.DrawFn) -> dict[str, Any]:
    n_hidden = draw(st.integers(1, 3))
    width = st.integers(1, 65_536)
    func = st.sampled_from([*ACTIVATIONS, *ACTIVATION_ALIASES])
    count, rate = st.integers(1, 6_000), st.floats(0, exclude_min=True, allow_infinity=False)
    widths = st.lists(width, min_size=n_hidden, max_size=n_hidden)
    funcs = st.lists(func, min_size=n_hidden, max_size=n_hidden)
    momentum = _or_list(st.floats(0, 1, exclude_max=True))
    stopping = st.fixed_dictionaries(
        {},
        optional={
            "monitor": _or_list(st.sampled_from(["val_loss", "val_accuracy"])),
            "min_delta": _or_list(st.floats(0, allow_infinity=False)),
            "patience": _or_list(st.integers(0, 10**6)),
            "restore_best_weights": _or_list(st.booleans()),
        },
    )
    each_layer = st.fixed_dictionaries({"each_layer": _or_list(func)})
    sgd = st.fixed_dictionaries({"name": st.just("sgd")}, optional={"momentum": momentum})
    axes = {
        "hidden_width": width | st.lists(width | widths, min_size=1, max_size=2),
        "hidden_funcs": func | each_layer | st.lists(func | each_layer | funcs, min_size=1, max_size=2),
        "batch_size": _or_list(count),
        "learning_rate": _or_list(rate),
        "optimizer": _or_list(st.sampled_from(OPTIMIZERS) | sgd),
        "max_epochs": _or_list(count),
        "early_stopping": _or_list(st.sampled_from(["off", False]) | stopping),
    }
    names = draw(st.permutations(["num_layers", *draw(st.lists(st.sampled_from(sorted(axes)), unique=True))]))
    seed = st.integers(0, 2**31 - 1)
    top = st.fixed_dictionaries(
        {"name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)},
        optional={
            "goal": st.text(st.characters(categories=["L", "N", "P"]), max_size=20),
            "repeats": st.integers(1, 3),  # never more than 100,000 trials
            "seed": seed,
            "shuffle_seed": seed | st.just("each_repeat"),
            "split_seed": seed | st.just("each_repeat"),
            "order_seed": seed | st.just("each_repeat"),
            "validation_fraction": st.floats(0.001, 0.9),
            "backend": st.sampled_from(["tensorflow", "jax"]),
        },
    )
    grid = {name: n_hidden + 2 if name == "num_layers" else draw(axes[name]) for name in names}
    return {**draw(top), "grid": grid}


@settings(deadline=None)
@given(_valid_files())
def test_any_file_of_valid_values_is_read(tree: dict[str, Any]) -> None:
    """Whatever combination of allowed values a file holds, it is a spec that keeps their order."""
    spec = parse_spec(json.dumps(tree, ensure_ascii=False).encode(), "any.yaml")

    assert (tree["name"], tree.get("goal", ""), tree.get("repeats", 3)) == (spec.name, spec.goal, spec.repeats)
    assert tree.get("backend") == spec.backend
    assert list(tree["grid"]) == [axis.name for axis in spec.axes[: len(tree["grid"])]]
    assert all(axis.choices for axis in spec.axes)


_words = st.sampled_from([*_TOP_KEYS, *_GRID_KEYS, *_STOPPING_KEYS, "momentum", "each_layer", "mapping", "list", "one"])
_values = st.sampled_from(["relu", "glu", "sgd", "lamb", "off", "val_loss", "each_repeat", 0, 1, 4, 200, 0.1])
_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
_files = st.fixed_dictionaries(
    {"name": st.just("a") | _trees, "grid": st.dictionaries(st.sampled_from(_GRID_KEYS), _trees) | _trees},
    optional=dict.fromkeys(_TOP_KEYS[1:-1], _trees),
)


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=80)
    | st.text(max_size=80).map(str.encode)
    | (_trees | _files).map(yaml.safe_dump).map(str.encode)
)
def test_any_content_is_a_spec_or_has_problems(content: bytes) -> None:
    """No bytes and no tree of values make the reader end otherwise than with a spec or a list of problems."""
    found: list[str] | str
    try:
        found = sorted(axis.name for axis in parse_spec(content, "any.yaml").axes)
    except ConfigError as error:
        found = str(error).partition(":")[0]

    assert found in (sorted(_GRID_KEYS), "any.yaml")


def test_the_schema_names_every_key_and_no_other() -> None:
    """An editor knows each key of each mapping, and marks all others."""
    schema = json_schema()
    models = {"": schema, **schema["$defs"]}

    found = {name: list(model["properties"]) for name, model in models.items()}
    assert (_TOP_KEYS, _GRID_KEYS, _STOPPING_KEYS) == tuple(found[name] for name in ("", "Grid", "EarlyStoppingRule"))
    assert ["each_layer"] == found["EachLayer"]
    for name, told in OPTIMIZER_SETTINGS.items():
        assert {"name", "weight_decay", *told} == set(found[f"{name}_optimizer"])
    loose = ("optimizer", "schedule")  # what a wrong name is found by, which then has the blame
    models = {name: model for name, model in models.items() if name not in loose}
    assert {False} == {model["additionalProperties"] for model in models.values()}
    assert ["name", "grid"] == schema["required"]


def test_the_schema_explains_every_key() -> None:
    """Each key has a sentence that an editor can show."""
    schema = json_schema()
    models = {"": schema, **schema["$defs"]}
    of_keras = [name for name in models if name.startswith("_") or name == "LayerOfNetwork"]  # Keras explains them
    keys = [key for name, model in models.items() if name not in of_keras for key in model["properties"].values()]

    assert len(of_keras) == 14
    assert [] == [key for key in keys if not key.get("description")]


def test_the_schema_is_plain_json_and_lists_the_names_of_keras() -> None:
    """The schema can be written to a file, and completes the names of activations and optimizers."""
    text = json.dumps(json_schema(), allow_nan=False)

    assert json_schema() == json.loads(text)
    assert json.dumps([*ACTIVATIONS, *ACTIVATION_ALIASES]) in text
    assert json.dumps(list(OPTIMIZERS)) in text
