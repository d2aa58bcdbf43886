"""The table of axes: plan, statistics, words, workbooks, template, schema and README are made from its rows.

A new setting of one number takes four edits: its field in `Recipe` with what it was until now as the default, a row
here, its place in the YAML model in `sweepfile`, and the code in `training` that uses it.
"""

from collections.abc import Iterable
from dataclasses import fields
from functools import partial
from typing import Any

from mnist_sweep.plan.choices import (
    Cell,
    EachLayer,
    Optimizer,
    above_zero,
    below_one,
    count,
    in_cell,
    in_full,
    listed_words,
    one_or_each,
    shared,
    widths_words,
    word,
    written,
)
from mnist_sweep.plan.keras_names import OPTIMIZER_NOTES
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import PRECISIONS, EarlyStopping
from mnist_sweep.plan.setting import Format, Setting, of_stopping, one_column

LAYERS = "num_layers"
DEFAULT_NUM_LAYERS = 4
MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_COUNT = 2**31 - 1
AN_ACTIVATION = "the name of a Keras activation"


def _functions(tree: Any) -> Any:
    return from_plain(EachLayer, tree) if isinstance(tree, dict | EachLayer) else one_or_each(word)(tree)


def _optimizers(choices: Iterable[Optimizer]) -> Cell:
    return written(f"{one.name} (momentum {one.momentum:g})" if one.momentum else one.name for one in choices)


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


_PARTS = tuple(field.name for field in fields(EarlyStopping))
_AS_MANY = f"as many as there are widths or functions, else {DEFAULT_NUM_LAYERS}"
_ONE_OR_SEVERAL = "a whole number from {} to {}, or a list of them"

SETTINGS: tuple[Setting, ...] = (
    one_column(
        "num_layers",
        "number of layers",
        Format.WHOLE,
        lambda plain: None if plain is None else count(2, 2**10)(plain),
        lambda *_: "",
        note="Layers, input and output counted: 4 means two hidden layers.",
        allowed=f"a whole number from 2 to {MAX_LAYERS} (input and output counted), or a list of them",
        takes="layers, input and output counted",
        default=f"{DEFAULT_NUM_LAYERS}, or what widths or functions say",
        template="num_layers: [4, 5]         # input and output counted: 4 means two hidden layers",
        fields=lambda _: {},
        listed=lambda choices: _AS_MANY if choices == (None,) else written(choices),
        header="Num layers",
        plural="Nums layers",
        column_note="Layers, input and output counted.",
        places=(2, 4),
    ),
    one_column(
        "hidden_width",
        "width",
        Format.WHOLE,
        one_or_each(count()),
        lambda recipe, _: widths_words(recipe.hidden_widths),
        note="Width of all hidden layers; an inner list gives one width a layer.",
        allowed=f"a whole number from 1 to {MAX_WIDTH}, or a list of numbers and of lists with one width "
        f"a hidden layer (at most {MAX_LAYERS - 2})",
        takes="`300` for all hidden layers; `[200, 300]` an axis; `[[300, 100]]` one width a layer",
        default="200",
        template="hidden_width: [200, 300]   # of all hidden layers; [[300, 100], [200, 50]] gives each layer its own",
        fields=lambda _: {},
        value=lambda recipe: shared(recipe.hidden_widths),
        word=listed_words("-"),
        cell=lambda recipe: in_cell(recipe.hidden_widths),
        header="Hidden width",
        plural="Hidden Widths",
        column_note="Width of all hidden layers, or the width of each.",
        places=(4, 3),
    ),
    one_column(
        "hidden_funcs",
        "activation",
        Format.TEXT,
        _functions,
        lambda recipe, _: " ".join(
            recipe.hidden_funcs[:1] if len(set(recipe.hidden_funcs)) == 1 else recipe.hidden_funcs
        ),
        note="Activation of all hidden layers; an inner list gives one a layer; each_layer combines them.",
        allowed=f"{AN_ACTIVATION}, a list of names and of lists with one name a hidden layer "
        f"(at most {MAX_LAYERS - 2}), or each_layer with a list",
        takes="`relu`; `[relu, tanh]` an axis; `[[relu, tanh]]` one function a layer; "
        "`{each_layer: [relu, tanh]}` every combination over the hidden layers",
        default="relu",
        template="""\
hidden_funcs:              # relu, or [relu, tanh] for an axis, or [[relu, tanh]] for one function a layer, or
  each_layer: [relu, tanh] # every combination of these over the hidden layers""",
        fields=lambda _: {},
        value=lambda recipe: shared(recipe.hidden_funcs),
        word=listed_words(" "),
        cell=lambda recipe: ", ".join(recipe.hidden_funcs) or "none",
        header="Hidden funcs",
        plural="Functions",
        column_note="Activation of each hidden layer.",
        places=(3, 5),
    ),
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
        lambda recipe, _: str(Optimizer(recipe.optimizer, recipe.momentum)),
        note="A Keras optimizer, or {name: sgd, momentum: 0.9}. "
        + " ".join(f"{name}: {note}." for name, note in OPTIMIZER_NOTES.items()),
        allowed="the name of a Keras optimizer, {name: sgd, momentum: 0.9}, or a list of these",
        takes="`adam`, `rmsprop`, …, or `{name: sgd, momentum: 0.9}`; `muon` leaves the output layer to AdamW, as "
        "Keras's documentation asks; `schedulefreeadamw` starts from the initial weights, where `model.fit` of Keras "
        "3.15.1 starts it from zeros",
        default="adam",
        template="optimizer: adam            # or another of Keras, or {name: sgd, momentum: 0.9}",
        fields=lambda choice: {"optimizer": choice.name, "momentum": choice.momentum},
        value=lambda recipe: Optimizer(recipe.optimizer, recipe.momentum),
        cell=lambda recipe: (
            f"{recipe.optimizer}, momentum {recipe.momentum:g}" if recipe.momentum else recipe.optimizer
        ),
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
    one_column(
        "label_smoothing",
        "label smoothing",
        Format.WRITTEN,
        below_one,
        note="Part of each label that is spread over all digits while training; losses that are reported have none.",
        allowed="a number from 0 and below 1, or a list of them",
        takes="part of each label that is spread over all digits while training",
        default="0",
        template="label_smoothing: 0         # part of each label that is spread over all digits while training",
        plural="Label smoothings",
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
                note="Early stopping: an improvement is more than this. Empty: early stopping was off.",
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
