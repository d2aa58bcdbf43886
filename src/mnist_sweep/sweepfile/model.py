"""What a sweep file may hold, as a model of pydantic."""

import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from mnist_sweep.plan.axes import setting
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.limits import DEFAULT_NUM_LAYERS, MAX_COUNT, MAX_LAYERS
from mnist_sweep.sweepfile.layers import LayerOfNetwork
from mnist_sweep.sweepfile.options import OPTIMIZER_MODELS, OptimizerChoice, ScheduleChoice
from mnist_sweep.sweepfile.values import (
    AboveZero,
    Activation,
    Count,
    FromZero,
    Initializer,
    Off,
    Part,
    Some,
    Strict,
    Width,
    holding,
)

MAX_SEED = 2**31 - 1
_ONE, _LIST, _MAPPING, _OFF, _WORD = "\0one", "\0list", "\0mapping", "\0off", "\0word"  # no key of a file is like these
_MAX_NAME_BYTES = 200  # file systems take 255, and --fresh appends a date
_NAME = re.compile(r"[^\W_][\w .-]{0,99}\Z")


def _kind(value: Any) -> str:
    if value is False or value == "off":
        return _OFF
    return _LIST if isinstance(value, list) else _MAPPING if isinstance(value, dict) else _ONE


def _is_folder_name(name: str) -> bool:
    return bool(_NAME.match(name)) and name[-1] not in " ." and len(name.encode()) <= _MAX_NAME_BYTES


def _is_printable(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


def _leaves_images(fraction: float) -> bool:
    return 0 < round(MNIST.n_train * fraction) < MNIST.n_train


_Precision = Literal["float32", "tf32", "mixed_bfloat16"]
_NumLayers = Annotated[int, Field(ge=2, le=MAX_LAYERS)]
_OneALayer = Field(min_length=1, max_length=MAX_LAYERS - 2)
_Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class EachLayer(Strict):
    """Every combination of these functions over the hidden layers, with order and repetition."""

    each_layer: Some[Activation] = Field(
        description="Functions to combine: each hidden layer takes each of them in turn."
    )


class EarlyStoppingRule(Strict):
    """When a training stops, in the terms of keras.callbacks.EarlyStopping; each value may be a list."""

    monitor: Some[Literal["val_loss", "val_accuracy"]] = Field(
        ["val_loss"], description="What must improve: val_loss or val_accuracy."
    )
    min_delta: Some[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        [0.0001], description="An improvement is more than this."
    )
    patience: Some[Annotated[int, Field(ge=0, le=MAX_COUNT)]] = Field(
        [10], description="Stop after this many epochs without improvement."
    )
    restore_best_weights: Some[bool] = Field(
        [True], description="Keep the weights of the best epoch (true) or of the last (false)."
    )


class ElasticDistortion(Strict):
    """Simard's smooth distortion."""

    alpha: AboveZero = Field(description="What the smoothed noise is multiplied by, in pixels.")
    sigma: Annotated[float, Field(ge=1, le=28)] = Field(description="The width of the smoothing Gaussian, in pixels.")


class Augmentation(Strict):
    """How each training image is changed, anew whenever it is seen."""

    rotation: Annotated[float, Field(ge=0, le=180)] = Field(0.0, description="Degrees to either side.")
    shift: Annotated[float, Field(ge=0, le=28)] = Field(0.0, description="Pixels to each side.")
    zoom: Part = Field(0.0, description="Part by which an image becomes larger or smaller.")
    shear: Annotated[float, Field(ge=0, le=60)] = Field(0.0, description="Degrees to either side.")
    elastic: ElasticDistortion | None = Field(None, description="A smooth distortion.")
    noise: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Standard deviation, of a range from 0 to 1.")
    erase: Annotated[int, Field(ge=0, le=28)] = Field(0, description="Side of a square that is set to 0, in pixels.")


_WidthChoice = Annotated[
    Annotated[Width, Tag(_ONE)] | Annotated[list[Width], _OneALayer, Tag(_LIST)], Discriminator(_kind)
]
_FuncsChoice = Annotated[
    Annotated[Activation, Tag(_ONE)]
    | Annotated[list[Activation], _OneALayer, Tag(_LIST)]
    | Annotated[EachLayer, Tag(_MAPPING)],
    Discriminator(_kind),
]
_DropoutChoice = Annotated[
    Annotated[Part, Tag(_ONE)] | Annotated[list[Part], Field(min_length=1, max_length=MAX_LAYERS - 1), Tag(_LIST)],
    Discriminator(_kind),
]
_AugmentChoice = Annotated[Annotated[Off, Tag(_OFF)] | Annotated[Augmentation, Tag(_MAPPING)], Discriminator(_kind)]
_StoppingChoice = Annotated[
    Annotated[Off, Tag(_OFF)] | Annotated[EarlyStoppingRule, Tag(_MAPPING)], Discriminator(_kind)
]
_ShuffleSeed = Annotated[
    Annotated[_Seed, Tag(_ONE)] | Annotated[Literal["each_repeat"], Tag(_WORD)],
    Discriminator(lambda value: _WORD if isinstance(value, str) else _ONE),
]


def _axis(name: str, default: Any) -> Any:
    return Field([default], description=setting(name).note)


class Grid(Strict):
    """What is varied: each key takes one value, or a list of values, which makes it an axis."""

    num_layers: Some[_NumLayers] = _axis("num_layers", DEFAULT_NUM_LAYERS)
    hidden_width: Some[_WidthChoice] = _axis("hidden_width", 200)
    hidden_funcs: Some[_FuncsChoice] = _axis("hidden_funcs", "relu")
    batch_size: Some[Count] = _axis("batch_size", 200)
    learning_rate: Some[AboveZero] = _axis("learning_rate", 0.001)
    optimizer: Some[OptimizerChoice] = _axis("optimizer", OPTIMIZER_MODELS["adam"](name="adam"))
    schedule: Some[ScheduleChoice] = _axis("schedule", "off")
    weight_decay: Some[FromZero] = _axis("weight_decay", None)
    clip_norm: Some[AboveZero | Off] = _axis("clip_norm", "off")
    ema: Some[Part | Off] = _axis("ema", "off")
    label_smoothing: Some[Part] = _axis("label_smoothing", 0.0)
    batch_norm: Some[bool] = _axis("batch_norm", default=False)
    dropout: Some[_DropoutChoice] = _axis("dropout", 0.0)
    initializer: Some[Initializer] = _axis("initializer", "glorot_uniform")
    l2: Some[FromZero] = _axis("l2", 0.0)
    max_norm: Some[AboveZero | Off] = _axis("max_norm", "off")
    use_bias: Some[bool] = _axis("use_bias", default=True)
    augment: Some[_AugmentChoice] = _axis("augment", "off")
    network: (
        dict[
            Annotated[str, Field(min_length=1), holding(_is_printable)],
            Annotated[list[LayerOfNetwork], Field(min_length=1, max_length=MAX_LAYERS)],
        ]
        | None
    ) = Field(None, min_length=1, description=setting("network").note)
    precision: Some[_Precision] = _axis("precision", "float32")
    max_epochs: Some[Count] = _axis("max_epochs", 1000)
    early_stopping: Some[_StoppingChoice] = _axis("early_stopping", EarlyStoppingRule.model_validate({}))


class Rule(Grid):
    """Combinations that have these values: each key takes one value, or a list of which a combination has any."""

    network: Some[str] | None = Field(  # type: ignore[assignment]  # by their names alone
        None, description="The names of networks that stand under grid."
    )


_Rules = list[Annotated[Rule, holding(lambda rule: rule.model_fields_set)]]


class TargetRule(Strict):
    """What the sweep is after: one of the two accuracies, and how large a model may be for it."""

    test_accuracy: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Mean test accuracy of the kept weights that is wanted, a part of 1."
    )
    val_accuracy: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Mean validation accuracy of the kept weights that is wanted, a part of 1."
    )
    parameters: Count | None = Field(None, description="Parameters that a model may have; left out, any number.")


def _has_one_accuracy(target: TargetRule) -> bool:
    return (target.test_accuracy is None) is not (target.val_accuracy is None)


class SweepFile(Strict):
    """A sweep of networks on MNIST."""

    name: Annotated[str, holding(_is_folder_name)] = Field(
        description="The sweep's name, and that of its folder under output/."
    )
    goal: Annotated[str, holding(_is_printable)] = Field("", description="What this sweep wants to find out.")
    repeats: Count = Field(3, description="Trainings of each combination, with different initial weights.")
    seed: _Seed = Field(1, description="Where the initial weights of the repeats come from.")
    shuffle_seed: _ShuffleSeed = Field(
        100, description="Gives split_seed and order_seed where they are not set: a number, or each_repeat."
    )
    split_seed: _ShuffleSeed | None = Field(None, description="Which images are held out for validation.")
    order_seed: _ShuffleSeed | None = Field(None, description="The order of the training batches in every epoch.")
    validation_fraction: Annotated[float, Field(gt=0, lt=1), holding(_leaves_images)] = Field(
        0.1, description=f"Part of the {MNIST.n_train:,} training images that is held out for validation."
    )
    training_images: Count | None = Field(
        None, description="Train on so many of the shuffled images that are not held out; left out, on all of them."
    )
    backend: Literal["tensorflow", "jax"] | None = Field(
        None, description="What Keras computes with: tensorflow or jax; left out, what suits the machine."
    )
    target: Annotated[TargetRule, holding(_has_one_accuracy)] | None = Field(
        None, description="What the reports look for: test_accuracy or val_accuracy, and parameters."
    )
    exclude: _Rules = Field([], description="Combinations of the grid that are left out.")
    include: _Rules = Field([], description="Combinations that are added; what one does not say is that of the grid.")
    grid: Annotated[Grid, Field(description="What is varied, and what is held.")]


def mistakes(tree: Any) -> list[Any]:
    """What is wrong with the values of a file, as pydantic says it."""
    try:
        SweepFile.model_validate(tree)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def json_schema() -> dict[str, Any]:
    """The JSON Schema of sweep files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SweepFile.model_json_schema()}
