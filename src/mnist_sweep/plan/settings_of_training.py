"""Settings of how a network is trained: rows of the table of axes."""

from collections.abc import Iterable
from dataclasses import fields
from functools import partial

from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.choices import (
    Cell,
    Optimizer,
    above_zero,
    below_one,
    count,
    from_zero,
    in_full,
    word,
    written,
)
from mnist_sweep.plan.keras_names import OPTIMIZER_NOTES, SCHEDULES
from mnist_sweep.plan.limits import MAX_COUNT
from mnist_sweep.plan.named import Named, scalar_words
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import PRECISIONS, EarlyStopping, Recipe, own_weight_decay
from mnist_sweep.plan.setting import Format, Setting, of_stopping, off_or, one_column, optional

_PARTS = tuple(field.name for field in fields(EarlyStopping))
_ONE_OR_SEVERAL = "a whole number from {} to {}, or a list of them"


def _optimizer_of(recipe: Recipe) -> Optimizer:
    return Optimizer(recipe.optimizer, recipe.momentum, recipe.optimizer_settings)


def _optimizer_parts(one: Optimizer) -> list[str]:
    told = (("momentum", one.momentum or None), *one.settings, ("weight_decay", one.weight_decay))
    return [one.name, *(f"{name} {scalar_words(value)}" for name, value in told if value is not None)]


def _optimizers(choices: Iterable[Optimizer]) -> Cell:
    parts = [_optimizer_parts(one) for one in choices]
    return written(f"{name} ({', '.join(told)})" if told else name for name, *told in parts)


def _rule_listed(rule: EarlyStopping | None) -> str:
    if rule is None:
        return "off"
    kept = "best" if rule.restore_best_weights else "last"
    return f"{rule.monitor} by {in_full(rule.min_delta)}, patience {rule.patience}, {kept} weights kept"


def _rule_phrase(rule: EarlyStopping | None, off: str = "no stopping") -> str:
    if rule is None:
        return off
    kept = "best" if rule.restore_best_weights else "last"
    return f"{rule.monitor} by {rule.min_delta:g} patience {rule.patience} {kept}"


def _schedule_words(schedule: Named | None) -> str:
    return "off" if schedule is None else str(schedule.without(SCHEDULES[schedule.name]))


SETTINGS: tuple[Setting, ...] = (
    one_column(
        "batch_size",
        "batch size",
        Format.WHOLE,
        count(),
        lambda recipe, _: f"batch {recipe.batch_size}",
        note="Images a training step.",
        allowed=_ONE_OR_SEVERAL.format(1, MAX_COUNT),
        takes="images a training step",
        default="200",
        template="batch_size: [200, 300]",
        plural="Batch sizes",
        places=(1, 2),
    ),
    one_column(
        "optimizer",
        "optimizer",
        Format.TEXT,
        partial(from_plain, Optimizer),
        lambda recipe, _: str(_optimizer_of(recipe)),
        note="A Keras optimizer, or {name: sgd, momentum: 0.9}. "
        + " ".join(f"{name}: {note}." for name, note in OPTIMIZER_NOTES.items()),
        allowed="the name of a Keras optimizer, a mapping with name and settings such as {name: sgd, momentum: 0.9}, "
        "or a list of these",
        takes="`adam`, `rmsprop`, …, or `{name: sgd, momentum: [0.5, 0.9], nesterov: true}`: each setting by its name "
        "in Keras, as one value or a list; `muon` leaves the output layer to AdamW, as "
        "Keras's documentation asks; `schedulefreeadamw` starts from the initial weights, where `model.fit` of Keras "
        "3.15.1 starts it from zeros",
        default="adam",
        template="optimizer: adam            # or another of Keras, or {name: sgd, momentum: 0.9}",
        fields=lambda choice: {
            "optimizer": choice.name,
            "momentum": choice.momentum,
            "optimizer_settings": choice.settings,
            "weight_decay": own_weight_decay(choice.name) if choice.weight_decay is None else choice.weight_decay,
        },
        value=_optimizer_of,
        cell=lambda recipe: ", ".join(_optimizer_parts(_optimizer_of(recipe))),
        tried=_optimizers,
        plural="Optimizers",
        column_note="The Keras optimizer.",
        places=(10, 10),
    ),
    one_column(
        "learning_rate",
        "learning rate",
        Format.WRITTEN,
        above_zero,
        lambda recipe, _: f"{recipe.learning_rate:g}",
        note="Learning rate of the optimizer.",
        allowed="a number above 0, or a list of them",
        default="0.001",
        template="learning_rate: 0.001",
        plural="Learning rates",
        places=(5, 6),
        inputs={"learning_rate": 1.0},
    ),
    optional(
        "schedule",
        "schedule",
        Format.TEXT,
        partial(from_plain, Named),
        note="How the learning rate changes while training: constant, step, exponential, cosine, one_cycle or plateau.",
        allowed="off, constant, step, exponential, cosine, one_cycle, plateau, a mapping with name and settings such "
        "as {name: step, every: 6, factor: 0.1}, or a list of these",
        takes="`{name: step, every: 6, factor: 0.1}`, `{name: exponential, factor: 0.95}`, `{name: cosine, epochs: 30, "
        "final: 0}`, `{name: one_cycle, epochs: 20}`, `{name: plateau, patience: 5, factor: 0.1}`, each but one_cycle "
        "also with `warmup`, in epochs; [more](docs/recipes.md#schedules)",
        word=_schedule_words,
        phrase=lambda recipe, _: "" if recipe.schedule is None else _schedule_words(recipe.schedule),
        cell=lambda recipe: _schedule_words(recipe.schedule),
        tried=lambda choices: written(map(_schedule_words, choices)),
        plural="Schedules",
        inputs={"schedule": None},
    ),
    one_column(
        "weight_decay",
        "weight decay",
        Format.WRITTEN,
        off_or(from_zero),
        note="Part of each kernel, times the learning rate, that a step takes from it.",
        allowed="a number from 0, or a list of them",
        takes="a part of each kernel, times the learning rate, that every step takes from it; may stand inside "
        "`optimizer` instead",
        default="what Keras's optimizer has: 0.004 for adamw and muon, else 0",
        template="# weight_decay: 0.004      # left out, what the optimizer has by itself",
        fields=lambda choice: {} if choice is None else {"weight_decay": choice},
        absent=None,
        phrase=lambda recipe, _: (
            f"weight decay {recipe.weight_decay:g}" if recipe.weight_decay != own_weight_decay(recipe.optimizer) else ""
        ),
        tried=lambda choices: written("the optimizer's" if choice is None else choice for choice in choices),
        plural="Weight decays",
    ),
    optional(
        "clip_norm",
        "gradient norm at most",
        Format.WRITTEN,
        above_zero,
        note="The norm of all gradients together is clipped to this.",
        allowed="off, a number above 0, or a list of these",
        takes="what the norm of all gradients together is clipped to, or `off`",
        plural="Gradient norms at most",
    ),
    optional(
        "ema",
        "moving average",
        Format.WRITTEN,
        below_one,
        note="Weights are averaged over steps with this momentum; the averages are evaluated and kept.",
        allowed="off, a number from 0 and below 1, or a list of these",
        takes="the momentum of the weights' moving averages, which are then what is evaluated and kept; `off`",
        plural="Moving averages",
    ),
    one_column(
        "label_smoothing",
        "label smoothing",
        Format.WRITTEN,
        below_one,
        note="Part of each label that is spread over all digits while training, not in validation and test losses.",
        allowed="a number from 0 and below 1, or a list of them",
        takes="part of each label that is spread over all digits while training",
        default="0",
        template="label_smoothing: 0         # part of each label that is spread over all digits while training",
        plural="Label smoothings",
        places=(13, 13),
    ),
    optional(
        "augment",
        "augmentation",
        Format.TEXT,
        partial(from_plain, Augment),
        note="How each training image is changed anew whenever it is seen; validation and test images never are.",
        allowed="off, a mapping with some of rotation, shift, zoom, shear, elastic, noise, erase, or a list of these",
        takes="`{rotation: 5, shift: 1.5, zoom: 0.08, shear: 5, elastic: {alpha: 20, sigma: 5}, noise: 0.05, "
        "erase: 6}`, in degrees and pixels; [more](docs/recipes.md#augmentation)",
        plural="Augmentations",
    ),
    one_column(
        "precision",
        "precision",
        Format.TEXT,
        word,
        lambda recipe, _: "" if recipe.precision == PRECISIONS[0] else recipe.precision,
        note="What numbers the training computes with.",
        allowed="float32, tf32 or mixed_bfloat16, or a list of them",
        takes="`float32`, `tf32` (a GPU's faster products), `mixed_bfloat16` (hidden layers in bfloat16; slower where "
        "`plan` says that the processor emulates it)",
        default="float32",
        template="precision: float32         # or tf32 (on a GPU), or mixed_bfloat16",
        plural="Precisions",
        places=(12, 12),
    ),
    one_column(
        "max_epochs",
        "epochs at most",
        Format.WHOLE,
        count(),
        lambda recipe, varied: f"max {recipe.max_epochs}" if varied else "",
        note="Epochs at most.",
        allowed=_ONE_OR_SEVERAL.format(1, MAX_COUNT),
        default="1000",
        template="max_epochs: 1000",
        header="Max num epochs",
        plural="Max Num Epochs",
        places=(9, 1),
        inputs={"max_epochs": 1},
    ),
    Setting(
        name="early_stopping",
        words="early stopping",
        note="When to stop before max_epochs, or off.",
        allowed=f"off, or a mapping with some of {', '.join(_PARTS)}, or a list of these",
        takes=f"{', '.join(f'`{part}`' for part in _PARTS)}, each of which may be a list; or `off`; a gain of exactly "
        "`min_delta` is no improvement",
        default="val_loss, 0.0001, 10, true",
        template="""\
early_stopping:            # or off
  monitor: val_loss        # or val_accuracy
  min_delta: 0.0001        # an improvement is more than this
  patience: 10             # epochs without one before it stops
  restore_best_weights: true""",
        choice=partial(from_plain, EarlyStopping | None),
        value=lambda recipe: recipe.early_stopping,
        word=lambda rule: _rule_phrase(rule, "off"),
        phrase=lambda recipe, varied: _rule_phrase(recipe.early_stopping) if varied else "",
        listed=lambda choices: "; ".join(map(_rule_listed, choices)),
        fields=lambda choice: {"early_stopping": choice},
        facets=(
            of_stopping(
                "min_delta",
                "Validate loss improvement delta",
                "Improvement deltas",
                Format.WRITTEN,
                note="Early stopping: an improvement is more than this.",
                place=6,
            ),
            of_stopping(
                "patience",
                "Validate loss improvement patience",
                "Improvement patience",
                Format.WHOLE,
                note="Early stopping: epochs without improvement before it stops.",
                place=7,
            ),
            of_stopping(
                "restore_best_weights",
                "Restore best weights",
                "Improvement restore weights",
                Format.TEXT,
                note="TRUE: the weights of the best epoch are kept; FALSE: those of the last.",
                place=8,
            ),
            of_stopping(
                "monitor",
                "Monitor",
                "Monitors",
                Format.TEXT,
                note="Early stopping: what must improve.",
                off="off",
                place=11,
            ),
        ),
        inputs={"early_stopping": None},
    ),
)
