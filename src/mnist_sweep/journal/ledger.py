"""The state of a sweep: a fold of its events."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mnist_sweep.journal.events import Failed, Finished, Planned, Record, RunStarted, Started
from mnist_sweep.plan.data_set import DATA_SETS, DataSet
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.plan.sweep_plan import Plan, make_plan

Outcome = Finished | Failed


@dataclass(slots=True)
class Run:
    """One run of the command: what it ran on, when it began, how long it has been seen at work, and what for."""

    environment: Mapping[str, object]
    started_at: str
    seconds: float
    confirms: bool = False


@dataclass(slots=True)
class Ledger:
    """What the journal says so far: the outcome of each trial by its key, the runs, the latest plan.

    Trainings that confirm are kept apart: they never enter a ranking, and no plan asks for them.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    confirmations: dict[str, Outcome] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    running: dict[str, Trial] = field(default_factory=dict)  # begun in the last run, and not ended yet
    begun_s: dict[str, float] = field(default_factory=dict)  # when each of them began, in seconds of that run
    heard_at: str = ""  # when the last event was written
    runs: list[Run] = field(default_factory=list)
    spec: SweepSpec | None = None

    def apply(self, record: Record) -> None:
        """Take in one more record."""
        self.heard_at = record.at
        if isinstance(record.event, RunStarted):
            self.runs.append(Run(record.event.environment, record.at, record.run_s, record.event.confirms))
            self.running = {}
        elif self.runs:
            self.runs[-1].seconds = max(self.runs[-1].seconds, record.run_s)
        match record.event:
            case Started(trial):
                self.attempts[trial.key] += 1
                self.running[trial.key] = trial
                self.begun_s[trial.key] = record.run_s
            case Finished() | Failed() as outcome:
                self.of(outcome.trial)[outcome.trial.key] = outcome
                self.running.pop(outcome.trial.key, None)
            case Planned(spec):
                self.spec = spec

    def of(self, trial: Trial) -> dict[str, Outcome]:
        """The outcomes of the trial's kind: of the plan, or of confirmations."""
        return self.confirmations if trial.confirms else self.outcomes

    def spent(self, since_s: float = 0.0) -> dict[str, float]:
        """The seconds that each running trial has been trained for, so long after the last event.

        Those that a worker trains side by side share its seconds.
        """
        if not self.runs:
            return {}
        now, per_worker = self.runs[-1].seconds + since_s, max(1.0, len(self.running) / self.n_workers)
        return {key: max(now - self.begun_s[key], 0.0) / per_worker for key in self.running}

    @property
    def executions(self) -> list[Mapping[str, Any]]:
        """On what and how each result was computed, in the order of the journal; confirmations come last."""
        outcomes = (*self.outcomes.values(), *self.confirmations.values())
        return [outcome.result.execution for outcome in outcomes if isinstance(outcome, Finished)]

    @property
    def n_workers(self) -> int:
        """The workers of the last run."""
        return int(str(self.runs[-1].environment.get("workers", 1))) if self.runs else 1

    @property
    def seconds(self) -> float:
        """Wall clock of all runs of the command."""
        return sum(run.seconds for run in self.runs)


def replay(records: Iterable[Record]) -> Ledger:
    """The ledger that these records make."""
    ledger = Ledger()
    for record in records:
        ledger.apply(record)
    return ledger


def recorded_plan(spec: SweepSpec, ledger: Ledger, known: Sequence[DataSet] = DATA_SETS) -> Plan:
    """The plan of a spec with each combination by the version of the training loop that its outcomes came from.

    Args:
        known: the data sets that outcomes can be of; where there is no outcome, the plan is for the first.
    """
    trials = [outcome.trial for outcome in ledger.outcomes.values()]
    versions = {trial.recipe: trial.loop_version for trial in trials}
    digest = trials[-1].data if trials else known[0].digest
    data = {one.digest: one for one in known}.get(digest)
    if data is None:
        raise ValueError(f"its results are of data that this version does not know, with SHA-256 {digest}")
    return make_plan(spec, data, versions)


def pending(trials: Iterable[Trial], ledger: Ledger, *, retry_failed: bool = False) -> list[Trial]:
    """The trials that have no outcome yet, in their order; a start without an end counts for nothing."""

    def is_left(trial: Trial) -> bool:
        known = ledger.of(trial)
        outcome = known.get(trial.key) if known else None  # a key takes long to make: not for nothing
        return outcome is None or (retry_failed and isinstance(outcome, Failed))

    return [trial for trial in trials if is_left(trial)]
