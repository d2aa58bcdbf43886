"""From a Summary to the tables of the workbooks: headers that readers of the old workbooks know, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from mnist_sweep.events import Curves, Failed
from mnist_sweep.plan import EACH_REPEAT, SweepSpec
from mnist_sweep.recipe import Recipe, Seeds
from mnist_sweep.summary import METRICS, Pick, Row, Status, Summary, train_seconds

Cell = str | int | float | bool | datetime | None

COUNT = "#,##0"
NUMBER = "0"
ACCURACY = "0.0000"
LOSS = "0.00000"
SECONDS = "0.000"
TEXT = "@"
DATE = "yyyy-mm-dd hh:mm"
AS_WRITTEN = "as written"  # each number with just the decimals that it has


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, its number format, what it holds in words, and where a cell comes from."""

    header: str
    format: str
    note: str
    cell: Callable[[Any], Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: columns, and rows of as many cells."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def _table(columns: Iterable[Column], sources: Iterable[Any]) -> Table:
    columns = tuple(columns)
    rows = tuple(tuple(_tidy(column, column.cell(source)) for column in columns) for source in sources)
    return Table(columns, rows)


def _tidy(column: Column, value: Cell) -> Cell:
    """Numbers without tails behind the decimals that matter, so that a filter on 0.9847 finds 0.9847."""
    if isinstance(value, float) and column.format != AS_WRITTEN:
        return round(value, 3 if column.format == SECONDS else 6)
    return value


def full_table(summary: Summary) -> Table:
    """Every repeat of every combination, in plan order."""
    return _table(_full_columns(summary.spec.seeds.shuffle_seed), summary.rows)


def best_table(summary: Summary) -> Table:
    """The choice by validation, then the three rows that look at the test images."""
    return _table(_best_columns(), summary.picks)


def hyperparams_table(summary: Summary) -> Table:
    """One row: what was tried, how long it took, with what."""
    return _table(_HYPERPARAMS, [summary])


def legend_table(table: Table) -> Table:
    """What each column of a table means."""
    columns = (
        Column("Column", TEXT, "The header of a column.", lambda column: column.header),
        Column("Meaning", TEXT, "What it holds.", lambda column: column.note),
    )
    return _table(columns, table.columns)


def _uniform(values: tuple[Any, ...]) -> Cell:
    """One value for all layers as itself, else one a layer as text."""
    if len(set(values)) == 1:
        first: Cell = values[0]
        return first
    return ", ".join(map(str, values)) or "none"


def _stopping(name: str) -> Callable[[Recipe], Cell]:
    return lambda recipe: None if recipe.early_stopping is None else getattr(recipe.early_stopping, name)


def _optimizer(recipe: Recipe) -> str:
    return f"{recipe.optimizer}, momentum {recipe.momentum:g}" if recipe.momentum else recipe.optimizer


def _recipe_columns(get: Callable[[Any], Recipe]) -> list[Column]:
    """The columns of the old workbooks that describe a combination."""

    def column(header: str, format_: str, note: str, cell: Callable[[Recipe], Cell]) -> Column:
        return Column(header, format_, note, lambda source: cell(get(source)))

    return [
        column("Batch size", NUMBER, "Images a training step.", lambda r: r.batch_size),
        column("Num layers", NUMBER, "Layers, input and output counted.", lambda r: r.num_layers),
        column("Hidden funcs", TEXT, "Activation of each hidden layer.", lambda r: ", ".join(r.hidden_funcs) or "none"),
        column(
            "Hidden width",
            NUMBER,
            "Width of all hidden layers, or the width of each.",
            lambda r: _uniform(r.hidden_widths),
        ),
        column("Learning rate", AS_WRITTEN, "Learning rate of the optimizer.", lambda r: r.learning_rate),
        column(
            "Validate loss improvement delta",
            AS_WRITTEN,
            "Early stopping: an improvement is more than this. Empty: early stopping was off.",
            _stopping("min_delta"),
        ),
        column(
            "Validate loss improvement patience",
            NUMBER,
            "Early stopping: epochs without improvement before it stops.",
            _stopping("patience"),
        ),
        column(
            "Restore best weights",
            TEXT,
            "TRUE: the weights of the best epoch are kept; FALSE: those of the last.",
            _stopping("restore_best_weights"),
        ),
        column("Max num epochs", NUMBER, "Epochs at most.", lambda r: r.max_epochs),
    ]


def _recipe_new_columns(get: Callable[[Any], Recipe]) -> list[Column]:
    def column(header: str, format_: str, note: str, cell: Callable[[Recipe], Cell]) -> Column:
        return Column(header, format_, note, lambda source: cell(get(source)))

    return [
        column("Optimizer", TEXT, "The Keras optimizer.", _optimizer),
        column(
            "Monitor",
            TEXT,
            "Early stopping: what must improve.",
            lambda r: r.early_stopping.monitor if r.early_stopping else "off",
        ),
        column("Parameters", COUNT, "Weights and biases of the model.", lambda r: r.n_parameters),
        column("Precision", TEXT, "What numbers the training computed with.", lambda r: r.precision),
    ]


def _shuffle_seed(seeds: Seeds) -> Cell:
    return seeds.split if seeds.split == seeds.order else f"split {seeds.split}, order {seeds.order}"


def _seeds_of_pick(pick: Pick) -> Cell:
    seeds = {_shuffle_seed(row.trial.seeds) for row in pick.combination.rows}
    return seeds.pop() if len(seeds) == 1 else EACH_REPEAT


def _last(values: Callable[[Curves], tuple[float | None, ...]]) -> Callable[[Row], Cell]:
    return lambda row: values(row.curves)[-1] if row.curves.seconds else None


def _metric(name: str) -> Callable[[Row], Cell]:
    return lambda row: METRICS[name](row.result) if row.result else None


def _train_time(row: Row) -> Cell:
    return train_seconds(row.curves) if row.curves.seconds else None


def _full_columns(shuffle_seed: int | str) -> list[Column]:
    own = " (each repeat has its own)" if shuffle_seed == EACH_REPEAT else ""
    return [
        *_recipe_columns(lambda row: row.trial.recipe),
        Column(
            "Shuffle seed",
            NUMBER,
            f"Decides which images are held out, and the order of the batches{own}.",
            lambda row: _shuffle_seed(row.trial.seeds),
        ),
        Column("Repeat", NUMBER, "Which training of the combination this is.", lambda row: row.trial.repeat),
        Column("Seed", NUMBER, "Decides the initial weights.", lambda row: row.trial.seeds.weights),
        *_recipe_new_columns(lambda row: row.trial.recipe),
        Column(
            "Test Accuracy",
            ACCURACY,
            "Part of the test images read rightly, by the kept weights.",
            _metric("test_accuracy"),
        ),
        Column("Test Loss", LOSS, "Mean loss on the test images, of the kept weights.", _metric("test_loss")),
        Column("Train Time", SECONDS, "Seconds of the epochs with their validation, without compiling.", _train_time),
        Column("Loss * Time", SECONDS, "Test Loss times Train Time: smaller is more efficient.", _metric("loss_time")),
        *_epoch_columns(),
        Column("Status", TEXT, "finished, failed, or pending: not trained yet.", lambda row: row.status.value),
        Column("Reason", TEXT, "Why a training failed.", _reason),
        Column("Attempts", NUMBER, "How often it was begun: more than once after a stop or a crash.", _attempts),
        Column(
            "Device",
            TEXT,
            "What the training ran on.",
            lambda row: row.result.execution["device"] if row.result else None,
        ),
    ]


def _epoch_columns() -> list[Column]:
    """The last epoch as in the old workbooks, and the epoch whose weights are kept."""
    last, kept = "of the LAST epoch, whose weights need not be the kept ones", "of the epoch whose weights are kept"
    running = ": the mean while the epoch trained, as Keras reports it"
    return [
        Column("Validate Accuracy", ACCURACY, f"Validation accuracy {last}.", _last(lambda c: c.val_accuracy)),
        Column("Train Accuracy", ACCURACY, f"Training accuracy {last}{running}.", _last(lambda c: c.train_accuracy)),
        Column("Validate Loss", LOSS, f"Validation loss {last}.", _last(lambda c: c.val_loss)),
        Column("Train Loss", LOSS, f"Training loss {last}{running}.", _last(lambda c: c.train_loss)),
        Column("Num epochs", NUMBER, "Epochs that were run.", lambda row: len(row.curves.seconds) or None),
        Column("Average epoch time", SECONDS, "Train Time by Num epochs, in seconds.", _average_epoch),
        Column(
            "Best epoch",
            NUMBER,
            "The best epoch by early stopping, or of the lowest validation loss where that is off.",
            lambda row: row.result.best_epoch if row.result else None,
        ),
        Column(
            "Kept Validate Accuracy",
            ACCURACY,
            f"Validation accuracy {kept}: what the choice goes by.",
            _metric("val_accuracy"),
        ),
        Column("Kept Train Accuracy", ACCURACY, f"Training accuracy {kept}{running}.", _metric("train_accuracy")),
        Column("Kept Validate Loss", LOSS, f"Validation loss {kept}.", _metric("val_loss")),
        Column("Kept Train Loss", LOSS, f"Training loss {kept}{running}.", _metric("train_loss")),
    ]


def _average_epoch(row: Row) -> Cell:
    n_epochs = len(row.curves.seconds)
    return train_seconds(row.curves) / n_epochs if n_epochs else None


def _attempts(row: Row) -> Cell:
    return row.attempts or None


def _reason(row: Row) -> Cell:
    return f"{row.outcome.cause}: {row.outcome.reason}" if isinstance(row.outcome, Failed) else None


_BEST_METRICS = (
    ("Kept Validate Accuracy", ACCURACY, "val_accuracy", "Validation accuracy of the kept weights"),
    ("Kept Validate Loss", LOSS, "val_loss", "Validation loss of the kept weights"),
    ("Test Accuracy", ACCURACY, "test_accuracy", "Part of the test images read rightly, by the kept weights"),
    ("Test Loss", LOSS, "test_loss", "Loss on the test images, of the kept weights"),
    ("Train Time", SECONDS, "train_time", "Seconds of the epochs with their validation, without compiling"),
    ("Loss * Time", SECONDS, "loss_time", "Test Loss times Train Time"),
    ("Kept Train Accuracy", ACCURACY, "train_accuracy", "Training accuracy of the epoch whose weights are kept"),
    ("Kept Train Loss", LOSS, "train_loss", "Training loss of the epoch whose weights are kept"),
    ("Num epochs", "0.0", "epochs", "Epochs that were run"),
)


def _best_columns() -> list[Column]:
    return [
        Column(
            "Type",
            TEXT,
            "By what this combination comes first. Choose by validation: a combination that was picked by its test "
            "result looks better than it is. Efficiency: smallest Test Loss * Train Time.",
            lambda pick: pick.title,
        ),
        Column(
            "Average loop result",
            LOSS,
            "What the row's rule looks at, as the mean over the repeats: an accuracy, a loss, or loss times seconds.",
            lambda pick: pick.combination.spread(pick.metric).mean,
        ),
        Column(
            "Standard deviation",
            LOSS,
            "Spread of that over the repeats. Differences of this size are seed noise. Empty with one repeat.",
            lambda pick: pick.combination.spread(pick.metric).sd,
        ),
        Column("Repeats", NUMBER, "Trainings that the means are over.", lambda pick: len(pick.combination.rows)),
        *_recipe_columns(lambda pick: pick.combination.recipe),
        Column(
            "Shuffle seed", NUMBER, "Decides which images are held out, and the order of the batches.", _seeds_of_pick
        ),
        *_recipe_new_columns(lambda pick: pick.combination.recipe),
        *(column for metric in _BEST_METRICS for column in _mean_and_sd(*metric)),
    ]


def _mean_and_sd(header: str, format_: str, metric: str, what: str) -> tuple[Column, Column]:
    return (
        Column(f"{header} mean", format_, f"{what}: mean over the repeats.", _of_pick(metric, "mean")),
        Column(f"{header} sd", format_, f"{what}: standard deviation over the repeats.", _of_pick(metric, "sd")),
    )


def _of_pick(metric: str, what: str) -> Callable[[Pick], Cell]:
    return lambda pick: getattr(pick.combination.spread(metric), what)


def axis_words(spec: SweepSpec, name: str) -> Cell:
    """An axis as it was written, never expanded; a lone number stays one."""
    choices = spec.axis(name).choices
    if name == "optimizer":
        return _written(_optimizer_word(choice) for choice in choices)
    if name == "early_stopping":
        return "; ".join(_stopping_words(choice) for choice in choices)
    if choices == (None,):
        return "as many as there are widths or functions, else 4"
    return _written(choices)


def _written(values: Iterable[Any]) -> Cell:
    values = list(values)
    if len(values) == 1 and isinstance(values[0], dict):
        return f"each_layer: {', '.join(values[0]['each_layer'])}"
    words = list(dict.fromkeys(_word(value) for value in values))
    return words[0] if len(words) == 1 else ", ".join(_plain(word) for word in words)


def _word(value: Any) -> Cell:
    if isinstance(value, dict):
        return f"{{each_layer: {', '.join(value['each_layer'])}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    number_or_name: Cell = value
    return number_or_name


def _plain(word: Cell) -> str:
    """A number with all its decimals: 0.00001, not 1e-05."""
    return f"{Decimal(repr(word)):f}" if isinstance(word, float) else str(word)


def _optimizer_word(choice: dict[str, Any]) -> str:
    return f"{choice['name']} (momentum {choice['momentum']:g})" if choice["momentum"] else str(choice["name"])


def _stopping_words(choice: dict[str, Any] | None) -> str:
    if choice is None:
        return "off"
    kept = "best" if choice["restore_best_weights"] else "last"
    return f"{choice['monitor']} by {_plain(choice['min_delta'])}, patience {choice['patience']}, {kept} weights kept"


def _axis(name: str) -> Callable[[Summary], Cell]:
    return lambda summary: axis_words(summary.spec, name)


def _stopping_axis(name: str) -> Callable[[Summary], Cell]:
    def cell(summary: Summary) -> Cell:
        return _written("off" if c is None else c[name] for c in summary.spec.axis("early_stopping").choices)

    return cell


def _num_layers(summary: Summary) -> Cell:
    written = summary.spec.axis("num_layers").choices
    return _written(written if written != (None,) else [c.recipe.num_layers for c in summary.combinations])


def _trained(summary: Summary) -> int:
    return summary.n(Status.FINISHED) + summary.n(Status.FAILED)


def _last_run(summary: Summary, *path: str) -> Any:
    tree: Any = summary.runs[-1].environment if summary.runs else {}
    for part in path:
        tree = tree.get(part, {})
    return tree


def _versions(summary: Summary) -> Cell:
    return ", ".join(f"{name} {version}" for name, version in _last_run(summary, "versions").items()) or None


def _machine(summary: Summary) -> Cell:
    return ", ".join(str(value) for value in _last_run(summary, "machine").values()) or None


def _when(summary: Summary) -> Cell:
    if not summary.runs:
        return None
    return datetime.fromisoformat(summary.runs[0].started_at).replace(tzinfo=None)  # a spreadsheet has no time zones


def _seed_words(summary: Summary) -> Cell:
    seeds = summary.spec.seeds
    if seeds.split_seed == seeds.order_seed:
        return seeds.split_seed
    return f"split {seeds.split_seed}, order {seeds.order_seed}"


_HYPERPARAMS = (
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
    Column("Max Num Epochs", NUMBER, "Epochs at most.", _axis("max_epochs")),
    Column("Batch sizes", NUMBER, "Images a training step.", _axis("batch_size")),
    Column("Hidden Widths", NUMBER, "Widths; [..] gives one a layer.", _axis("hidden_width")),
    Column("Nums layers", NUMBER, "Layers, input and output counted.", _num_layers),
    Column("Functions", TEXT, "Activations; each_layer combines them over the hidden layers.", _axis("hidden_funcs")),
    Column("Learning rates", AS_WRITTEN, "Learning rates of the optimizer.", _axis("learning_rate")),
    Column(
        "Improvement deltas",
        AS_WRITTEN,
        "Early stopping: an improvement is more than this.",
        _stopping_axis("min_delta"),
    ),
    Column("Improvement patience", NUMBER, "Early stopping: epochs without improvement.", _stopping_axis("patience")),
    Column(
        "Improvement restore weights",
        TEXT,
        "Early stopping: whether the best epoch's weights are kept.",
        _stopping_axis("restore_best_weights"),
    ),
    Column("Optimizers", TEXT, "The Keras optimizers.", _axis("optimizer")),
    Column("Monitors", TEXT, "Early stopping: what must improve.", _stopping_axis("monitor")),
    Column("Precisions", TEXT, "What numbers the trainings computed with.", _axis("precision")),
    Column(
        "Validation fraction", AS_WRITTEN, "Part of the training images held out.", lambda s: s.spec.validation_fraction
    ),
    Column("Shuffle seed", NUMBER, "Decides which images are held out, and the order of the batches.", _seed_words),
    Column("Versions", TEXT, "Of the last run of the command.", _versions),
    Column("Machine", TEXT, "Of the last run of the command.", _machine),
    Column("When", DATE, "Start of the first run of the command, in UTC.", _when),
    Column("Seed", NUMBER, "Where the initial weights of the repeats come from.", lambda s: s.spec.seeds.seed),
    Column("Combinations", COUNT, "Different models or ways of training.", lambda s: len(s.combinations)),
    Column("Planned", COUNT, "Trainings that the sweep asks for.", lambda s: len(s.combinations) * s.spec.repeats),
    Column("Finished", COUNT, "Trainings with a result.", lambda s: s.n(Status.FINISHED)),
    Column("Failed", COUNT, "Trainings that failed; full.xlsx has the reasons.", lambda s: s.n(Status.FAILED)),
    Column("Name", TEXT, "The sweep.", lambda s: s.spec.name),
    Column("Goal", TEXT, "What it wants to find out.", lambda s: s.spec.goal or None),
)
