"""From a sweep file to a SweepSpec, or to every problem that the file has."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mnist_sweep.errors import SHOWN_PROBLEMS, ConfigError, Problem
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.spec import Axis, SeedPolicy, SweepSpec, Target
from mnist_sweep.plan.sweep_plan import MAX_TRIALS
from mnist_sweep.sweepfile.changes import apply_changes
from mnist_sweep.sweepfile.model import Grid, SweepFile, TargetRule, mistakes
from mnist_sweep.sweepfile.problems import ALLOWED, in_tree, problem_at, problem_of
from mnist_sweep.sweepfile.rules import with_rules
from mnist_sweep.sweepfile.together import (
    FEWER_TRIALS,
    check_batches,
    check_layers,
    check_together,
    check_trials,
    count_words,
    n_trained_on,
)
from mnist_sweep.sweepfile.written import Written
from mnist_sweep.sweepfile.yaml_tree import MAX_BYTES, Document, path_text, read_yaml
from mnist_sweep.sweepfile.yaml_tree import Path as TreePath
from mnist_sweep.system.files import read_file


def load_spec(path: Path, changes: Iterable[str] = ()) -> SweepSpec:
    """The spec of a sweep file; see `parse_spec`."""
    try:
        content = read_file(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(str(path), [Problem(1, "", f"cannot be read: {error.strerror}")]) from error
    return parse_spec(content, str(path), changes)


def parse_spec(content: bytes, file: str, changes: Iterable[str] = ()) -> SweepSpec:
    """The spec in a file's bytes; `file` is its name in messages.

    Args:
        changes: values that are set as if they stood there, each as KEY.PATH=VALUE.

    Raises:
        ConfigError: with every problem of the file, each with its line.
    """
    document = read_yaml(content)
    apply_changes(document, changes)
    if document.value is None:
        empty = Problem(1, "", f"found an empty file, allowed: {ALLOWED['']}")
        raise ConfigError(file, document.problems or [empty])
    valid, problems, wrong = _valid_part(document)
    if valid is not None:
        sweep = SweepFile.model_validate(valid)
        grid = Written(document, ("grid",), sweep.grid, valid["grid"], document.value.get("grid", {}))
        rules = {
            kind: [
                Written(document, (kind, i), model, tree, tree)
                for i, (model, tree) in enumerate(zip(getattr(sweep, kind), valid.get(kind, []), strict=True))
            ]
            for kind in ("exclude", "include")
        }
        too_many = [problem for one in (grid, *chain(*rules.values())) for problem in _check_choices(one)]
        if too_many:
            raise ConfigError(file, [*problems, *too_many])
        spec = _resolve(sweep, grid)
        of_grid = _cross_check(spec, grid, wrong)
        problems += of_grid
        if not of_grid and not any(path[0] == "grid" for path in wrong):
            spec, of_rules = with_rules(spec, rules["exclude"], rules["include"])
            problems += of_rules
        if not problems:
            return spec
    raise ConfigError(file, problems)


def _check_choices(written: Written) -> Iterator[Problem]:
    """Settings inside a value are counted before they are combined."""
    for axis in ("early_stopping", "optimizer", "schedule"):
        n_choices = written.n_choices(axis)
        if n_choices > MAX_TRIALS:
            text = f"found {count_words(n_choices)} choices, allowed: {FEWER_TRIALS}"
            yield problem_at(written.document, (*written.root, axis), text)


def _valid_part(document: Document) -> tuple[dict[str, Any] | None, list[Problem], set[TreePath]]:
    """The file without its wrong keys (None if hardly anything is left), the problems, and the keys left out."""
    tree, problems = document.value, list(document.problems)
    details = mistakes(tree)
    if not details:
        if not tree["grid"]:
            problems.append(problem_at(document, ("grid",), f"found nothing in it, allowed: {ALLOWED['grid']}"))
        return tree, problems, set()
    unreadable = {problem.path for problem in problems}
    locations = [in_tree(detail["loc"], tree) for detail in details]
    told = sorted(zip(details, locations, strict=True), key=lambda pair: document.line(pair[1]))
    told = [pair for pair in told if pair[0]["input"] is not None or path_text(pair[1]) not in unreadable]
    # To look for a similar name takes long: only what can be shown gets that.
    problems += [problem_of(*pair, document, hint=i < SHOWN_PROBLEMS) for i, pair in enumerate(told)]
    if not isinstance(tree, dict) or not isinstance(tree.get("grid", {}), dict):
        return None, problems, set()
    wrong = {location[:2] if location[0] == "grid" else location[:1] for location in locations if location}
    valid = {k: v for k, v in tree.items() if (k,) not in wrong}
    valid["grid"] = {k: v for k, v in tree.get("grid", {}).items() if ("grid", k) not in wrong}
    return {"name": "unnamed", **valid}, problems, wrong


def _resolve(sweep: SweepFile, grid: Written) -> SweepSpec:
    """Make every default explicit; axes in the order in which the file has them, the unwritten ones last; no rules."""
    shuffle = sweep.shuffle_seed
    seeds = SeedPolicy(
        seed=sweep.seed,
        shuffle_seed=shuffle,
        split_seed=shuffle if sweep.split_seed is None else sweep.split_seed,
        order_seed=shuffle if sweep.order_seed is None else sweep.order_seed,
        base=shuffle if isinstance(shuffle, int) else 100,
    )
    order = dict.fromkeys([*grid.tree, *Grid.model_fields])
    n_left = MNIST.n_train - round(MNIST.n_train * sweep.validation_fraction)
    return SweepSpec(
        name=sweep.name,
        goal=sweep.goal,
        repeats=sweep.repeats,
        validation_fraction=sweep.validation_fraction,
        seeds=seeds,
        axes=tuple(Axis(name, grid.choices(name)) for name in order),
        backend=sweep.backend,
        training_images=None if sweep.training_images == n_left else sweep.training_images,
        target=_target(sweep.target) if sweep.target else None,
    )


def _target(target: TargetRule) -> Target:
    if target.val_accuracy is None:
        return Target("test_accuracy", target.test_accuracy or 0.0, target.parameters)
    return Target("val_accuracy", target.val_accuracy, target.parameters)


def _cross_check(spec: SweepSpec, grid: Written, wrong: set[TreePath]) -> list[Problem]:
    """What is wrong only when several values are seen together; `spec` was made without the `wrong` keys."""
    layers = not wrong & {("grid", name) for name in ("num_layers", "hidden_width", "hidden_funcs")}
    problems = [*check_together(spec, grid)]
    if ("validation_fraction",) not in wrong:
        problems += [*check_batches(spec, grid), *_check_default_batch(spec, grid)]
    if layers:
        problems += [*check_layers(spec, grid), *check_trials(spec, grid.document, ("grid",))]
    return problems


def _check_default_batch(spec: SweepSpec, grid: Written) -> Iterator[Problem]:
    default: Any
    default, *_ = spec.axis("batch_size").choices
    n_training = n_trained_on(spec)
    if "batch_size" in grid.raw or default <= n_training:
        return
    if spec.training_images == n_training:
        key, found, more = "training_images", f"{n_training:,}, which are", "more images"
    else:
        key, more = "validation_fraction", "a smaller part"
        found = f"{spec.validation_fraction:g}, which leaves {n_training:,} images to train on,"
    text = (
        f"found {found} fewer than the default batch_size of {default}; allowed: {more}, or a batch_size of at most "
        f"{n_training:,} under grid"
    )
    yield problem_at(grid.document, (key,), text)
