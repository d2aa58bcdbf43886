"""The table of axes: plan, statistics, words, workbooks, template, schema and README are made from its rows.

A new setting of one number takes four edits: its field in `Recipe` with what it was until now as the default, a row
here, its place in the YAML model in `config`, and the code in `training` that uses it.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from mnist_sweep.plan.keras_names import OPTIMIZER_NOTES
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import PRECISIONS, CompileKey, EarlyStopping, Recipe
from mnist_sweep.plan.setting import (
    Cell,
    Choice,
    EachLayer,
    Facet,
    Format,
    Optimizer,
    Setting,
    above_zero,
    below_one,
    count,
    in_cell,
    in_full,
    listed_words,
    number_word,
    of_layers,
    of_stopping,
    one_or_each,
    plain,
    shared,
    word,
    written,
)

LAYERS = "num_layers"
DEFAULT_NUM_LAYERS = 4
MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_COUNT = 2**31 - 1
AN_ACTIVATION = "the name of a Keras activation"


def widths_words(widths: Iterable[int]) -> str:
    """Hidden layers: 2×64, 300-100, or no hidden layer."""
    words = [str(width) for width in widths]
    return f"{len(words)}×{words[0]}" if len(set(words)) == 1 else "-".join(words) or "no hidden layer"


def _functions(tree: Any) -> Choice:
    if isinstance(tree, dict | EachLayer):
        each: EachLayer = from_plain(EachLayer, tree)
        return each
    names: Choice = one_or_each(word)(tree)
    return names


def _rule(tree: Any) -> Choice:
    rule: EarlyStopping | None = None if tree is None else from_plain(EarlyStopping, tree)
    return rule


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
    of_layers(
        "num_layers",
        words="number of layers",
        note="Layers, input and output counted: 4 means two hidden layers.",
        allowed=f"a whole number from 2 to {MAX_LAYERS} (input and output counted), or a list of them",
        takes="layers, input and output counted",
        default=f"{DEFAULT_NUM_LAYERS}, or what widths or functions say",
        template="num_layers: [4, 5]         # input and output counted: 4 means two hidden layers",
        choice=lambda plain: None if plain is None else count(2, 2**10)(plain),
        value=lambda recipe: recipe.num_layers,
        word=number_word,
        phrase=lambda _, __: "",
        listed=lambda choices: _AS_MANY if choices == (None,) else written(choices),
        facet=Facet(
            "Num layers",
            "Nums layers",
            Format.WHOLE,
            "Layers, input and output counted.",
            lambda recipe: recipe.num_layers,
            written,
            place=2,
            tried_place=4,
        ),
    ),
    of_layers(
        "hidden_width",
        words="width",
        note="Width of all hidden layers; an inner list gives one width a layer.",
        allowed=f"a whole number from 1 to {MAX_WIDTH}, or a list of numbers and of lists with one width "
        f"a hidden layer (at most {MAX_LAYERS - 2})",
        takes="`300` for all hidden layers; `[200, 300]` an axis; `[[300, 100]]` one width a layer",
        default="200",
        template="hidden_width: [200, 300]   # of all hidden layers; [[300, 100], [200, 50]] gives each layer its own",
        choice=one_or_each(count()),
        value=lambda recipe: shared(recipe.hidden_widths),
        word=listed_words("-"),
        phrase=lambda recipe, _: widths_words(recipe.hidden_widths),
        facet=Facet(
            "Hidden width",
            "Hidden Widths",
            Format.WHOLE,
            "Width of all hidden layers, or the width of each.",
            lambda recipe: in_cell(recipe.hidden_widths),
            written,
            place=4,
            tried_place=3,
        ),
    ),
    of_layers(
        "hidden_funcs",
        words="activation",
        note="Activation of all hidden layers; an inner list gives one a layer; each_layer combines them.",
        allowed=f"{AN_ACTIVATION}, a list of names and of lists with one name a hidden layer "
        f"(at most {MAX_LAYERS - 2}), or each_layer with a list",
        takes="`relu`; `[relu, tanh]` an axis; `[[relu, tanh]]` one function a layer; "
        "`{each_layer: [relu, tanh]}` every combination over the hidden layers",
        default="relu",
        template="""\
hidden_funcs:              # relu, or [relu, tanh] for an axis, or [[relu, tanh]] for one function a layer, or
  each_layer: [relu, tanh] # every combination of these over the hidden layers""",
        choice=_functions,
        value=lambda recipe: shared(recipe.hidden_funcs),
        word=listed_words(" "),
        phrase=lambda recipe, _: " ".join(
            recipe.hidden_funcs[:1] if len(set(recipe.hidden_funcs)) == 1 else recipe.hidden_funcs
        ),
        facet=Facet(
            "Hidden funcs",
            "Functions",
            Format.TEXT,
            "Activation of each hidden layer.",
            lambda recipe: ", ".join(recipe.hidden_funcs) or "none",
            written,
            place=3,
            tried_place=5,
        ),
    ),
    plain(
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
        place=1,
        tried_place=2,
    ),
    Setting(
        name="optimizer",
        words="optimizer",
        note="A Keras optimizer, or {name: sgd, momentum: 0.9}. "
        + " ".join(f"{name}: {note}." for name, note in OPTIMIZER_NOTES.items()),
        allowed="the name of a Keras optimizer, {name: sgd, momentum: 0.9}, or a list of these",
        takes="`adam`, `rmsprop`, …, or `{name: sgd, momentum: 0.9}`; `muon` leaves the output layer to AdamW, as "
        "Keras's documentation asks; `schedulefreeadamw` starts from the initial weights, where `model.fit` of Keras "
        "3.15.1 starts it from zeros",
        default="adam",
        template="optimizer: adam            # or another of Keras, or {name: sgd, momentum: 0.9}",
        choice=lambda plain: from_plain(Optimizer, plain),
        value=lambda recipe: Optimizer(recipe.optimizer, recipe.momentum),
        word=str,
        phrase=lambda recipe, _: str(Optimizer(recipe.optimizer, recipe.momentum)),
        listed=_optimizers,
        fields=lambda choice: {"optimizer": choice.name, "momentum": choice.momentum},
        facets=(
            Facet(
                "Optimizer",
                "Optimizers",
                Format.TEXT,
                "The Keras optimizer.",
                lambda recipe: (
                    f"{recipe.optimizer}, momentum {recipe.momentum:g}" if recipe.momentum else recipe.optimizer
                ),
                _optimizers,
                place=10,
                tried_place=10,
            ),
        ),
    ),
    plain(
        "learning_rate",
        "learning rate",
        Format.WRITTEN,
        above_zero,
        lambda recipe, _: f"{recipe.learning_rate:g}",
        note="Learning rate of the optimizer.",
        allowed="a number above 0, or a list of them",
        takes="",
        default="0.001",
        template="learning_rate: 0.001",
        plural="Learning rates",
        place=5,
        tried_place=6,
        inputs={"learning_rate": 1.0},
    ),
    plain(
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
    plain(
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
        place=12,
        tried_place=12,
    ),
    plain(
        "max_epochs",
        "epochs at most",
        Format.WHOLE,
        count(),
        lambda recipe, varied: f"max {recipe.max_epochs}" if varied else "",
        note="Epochs at most.",
        allowed=_ONE_OR_SEVERAL.format(1, MAX_COUNT),
        takes="",
        default="1000",
        template="max_epochs: 1000",
        header="Max num epochs",
        plural="Max Num Epochs",
        place=9,
        tried_place=1,
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
        choice=_rule,
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

AXES = tuple(one.name for one in SETTINGS)
_BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def setting(name: str) -> Setting:
    """The axis of that name.

    Raises:
        KeyError: when there is none.
    """
    return _BY_NAME[name]


def compile_key(recipe: Recipe) -> CompileKey:
    """The shape that a recipe trains in."""
    inputs = {name: value for one in SETTINGS for name, value in one.inputs.items()}
    return CompileKey(replace(recipe, **inputs))


def axis_value(recipe: Recipe, name: str) -> Hashable:
    """What a recipe has on an axis; a width or function that all hidden layers share stands for itself."""
    return setting(name).value(recipe)


def axis_name_words(name: str) -> str:
    """An axis as people call it: width, batch size."""
    return setting(name).words


def axis_value_words(name: str, value: Hashable) -> str:
    """A value of an axis, as `axis_value` gives it: 300, 300-100, relu tanh, sgd momentum 0.9."""
    return setting(name).word(value)


def recipe_words(recipe: Recipe, varied: Container[str] = ()) -> str:
    """A recipe in one short phrase.

    Args:
        varied: names of the axes that have several choices; how a training ends is said only where that is varied.
    """
    return " ".join(filter(None, (one.phrase(recipe, one.name in varied) for one in SETTINGS)))


def facets() -> list[Facet]:
    """The columns of all settings: first those of the old workbooks in their order, then the others in this table's."""
    return sorted((facet for one in SETTINGS for facet in one.facets), key=lambda facet: facet.place)


def tried_facets() -> list[tuple[str, Facet]]:
    """The same in the order of hyperparams.xlsx, each with the name of its axis."""
    return sorted(((one.name, facet) for one in SETTINGS for facet in one.facets), key=lambda pair: pair[1].tried_place)
