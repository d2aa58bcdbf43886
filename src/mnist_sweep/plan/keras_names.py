"""The activations and optimizers that Keras knows by name alone, so that a plan can be checked without importing it.

A test compares these lists with the installed Keras.
"""

from collections.abc import Mapping

ACTIVATIONS: tuple[str, ...] = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
)

ACTIVATION_ALIASES: Mapping[str, str] = {"hard_swish": "hard_silu", "swish": "silu"}
"""Second names of the same function: one combination, not two."""

REFUSED_ACTIVATIONS: Mapping[str, str] = {
    "glu": "it halves the width of its layer, so the next layer would not have the width that the file says",
    "threshold": "it needs a threshold and a value, which its name alone does not give",
}

OPTIMIZERS: tuple[str, ...] = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "schedulefreeadamw",
    "sgd",
)

OPTIMIZER_NOTES: Mapping[str, str] = {
    "muon": "it leaves the output layer to AdamW, as Keras's documentation asks",
    "schedulefreeadamw": "it starts from the initial weights; inside model.fit, Keras 3.15.1 starts it from zeros",
}
"""Where a training differs from one by model.fit with the optimizer's name alone."""

REFUSED_OPTIMIZERS: Mapping[str, str] = {
    "lamb": "Keras has the class, but does not find it by its name",
    "lossscaleoptimizer": "it wraps another optimizer, which its name alone does not give",
    "multioptimizer": "it needs a map from layers to optimizers",
    "optimizer": "it is the base class of the others",
    "optimizermap": "it is a map from layers to optimizers, not one itself",
}
