"""Summaries of every kind for the tests of the page: hostile, empty, large."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from builders import a_plan, finished
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.journal.events import Cause, Curves, Event, Failed, Finished, Record, RunStarted
from mnist_sweep.journal.ledger import replay
from mnist_sweep.plan.recipe import Recipe, Trial
from mnist_sweep.plan.sweep_plan import Plan, confirmations

HOSTILE = "</script><script>alert(1)</script><!-- <b>&amp;\u2028\"'"


def a_summary(plan: Plan, *events: Event) -> Summary:
    """The summary of a plan after these events, a minute apart."""
    events = (RunStarted({}), *events)
    return summarize(plan, replay(Record("2026-01-02T03:04:05Z", 60.0 * i, event) for i, event in enumerate(events)))


def trained(trials: Iterable[Trial]) -> list[Event]:
    """Trainings whose accuracy rises with the number of parameters, each repeat with a luck of its own."""
    return [_trained(trial) for trial in trials]


def _trained(trial: Trial) -> Finished:
    luck = int(trial.key[:4], 16) / 0x10000
    accuracy = round(0.9 + 0.01 * _size(trial.recipe) + 0.004 * luck, 6)
    curves = Curves((0.5, 0.2), (0.85, 0.96), (0.3, 0.15), (0.9, accuracy), (1.0, 0.5 + _size(trial.recipe)))
    counts = tuple(tuple(990 if i == j else int(j == (i + 1) % 10) * (i + 1) for j in range(10)) for i in range(10))
    return finished(trial, curves=curves, test_accuracy=accuracy - 0.001, confusion=counts)


def _size(recipe: Recipe) -> float:
    return recipe.n_parameters / 100_000


def several_axes() -> Summary:
    """12 combinations of three axes, three repeats each; one has been confirmed."""
    plan = a_plan("hidden_width: [32, 64, 128]\nnum_layers: [3, 4]\nbatch_size: [100, 500]", repeats=3)
    afresh = confirmations(plan, plan.combinations[-1:], 2)
    return a_summary(plan, *trained([*plan.trials, *afresh]))


def nested() -> Summary:
    """Activations one a layer, nested within the number of layers."""
    plan = a_plan("hidden_width: [32, 64]\nnum_layers: [3, 4]\nhidden_funcs: {each_layer: [relu, tanh]}", repeats=3)
    return a_summary(plan, *trained(plan.trials))


def with_included() -> Summary:
    """Two axes, and a combination with values that the grid lacks."""
    plan = a_plan(
        "hidden_width: [32, 64]\nbatch_size: [100, 200]", include="[{hidden_width: 128, batch_size: 500, dropout: 0.1}]"
    )
    return a_summary(plan, *trained(plan.trials))


def hostile() -> Summary:
    """A name, a goal and a reason that try to be markup; one combination lacks a repeat."""
    plan = a_plan("hidden_width: [32, 64, 128]")
    *most, last = plan.trials
    summary = a_summary(plan, *trained(most), Failed(last, Cause.ERROR, HOSTILE))
    return replace(summary, spec=replace(summary.spec, name=HOSTILE, goal=HOSTILE))


def in_part() -> Summary:
    """Three widths, of which the last one lacks a training."""
    plan = a_plan("hidden_width: [32, 64, 128]")
    return a_summary(plan, *trained(plan.trials[:-1]))


def cut() -> Summary:
    """Three widths, all of whose trainings had as many epochs as they may."""
    plan = a_plan("hidden_width: [32, 64, 128]\nmax_epochs: 2")
    return a_summary(plan, *trained(plan.trials))


def uneven(n_left: int = 1) -> Summary:
    """Four widths: the narrow ones have two repeats, the wide ones four; so many trainings have not ended yet."""
    plan = a_plan("hidden_width: [32, 64, 128, 256]\nbatch_size: [100, 500]", repeats=4)
    wanted = tuple(trial for trial in plan.trials if trial.repeat <= 2 or trial.recipe.hidden_widths[0] >= 128)
    plan = replace(plan, trials=wanted)
    afresh = confirmations(plan, plan.combinations[-2:], 3)
    return a_summary(plan, *trained([*wanted[n_left:], *afresh[:-1]]))


def nothing_yet() -> Summary:
    """A plan of which nothing is trained."""
    return a_summary(a_plan())


def all_failed() -> Summary:
    """Every training diverged in its first epoch."""
    plan = a_plan()
    curves = Curves((None,), (0.1,), (None,), (0.1,), (1.0,))
    return a_summary(plan, *(Failed(trial, Cause.DIVERGED, "no finite loss", curves) for trial in plan.trials))


def one_combination() -> Summary:
    """Nothing is varied."""
    plan = a_plan("hidden_width: 32")
    return a_summary(plan, *trained(plan.trials))


def one_repeat() -> Summary:
    """Nothing tells luck from a difference."""
    plan = a_plan("hidden_width: [32, 64]\nbatch_size: [100, 500]", repeats=1)
    return a_summary(plan, *trained(plan.trials))


def many(n_rates: int) -> Summary:
    """200 combinations of four axes for each of so many learning rates, three repeats each."""
    plan = a_plan(
        f"hidden_width: {list(range(16, 176, 16))}\nnum_layers: [3, 4]\nhidden_funcs: [relu, tanh]\n"
        "batch_size: [100, 200, 300, 400, 500]\n"
        f"learning_rate: {[round(0.0005 * i, 4) for i in range(1, n_rates + 1)]}",
        repeats=3,
    )
    return a_summary(plan, *trained(plan.trials))


KINDS: tuple[Callable[[], Summary], ...] = (
    several_axes,
    uneven,
    nested,
    hostile,
    nothing_yet,
    all_failed,
    one_combination,
    one_repeat,
    in_part,
    cut,
)
