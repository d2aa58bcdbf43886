"""Recipes and trials: their numbers, their identity, and what journals in the field depend on."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import DATA, a_recipe, a_trial
from mnist_sweep.plan.augment import Augment, Elastic
from mnist_sweep.plan.axes import compile_key
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.recipe import (
    BACKENDS,
    LEGACY_VALUES,
    EarlyStopping,
    Network,
    Recipe,
    Seeds,
    Trial,
    derive_seed,
    exact_accuracy,
    loop_changes,
    loop_version,
    trial_from_dict,
    trial_to_dict,
)
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.plan.table import SETTINGS


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ((450, 450), 784 * 450 + 450 + 450 * 450 + 450 + 450 * 10 + 10),
        ((450, 450), 560_710),
        ((), 7850),
        ((1,), 805),
        ((300, 100), 266_610),
    ],
)
def test_weights_and_biases_are_counted(widths: tuple[int, ...], expected: int) -> None:
    """A layer has a weight for each input and output and a bias for each output."""
    recipe = a_recipe(hidden_widths=widths, hidden_funcs=("relu",) * len(widths))

    assert expected == recipe.n_parameters


@pytest.mark.parametrize(("widths", "expected"), [((), 2), ((5,), 3), ((5, 5, 5), 5)])
def test_layers_are_counted_with_input_and_output(widths: tuple[int, ...], expected: int) -> None:
    """The number of layers is that of the hidden ones and two more."""
    assert expected == a_recipe(hidden_widths=widths, hidden_funcs=("relu",) * len(widths)).num_layers


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 6000), (0.5, 30_000), (0.99999, 59_999), (0.00001, 1)])
def test_the_validation_part_is_a_whole_number_of_images(fraction: float, expected: int) -> None:
    """The fraction is rounded to images."""
    assert expected == a_recipe(validation_fraction=fraction).n_validation(60_000)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_widths": (32,)}, "1 width but 2 functions"),
        ({"hidden_funcs": ("relu",) * 3}, "2 widths but 3 functions"),
        ({"hidden_widths": (32, 0)}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"max_epochs": 0}, "at least 1"),
        ({"validation_fraction": 0.0}, "validation fraction"),
        ({"validation_fraction": 1.0}, "validation fraction"),
        ({"validation_fraction": -0.1}, "validation fraction"),
    ],
)
def test_impossible_recipes_are_refused(changes: dict[str, Any], words: str) -> None:
    """A recipe that cannot be trained cannot be made."""
    with pytest.raises(ValueError, match=words):
        a_recipe(**changes)


_positive = st.integers(1, 10**6)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_scalars = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | _floats | st.text(max_size=8)
_told = st.dictionaries(st.text(max_size=8), _scalars, max_size=3).map(lambda told: tuple(sorted(told.items())))
_named = st.builds(Named, st.text(max_size=8), _told)
_augments = st.builds(
    Augment, *[_floats] * 4, st.none() | st.builds(Elastic, _floats, _floats), _floats, st.integers(0, 28)
)
_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("momentum", "label_smoothing", "weight_decay", "l2", "clip_norm", "ema", "max_norm"), _floats),
    **dict.fromkeys(("precision", "initializer"), st.text(max_size=8)),
    **dict.fromkeys(("batch_norm", "use_bias"), st.booleans()),
    "optimizer_settings": _told,
    "schedule": _named,
    "augment": _augments,
    "network": st.builds(Network, st.lists(_named, max_size=3).map(tuple), st.text(max_size=8)),
    "training_images": _positive,
}
_recipes = st.lists(st.tuples(_positive, st.text(max_size=8)), max_size=4).flatmap(
    lambda layers: st.builds(
        Recipe,
        hidden_widths=st.just(tuple(width for width, _ in layers)),
        hidden_funcs=st.just(tuple(func for _, func in layers)),
        batch_size=_positive,
        learning_rate=_floats,
        optimizer=st.text(max_size=8) | st.sampled_from(["adamw", "sgd"]),
        max_epochs=_positive,
        early_stopping=st.none() | st.builds(EarlyStopping, st.text(max_size=8), _floats, _positive, st.booleans()),
        validation_fraction=st.floats(0.001, 0.999),
        **{name: st.just(value) | _OTHERS[name] for name, value in LEGACY_VALUES.items() if name != "dropout"},
        dropout=st.just(()) | st.lists(_floats, min_size=len(layers) + 1, max_size=len(layers) + 1).map(tuple),
    )
)
_seed = st.integers(0, 2**31 - 1)
_trials = st.builds(
    Trial,
    _recipes,
    _positive,
    st.builds(Seeds, _seed, _seed, _seed),
    st.text(max_size=8),
    _positive,
    confirms=st.booleans(),
    backend=st.sampled_from(tuple(BACKENDS)),
)


@given(_trials)
def test_a_trial_survives_json(trial: Trial) -> None:
    """A trial that went through a file is equal to the one before, and has its key."""
    copy = trial_from_dict(json.loads(json.dumps(trial_to_dict(trial))))

    assert (trial, trial.key) == (copy, copy.key)


def _another(value: Any) -> Any:
    """A value of the same type that is not this one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return (value + 1) / 2
        case str():
            return f"{value}x"
        case Named():
            return replace(value, settings=_another(value.settings))
        case tuple():
            return (*value[:-1], _another(value[-1]))
    raise TypeError(f"no other value than {value!r} is known")


def _changed(whole: Any) -> dict[str, Any]:
    """Copies of a dataclass that differ in one field each, also within those that it holds, by the field's path."""
    copies: dict[str, Any] = {}
    for field in (one for one in fields(whole) if one.compare):
        value = getattr(whole, field.name)
        inside = _changed(value) if is_dataclass(value) else {"": _another(value)}
        copies |= {f"{field.name}.{path}".rstrip("."): replace(whole, **{field.name: inside[path]}) for path in inside}
    return copies


_RICH: dict[str, Any] = {
    "optimizer_settings": (("beta_1", 0.8),),
    "clip_norm": 0.5,
    "ema": 0.9,
    "schedule": Named("step", (("every", 3), ("factor", 0.1), ("warmup", 0.0))),
    "dropout": (0.1, 0.2, 0.3),
    "max_norm": 2.0,
    "augment": Augment(elastic=Elastic(20.0, 5.0)),
    "network": Network((Named("Flatten"), Named("Dense", (("units", 10), ("use_bias", True))))),
    "training_images": 1000,
}
"""A value for whatever has none by default."""
_OPTIONAL = ("early_stopping", "schedule", "augment", "network")
_BASE = a_trial(**_RICH)
_TRIALS = {**_changed(_BASE), **{f"recipe.{name}": a_trial(**{**_RICH, name: None}) for name in _OPTIONAL}}
_RECIPES = {path.removeprefix("recipe."): one.recipe for path, one in _TRIALS.items() if path.startswith("recipe.")}


@pytest.mark.parametrize("path", _TRIALS)
def test_every_field_of_a_trial_changes_the_key(path: str) -> None:
    """Two trials that may have different results never share an identity: not even one field is left out of it."""
    assert _BASE != _TRIALS[path]
    assert _BASE.key != _TRIALS[path].key
    assert len(_TRIALS) == len({trial.key for trial in _TRIALS.values()})


@pytest.mark.parametrize("path", _RECIPES)
def test_every_field_of_a_recipe_comes_from_the_sweep_file(path: str) -> None:
    """It belongs to exactly one axis, or is the same in all trials of a sweep."""
    axes = [one.name for one in SETTINGS if one.value(_BASE.recipe) != one.value(_RECIPES[path])]
    of_all_trials = {field.name for field in fields(SweepSpec)} & {path}
    assert 1 == len(axes) + len(of_all_trials)


def test_the_key_does_not_depend_on_the_order_of_fields() -> None:
    """A journal whose fields stand in another order describes the same trial."""
    tree = trial_to_dict(a_trial(momentum=0.9))
    turned = {key: dict(reversed(part.items())) if isinstance(part, dict) else part for key, part in tree.items()}

    assert a_trial(momentum=0.9).key == trial_from_dict(dict(reversed(turned.items()))).key


def test_a_field_with_its_legacy_value_is_left_out() -> None:
    """A recipe without momentum is written as it was before there was any, and read back as one without."""
    without, with_it = trial_to_dict(a_trial(momentum=0.0)), trial_to_dict(a_trial(momentum=0.9))

    assert "momentum" not in without["recipe"]
    assert 0.9 == with_it["recipe"]["momentum"]
    assert 0.0 == trial_from_dict(without).recipe.momentum


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (
            Trial(
                Recipe(
                    hidden_widths=(32, 32),
                    hidden_funcs=("relu", "relu"),
                    batch_size=500,
                    learning_rate=0.001,
                    optimizer="adam",
                    max_epochs=5,
                    early_stopping=EarlyStopping("val_loss", 0.0001, 10, restore_best_weights=True),
                    validation_fraction=0.1,
                ),
                repeat=1,
                seeds=Seeds(weights=1, split=100, order=100),
                data=DATA.digest,
                loop_version=1,
            ),
            "a10f6ba97ca11bb5a6bef48e37aa1a92fa0afd7a4dd1fd2af2f96746b560b188",
        ),
        (
            Trial(
                Recipe(
                    hidden_widths=(300, 100, 50),
                    hidden_funcs=("tanh", "silu", "elu"),
                    batch_size=64,
                    learning_rate=1e-05,
                    optimizer="sgd",
                    max_epochs=1000,
                    early_stopping=None,
                    validation_fraction=0.25,
                    momentum=0.9,
                ),
                repeat=3,
                seeds=Seeds(weights=2147483647, split=0, order=7),
                data="0" * 64,
                loop_version=1,
            ),
            "967fc7dd66946a4b0dd9ab742e39a9497252fa221ce40c80d9615f39a01112fa",
        ),
    ],
)
def test_keys_are_frozen(trial: Trial, expected: str) -> None:
    """A trial keeps its identity over all versions of this program."""
    # Journals in the field depend on these literals: with other keys, their results would be trained anew.
    assert expected == trial.key


def _by_accuracy(min_delta: float) -> EarlyStopping:
    return EarlyStopping("val_accuracy", min_delta, 10, restore_best_weights=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 2),
        ({"optimizer": "nadam"}, 2),
        ({"optimizer": "muon"}, 4),
        ({"optimizer": "adamw"}, 4),
        ({"label_smoothing": 0.1}, 4),
        ({"dropout": (0.1, 0.1, 0.1), "ema": 0.9, "batch_norm": True, "weight_decay": 0.1}, 2),
        ({"early_stopping": None}, 2),
        ({"early_stopping": _by_accuracy(0.0)}, 2),
        ({"early_stopping": _by_accuracy(0.0001)}, 2),  # 0.6 of an image: no gain is exactly that
        ({"early_stopping": _by_accuracy(0.0001), "validation_fraction": 0.5}, 3),  # 3 images
        ({"early_stopping": _by_accuracy(0.0005)}, 3),
        ({"early_stopping": _by_accuracy(1e-12)}, 2),
        ({"early_stopping": _by_accuracy(1e308)}, 2),
        ({"early_stopping": EarlyStopping("val_loss", 0.0005, 10, restore_best_weights=True)}, 2),
    ],
)
def test_a_loop_version_belongs_to_a_recipe(changes: dict[str, Any], expected: int) -> None:
    """Only recipes whose arithmetic a version changed have that version; the results of all others stay theirs."""
    # Journals in the field depend on these numbers, which are part of every trial's key.
    recipe = a_recipe(**changes)
    assert expected == loop_version(recipe, 60_000)
    assert (expected > 2) == bool(loop_changes(recipe, 60_000, since=2))


def test_a_loop_version_depends_on_the_number_of_images() -> None:
    """The same recipe can gain exactly min_delta on so many images, and on others it cannot."""
    recipe = a_recipe(early_stopping=_by_accuracy(0.0005))
    assert (3, 2) == (loop_version(recipe, 60_000), loop_version(recipe, 42_000))  # 3 and 2.1 images


@given(st.floats(0, 1), st.integers(1, 300), st.sampled_from([0.1, 0.005, 0.95]), st.integers(0, 57_000), st.data())
def test_floats_decide_rightly_for_recipes_that_kept_their_version(
    any_delta: float, steps: int, fraction: float, right: int, data: st.DataObject
) -> None:
    """Where exact fractions and the floats of before differ about an improvement, the recipe has the new version."""
    n = a_recipe(validation_fraction=fraction).n_validation(60_000)
    min_delta = data.draw(st.sampled_from([any_delta, steps / n, round(any_delta, 3), round(any_delta, 4)]))
    best = right % (n + 1)
    later = min(n, best + round(min_delta * n) + data.draw(st.sampled_from([-1, 0, 1])))
    floats = later / n - min_delta > best / n
    exactly = Fraction(later, n) - Fraction(repr(min_delta)) > Fraction(best, n)
    recipe = a_recipe(validation_fraction=fraction, early_stopping=_by_accuracy(min_delta))
    assert floats == exactly or loop_version(recipe, 60_000) > 2


@given(st.integers(1, 60_000), st.data())
def test_an_accuracy_is_a_count(n_images: int, data: st.DataObject) -> None:
    """The quotient that a journal holds gives back the count that it was made of."""
    right = data.draw(st.integers(0, n_images))
    assert Fraction(right, n_images) == exact_accuracy(right / n_images, n_images)


@pytest.mark.parametrize(
    ("base", "stream", "repeat", "expected"),
    [
        (1, "weights", 1, 336681784),
        (1, "weights", 2, 1081363420),
        (100, "split", 1, 565133454),
        (100, "order", 1, 1777371447),
    ],
)
def test_derived_seeds_are_frozen(base: int, stream: str, repeat: int, expected: int) -> None:
    """A repeat keeps its seeds over all versions of this program."""
    # Journals in the field depend on these literals: the seeds are part of every trial's key.
    assert expected == derive_seed(base, stream, repeat)


@given(st.integers(0, 2**31 - 1), st.text(max_size=8), st.integers(1, 10**6))
def test_derived_seeds_are_positive_and_have_31_bits(base: int, stream: str, repeat: int) -> None:
    """Every derived seed is in the range that all generators accept."""
    assert 0 <= derive_seed(base, stream, repeat) <= 2**31 - 1


def test_derived_seeds_use_the_whole_range_and_do_not_repeat() -> None:
    """Hundreds of repeats in several streams have seeds of their own, spread from low to high."""
    seeds = {derive_seed(base, stream, r) for base in (1, 11) for stream in ("a", "b") for r in range(1, 101)}

    assert 400 == len(seeds)
    assert min(seeds) < 2**26
    assert max(seeds) > 2**31 - 2**26


@pytest.mark.parametrize("path", _RECIPES)
def test_all_but_four_fields_change_the_compiled_program(path: str) -> None:
    """Trainings that differ in rates or end alone can share a program; any other field gives one of its own."""
    is_input = path.partition(".")[0] in {"learning_rate", "max_epochs", "early_stopping", "schedule"}
    assert is_input == (compile_key(_BASE.recipe) == compile_key(_RECIPES[path]))


def test_the_name_of_a_network_is_no_part_of_its_identity() -> None:
    """People may call it something else; the journal has the name all the same."""
    other = replace(_BASE, recipe=replace(_BASE.recipe, network=replace(_RICH["network"], name="other")))
    assert (_BASE, _BASE.key) == (other, other.key)
    assert "other" == trial_to_dict(other)["recipe"]["network"]["name"]


@pytest.mark.parametrize(("optimizer", "own"), [("adam", 0.0), ("adamw", 0.004), ("muon", 0.004)])
def test_a_recipe_without_weight_decay_has_that_of_its_optimizer(optimizer: str, own: float) -> None:
    """Journals of before had none to write; a decay of 0 is written where the optimizer has one by itself."""
    tree = trial_to_dict(a_trial(optimizer=optimizer, weight_decay=own))
    assert "weight_decay" not in tree["recipe"]
    assert own == trial_from_dict(tree).recipe.weight_decay
    without = a_trial(optimizer=optimizer, weight_decay=0.0)
    assert ("weight_decay" in trial_to_dict(without)["recipe"]) == (own > 0)
    assert without == trial_from_dict(trial_to_dict(without))


@pytest.mark.parametrize("part", ["recipe", "repeat", "seeds", "data", "loop_version"])
def test_a_tree_without_a_part_is_no_trial(part: str) -> None:
    """A missing part is not guessed."""
    tree = trial_to_dict(a_trial())
    del tree[part]

    with pytest.raises((KeyError, ValueError), match=part):
        trial_from_dict(tree)


@pytest.mark.parametrize("change", [{"unknown": 1}, {"batch_size": 0}, {"early_stopping": {"patience": 1}}])
def test_a_tree_with_a_wrong_recipe_is_no_trial(change: dict[str, Any]) -> None:
    """An unknown field and an impossible value are refused."""
    tree = trial_to_dict(a_trial())

    with pytest.raises((TypeError, ValueError)):
        trial_from_dict({**tree, "recipe": {**tree["recipe"], **change}})
