"""A sweep at a glance: what is planned, and how it stands."""

from __future__ import annotations

import time

from mnist_sweep.counts import counted
from mnist_sweep.estimate import Estimate, time_left
from mnist_sweep.events import Failed
from mnist_sweep.ledger import Ledger, pending
from mnist_sweep.machine import devices_words, n_cores
from mnist_sweep.plan import Plan
from mnist_sweep.recipe import N_PIXELS, N_TRAINING_IMAGES
from mnist_sweep.screen import make_table, show
from mnist_sweep.summary import Status, Summary
from mnist_sweep.terminal import say
from mnist_sweep.words import best_words, cut_words, duration_words, outcome_words, shape_words, trial_words

_SHOWN_SHAPES = 8


def print_plan(plan: Plan, ledger: Ledger, home: str) -> None:
    """What a sweep will train, as tables on stdout."""
    from mnist_sweep.reports.tables import axis_words

    show(plan.spec.name, style="bold")
    table = make_table(("axis", "values"), 2)
    for axis in plan.spec.axes:
        table.add_row(axis.name, str(axis_words(plan.spec, axis.name)), style="bold" if len(axis.choices) > 1 else "")
    show(table)
    for name, text in _facts(plan, ledger, home).items():
        show(f"{name:13} {text}", indent=14)


def _facts(plan: Plan, ledger: Ledger, home: str) -> dict[str, str]:
    n_trials, n_left = len(plan.trials), len(pending(plan.trials, ledger))
    removed = f" ({counted(plan.n_duplicates, 'duplicate')} removed)" if plan.n_duplicates else ""
    return {
        "combinations": f"{len(plan.combinations):,}{removed}",
        "repeats": f"{plan.spec.repeats}",
        "trials": f"{n_trials:,} ({n_trials - n_left:,} done, {n_left:,} to train)",
        "parameters": _parameters(plan),
        "time": _time(plan, ledger),
        "memory": _memory(plan),
        "devices": devices_words(),
        "home": home,
    }


def _parameters(plan: Plan) -> str:
    """The parameters of each model, smallest first; of many models the smallest and the largest."""
    by_shape = {shape_words(recipe): recipe.n_parameters for recipe in plan.combinations}
    models = [f"{n:,} ({shape})" for shape, n in sorted(by_shape.items(), key=lambda item: item[1])]
    if len(models) > _SHOWN_SHAPES:
        return f"{models[0]} to {models[-1]}, {len(models)} sizes"
    return ", ".join(models)


_WORKER_BYTES = 700 * 2**20  # TensorFlow with MNIST on the device, before any model
_CALIBRATION_S = 0.5
_PRODUCTS_SHARE = 0.75  # of the time of a training step on a CPU, the part that its matrix products take


def left_of_plan(plan: Plan, ledger: Ledger) -> Estimate | None:
    """How long the rest would take on this machine; None when nothing is left to train."""
    trials = pending(plan.trials, ledger)
    return time_left(trials, ledger, n_cores(), 0.0 if ledger.outcomes else _calibrate()) if trials else None


def _time(plan: Plan, ledger: Ledger) -> str:
    """How long the rest will take, with its range and what that rests on."""
    left = left_of_plan(plan, ledger)
    if left is None:
        return "nothing left to train"
    basis = "the measured trials of this folder" if ledger.outcomes else "half a second of matrix products here"
    likely, low, high = (duration_words(seconds) for seconds in (left.likely, left.low, left.high))
    return f"about {likely} on {counted(n_cores(), 'core')} ({low} to {high}), by {basis}"


def _calibrate() -> float:
    """Seconds for each unit of `epoch_work` on one core, from half a second of NumPy's matrix products."""
    import numpy as np

    a, b = np.ones((200, N_PIXELS), np.float32), np.ones((N_PIXELS, 200), np.float32)
    began, seconds = time.perf_counter(), float("inf")
    while (now := time.perf_counter()) - began < _CALIBRATION_S:
        a @ b
        seconds = min(seconds, time.perf_counter() - now)  # the quickest: others can be slowed by what else runs here
    return seconds / (200 * 200 * N_PIXELS) * min(n_cores(), 2) / _PRODUCTS_SHARE  # NumPy uses several cores


def _memory(plan: Plan) -> str:
    return f"about {worker_bytes(plan) / 2**30:.1f} GiB for each worker"


def worker_bytes(plan: Plan) -> int:
    """About how much memory a worker takes."""
    largest = max(recipe.n_parameters for recipe in plan.combinations)
    batch = max(recipe.batch_size * sum(recipe.hidden_widths) for recipe in plan.combinations)
    return _WORKER_BYTES + 4 * (5 * largest + 4 * batch + N_TRAINING_IMAGES // 6 * N_PIXELS)


def print_trials(plan: Plan, ledger: Ledger) -> None:
    """Every trial, a line each, with what became of it."""
    for number, trial in enumerate(plan.trials, start=1):
        outcome = ledger.outcomes.get(trial.key)
        state = outcome_words(outcome) if outcome else "to train"
        say(f"{number:>6}  {trial_words(trial, plan.spec.varied)}: {state}")


def left_of_run(plan: Plan, ledger: Ledger) -> Estimate | None:
    """How long the rest takes on the workers of the last run; None when nothing is left, or was measured yet."""
    trials = pending(plan.trials, ledger)
    return time_left(trials, ledger, _n_workers(ledger), rate=0.0) if trials and ledger.outcomes else None


def _n_workers(ledger: Ledger) -> int:
    return int(str(ledger.runs[-1].environment.get("workers", 1)))


def print_status(plan: Plan, summary: Summary, ledger: Ledger, who: str | None, home: str) -> None:
    """How a sweep stands: done, running, left, failed with reasons, time left, best so far."""
    finished, failed, left = (summary.n(status) for status in (Status.FINISHED, Status.FAILED, Status.PENDING))
    say(f"{home}: {'running: ' + who if who else 'not running'}")
    say(f"Trials: {finished} finished, {failed} failed, {left} left; {duration_words(summary.seconds)} so far")
    if ledger.confirmations:
        n_failed = sum(isinstance(outcome, Failed) for outcome in ledger.confirmations.values())
        say(f"Confirmations: {len(ledger.confirmations) - n_failed} finished, {n_failed} failed")
    if who:
        for trial in ledger.running.values():
            say(f"  training {trial_words(trial, plan.spec.varied)}")
    if left_now := left_of_run(plan, ledger):
        workers = counted(_n_workers(ledger), "worker")
        say(f"Time left: about {duration_words(left_now.likely)} on {workers}")
    for outcome in ledger.outcomes.values():
        if isinstance(outcome, Failed):
            say(f"  {trial_words(outcome.trial, plan.spec.varied)}: {outcome_words(outcome)}")
    say(best_words(summary))
    if summary.cut:
        say(cut_words(summary))
