"""What a sweep file leaves out of its grid, and what it adds to it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mnist_sweep.errors import Problem
from mnist_sweep.plan.axes import setting
from mnist_sweep.plan.choices import EachLayer
from mnist_sweep.plan.recipe import Network
from mnist_sweep.plan.spec import Axis, Rule, SweepSpec
from mnist_sweep.plan.sweep_plan import useless_rules
from mnist_sweep.sweepfile.problems import problem_at
from mnist_sweep.sweepfile.together import OF_DENSE_LAYERS, check_batches, check_layers, check_together, check_trials
from mnist_sweep.sweepfile.written import Written


def with_rules(
    spec: SweepSpec, exclude: Sequence[Written], include: Sequence[Written]
) -> tuple[SweepSpec, list[Problem]]:
    """A spec whose grid is sound with the rules of its file, and what is wrong with them."""
    problems = [problem for rule in (*exclude, *include) for problem in _unknown_networks(spec, rule)]
    problems += [problem for rule in exclude for problem in _of_no_network(spec, rule)]
    problems += [problem for rule in include for problem in _left_open(spec, rule)]
    if problems:
        return spec, problems
    ruled = replace(
        spec,
        exclude=tuple(_axes(spec, rule) for rule in exclude),
        include=tuple(_axes(spec, rule) for rule in include),
    )
    for rule, grid in zip(include, ruled.additions, strict=True):
        problems += [*check_batches(grid, rule), *check_together(grid, rule), *check_layers(grid, rule)]
    problems = problems or [*_too_many(ruled, include), *_useless(ruled, exclude)]
    return ruled, problems


def _axes(spec: SweepSpec, rule: Written) -> Rule:
    networks = {str(one): one for one in spec.axis("network").choices}
    return tuple(
        Axis(name, tuple(networks[one] for one in rule.model.network or []))
        if name == "network"
        else Axis(name, rule.choices(name))
        for name in rule.tree
    )


def _unknown_networks(spec: SweepSpec, rule: Written) -> Iterator[Problem]:
    known = [one.name for one in spec.axis("network").choices if isinstance(one, Network)]
    for i, name in enumerate(rule.model.network or []):
        if name not in known:
            yield rule.problem(
                f"found {name}, allowed: {', '.join(known) or 'no network, as grid has none'}", "network", i
            )


def _of_no_network(spec: SweepSpec, rule: Written) -> Iterator[Problem]:
    if any(spec.axis("network").choices):
        for name in OF_DENSE_LAYERS:
            if name in rule.tree:
                text = f"found {name}, allowed: settings that networks have outside their layers"
                yield problem_at(rule.document, (*rule.root, name), text)


def _left_open(spec: SweepSpec, rule: Written) -> Iterator[Problem]:
    """Axes of which the grid has several values, so that a combination that is added must say its own."""
    for axis in spec.axes:
        several = len(axis.choices) > 1 or any(isinstance(c, EachLayer) and len(c.each_layer) > 1 for c in axis.choices)
        if several and axis.name not in rule.tree:
            tried = setting(axis.name).listed(axis.choices)
            text = f"found no {axis.name}, needed: a value of its own, since the grid has several: {tried}"
            yield problem_at(rule.document, rule.root, text)


def _too_many(spec: SweepSpec, include: Sequence[Written]) -> Iterator[Problem]:
    for rule in include[:1]:
        yield from check_trials(spec, rule.document, ("include",))


def _useless(spec: SweepSpec, exclude: Sequence[Written]) -> Iterator[Problem]:
    for error in useless_rules(spec):
        rule = exclude[error.rule or 0]
        if error.axis is None:
            yield problem_at(rule.document, ("exclude",) if error.rule is None else rule.root, str(error))
        else:
            yield rule.problem(str(error), error.axis, error.index)
