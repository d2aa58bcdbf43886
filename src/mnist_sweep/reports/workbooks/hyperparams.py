"""hyperparams.xlsx: one row that says what was tried, how long it took, with what."""

from datetime import datetime
from typing import Any

from mnist_sweep.analysis.combination import Status
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.provenance import differences, rounding_words
from mnist_sweep.plan.recipe import BACKENDS, TENSORFLOW
from mnist_sweep.reports.columns import AS_WRITTEN, COUNT, DATE, NUMBER, SECONDS, TEXT, Cell, Column
from mnist_sweep.reports.tables import Table, make_table, shuffle_seed, tried_columns


def hyperparams_table(summary: Summary) -> Table:
    """One row: what was tried, how long it took, with what."""
    images = [_IMAGES] if summary.spec.training_images else []
    return make_table((*_TRAININGS, *tried_columns(summary), *images, *_OTHERS), [summary])


def _trained(summary: Summary) -> int:
    return summary.n(Status.FINISHED) + summary.n(Status.FAILED)


def _last_run(summary: Summary, part: str) -> Any:
    environment: Any = summary.runs[-1].environment if summary.runs else {}
    return environment.get(part, {})


def _versions(summary: Summary) -> Cell:
    return ", ".join(f"{name} {version}" for name, version in _last_run(summary, "versions").items()) or None


def _machine(summary: Summary) -> Cell:
    return ", ".join(str(value) for value in _last_run(summary, "machine").values()) or None


def _changes(summary: Summary) -> Cell:
    """What runs differed in, each difference once, and results in rounding; what old journals lack is none."""
    environments: list[Any] = [run.environment for run in summary.runs]
    found = (text for i, now in enumerate(environments) for text in differences(environments[:i], now))
    return "; ".join(filter(None, [*dict.fromkeys(found), rounding_words(summary.executions)])) or None


def _when(summary: Summary) -> Cell:
    if not summary.runs:
        return None
    return datetime.fromisoformat(summary.runs[0].started_at).replace(tzinfo=None)  # a spreadsheet has no time zones


def _seeds(summary: Summary) -> Cell:
    return shuffle_seed(summary.spec.seeds.split_seed, summary.spec.seeds.order_seed)


_TRAININGS = (
    Column("Num Model Trainings", COUNT, "Trainings that were done, failed ones too.", _trained),
    Column("Num Loops per model", NUMBER, "Repeats of each combination.", lambda s: s.spec.repeats),
    Column("Total time minutes", "0.00", "Wall clock of all runs of the command.", lambda s: s.seconds / 60),
    Column("Total time hours", "0.000", "The same in hours.", lambda s: s.seconds / 3600),
    Column(
        "Seconds per model",
        SECONDS,
        "Wall clock per training, repeats counted.",
        lambda s: s.seconds / _trained(s) if _trained(s) else None,
    ),
)
_IMAGES = Column(
    "Training images", COUNT, "How many of the shuffled training images.", lambda s: s.spec.training_images
)
_OTHERS = (
    Column(
        "Validation fraction", AS_WRITTEN, "Part of the training images held out.", lambda s: s.spec.validation_fraction
    ),
    Column("Shuffle seed", NUMBER, "Decides which images are held out, and the order of the batches.", _seeds),
    Column("Versions", TEXT, "Of the last run of the command.", _versions),
    Column("Machine", TEXT, "Of the last run of the command.", _machine),
    Column("When", DATE, "Start of the first run of the command, in UTC.", _when),
    Column("Seed", NUMBER, "Where the initial weights of the repeats come from.", lambda s: s.spec.seeds.seed),
    Column("Combinations", COUNT, "Different models or ways of training.", lambda s: len(s.combinations)),
    Column("Planned", COUNT, "Trainings that the sweep asks for.", lambda s: sum(len(c.rows) for c in s.combinations)),
    Column("Finished", COUNT, "Trainings with a result.", lambda s: s.n(Status.FINISHED)),
    Column("Failed", COUNT, "Trainings that failed; full.xlsx has the reasons.", lambda s: s.n(Status.FAILED)),
    Column(
        "Changed since the start",
        TEXT,
        "Settings, versions and rounding by which the last bits of some results differ from those of the first run.",
        _changes,
    ),
    Column("Backend", TEXT, "What Keras computed with.", lambda s: BACKENDS[s.spec.backend or TENSORFLOW]),
    Column("Name", TEXT, "The sweep.", lambda s: s.spec.name),
    Column("Goal", TEXT, "What it wants to find out.", lambda s: s.spec.goal or None),
)
