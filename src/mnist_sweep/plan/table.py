"""The table of axes: plan, statistics, words, workbooks, template, schema and README are made from its rows.

A new setting of one number takes four edits: its field in `Recipe` with what it was until now as the default, a row
here, its place in the YAML model in `sweepfile`, and the code in `training` that uses it.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import Any

from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.choices import (
    Cell,
    EachLayer,
    Optimizer,
    above_zero,
    below_one,
    count,
    flag,
    from_zero,
    in_cell,
    in_full,
    listed_words,
    number_word,
    one_or_each,
    shared,
    widths_words,
    word,
    written,
)
from mnist_sweep.plan.keras_names import INITIALIZERS, OPTIMIZER_NOTES
from mnist_sweep.plan.named import Named, scalar_words
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import LEGACY_VALUES, PRECISIONS, EarlyStopping, Network, Recipe, own_weight_decay
from mnist_sweep.plan.setting import Format, Setting, of_stopping, one_column

LAYERS = "num_layers"
DEFAULT_NUM_LAYERS = 4
MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_COUNT = 2**31 - 1
AN_ACTIVATION = "the name of a Keras activation"


def _functions(tree: Any) -> Any:
    return from_plain(EachLayer, tree) if isinstance(tree, dict | EachLayer) else one_or_each(word)(tree)


def _optimizer_of(recipe: Recipe) -> Optimizer:
    return Optimizer(recipe.optimizer, recipe.momentum, recipe.optimizer_settings)


def _optimizer_parts(one: Optimizer) -> list[str]:
    told = (("momentum", one.momentum or None), *one.settings, ("weight_decay", one.weight_decay))
    return [one.name, *(f"{name} {scalar_words(value)}" for name, value in told if value is not None)]


def _optimizers(choices: Iterable[Optimizer]) -> Cell:
    parts = [_optimizer_parts(one) for one in choices]
    return written(f"{name} ({', '.join(told)})" if told else name for name, *told in parts)


def _dropout(tree: Any) -> Any:
    return one_or_each(below_one)(tree)


def dropout_rates(choice: Any, n_hidden: int) -> tuple[float, ...]:
    """The rates of the input and behind each hidden layer; none where nothing is dropped."""
    rates = choice if isinstance(choice, tuple) else (0.0, *(choice,) * n_hidden)
    return rates if any(rates) else ()


def _dropout_of(recipe: Recipe) -> Any:
    first, *others = recipe.dropout or (0.0,)
    return shared(tuple(others)) if not first and len(set(others)) == 1 else recipe.dropout or 0.0


def _off_or(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda tree: None if tree is None else read(tree)


def _off_words(value: Any) -> str:
    return "off" if value is None else number_word(value)


def _off_cell(value: Any) -> Cell:
    cell: Cell = "off" if value is None else value if isinstance(value, int | float | str) else str(value)
    return cell


def _off_cells(choices: Iterable[Any]) -> Cell:
    return written(map(_off_cell, choices))


def _optional(name: str, words: str, kind: Format, choice: Callable[[Any], Any], **told: Any) -> Setting:
    """A setting that is off unless it is said."""
    get = attrgetter(name)
    usual: dict[str, Any] = {
        "default": "off",
        "word": _off_words,
        "cell": lambda recipe: _off_cell(get(recipe)),
        "tried": _off_cells,
        "template": f"{name}: off",
    }
    phrase = lambda recipe, _: "" if get(recipe) is None else f"{words} {number_word(get(recipe))}"  # noqa: E731
    return one_column(name, words, kind, _off_or(choice), phrase, **usual | told)


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
        lambda recipe, _: str(_optimizer_of(recipe)),
        note="A Keras optimizer, or {name: sgd, momentum: 0.9}. "
        + " ".join(f"{name}: {note}." for name, note in OPTIMIZER_NOTES.items()),
        allowed="the name of a Keras optimizer, a mapping with name and settings such as {name: sgd, momentum: 0.9}, "
        "or a list of these",
        takes="`adam`, `rmsprop`, …, or `{name: sgd, momentum: [0.5, 0.9], nesterov: true}`: each setting by its name in "
        "Keras, as one value or a list; `muon` leaves the output layer to AdamW, as "
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
    one_column(
        "label_smoothing",
        "label smoothing",
        Format.WRITTEN,
        below_one,
        note="Part of each label that is spread over all digits while training; losses of validation and test have none.",
        allowed="a number from 0 and below 1, or a list of them",
        takes="part of each label that is spread over all digits while training",
        default="0",
        template="label_smoothing: 0         # part of each label that is spread over all digits while training",
        plural="Label smoothings",
    ),
    _optional(
        "schedule",
        "schedule",
        Format.TEXT,
        partial(from_plain, Named),
        note="How the learning rate changes while training: constant, step, exponential, cosine, one_cycle or plateau.",
        allowed="off, constant, step, exponential, cosine, one_cycle, plateau, a mapping with name and settings such as "
        "{name: step, every: 6, factor: 0.1}, or a list of these",
        takes="`{name: step, every: 6, factor: 0.1}`, `{name: exponential, factor: 0.95}`, `{name: cosine, epochs: 30, "
        "final: 0}`, `{name: one_cycle, epochs: 20}`, `{name: plateau, patience: 5, factor: 0.1}`, each but one_cycle "
        "also with `warmup`, in epochs; [more](docs/recipes.md#schedules)",
        plural="Schedules",
        inputs={"schedule": None},
    ),
    one_column(
        "weight_decay",
        "weight decay",
        Format.WRITTEN,
        _off_or(from_zero),
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
    _optional(
        "clip_norm",
        "gradient norm at most",
        Format.WRITTEN,
        above_zero,
        note="The norm of all gradients together is clipped to this.",
        allowed="off, a number above 0, or a list of these",
        takes="what the norm of all gradients together is clipped to, or `off`",
        plural="Gradient norms at most",
    ),
    _optional(
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
        "batch_norm",
        "batch normalisation",
        Format.TEXT,
        flag,
        lambda recipe, _: "batch norm" if recipe.batch_norm else "",
        note="Between each hidden layer, which then has no bias, and its activation.",
        allowed="true or false, or a list of both",
        takes="`true` puts batch normalisation between each hidden layer, which then has no bias, and its activation",
        default="false",
        template="batch_norm: false",
        word=scalar_words,
        plural="Batch normalisations",
    ),
    one_column(
        "dropout",
        "dropout",
        Format.TEXT,
        _dropout,
        lambda recipe, _: f"dropout {listed_words('-')(_dropout_of(recipe))}" if recipe.dropout else "",
        note="Rate behind each hidden layer; an inner list gives one for the input and one behind each hidden layer.",
        allowed="a number from 0 and below 1, or a list of numbers and of lists with one for the input and one behind "
        "each hidden layer",
        takes="the rate behind each hidden layer; `[[0.1, 0.25, 0.25]]` one for the input and one behind each hidden layer",
        default="0",
        template="dropout: 0                 # or [[0.1, 0.25, 0.25]]: of the input, and behind each hidden layer",
        fields=lambda _: {},
        value=_dropout_of,
        absent=0.0,
        word=listed_words("-"),
        cell=lambda recipe: (
            in_cell(_dropout_of(recipe)) if isinstance(_dropout_of(recipe), tuple) else _dropout_of(recipe)
        ),
        plural="Dropouts",
    ),
    one_column(
        "initializer",
        "initializer",
        Format.TEXT,
        word,
        lambda recipe, _: "" if recipe.initializer == LEGACY_VALUES["initializer"] else recipe.initializer,
        note="What the first kernels are drawn by, by its name in Keras.",
        allowed="the name of a Keras initializer that draws, or a list of them",
        takes=f"{', '.join(f'`{name}`' for name in INITIALIZERS)}",
        default="glorot_uniform",
        template="initializer: glorot_uniform",
        plural="Initializers",
    ),
    one_column(
        "l2",
        "L2 penalty",
        Format.WRITTEN,
        from_zero,
        note="This times the sum of all squared kernel weights is added to the training loss.",
        allowed="a number from 0, or a list of them",
        takes="what the sum of all squared kernel weights is multiplied by before it is added to the training loss",
        default="0",
        template="l2: 0",
        plural="L2 penalties",
    ),
    _optional(
        "max_norm",
        "kernel norm at most",
        Format.WRITTEN,
        above_zero,
        note="After each step, the weights of each unit are scaled down to this norm if they have a larger one.",
        allowed="off, a number above 0, or a list of these",
        takes="the largest norm that the weights of a unit may have after a step, or `off`",
        plural="Kernel norms at most",
    ),
    one_column(
        "use_bias",
        "bias",
        Format.TEXT,
        flag,
        lambda recipe, _: "" if recipe.use_bias else "no bias",
        note="Whether layers have a bias.",
        allowed="true or false, or a list of both",
        takes="whether layers have a bias",
        default="true",
        template="use_bias: true",
        word=scalar_words,
        plural="Biases",
    ),
    _optional(
        "augment",
        "augmentation",
        Format.TEXT,
        partial(from_plain, Augment),
        note="How each training image is changed anew whenever it is seen; validation and test images never are.",
        allowed="off, a mapping with some of rotation, shift, zoom, shear, elastic, noise, erase, or a list of these",
        takes="`{rotation: 5, shift: 1.5, zoom: 0.08, shear: 5, elastic: {alpha: 20, sigma: 5}, noise: 0.05, erase: 6}`, "
        "in degrees and pixels; [more](docs/recipes.md#augmentation)",
        plural="Augmentations",
    ),
    one_column(
        "network",
        "network",
        Format.TEXT,
        _off_or(partial(from_plain, Network)),
        lambda recipe, _: str(recipe.network or ""),
        note="Named networks, each a list of Keras layers, instead of dense hidden layers.",
        allowed="a mapping from names to lists of layers, such as {small: [Flatten, {Dense: 100}]}",
        takes="named lists of Keras layers, instead of dense hidden layers; [more](docs/recipes.md#networks)",
        default="dense hidden layers",
        template="# network:                 # instead of dense hidden layers\n#   small: [Flatten, {Dense: {units: 100, activation: relu}}]",
        word=lambda value: str(value or "dense"),
        cell=lambda recipe: str(recipe.network or "dense"),
        tried=lambda choices: written(str(choice or "dense") for choice in choices),
        plural="Networks",
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
