"""What the commands have to say as plain JSON values, for scripts: from the same summary as the words.

Keys carry their units; accuracies and losses have none, accuracies are parts of 1. README tells what surrounds them.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.combination import Combination, Confirmed, Row, Spread, Status
from mnist_sweep.analysis.comparison import Shared, shared
from mnist_sweep.analysis.conclusions import decision, how_sure, what_mattered
from mnist_sweep.analysis.metrics import METRICS, RANKED
from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.analysis.target import reached
from mnist_sweep.analysis.wording import trial_facts
from mnist_sweep.execution.machine import n_cores, visible_gpus
from mnist_sweep.journal.events import Failed
from mnist_sweep.journal.ledger import Ledger, pending
from mnist_sweep.plan.axes import recipe_words
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.spec import spec_to_dict
from mnist_sweep.plan.sweep_plan import Plan
from mnist_sweep.terminal.plan_and_status import left_of_run, planned_time, worker_bytes
from mnist_sweep.terminal.sweep_list import Listed

SCHEMA_VERSION = 1
"""Raised when a key of a stable command goes or changes its meaning; new keys may come at any time."""

_WITH_UNITS = {metric.name: metric.json_name for metric in METRICS.values() if metric.json_name}

Facts = dict[str, Any]


def print_json(command: str, data: Facts, *, unstable: bool = False) -> None:
    """One object on standard output, in ASCII; `unstable` marks data whose keys may change without a new version."""
    mark = {"unstable": True} if unstable else {}
    tree = {"schema_version": SCHEMA_VERSION, "command": command, **mark, "data": data}
    click.echo(json.dumps(plain(tree), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """JSON has no number for infinity and none for what is no number: null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
    return value


def plan_facts(plan: Plan, ledger: Ledger, folder: str, backend_why: str, *, list_trials: bool) -> Facts:
    """What a sweep will train, why with this backend, and what of it is done."""
    n_left, left = len(pending(plan.trials, ledger)), planned_time(plan, ledger)
    sizes = [recipe.n_parameters for recipe in plan.combinations]
    facts = {
        "name": plan.spec.name,
        "goal": plan.spec.goal,
        "folder": folder,
        "axes": {axis["name"]: axis["choices"] for axis in spec_to_dict(plan.spec)["axes"]},
        "backend": plan.backend,
        "backend_why": backend_why,
        "n_combinations": len(plan.combinations),
        "n_duplicates": plan.n_duplicates,
        "n_excluded": plan.n_excluded,
        "n_included": plan.n_included,
        "repeats": plan.spec.repeats,
        "n_trials": len(plan.trials),
        "n_done": len(plan.trials) - n_left,
        "n_left": n_left,
        "n_parameters": {"least": min(sizes), "most": max(sizes)},
        "time_left_s": asdict(left) if left else None,
        "worker_memory_bytes": worker_bytes(plan),
        "n_cores": n_cores(),
        "gpus": [gpu.name for gpu in visible_gpus()],
    }
    if list_trials:
        facts["trials"] = [_trial(trial, ledger, plan.spec.varied) for trial in plan.trials]
    return facts


def status_facts(plan: Plan, summary: Summary, ledger: Ledger, who: str | None, folder: str) -> Facts:
    """How a sweep stands: who works at it (as `locks.holder` says it), what is done, left, failed and best so far."""
    n_failed = sum(isinstance(outcome, Failed) for outcome in ledger.confirmations.values())
    left = left_of_run(plan, ledger, running=bool(who))
    return {
        "name": plan.spec.name,
        "folder": folder,
        "running": _process(who),
        **standing_facts(summary),
        "n_confirmations_finished": len(ledger.confirmations) - n_failed,
        "n_confirmations_failed": n_failed,
        "time_left_s": asdict(left) if left else None,
        "training": [
            {"model": summary.model_words(trial.recipe), "repeat": trial.repeat}
            for trial in ledger.running.values()
            if who
        ],
        "failed": [
            trial_facts(outcome, summary.spec.varied)
            for outcome in ledger.outcomes.values()
            if isinstance(outcome, Failed)
        ],
    }


def closing_facts(
    summary: Summary | None, *, name: str, exit_code: int, error: str, folder: str | None, best_path: str | None
) -> Facts:
    """How a sweep ended; what `standing_facts` tells is null where there is no summary, or none can be made."""
    return {
        "name": summary.spec.name if summary else name,
        "folder": folder,
        "exit_code": int(exit_code),
        "error": error or None,
        **(standing_facts(summary) if summary else dict.fromkeys(_STANDING)),
        "best_xlsx": best_path,
    }


_STANDING = ("n_finished", "n_failed", "n_left", "spent_s", "best")


def standing_facts(summary: Summary) -> Facts:
    """What is done, failed and left, the seconds of all runs, and the best by validation so far, or null."""
    return dict(zip(_STANDING, (*summary.counts, summary.seconds, _best(summary)), strict=True))


_PROCESS = re.compile(r"process (?P<process>\d+) on (?P<host>\S+) since (?P<since>.+)")


def _process(who: str | None) -> Facts | None:
    """Who works at a sweep, in parts; each is null of one that does not say it."""
    if who is None:
        return None
    found = _PROCESS.match(who)
    if found is None:
        return dict.fromkeys(("process", "host", "since"))
    since = found["since"].replace(" UTC", "Z").replace(" ", "T")
    return {"process": int(found["process"]), "host": found["host"], "since": since}


def report_facts(summary: Summary, folder: str, files: Mapping[str, Path], missing: Sequence[str]) -> Facts:
    """What a sweep has shown: the decision, the ranking, what mattered, what to do next, which files were written."""
    return {
        "name": summary.spec.name,
        "folder": folder,
        **standing_facts(summary),
        "decision": decision(summary),
        "ranking": [_standing(standing, summary) for standing in summary.ranking().standings],
        "target": _target(summary),
        "what_mattered": what_mattered(summary),
        "how_sure": how_sure(summary),
        "not_compared": [_incomplete(combination, summary) for combination in summary.incomplete],
        "next": next_steps(summary, folder),
        "confirmed": [_confirmed(confirmed, summary) for confirmed in summary.confirmed],
        "files": {name: str(path) for name, path in files.items()},
        "missing": list(missing),
    }


def comparison_facts(summaries: Mapping[str, Summary]) -> Facts:
    """The best of each sweep, and the combinations that each shares with the first."""
    (base_folder, base), *others = summaries.items()
    return {
        "sweeps": [{"folder": f, "name": s.spec.name, "best": _best(s)} for f, s in summaries.items()],
        "pairs": [
            {"first": base_folder, "second": folder, "shared": [_shared(pair, base) for pair in shared(base, other)]}
            for folder, other in others
        ],
    }


def listing_facts(folder: str, sweeps: Iterable[Listed]) -> Facts:
    """The sweeps in a folder; of one that cannot be read, why."""
    return {"folder": folder, "sweeps": [_listed(sweep) for sweep in sweeps]}


def _listed(sweep: Listed) -> Facts:
    summary = sweep.summary
    if summary is None:
        return {"folder": str(sweep.path), "problem": sweep.problem}
    return {
        "folder": str(sweep.path),
        "problem": None,
        "name": summary.spec.name,
        "running": _process(sweep.who),
        **standing_facts(summary),
        "last_run_began_at": sweep.last_run_began_at,
    }


def _trial(trial: Trial, ledger: Ledger, varied: frozenset[str]) -> Facts:
    outcome = ledger.outcomes.get(trial.key)
    told = trial_facts(outcome, varied) if outcome else {}
    return {
        **{_WITH_UNITS.get(key, key): value for key, value in told.items()},
        "model": recipe_words(trial.recipe, varied),
        "recipe": asdict(trial.recipe),
        "repeat": trial.repeat,
        "status": Row(trial, outcome).status,
    }


def _best(summary: Summary) -> Facts | None:
    return _combination(summary.picks[0].combination, summary) if summary.picks else None


def _combination(combination: Combination, summary: Summary) -> Facts:
    """A combination whose repeats all finished."""
    recipe = combination.recipe
    return {
        "model": summary.model_words(recipe),
        "recipe": asdict(recipe),
        "n_parameters": recipe.n_parameters,
        "n_finished": combination.n_finished,
        **_spreads(combination),
    }


def _spreads(trained: Combination) -> Facts:
    return {_WITH_UNITS.get(metric, metric): _spread(trained.spread(metric)) for metric in RANKED}


def _spread(spread: Spread) -> Facts:
    return {"mean": spread.mean, "sd": spread.sd}


def _standing(standing: Standing, summary: Summary) -> Facts:
    return {
        "rank": standing.rank,
        **_combination(standing.combination, summary),
        "behind": standing.behind,
        "half_width": standing.half_width,
        "may_be_the_best": standing.tied,
        "unstable": standing.unstable,
    }


def _target(summary: Summary) -> Facts | None:
    if summary.spec.target is None:
        return None
    found = [
        {
            "model": summary.model_words(one.combination.recipe),
            "n_parameters": one.combination.recipe.n_parameters,
            "mean": one.standing.spread.mean,
            "half_width": one.standing.half_width,
            "n_finished": one.standing.spread.n,
            "n_reached": one.n_repeats,
            "surely": one.surely,
            "first_epoch": one.first_epoch,
        }
        for one in reached(summary)
    ]
    return {**asdict(summary.spec.target), "reached": found}


def _incomplete(combination: Combination, summary: Summary) -> Facts:
    n_failed, n_left = combination.n(Status.FAILED), combination.n(Status.PENDING)
    known = {"model": summary.model_words(combination.recipe), "n_finished": combination.n_finished}
    return known | {"n_failed": n_failed, "n_left": n_left}


def _confirmed(confirmed: Confirmed, summary: Summary) -> Facts:
    known = {"model": summary.model_words(confirmed.recipe), "n_finished": confirmed.n_finished}
    return known | (_spreads(confirmed) if confirmed.n_finished else {})


def _shared(pair: Shared, base: Summary) -> Facts:
    return {
        "model": base.model_words(pair.recipe),
        "recipe": asdict(pair.recipe),
        "first": _spread(pair.first),
        "second": _spread(pair.second),
        "second_less_first": pair.difference,
        "margin": pair.margin,
        "same_trainings": pair.same,
        "other_held_out_images": pair.other_images,
        "differs": pair.differs,
    }
