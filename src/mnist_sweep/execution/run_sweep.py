"""The main path: choose trials, have them trained, record every event before anybody hears of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

from mnist_sweep.errors import SweepMismatchError, WorkersError
from mnist_sweep.execution.executor import Executor, Limits, MakeWork, TrialEvent
from mnist_sweep.journal.events import Cause, Event, Failed, Finished, Planned, Progress, Record, RunEnded, RunStarted
from mnist_sweep.journal.journal_file import Journal
from mnist_sweep.journal.ledger import Ledger, pending, replay
from mnist_sweep.journal.provenance import differences, fingerprints, rounding_words
from mnist_sweep.plan.axes import compile_key, setting, trial_words
from mnist_sweep.plan.choices import in_full
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.data_set import DataSet
from mnist_sweep.plan.recipe import CompileKey, EarlyStopping, Recipe, Trial, loop_changes, loop_version
from mnist_sweep.plan.spec import Rule, SweepSpec, spec_to_dict
from mnist_sweep.plan.sweep_plan import Plan

Listener = Callable[[TrialEvent, Ledger], None]
Chooser = Callable[[Sequence[Trial], Ledger], Iterator[Trial | None]]
"""From the trials that are left and the ledger to those that come next.

It is resumed as there is room for more trials, and again after each event. The ledger then is what has become of the
trials by now; as long as the next one depends on a result that is still out, it yields None.
"""


@dataclass(frozen=True, slots=True)
class Training:
    """How trials are trained here: by what executor, by what work, within what limits, on and with what."""

    execute: Executor
    make_work: MakeWork
    limits: Limits
    environment: Mapping[str, Any]


def grid(left: Sequence[Trial], _ledger: Ledger) -> Iterator[Trial | None]:
    """The chooser of a grid: all, one after the other, whatever becomes of them."""
    return iter(left)


def run_sweep(
    plan: Plan,
    *,
    journal_path: Path,
    prepare: Callable[[Sequence[Trial]], AbstractContextManager[Training]],
    stamp: Callable[[Event], Record],
    choose: Chooser = grid,
    confirmations: tuple[Trial, ...] = (),
    retry_failed: bool = False,
    max_trials: int | None = None,
    listeners: Iterable[Listener] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Ledger:
    """Train what the plan asks for and the journal lacks; the folder must be locked.

    Args:
        confirmations: train these instead of the plan's trials.
        prepare: gets ready to train; given the trials that are left, but no more than may be trained now. It is called
            only when there are any.
        retry_failed: train failed trials again; otherwise their failure is their result.
        listeners: hear of every event after it is on the disk.
    """
    with closing(Journal(journal_path)) as journal:
        ledger = replay(journal.records)
        check_continues(plan, ledger, journal_path.parent)

        def note(event: Event) -> None:
            record = stamp(event)
            journal.append(record)
            ledger.apply(record)

        if ledger.spec is None or spec_to_dict(ledger.spec) != spec_to_dict(plan.spec):  # names of networks too
            note(Planned(plan.spec))
        left = pending(confirmations or plan.trials, ledger, retry_failed=retry_failed)
        if retry_failed:  # what was tried least comes first, or a limit would try the same ones again and again
            left.sort(key=lambda trial: ledger.attempts[trial.key])
        todo, chosen = left[:max_trials], _at_most(max_trials, choose(left, ledger))
        if not (first := next(chosen, None)):
            return ledger
        with prepare(todo) as training:
            if other := differences([run.environment for run in ledger.runs], training.environment):
                say(f"{_OTHER_BITS}: {'; '.join(other)}")
            note(RunStarted(training.environment, confirms=bool(confirmations)))
            hearers = (*listeners, _rounding_teller(ledger, say), _Streak({compile_key(t.recipe) for t in todo}).hear)
            try:
                _train(training, chain([first], chosen), note, hearers, ledger)
            finally:
                note(RunEnded())
        return ledger


def _train(
    training: Training,
    trials: Iterator[Trial | None],
    note: Callable[[Event], None],
    hearers: Iterable[Listener],
    ledger: Ledger,
) -> None:
    """Have trials trained; each event is recorded before anybody hears of it."""
    with closing(training.execute(trials, training.make_work, training.limits)) as events:
        for event in events:
            if not isinstance(event, Progress):
                note(event)
            for hear in hearers:
                hear(event, ledger)


def _at_most(n: int | None, chosen: Iterator[Trial | None]) -> Iterator[Trial | None]:
    """What is chosen, until there are n trials."""
    n_chosen = 0
    for trial in chosen:
        yield trial
        n_chosen += trial is not None
        if n_chosen == n:
            return


_OTHER_BITS = (
    "This sweep goes on with other settings or versions than it began with, so that its new results agree with the old "
    "ones up to rounding only"
)


def _rounding_teller(ledger: Ledger, say: Callable[[str], None]) -> Listener:
    """Says so when a result is rounded otherwise than those before it, once for each other fingerprint."""
    known = set(fingerprints(ledger.executions))

    def hear(event: TrialEvent, ledger: Ledger) -> None:
        new = fingerprints([event.result.execution]).keys() - known if isinstance(event, Finished) else ()
        known.update(new)
        if new and len(known) > 1:
            say(rounding_words(ledger.executions))

    return hear


_STREAK = 10


@dataclass(slots=True)
class _Streak:
    """Counts failures in a row that have one cause outside the trials: no memory, a GPU that is gone.

    A shape that cannot be trained is no such cause, however many trials it has: there must be as many shapes, or all.
    """

    shapes: set[CompileKey]
    cause: str = ""
    n: int = 0
    failed: set[CompileKey] = field(default_factory=set)

    def hear(self, event: TrialEvent, _ledger: Ledger) -> None:
        """Take in an event; raises WorkersError at the end of a long row."""
        match event:
            case Finished():
                self.cause = ""
            case Failed(trial, Cause.ERROR | Cause.WORKER_DIED as cause, reason):
                kind = f"{cause}: {reason.partition(':')[0]}"
                if kind != self.cause:
                    self.cause, self.n, self.failed = kind, 0, set()
                self.n += 1
                self.failed.add(compile_key(trial.recipe))
                if self.n >= _STREAK and len(self.failed) >= min(_STREAK, len(self.shapes)):
                    raise WorkersError(
                        f"stopped: {self.n} trials in a row failed for one cause: {reason.splitlines()[0]}. "
                        "Correct it, then train them again with --retry-failed"
                    )


def check_continues(plan: Plan, ledger: Ledger, folder: Path) -> None:
    """Refuse a plan that lacks a trial with an outcome: no result may silently drop out."""
    lost = [outcome.trial for key, outcome in ledger.outcomes.items() if key not in plan.keys]
    if not lost:
        return
    check_current([trial for trial in lost if _current(trial, plan.data).key in plan.keys], plan.data, folder)
    example = lost[0]
    changes = _spec_changes(ledger.spec, plan.spec) if ledger.spec else []
    closest = min((_differences(example, trial) for trial in plan.trials), key=len)
    of_all = counted(len(ledger.outcomes), "trial")
    msg = (
        f"{folder} holds the results of {len(lost):,} of {of_all} that this sweep file no longer asks "
        f"for; one of them is {trial_words(example)}. The file now has {'; '.join(changes or closest)}. To go on: "
        "undo that change, or give the sweep another name, or use --fresh, which moves the old folder aside and "
        "starts anew"
    )
    raise SweepMismatchError(msg)


def check_current(trials: Iterable[Trial], data: DataSet, folder: Path) -> None:
    """Refuse trials that the training loop now trains otherwise: results of two versions are never mixed."""
    outdated = [trial for trial in trials if trial != _current(trial, data)]
    if not outdated:
        return
    example = max(outdated, key=lambda trial: _current(trial, data).loop_version)
    old, new = example.loop_version, _current(example, data).loop_version
    found = [change for trial in outdated for change in loop_changes(trial.recipe, data.n_train, trial.loop_version)]
    changes = "; ".join(dict.fromkeys(found)) or "they come from a newer mnist-sweep"
    msg = (
        f"{folder} holds results of version {old} of the training loop for models that version {new} trains here; one "
        f"of them is {trial_words(example)}. What differs: {changes}. Results of two versions are never mixed, and "
        "`mnist-sweep report` shows those that there are. To train them by this version: give the sweep another name, "
        "or run its file with --fresh, which moves the old folder aside and starts anew"
    )
    raise SweepMismatchError(msg)


def _current(trial: Trial, data: DataSet) -> Trial:
    """The trial as it is trained now."""
    return replace(trial, loop_version=loop_version(trial.recipe, data.n_train))


def _spec_changes(before: SweepSpec, after: SweepSpec) -> list[str]:
    """What a person has changed in the file, but for its name and goal."""
    old, new = _settings(before), _settings(after)
    was, now = ({str(one): one for one in spec.axis("network").choices} for spec in (before, after))
    changes = [f"other layers in network {name}" for name, one in was.items() if now.get(name, one) != one]
    names = (name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name))
    return [*changes, *(f"{name} {new.get(name)} instead of {old.get(name)}" for name in names)]


def _settings(spec: SweepSpec) -> dict[str, Any]:
    seeds = {name: getattr(spec.seeds, name) for name in ("seed", "split_seed", "order_seed")}
    held = {name: getattr(spec, name) for name in ("repeats", "validation_fraction", "training_images", "backend")}
    rules = {name: "; ".join(map(_rule_words, getattr(spec, name))) or "nothing" for name in ("exclude", "include")}
    settings: dict[str, Any] = {**held, **seeds, **rules}
    return settings | {axis.name: in_full(setting(axis.name).listed(axis.choices)) for axis in spec.axes}


def _rule_words(rule: Rule) -> str:
    return ", ".join(f"{axis.name} {setting(axis.name).listed(axis.choices)}" for axis in rule)


def _differences(old: Trial, new: Trial) -> list[str]:
    before, after = _flat(old), _flat(new)
    return [f"{name} {after[name]} instead of {before[name]}" for name in before if before[name] != after[name]]


def _flat(trial: Trial) -> dict[str, Any]:
    tree, recipe = asdict(trial), {field.name: getattr(trial.recipe, field.name) for field in fields(Recipe)}
    seeds, rule = tree.pop("seeds"), recipe.pop("early_stopping")
    del tree["recipe"]
    stopping = asdict(rule) if rule else {field.name: None for field in fields(EarlyStopping)}
    return {**recipe, **stopping, **{f"{name} seed": seed for name, seed in seeds.items()}, **tree}
