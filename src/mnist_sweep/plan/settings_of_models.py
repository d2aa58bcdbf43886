"""Settings of the network itself: rows of the table of axes."""

from functools import partial
from typing import Any

from mnist_sweep.plan.choices import (
    EachLayer,
    above_zero,
    below_one,
    count,
    flag,
    from_zero,
    in_cell,
    listed_words,
    one_or_each,
    shared,
    widths_words,
    word,
    written,
)
from mnist_sweep.plan.keras_names import INITIALIZERS
from mnist_sweep.plan.limits import DEFAULT_NUM_LAYERS, MAX_LAYERS, MAX_WIDTH
from mnist_sweep.plan.plain import from_plain
from mnist_sweep.plan.recipe import LEGACY_VALUES, Network, Recipe
from mnist_sweep.plan.setting import Format, Setting, off_or, one_column, optional

LAYERS = "num_layers"
OF_HIDDEN_LAYERS = (LAYERS, "hidden_width", "hidden_funcs")
"""The settings that say what the hidden layers are, where no network does."""
AN_ACTIVATION = "the name of a Keras activation"
_AS_MANY = f"as many as there are widths or functions, else {DEFAULT_NUM_LAYERS}"


def _functions(tree: Any) -> Any:
    return from_plain(EachLayer, tree) if isinstance(tree, dict | EachLayer) else one_or_each(word)(tree)


def dropout_rates(choice: Any, n_hidden: int) -> tuple[float, ...]:
    """The rates of the input and behind each hidden layer; none where nothing is dropped."""
    rates = choice if isinstance(choice, tuple) else (0.0, *(choice,) * n_hidden)
    return rates if any(rates) else ()


def _dropout_of(recipe: Recipe) -> Any:
    first, *others = recipe.dropout or (0.0,)
    return shared(tuple(others)) if not first and len(set(others)) == 1 else recipe.dropout or 0.0


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
        cell=lambda recipe: None if recipe.network else recipe.num_layers,
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
        lambda recipe, _: "" if recipe.network else widths_words(recipe.hidden_widths),
        note="Width of all hidden layers; an inner list gives one width a layer.",
        allowed=f"a whole number from 1 to {MAX_WIDTH}, or a list of numbers and of lists with one width "
        f"a hidden layer (at most {MAX_LAYERS - 2})",
        takes="`300` for all hidden layers; `[200, 300]` an axis; `[[300, 100]]` one width a layer",
        default="200",
        template="hidden_width: [200, 300]   # of all hidden layers; [[300, 100], [200, 50]] gives each layer its own",
        fields=lambda _: {},
        value=lambda recipe: shared(recipe.hidden_widths),
        word=listed_words("-"),
        cell=lambda recipe: None if recipe.network else in_cell(recipe.hidden_widths),
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
        cell=lambda recipe: None if recipe.network else ", ".join(recipe.hidden_funcs) or "none",
        header="Hidden funcs",
        plural="Functions",
        column_note="Activation of each hidden layer.",
        places=(3, 5),
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
        plural="Batch normalisations",
    ),
    one_column(
        "dropout",
        "dropout",
        Format.WRITTEN,
        one_or_each(below_one),
        lambda recipe, _: f"dropout {listed_words('-')(_dropout_of(recipe))}" if recipe.dropout else "",
        note="Rate behind each hidden layer; an inner list gives one for the input and one behind each hidden layer.",
        allowed="a number from 0 and below 1, or a list of numbers and of lists with one for the input and one behind "
        "each hidden layer",
        takes="the rate behind each hidden layer; `[[0.1, 0.25, 0.25]]` one for the input and one behind each of these",
        default="0",
        template="dropout: 0                 # or [[0.1, 0.25, 0.25]]: of the input, and behind each hidden layer",
        fields=lambda _: {},
        value=_dropout_of,
        absent=0.0,
        word=listed_words("-"),
        cell=lambda recipe: in_cell(recipe.dropout) if isinstance(_dropout_of(recipe), tuple) else _dropout_of(recipe),
        plural="Dropouts",
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
        plural="Biases",
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
    optional(
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
        "network",
        "network",
        Format.TEXT,
        off_or(partial(from_plain, Network)),
        lambda recipe, _: str(recipe.network or ""),
        note="Named networks, each a list of Keras layers, instead of dense hidden layers.",
        allowed="a mapping from names to lists of layers, such as {small: [Flatten, {Dense: 100}]}",
        takes="named lists of Keras layers, instead of dense hidden layers; [more](docs/recipes.md#networks)",
        default="dense hidden layers",
        template="# network:                 # instead of dense hidden layers\n"
        "#   small: [Flatten, {Dense: {units: 100, activation: relu}}]",
        word=lambda value: str(value or "dense"),
        cell=lambda recipe: str(recipe.network or "dense"),
        tried=lambda choices: written(str(choice or "dense") for choice in choices),
        plural="Networks",
    ),
)
