"""Expanding a grid: order, duplicates, seeds, and what stays the same when a sweep grows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import DATA, a_plan, a_spec
from mnist_sweep.plan.choices import EachLayer
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.spec import Axis, SweepSpec, spec_from_dict, spec_to_dict
from mnist_sweep.plan.sweep_plan import LayerMismatchError, count_points, layer_mismatches, make_plan


def _funcs(grid: str) -> list[str]:
    return [" ".join(recipe.hidden_funcs) for recipe in a_plan(grid).combinations]


def test_the_first_axis_of_the_file_varies_slowest() -> None:
    """Combinations come as nested loops would make them, the first axis outermost."""
    plan = a_plan("batch_size: [20, 10]\nmax_epochs: [3, 1, 2]")

    assert [(20, 3), (20, 1), (20, 2), (10, 3), (10, 1), (10, 2)] == [
        (recipe.batch_size, recipe.max_epochs) for recipe in plan.combinations
    ]


def test_functions_first_vary_slowest() -> None:
    """With each_layer as the first axis, all other axes go round within each of its combinations."""
    plan = a_plan("hidden_funcs: {each_layer: [relu, tanh]}\nbatch_size: [10, 20]")

    assert [
        (funcs, size)
        for funcs in (("relu", "relu"), ("relu", "tanh"), ("tanh", "relu"), ("tanh", "tanh"))
        for size in (10, 20)
    ] == [(recipe.hidden_funcs, recipe.batch_size) for recipe in plan.combinations]


def test_functions_last_vary_fastest() -> None:
    """With each_layer as the last axis, its combinations go round within each point of the others."""
    plan = a_plan("batch_size: [10, 20]\nhidden_funcs: {each_layer: [relu, tanh]}")

    assert [
        (funcs, size)
        for size in (10, 20)
        for funcs in (("relu", "relu"), ("relu", "tanh"), ("tanh", "relu"), ("tanh", "tanh"))
    ] == [(recipe.hidden_funcs, recipe.batch_size) for recipe in plan.combinations]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (
            "num_layers: [3, 4]\nhidden_funcs: {each_layer: [relu, elu]}",
            ["relu", "elu", "relu relu", "relu elu", "elu relu", "elu elu"],
        ),
        (
            "hidden_funcs: {each_layer: [relu, elu]}\nnum_layers: [3, 4]",
            ["relu", "relu relu", "elu", "relu elu", "elu relu", "elu elu"],
        ),
        ("hidden_funcs: [tanh, {each_layer: [relu, elu]}]\nnum_layers: 3", ["tanh", "relu", "elu"]),
        ("num_layers: 4\nhidden_funcs: [[tanh, relu], elu]", ["tanh relu", "elu elu"]),
    ],
)
def test_functions_of_several_depths_stand_in_order(grid: str, expected: list[str]) -> None:
    """Each depth gets the combinations of its own number of layers, in the order of the axes."""
    assert expected == _funcs(grid)


@pytest.mark.parametrize(
    ("grid", "n_combinations", "n_duplicates"),
    [
        ("batch_size: [10, 20]", 2, 0),
        ("batch_size: [10, 20, 10]", 2, 1),
        ("hidden_funcs: [swish, silu, relu]", 2, 1),
        ("num_layers: 2\nhidden_width: [10, 20, 30]", 1, 2),
        ("num_layers: [2, 3]\nhidden_width: [10, 20, 30]", 4, 2),
        ("hidden_funcs: [{each_layer: [relu, tanh]}, relu]", 4, 1),
        ("hidden_width: [8, [8, 8]]", 1, 1),
        ("early_stopping: [off, false, {patience: [3, 3]}]", 2, 2),
        ("optimizer: [sgd, {name: sgd}, {name: sgd, momentum: [0, 0.9]}]", 2, 2),
    ],
)
def test_equal_combinations_are_made_once_and_counted(grid: str, n_combinations: int, n_duplicates: int) -> None:
    """A combination that the grid describes twice is trained once, and the plan says how many were dropped."""
    plan = a_plan(grid)

    assert (n_combinations, n_duplicates) == (len(plan.combinations), plan.n_duplicates)
    assert n_combinations == len(set(plan.combinations))
    assert n_combinations * plan.spec.repeats == len(plan.trials)


def test_a_combination_keeps_its_first_place() -> None:
    """Of two equal combinations, the later one is dropped."""
    assert ["tanh tanh", "relu relu", "relu tanh", "tanh relu"] == _funcs(
        "hidden_funcs: [tanh, {each_layer: [relu, tanh]}]"
    )


_AXES = {
    "num_layers": st.lists(st.integers(2, 5), min_size=1, max_size=3),
    "hidden_width": st.lists(st.integers(1, 9), min_size=1, max_size=3),
    "hidden_funcs": st.lists(
        st.sampled_from(["relu", "tanh", "elu"])
        | st.fixed_dictionaries(
            {"each_layer": st.lists(st.sampled_from(["relu", "tanh", "elu"]), min_size=1, max_size=3)},
        ),
        min_size=1,
        max_size=2,
    ),
    "batch_size": st.lists(st.integers(1, 9), min_size=1, max_size=3),
    "early_stopping": st.lists(st.just("off") | st.just({"patience": [1, 2]}), min_size=1, max_size=2),
}


@st.composite
def _specs(draw: st.DrawFn) -> SweepSpec:
    names = draw(st.lists(st.sampled_from(sorted(_AXES)), unique=True, min_size=1))
    grid = "\n".join(f"{name}: {json.dumps(draw(_AXES[name]))}" for name in names)
    return a_spec(grid, repeats=draw(st.integers(1, 3)))


@settings(deadline=None)
@given(_specs())
def test_as_many_points_are_made_as_were_counted(spec: SweepSpec) -> None:
    """The count that needs no expansion equals the number of points, duplicates included."""
    plan = make_plan(spec, DATA)

    assert len(plan.combinations) + plan.n_duplicates == count_points(spec)
    assert len(plan.combinations) * spec.repeats == len(plan.trials) == len(plan.keys)


def test_a_huge_grid_is_counted_without_being_made() -> None:
    """A grid far too large to expand is counted."""
    grid = Axis("hidden_funcs", (EachLayer(("relu", "tanh")),))
    spec = a_spec("num_layers: 100")
    axes = tuple(grid if axis.name == grid.name else axis for axis in spec.axes)
    large = SweepSpec(spec.name, spec.goal, spec.repeats, spec.validation_fraction, spec.seeds, axes)

    assert 2**98 == count_points(large)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("hidden_width: [[8, 4, 2], [6]]", [(8, 4, 2), (6,)]),
        ("hidden_width: [[8, 4], 5]", [(8, 4), (5, 5)]),
        ("hidden_width: 5", [(5, 5)]),
        ("hidden_width: 5\nhidden_funcs: [[relu, tanh, elu]]", [(5, 5, 5)]),
        ("hidden_width: [5, 6]\nnum_layers: [2, 3]", [(), (5,), (6,)]),
        ("hidden_width: [[8, 4], 5]\nnum_layers: 4", [(8, 4), (5, 5)]),
    ],
)
def test_widths_of_the_hidden_layers(grid: str, expected: list[tuple[int, ...]]) -> None:
    """Without num_layers, widths or functions say how many hidden layers there are, and else there are two."""
    assert sorted(expected) == sorted(recipe.hidden_widths for recipe in a_plan(grid).combinations)


def test_a_point_that_does_not_fit_its_layers_is_refused() -> None:
    """Widths that do not fit are found beforehand, and stop an expansion."""
    spec = a_spec("hidden_width: [[8, 4, 2], [8, 4]]")
    axes = tuple(Axis("num_layers", (4,)) if axis.name == "num_layers" else axis for axis in spec.axes)
    wrong = SweepSpec(spec.name, spec.goal, spec.repeats, spec.validation_fraction, spec.seeds, axes)

    assert [("hidden_width", 0)] == [(error.axis, error.index) for error in layer_mismatches(wrong)]
    with pytest.raises(LayerMismatchError, match="found 3 widths"):
        make_plan(wrong, DATA)


@pytest.mark.parametrize(("fraction", "n_train"), [(0.000001, 60_000), (0.999999, 60_000), (0.1, 5), (0.95, 10)])
def test_a_plan_holds_out_some_images_and_not_all(fraction: float, n_train: int) -> None:
    """A part that is no image of this data set, or all of them, is refused."""
    spec = replace(a_spec(), validation_fraction=fraction)
    with pytest.raises(ValueError, match="leaves no image"):
        make_plan(spec, DataSet("e" * 64, n_train, 10))


def test_a_plan_is_for_its_data_set() -> None:
    """Digest and loop version are those of the data, so that trials on other data are other trials."""
    spec = a_spec("early_stopping: {monitor: val_accuracy, min_delta: 0.0005}")
    other = DataSet("e" * 64, 42_000, 28_000)
    plan = make_plan(spec, other)
    assert {("e" * 64, 2)} == {(trial.data, trial.loop_version) for trial in plan.trials}
    assert {3} == {trial.loop_version for trial in make_plan(spec, DATA).trials}
    assert other is plan.data


def test_the_first_trial_of_each_combination() -> None:
    """It is the first one in the plan, however many repeats each has."""
    plan = a_plan(repeats=3)
    uneven = replace(plan, trials=plan.trials[1:])
    first, second = plan.combinations
    assert {first: plan.trials[1], second: plan.trials[3]} == uneven.first_trials


def test_repeats_of_a_combination_stand_together() -> None:
    """All repeats of a combination come before the next combination."""
    plan = a_plan("batch_size: [10, 20]", repeats=3)

    assert [(size, repeat) for size in (10, 20) for repeat in (1, 2, 3)] == [
        (trial.recipe.batch_size, trial.repeat) for trial in plan.trials
    ]


@pytest.mark.parametrize("shuffle_seed", [100, "each_repeat"])
def test_combinations_share_the_seeds_of_a_repeat(shuffle_seed: int | str) -> None:
    """The same repeat of two combinations has the same chance, so that the two can be compared in pairs."""
    plan = a_plan("batch_size: [10, 20, 30]", repeats=4, shuffle_seed=shuffle_seed)
    by_repeat = {repeat: {trial.seeds for trial in plan.trials if trial.repeat == repeat} for repeat in (1, 2, 3, 4)}

    assert {1: 1, 2: 1, 3: 1, 4: 1} == {repeat: len(seeds) for repeat, seeds in by_repeat.items()}
    assert 4 == len({trial.seeds.weights for trial in plan.trials})


@pytest.mark.parametrize(
    ("top", "n_splits", "n_orders"),
    [
        ({}, 1, 1),
        ({"shuffle_seed": "each_repeat"}, 3, 3),
        ({"split_seed": "each_repeat"}, 3, 1),
        ({"order_seed": "each_repeat"}, 1, 3),
        ({"shuffle_seed": "each_repeat", "split_seed": 5}, 1, 3),
    ],
)
def test_each_repeat_changes_what_it_is_set_for(top: dict[str, str | int], n_splits: int, n_orders: int) -> None:
    """With each_repeat every repeat has a split or order of its own, and without it all share one."""
    seeds = [trial.seeds for trial in a_plan("batch_size: 10", **{"repeats": 3, **top}).trials]

    assert (n_splits, n_orders) == (len({s.split for s in seeds}), len({s.order for s in seeds}))


def test_numbers_for_seeds_are_used_as_they_are() -> None:
    """A number in the file is the seed itself."""
    seeds = a_plan("batch_size: 10", split_seed=7, order_seed=8).trials[0].seeds

    assert (7, 8) == (seeds.split, seeds.order)


def test_split_and_order_of_a_repeat_differ() -> None:
    """The two streams of each_repeat are independent of each other."""
    assert all(
        trial.seeds.split != trial.seeds.order
        for trial in a_plan("batch_size: 10", repeats=5, shuffle_seed="each_repeat").trials
    )


@settings(deadline=None)
@given(_specs())
def test_a_spec_survives_json(spec: SweepSpec) -> None:
    """A spec that went through a file makes the same plan."""
    copy = spec_from_dict(json.loads(json.dumps(spec_to_dict(spec))))

    assert replace(spec, backend=spec.backend or "tensorflow") == copy
    assert make_plan(spec, DATA).trials == make_plan(copy, DATA).trials


@pytest.mark.parametrize(
    "grid",
    [
        "num_layers: 5\nhidden_width: [4, [3, 2, 1]]\nhidden_funcs: [[relu, tanh, elu], {each_layer: [relu, elu]}]",
        "optimizer: [adam, {name: sgd, momentum: [0, 0.9]}]\nearly_stopping: [off, {patience: [1, 2]}]",
    ],
)
def test_a_spec_of_longer_forms_survives_json(grid: str) -> None:
    """Inner lists and mappings come back from JSON as they were."""
    spec = a_spec(grid, shuffle_seed="each_repeat", goal="say ä", backend="jax")

    assert spec == spec_from_dict(json.loads(json.dumps(spec_to_dict(spec))))


@pytest.mark.parametrize("tree", [{}, {"axes": []}, {"axes": [{"name": "x"}]}, {**spec_to_dict(a_spec()), "more": 1}])
def test_a_tree_that_is_no_spec_is_refused(tree: dict[str, object]) -> None:
    """Missing and unknown parts are not guessed."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        spec_from_dict(tree)


@pytest.mark.parametrize(
    ("grid", "top"),
    [
        ("hidden_width: [32, 64]", {"repeats": 5}),
        ("hidden_width: [16, 32, 48, 64]", {}),
        ("batch_size: [100, 200]\nhidden_width: [64, 32]", {}),
        ("optimizer: [{name: sgd, momentum: [0, 0.9]}, adam]\nhidden_width: [32, 64]", {}),
        ("hidden_width: [32, 64]", {"name": "other", "goal": "more"}),
        ("num_layers: [4, 5]\nhidden_width: [64, 32]\nhidden_funcs: {each_layer: [relu, tanh]}", {"repeats": 3}),
    ],
)
def test_a_larger_plan_holds_the_trials_of_the_smaller(grid: str, top: dict[str, str | int]) -> None:
    """More values, axes or repeats, another order or name leave the identities of the old trials as they were."""
    assert a_plan("hidden_width: [32, 64]").keys <= a_plan(grid, **top).keys


@pytest.mark.parametrize(
    "top", [{"seed": 2}, {"shuffle_seed": 101}, {"order_seed": 1}, {"split_seed": 1}, {"validation_fraction": 0.2}]
)
def test_another_setting_of_the_training_makes_other_trials(top: dict[str, int | float]) -> None:
    """What changes a result changes the identity of every trial."""
    assert not a_plan("hidden_width: [32, 64]").keys & a_plan("hidden_width: [32, 64]", **top).keys


@pytest.mark.parametrize(
    ("axis", "choice"),
    [
        ("num_layers", "4"),
        ("num_layers", 10**9),
        ("hidden_width", [32, -1]),
        ("hidden_width", True),
        ("hidden_funcs", {"each_layer": ["relu", 1]}),
        ("hidden_funcs", {"each_layer": ["relu"], "more": 1}),
        ("batch_size", 0),
        ("learning_rate", "fast"),
        ("optimizer", "adam"),
        ("optimizer", {"momentum": 0.9}),
        ("precision", 32),
        ("max_epochs", 1.5),
        ("early_stopping", {"patience": 1}),
        ("early_stopping", False),
    ],
)
def test_a_recorded_spec_with_a_wrong_choice_is_refused(axis: str, choice: object) -> None:
    """What no sweep file can hold is not read back from a journal."""
    tree = spec_to_dict(a_spec())
    tree["axes"] = [{**part, "choices": [choice] if part["name"] == axis else part["choices"]} for part in tree["axes"]]
    with pytest.raises((KeyError, TypeError, ValueError)):
        spec_from_dict(tree)


def test_a_recorded_spec_has_every_axis_once() -> None:
    """An axis that is missing, unknown or doubled is refused."""
    tree = spec_to_dict(a_spec())
    lacking = [axis for axis in tree["axes"] if axis["name"] != "batch_size"]
    for axes in (lacking, [*tree["axes"], tree["axes"][0]], [*tree["axes"], {"name": "colour", "choices": [1]}]):
        with pytest.raises(ValueError, match="axes"):
            spec_from_dict({**tree, "axes": axes})
