"""A sweep at a glance: what is planned, and how it stands."""

import os
import time
from dataclasses import astuple
from datetime import UTC, datetime

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.wording import best_words, cut_words, duration_words, outcome_words
from mnist_sweep.execution.machine import devices_words, emulates_bfloat16, n_workers_for, others_load, visible_gpus
from mnist_sweep.execution.time_left import Estimate, is_measured, time_left
from mnist_sweep.journal.events import Failed
from mnist_sweep.journal.ledger import Ledger, pending
from mnist_sweep.plan.axes import compile_key, told, trial_words
from mnist_sweep.plan.choices import widths_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.networks import N_PIXELS
from mnist_sweep.plan.recipe import BACKENDS, JAX, TENSORFLOW, Recipe
from mnist_sweep.plan.sweep_plan import Plan
from mnist_sweep.terminal.progress import say
from mnist_sweep.terminal.screen import make_table, show

_SHOWN_SHAPES = 8


def print_plan(plan: Plan, ledger: Ledger, folder: str, backend_why: str) -> None:
    """What a sweep will train, and why with this backend, as tables on stdout."""
    from mnist_sweep.reports.tables import axis_words, training_images_words

    show(plan.spec.name, style="bold")
    table = make_table(("axis", "values"), 2)
    shown = told(plan.combinations)
    for axis in plan.spec.axes:
        if axis.name in shown:
            style = "bold" if len(axis.choices) > 1 else ""
            table.add_row(axis.name, axis_words(plan.spec, axis.name), style=style)
    show(table)
    show("All other settings are at their defaults.")
    n_trials, n_left = len(plan.trials), len(pending(plan.trials, ledger))
    facts = {
        "combinations": f"{len(plan.combinations):,}{_apart(plan)}",
        "repeats": f"{plan.spec.repeats}",
        "trials": f"{n_trials:,} ({n_trials - n_left:,} done, {n_left:,} to train)",
        "images": training_images_words(plan.spec),
        "parameters": _parameters(plan),
        "time": _time(plan, ledger),
        "precision": _precision(plan),
        "memory": f"about {worker_bytes(plan) / 2**30:.1f} GiB for each worker",
        "backend": f"{BACKENDS[plan.backend]}, {backend_why}",
        "devices": devices_words(),
        "folder": folder,
    }
    for name, text in facts.items():
        if text:
            show(f"{name:13} {text}", indent=14)


def _apart(plan: Plan) -> str:
    """How many combinations are not those of the grid, where there are such."""
    told = {
        f"{plan.n_excluded:,} excluded": plan.n_excluded,
        f"{plan.n_included:,} included": plan.n_included,
        f"{counted(plan.n_duplicates, 'duplicate')} removed": plan.n_duplicates,
    }
    words = ", ".join(text for text, n in told.items() if n)
    return f" ({words})" if words else ""


def _parameters(plan: Plan) -> str:
    """The parameters of each network, smallest first; of many networks the smallest and the largest."""
    sizes = {(one.n_parameters, str(one.network or widths_words(one.hidden_widths))) for one in plan.combinations}
    models = [f"{n:,} ({model})" for n, model in sorted(sizes)]
    if len(models) > _SHOWN_SHAPES:
        return f"{models[0]} to {models[-1]}, {len(models)} sizes"
    return ", ".join(models)


_WORKER_BYTES = 700 * 2**20  # TensorFlow with MNIST on the device, before any model
_AUGMENTED = 10  # images of values that augmentation keeps for each
_START = Estimate(likely=5.0, low=3.0, high=10.0)  # the workers get ready, and the reports are written
_COMPILE_S = {TENSORFLOW: 0.2, JAX: 4.0}  # for each shape
_PROBES, _PROBE_S, _PAUSE_S = 6, 0.05, 0.02
_SIDE = 64  # of the probe's matrices; OpenBLAS works on larger ones with several threads
_RATE_OF_PROBES = 0.7  # a training's larger products are quicker than the probe's
_BUSY = 1.25


def _time(plan: Plan, ledger: Ledger) -> str:
    """How long the rest will take, with its range and what that rests on."""
    n_workers = n_workers_for(visible_gpus())
    busy = busy_words(others_load(), n_workers, os.cpu_count() or 1)  # asked before the probes add to it
    left = planned_time(plan, ledger)
    if left is None and pending(plan.trials, ledger):
        return "not known before the first trials have been trained on the GPU"
    if left is None:
        return "nothing left to train"
    basis = "the measured trials of this folder" if is_measured(ledger) else f"short products of matrices here{busy}"
    likely, low, high = (duration_words(seconds) for seconds in (left.likely, left.low, left.high))
    devices = counted(n_workers, "GPU" if visible_gpus() else "core")
    return f"about {likely} on {devices} ({low} to {high}), by {basis}"


def _precision(plan: Plan) -> str:
    """A word on bfloat16 where it would be slower than float32."""
    asked = any(recipe.precision == "mixed_bfloat16" for recipe in plan.combinations)
    if not asked or visible_gpus() or not emulates_bfloat16():
        return ""
    return (
        "mixed_bfloat16 is emulated here, which can take several times as long as float32: this processor has no "
        "instructions for it; run says how much longer"
    )


def planned_time(plan: Plan, ledger: Ledger) -> Estimate | None:
    """Seconds that `run` would take on an idle machine; None where nothing is left, or tells how fast a GPU trains."""
    trials, gpus = pending(plan.trials, ledger), visible_gpus()
    if not trials or (gpus and not is_measured(ledger)):
        return None
    n_workers = n_workers_for(gpus)
    left = time_left(trials, ledger, plan.data, n_workers, 0.0 if is_measured(ledger) else _calibrate())
    compiling = _COMPILE_S[plan.backend] * len({compile_key(trial.recipe) for trial in trials}) / n_workers
    return Estimate(*(a + compiling + b for a, b in zip(astuple(_START), astuple(left), strict=True)))


def busy_words(load: float, n_workers: int, n_cpus: int) -> str:
    """That the machine is busy, by the processes that want a core before the sweep adds its workers; else empty."""
    slower = (load + n_workers) / n_cpus
    if slower < _BUSY:
        return ""
    return (
        f". The machine is busy (load {load:.0f}), which is not in these figures: "
        f"while that lasts, it takes about {slower:.1f} times as long"
    )


def _calibrate() -> float:
    """Seconds for each unit of `epoch_work` on a core that does nothing else: the least of several short probes."""
    import numpy as np

    a = np.ones((_SIDE, _SIDE), np.float32)
    least = float("inf")
    for _ in range(_PROBES):
        time.sleep(_PAUSE_S)  # whoever has just slept is let run for a while
        end = time.perf_counter() + _PROBE_S
        while (began := time.perf_counter()) < end:
            a @ a
            least = min(least, time.perf_counter() - began)
    return _RATE_OF_PROBES * least / _SIDE**3


def worker_bytes(plan: Plan) -> int:
    """About how much memory a worker takes."""
    largest = max(recipe.n_parameters for recipe in plan.combinations)
    batch = max(recipe.batch_size * _n_values(recipe) for recipe in plan.combinations)
    return _WORKER_BYTES + 4 * (5 * largest + 4 * batch + plan.data.n_train // 6 * N_PIXELS)


def _n_values(recipe: Recipe) -> int:
    """Values of an image that a step keeps: those of its layers, and those by which it is changed."""
    return recipe.n_values + (_AUGMENTED * N_PIXELS if recipe.augment else 0)


def print_trials(plan: Plan, ledger: Ledger) -> None:
    """Every trial, a line each, with what became of it."""
    for number, trial in enumerate(plan.trials, start=1):
        outcome = ledger.outcomes.get(trial.key)
        state = outcome_words(outcome) if outcome else "to train"
        say(f"{number:>6}  {trial_words(trial, plan.spec.varied)}: {state}")


def left_of_run(plan: Plan, ledger: Ledger, *, running: bool) -> Estimate | None:
    """Seconds until the rest is done by the workers of the last run; None when nothing is left, or was measured yet."""
    trials = pending(plan.trials, ledger)
    if not trials or not is_measured(ledger):
        return None
    since_s = (datetime.now(UTC) - datetime.fromisoformat(ledger.heard_at)).total_seconds()
    left = time_left(trials, ledger, plan.data, ledger.n_workers, 0.0, spent=ledger.spent(since_s) if running else None)
    return left if left.likely else None


def print_status(plan: Plan, summary: Summary, ledger: Ledger, who: str | None, folder: str) -> None:
    """How a sweep stands: done, running, left, failed with reasons, time left, best so far."""
    finished, failed, left = summary.counts
    say(f"{folder}: {'running: ' + who if who else 'not running'}")
    say(f"Trials: {finished} finished, {failed} failed, {left} left; {duration_words(summary.seconds)} so far")
    if ledger.confirmations:
        n_failed = sum(isinstance(outcome, Failed) for outcome in ledger.confirmations.values())
        say(f"Confirmations: {len(ledger.confirmations) - n_failed} finished, {n_failed} failed")
    if who:
        for trial in ledger.running.values():
            say(f"  training {trial_words(trial, plan.spec.varied)}")
    if left_now := left_of_run(plan, ledger, running=bool(who)):
        say(f"Time left: about {duration_words(left_now.likely)} on {counted(ledger.n_workers, 'worker')}")
    for outcome in ledger.outcomes.values():
        if isinstance(outcome, Failed):
            say(f"  {trial_words(outcome.trial, plan.spec.varied)}: {outcome_words(outcome)}")
    say(best_words(summary))
    if summary.cut:
        say(cut_words(summary))
