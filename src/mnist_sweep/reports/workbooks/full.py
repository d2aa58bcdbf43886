"""full.xlsx: every repeat of every combination, and every epoch of every one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from operator import itemgetter

from mnist_sweep.analysis.combination import Row
from mnist_sweep.analysis.metrics import CURVES, METRICS, train_seconds
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.journal.events import Failed
from mnist_sweep.plan.spec import EACH_REPEAT
from mnist_sweep.reports.columns import (
    ACCURACY,
    COMBINATION,
    FORMATS,
    LOSS,
    NUMBER,
    SCALES,
    SECONDS,
    TEXT,
    Cell,
    Column,
)
from mnist_sweep.reports.tables import Table, axis_columns, make_table, numbers, recipe_columns, shuffle_seed


def full_table(summary: Summary) -> Table:
    """Every repeat of every combination, in plan order; accuracies, losses and times coloured from good to bad."""
    number = numbers(summary)
    columns = _full_columns(summary)
    last = Column("Combination", NUMBER, COMBINATION, lambda row: number[row.trial.recipe])
    return make_table((replace(column, scale=SCALES.get(column.format)) for column in [*columns, last]), summary.rows)


def _metric(name: str) -> Column:
    metric = METRICS[name]
    note = f"{metric.note}."
    return Column(metric.header, FORMATS[metric.quantity], note, lambda row: row.result and metric.of(row.result))


def _last(name: str) -> Column:
    """A curve at the last epoch, as in the old workbooks."""
    curve = CURVES[name]
    running = ": the mean while the epoch trained, as Keras reports it" if name.startswith("train") else ""
    return Column(
        curve.header,
        FORMATS[curve.quantity],
        f"{curve.words.capitalize()} of the LAST epoch, whose weights need not be the kept ones{running}.",
        lambda row: curve.of(row.curves)[-1] if row.curves.seconds else None,
    )


def _train_time(row: Row) -> Cell:
    return train_seconds(row.curves) if row.curves.seconds else None


def _average_epoch(row: Row) -> Cell:
    n = len(row.curves.seconds)
    return train_seconds(row.curves) / n if n else None


def _reason(row: Row) -> Cell:
    return f"{row.outcome.cause}: {row.outcome.reason}" if isinstance(row.outcome, Failed) else None


_OF_LAST = "of the weights of the last epoch, which need not be the kept ones. Empty: an older version trained it."


def _full_columns(summary: Summary) -> list[Column]:
    own = " (each repeat has its own)" if summary.spec.seeds.shuffle_seed == EACH_REPEAT else ""
    kept = ("val_accuracy", "train_accuracy", "val_loss", "train_loss")
    return [
        *recipe_columns(summary, lambda row: row.trial.recipe, old=True),
        Column(
            "Shuffle seed",
            NUMBER,
            f"Decides which images are held out, and the order of the batches{own}.",
            lambda row: shuffle_seed(row.trial.seeds.split, row.trial.seeds.order),
        ),
        Column("Repeat", NUMBER, "Which training of the combination this is.", lambda row: row.trial.repeat),
        Column("Seed", NUMBER, "Decides the initial weights.", lambda row: row.trial.seeds.weights),
        *recipe_columns(summary, lambda row: row.trial.recipe, old=False),
        *map(_metric, ("test_accuracy", "test_loss")),
        replace(_metric("train_time"), cell=_train_time),
        _metric("loss_time"),
        *map(_last, kept),
        Column("Num epochs", NUMBER, "Epochs that were run.", lambda row: len(row.curves.seconds) or None),
        Column("Average epoch time", SECONDS, "Train Time by Num epochs, in seconds.", _average_epoch),
        Column(
            "Best epoch",
            NUMBER,
            "The best epoch by early stopping, or of the lowest validation loss where that is off.",
            lambda row: row.result and row.result.best_epoch,
        ),
        *map(_metric, kept),
        Column(
            "Last test accuracy",
            ACCURACY,
            f"Test accuracy {_OF_LAST}",
            lambda row: row.result and row.result.last_test_accuracy,
        ),
        Column("Last test loss", LOSS, f"Test loss {_OF_LAST}", lambda row: row.result and row.result.last_test_loss),
        Column("Status", TEXT, "finished, failed, or pending: not trained yet.", lambda row: row.status.value),
        Column("Reason", TEXT, "Why a training failed.", _reason),
        Column(
            "Attempts",
            NUMBER,
            "How often it was begun: more than once after a stop or a crash.",
            lambda row: row.attempts or None,
        ),
        Column("Device", TEXT, "What the training ran on.", lambda row: row.result and row.result.execution["device"]),
    ]


def n_epochs(summary: Summary) -> int:
    """Epochs of all trials, those of failed ones counted."""
    return sum(len(row.curves.seconds) for row in summary.rows)


def epochs_table(summary: Summary, axes: list[str], most: int | None = None) -> Table:
    """A row for each epoch of each trial in plan order, or the first of these, with a column for each of the axes."""
    of_recipe = axis_columns(axes, lambda recipe: recipe)
    axis_parts = [(column.header, column.format, column.note) for column in of_recipe]
    parts = [("Combination", NUMBER, COMBINATION), *axis_parts, *_EPOCHS]
    return make_table(
        (Column(*of, itemgetter(i)) for i, of in enumerate(parts)), islice(_epochs(summary, of_recipe), most)
    )


_EPOCHS = (
    ("Repeat", NUMBER, "Which training of the combination this is."),
    ("Epoch", NUMBER, "Epochs count from 1."),
    *((curve.header, FORMATS[curve.quantity], f"{curve.note}.") for curve in CURVES.values()),
)


def _epochs(summary: Summary, of_recipe: Iterable[Column]) -> Iterator[tuple[Cell, ...]]:
    """The cells of each epoch; what its combination says is worked out once a trial."""
    number = numbers(summary)
    for row in summary.rows:
        recipe, curves = row.trial.recipe, row.curves
        head = (number[recipe], *(column.cell(recipe) for column in of_recipe), row.trial.repeat)
        for epoch, epoch_values in enumerate(zip(*curves.columns, strict=True), start=1):
            yield (*head, epoch, *epoch_values)
