"""What a sweep file leaves out of its grid, and what it adds to it."""

from __future__ import annotations

import json

import pytest

from builders import DATA
from mnist_sweep.errors import ConfigError
from mnist_sweep.journal.events import Planned, Record, record_from_dict, record_to_dict
from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.plan.sweep_plan import Plan, count_points, make_plan
from mnist_sweep.sweepfile.sweep_file import parse_spec

_HEAD = "name: a\nrepeats: 2\n"


def _plan(text: str) -> Plan:
    return make_plan(parse_spec(f"{_HEAD}{text}".encode(), "sweep.yaml"), DATA)


def _shapes(plan: Plan) -> list[tuple[tuple[int, ...], int]]:
    return [(recipe.hidden_widths, recipe.batch_size) for recipe in plan.combinations]


def _problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_spec(f"{_HEAD}{text}".encode(), "sweep.yaml")
    return [(problem.line, problem.path, problem.text) for problem in caught.value.problems]


_GRID = "grid: {num_layers: 3, hidden_width: [8, 16], batch_size: [100, 200]}\n"


def test_what_has_all_values_of_a_rule_is_left_out() -> None:
    """A rule of two axes leaves one combination out, and the others keep their order and their keys."""
    plan = _plan(f"{_GRID}exclude: [{{hidden_width: 16, batch_size: 100}}]\n")
    assert [((8,), 100), ((8,), 200), ((16,), 200)] == _shapes(plan)
    assert (1, 0, 6) == (plan.n_excluded, plan.n_included, len(plan.trials))
    assert plan.keys < _plan(_GRID).keys


def test_a_list_in_a_rule_leaves_out_each_of_its_values() -> None:
    """Rules are read like a grid: a combination has one of the values, and what several rules name is counted once."""
    plan = _plan(f"{_GRID}exclude: [{{hidden_width: [8, 16], batch_size: 100}}, {{hidden_width: 16}}]\n")
    assert [((8,), 200)] == _shapes(plan)
    assert 3 == plan.n_excluded


@pytest.mark.parametrize(
    ("grid", "rule", "n_left"),
    [
        ("hidden_funcs: {each_layer: [relu, tanh]}", "hidden_funcs: relu", 3),
        ("hidden_funcs: {each_layer: [relu, tanh]}", "hidden_funcs: [[relu, tanh], tanh]", 2),
        ("hidden_funcs: [relu, tanh, [relu, tanh]]", "hidden_funcs: {each_layer: [relu]}", 2),
        ("hidden_width: [[8, 8], [8, 4]]", "hidden_width: 8", 1),
        ("hidden_width: [[8, 8], [8, 4, 2]]", "num_layers: 4", 1),
        ("dropout: [0, 0.5, [0, 0.5, 0.25]]", "dropout: [[0, 0.5, 0.5]]", 2),
        ("optimizer: [adam, {name: sgd, momentum: [0.5, 0.9]}]", "optimizer: {name: sgd, momentum: 0.9}", 2),
        ("early_stopping: [off, {patience: [3, 5]}]", "early_stopping: [off, {patience: 3}]", 1),
        ("schedule: [off, {name: step, every: 3}]", "schedule: off", 1),
        ("augment: [off, {rotation: 5}]", "augment: {rotation: 5}", 1),
        ("network: {a: [Flatten], b: [Flatten, {Dense: 9}]}", "network: b", 1),
    ],
)
def test_rules_know_every_kind_of_value(grid: str, rule: str, n_left: int) -> None:
    """A value means the same in a rule as in the grid: one function for all layers is each of them by itself."""
    assert n_left == len(_plan(f"grid: {{{grid}}}\nexclude: [{{{rule}}}]\n").combinations)


def test_what_is_included_stands_behind_the_grid() -> None:
    """What a rule does not say is the grid's only value; its own values need not be among those of the grid."""
    plan = _plan(f"{_GRID}include:\n- {{hidden_width: 32, batch_size: 500, learning_rate: [0.1, 0.2]}}\n")
    assert [((32,), 500), ((32,), 500)] == _shapes(plan)[4:]
    assert [0.1, 0.2] == [recipe.learning_rate for recipe in plan.combinations[4:]]
    assert (0, 2, 6) == (plan.n_excluded, plan.n_included, count_points(plan.spec))
    assert {"hidden_width", "batch_size", "learning_rate"} == plan.spec.varied


def test_what_the_grid_has_already_is_trained_once() -> None:
    """A combination that is included twice is a duplicate; one that is excluded can be included again."""
    again = "include: [{hidden_width: 8, batch_size: 100}]\n"
    assert (4, 1) == (len(_plan(_GRID + again).combinations), _plan(_GRID + again).n_duplicates)
    plan = _plan(f"{_GRID}exclude: [{{batch_size: [100, 200]}}]\n{again}")
    assert [((8,), 100)] == _shapes(plan)


def test_networks_are_included_by_their_names() -> None:
    """A network of the grid with other settings."""
    plan = _plan("grid: {network: {a: [Flatten], b: [Flatten]}}\ninclude: [{network: b, batch_size: 100}]\n")
    assert [("a", 200), ("b", 100)] == [(str(one.network), one.batch_size) for one in plan.combinations]


@pytest.mark.parametrize(
    "text",
    [
        "exclude: [{hidden_width: 16, batch_size: 100}]\n",
        "include: [{hidden_width: 32, batch_size: 500, optimizer: {name: sgd, momentum: 0.9}}]\n",
        "target: {test_accuracy: 0.994, parameters: 8000}\n",
        "target: {val_accuracy: 0.99}\n",
    ],
)
def test_the_journal_gives_the_same_plan(text: str) -> None:
    """Rules and target are recorded; a file without them writes none."""
    plan = _plan(_GRID + text)
    tree = json.loads(json.dumps(record_to_dict(Record("2026-01-02T03:04:05Z", 1.0, Planned(plan.spec)))))
    read = record_from_dict(tree).event
    assert isinstance(read, Planned)
    assert plan == make_plan(read.spec, DATA)
    plain = record_to_dict(Record("2026-01-02T03:04:05Z", 1.0, Planned(_plan(_GRID).spec)))["spec"]
    assert text.partition(":")[0] in set(tree["spec"]) - set(plain)
    assert not {"exclude", "include", "target"} & set(plain)


@pytest.mark.parametrize(
    ("rules", "line", "path", "words"),
    [
        ("exclude:\n- {hidden_width: 9}", 5, "exclude[0].hidden_width", "that the grid does not have; it has 8, 16"),
        ("exclude:\n- {batch_size: [100, 7]}", 5, "exclude[0].batch_size[1]", "does not have; it has 100, 200"),
        (
            "exclude:\n- {learning_rate: x}",
            5,
            "exclude[0].learning_rate",
            "found the text x, allowed: a number above 0",
        ),
        ("exclude:\n- {batchsize: 100}", 5, "exclude[0].batchsize", "did you mean batch_size?"),
        ("exclude:\n- {repeats: 1}", 5, "exclude[0].repeats", "it belongs at the top level"),
        ("exclude:\n- {}", 5, "exclude[0]", "found an empty mapping, allowed: a list of mappings"),
        ("exclude:\n- 3", 5, "exclude[0]", "found 3, allowed: a list of mappings"),
        ("exclude: {batch_size: 100}", 4, "exclude", "allowed: a list of mappings"),
        ("exclude:\n- {num_layers: 3}", 4, "exclude", "found rules that leave out every combination of the grid"),
        ("exclude:\n- {network: a}", 5, "exclude[0].network", "found a, allowed: no network, as grid has none"),
        ("exclude:\n- {network: 3}", 5, "exclude[0].network", "the name of a network that stands under grid"),
        ("include:\n- {hidden_width: 9}", 5, "include[0]", "found no batch_size, needed: a value of its own"),
        ("include:\n- {batch_size: 9}", 5, "include[0]", "since the grid has several: 8, 16"),
        (
            "include:\n- {hidden_width: [[8, 4]], batch_size: 9}",
            5,
            "include[0].hidden_width[0]",
            "found 2 widths (8, 4), but 3 layers have 1 hidden one",
        ),
        (
            "include:\n- {hidden_width: 8, batch_size: 54001}",
            5,
            "include[0].batch_size",
            "found 54001, allowed: at most the 54,000 images",
        ),
        (
            "include:\n- batch_size: 9\n  hidden_width: 8\n  schedule: [off, {name: step, every: [2, 3], warmup: 1e9}]",
            7,
            "include[0].schedule[1].warmup",
            "found 1e+09, allowed: at most the 1,000 epochs",
        ),
        (
            f"include:\n- {{batch_size: 9, hidden_width: 8, max_epochs: {list(range(1, 1001))}, l2: {[0] * 1000}}}",
            4,
            "include",
            "found 2,000,008 trials (combinations: 1,000,004; repeats: 2)",
        ),
    ],
)
def test_rules_that_are_wrong_are_named(rules: str, line: int, path: str, words: str) -> None:
    """Each with its line, in the words of the grid."""
    problems = _problems(f"{_GRID}{rules}\n")
    assert {(line, path)} == {problem[:2] for problem in problems}
    assert words in problems[0][2]


def test_a_rule_of_values_that_never_meet_leaves_nothing_out() -> None:
    """Each of its values is in the grid, but no combination has them all."""
    grid = "grid: {hidden_width: [[8, 4], [8, 4, 2]]}\nexclude: [{hidden_width: [[8, 4]], num_layers: 5}]\n"
    assert [(4, "exclude[0]", "found a rule that leaves nothing out: the grid has no such combination")] == _problems(
        grid
    )


def test_every_rule_is_told_and_the_grid_first() -> None:
    """All rules have their problems at once; where the grid is wrong, nothing is held against rules by its values."""
    both = "exclude: [{hidden_width: 9}, {batch_size: 7}]\n"
    assert ["exclude[0].hidden_width", "exclude[1].batch_size"] == [path for _, path, _ in _problems(_GRID + both)]
    wrong = _GRID.replace("[8, 16]", "[8, x]")
    assert ["grid.hidden_width[1]"] == [path for _, path, _ in _problems(wrong + both)]


def test_a_recorded_rule_of_an_unknown_axis_is_refused() -> None:
    """What no sweep file can hold is not read back from a journal."""
    plan = _plan(f"{_GRID}exclude: [{{batch_size: 100}}]\n")
    tree = json.loads(json.dumps(record_to_dict(Record("2026-01-02T03:04:05Z", 1.0, Planned(plan.spec)))))
    tree["spec"]["exclude"][0][0]["name"] = "colour"
    with pytest.raises(KeyError):
        record_from_dict(tree)


def test_recipes_do_not_know_where_they_come_from() -> None:
    """A combination has the same identity in the grid and among what is included."""
    included = _plan("grid: {hidden_width: 8}\ninclude: [{hidden_width: 16}]\n")
    (_, recipe) = included.combinations
    assert isinstance(recipe, Recipe)
    assert included.keys == _plan("grid: {hidden_width: [8, 16]}\n").keys
