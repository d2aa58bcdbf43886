"""What a sweep file may hold, as a model of pydantic, which nothing else knows."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mnist_sweep.plan.axes import setting
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    OPTIMIZERS,
    REFUSED_ACTIVATIONS,
    REFUSED_OPTIMIZERS,
)
from mnist_sweep.plan.table import DEFAULT_NUM_LAYERS, MAX_COUNT, MAX_LAYERS, MAX_WIDTH

MAX_SEED = 2**31 - 1
_ONE, _LIST, _MAPPING, _OFF, _WORD = "\0one", "\0list", "\0mapping", "\0off", "\0word"  # no key of a file is like these
_MAX_NAME_BYTES = 200  # file systems take 255, and --fresh appends a date
_NAME = re.compile(r"[^\W_][\w .-]{0,99}\Z")
_T = TypeVar("_T")


def as_list(value: Any) -> Any:
    """A list as it is; a lone value as a list of one."""
    return value if isinstance(value, list) else [value]


class _OneOrMany:
    """A list type that takes a lone value for a list of one; its JSON Schema says both."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _known(kind: str, known: tuple[str, ...], refused: Mapping[str, str], aliases: Mapping[str, str]) -> AfterValidator:
    def check(name: str) -> str:
        if name in refused:
            raise PydanticCustomError("refused", "found {name}, refused: {why}", {"name": name, "why": refused[name]})
        if name not in known and name not in aliases:
            raise PydanticCustomError("unknown", "unknown", {"kind": kind, "known": known, "aliases": tuple(aliases)})
        return aliases.get(name, name)

    return AfterValidator(check)


def _holding(holds: Callable[[Any], Any]) -> AfterValidator:
    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError
        return value

    return AfterValidator(check)


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


_Activation = Annotated[
    str,
    _known("activation", ACTIVATIONS, REFUSED_ACTIVATIONS, ACTIVATION_ALIASES),
    WithJsonSchema({"type": "string", "enum": [*ACTIVATIONS, *ACTIVATION_ALIASES]}),
]
_OptimizerName = Annotated[
    str,
    _known("optimizer", OPTIMIZERS, REFUSED_OPTIMIZERS, {}),
    WithJsonSchema({"type": "string", "enum": list(OPTIMIZERS)}),
]
_Precision = Literal["float32", "tf32", "mixed_bfloat16"]
_Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
_NumLayers = Annotated[int, Field(ge=2, le=MAX_LAYERS)]
_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
_OneALayer = Field(min_length=1, max_length=MAX_LAYERS - 2)
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Part = Annotated[float, Field(ge=0, lt=1)]
_Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
_Some = Annotated[list[_T], Field(min_length=1), _OneOrMany()]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EachLayer(_Model):
    """Every combination of these functions over the hidden layers, with order and repetition."""

    each_layer: _Some[_Activation] = Field(
        description="Functions to combine: each hidden layer takes each of them in turn."
    )


class Optimizer(_Model):
    """An optimizer with a setting of its own."""

    name: _OptimizerName = Field(description="The optimizer's name in Keras.")
    momentum: _Some[_Part] = Field([0.0], description="For sgd: from 0, below 1.")


class EarlyStoppingRule(_Model):
    """When a training stops, in the terms of keras.callbacks.EarlyStopping; each value may be a list."""

    monitor: _Some[Literal["val_loss", "val_accuracy"]] = Field(
        ["val_loss"], description="What must improve: val_loss or val_accuracy."
    )
    min_delta: _Some[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        [0.0001], description="An improvement is more than this."
    )
    patience: _Some[Annotated[int, Field(ge=0, le=MAX_COUNT)]] = Field(
        [10], description="Stop after this many epochs without improvement."
    )
    restore_best_weights: _Some[bool] = Field(
        [True], description="Keep the weights of the best epoch (true) or of the last (false)."
    )


_WidthChoice = Annotated[
    Annotated[_Width, Tag(_ONE)] | Annotated[list[_Width], _OneALayer, Tag(_LIST)], Discriminator(_kind)
]
_FuncsChoice = Annotated[
    Annotated[_Activation, Tag(_ONE)]
    | Annotated[list[_Activation], _OneALayer, Tag(_LIST)]
    | Annotated[EachLayer, Tag(_MAPPING)],
    Discriminator(_kind),
]
_OptimizerChoice = Annotated[
    Annotated[_OptimizerName, Tag(_ONE)] | Annotated[Optimizer, Tag(_MAPPING)], Discriminator(_kind)
]
_StoppingChoice = Annotated[
    Annotated[Literal[False, "off"], Tag(_OFF)] | Annotated[EarlyStoppingRule, Tag(_MAPPING)], Discriminator(_kind)
]
_ShuffleSeed = Annotated[
    Annotated[_Seed, Tag(_ONE)] | Annotated[Literal["each_repeat"], Tag(_WORD)],
    Discriminator(lambda value: _WORD if isinstance(value, str) else _ONE),
]


def _axis(name: str, default: Any) -> Any:
    return Field([default], description=setting(name).note)


class Grid(_Model):
    """What is varied: each key takes one value, or a list of values, which makes it an axis."""

    num_layers: _Some[_NumLayers] = _axis("num_layers", DEFAULT_NUM_LAYERS)
    hidden_width: _Some[_WidthChoice] = _axis("hidden_width", 200)
    hidden_funcs: _Some[_FuncsChoice] = _axis("hidden_funcs", "relu")
    batch_size: _Some[_Count] = _axis("batch_size", 200)
    learning_rate: _Some[_Rate] = _axis("learning_rate", 0.001)
    optimizer: _Some[_OptimizerChoice] = _axis("optimizer", "adam")
    label_smoothing: _Some[_Part] = _axis("label_smoothing", 0.0)
    precision: _Some[_Precision] = _axis("precision", "float32")
    max_epochs: _Some[_Count] = _axis("max_epochs", 1000)
    early_stopping: _Some[_StoppingChoice] = _axis("early_stopping", EarlyStoppingRule.model_validate({}))


class SweepFile(_Model):
    """A sweep of dense networks on MNIST."""

    name: Annotated[str, _holding(_is_folder_name)] = Field(
        description="The sweep's name, and that of its folder under output/."
    )
    goal: Annotated[str, _holding(_is_printable)] = Field("", description="What this sweep wants to find out.")
    repeats: _Count = Field(3, description="Trainings of each combination, with different initial weights.")
    seed: _Seed = Field(1, description="Where the initial weights of the repeats come from.")
    shuffle_seed: _ShuffleSeed = Field(
        100, description="Gives split_seed and order_seed where they are not set: a number, or each_repeat."
    )
    split_seed: _ShuffleSeed | None = Field(None, description="Which images are held out for validation.")
    order_seed: _ShuffleSeed | None = Field(None, description="The order of the training batches in every epoch.")
    validation_fraction: Annotated[float, Field(gt=0, lt=1), _holding(_leaves_images)] = Field(
        0.1, description=f"Part of the {MNIST.n_train:,} training images that is held out for validation."
    )
    backend: Literal["tensorflow", "jax"] | None = Field(
        None, description="What Keras computes with: tensorflow or jax; left out, what suits the machine."
    )
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
