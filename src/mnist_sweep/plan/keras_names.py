"""What Keras knows by name, with its settings, so that a plan can be checked without importing it.

A test compares these lists with the installed Keras.
"""

from collections.abc import Mapping

from mnist_sweep.plan.named import Scalar

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

OPTIMIZER_SETTINGS: Mapping[str, Mapping[str, Scalar]] = {
    "adadelta": {"rho": 0.95, "epsilon": 1e-7},
    "adafactor": {
        "beta_2_decay": -0.8,
        "epsilon_1": 1e-30,
        "epsilon_2": 0.001,
        "clip_threshold": 1.0,
        "relative_step": True,
    },
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
    "adamax": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "adamw": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
    "ftrl": {
        "learning_rate_power": -0.5,
        "initial_accumulator_value": 0.1,
        "l1_regularization_strength": 0.0,
        "l2_regularization_strength": 0.0,
        "l2_shrinkage_regularization_strength": 0.0,
        "beta": 0.0,
    },
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
    "muon": {
        "adam_beta_1": 0.9,
        "adam_beta_2": 0.999,
        "adam_lr_ratio": 1.0,
        "epsilon": 1e-7,
        "momentum": 0.95,
        "nesterov": True,
        "ns_steps": 5,
        "rms_rate": 0.2,
    },
    "nadam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "rmsprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    "schedulefreeadamw": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "warmup_steps": 0},
    "sgd": {"momentum": 0.0, "nesterov": False},
}
"""What each optimizer can be told, with Keras's defaults. Trainings get all of it: new defaults change nothing."""

_WARMUP: Mapping[str, Scalar] = {"warmup": 0.0}
SCHEDULES: Mapping[str, Mapping[str, Scalar]] = {
    "constant": _WARMUP,
    "step": {"every": None, "factor": 0.1, **_WARMUP},
    "exponential": {"factor": None, **_WARMUP},
    "cosine": {"epochs": None, "final": 0.0, **_WARMUP},
    "one_cycle": {"epochs": None, "rise": 0.3, "divide": 25.0},
    "plateau": {"monitor": "val_loss", "factor": 0.1, "patience": 10, "min_delta": 0.0001, "min_rate": 0.0, **_WARMUP},
}
"""What each schedule can be told, with its defaults; None where it has none."""

OWN_WEIGHT_DECAY: Mapping[str, float] = {"adamw": 0.004, "muon": 0.004}
"""Keras's default where it is not 0."""

INITIALIZERS: tuple[str, ...] = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
)

REFUSED_INITIALIZERS: Mapping[str, str] = {
    **dict.fromkeys(("constant", "ones", "zeros"), "it would give every unit of a layer the same weights for ever"),
    "identity": "it needs layers of equal widths",
    "stft": "it is for spectra",
}
