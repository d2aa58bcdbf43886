"""What stands under a name with settings of its own in a sweep file: optimizers and schedules."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, create_model

from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS
from mnist_sweep.sweepfile.values import AboveZero, Count, FromZero, Off, OptimizerName, Part, Some, Strict, named

_PARTS = {"beta_1", "beta_2", "adam_beta_1", "adam_beta_2", "rho", "momentum"}
_NEGATIVE = {"learning_rate_power", "beta_2_decay"}
_ABOVE_ZERO = {"epsilon", "epsilon_1", "epsilon_2", "clip_threshold"}
_Negative = Annotated[float, Field(le=0, allow_inf_nan=False)]
_Factor = Annotated[float, Field(gt=0, lt=1)]
_WholeFromZero = Annotated[int, Field(ge=0)]
_MONITOR = Literal["val_loss", "val_accuracy"]
_WARMUP = {"warmup": (FromZero, 0.0)}

SCHEDULE_SETTINGS: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "constant": _WARMUP,
    "step": {"every": (Count, ...), "factor": (_Factor, 0.1), **_WARMUP},
    "exponential": {"factor": (_Factor, ...), **_WARMUP},
    "cosine": {"epochs": (Count, None), "final": (Part, 0.0), **_WARMUP},
    "one_cycle": {
        "epochs": (Count, None),
        "rise": (_Factor, 0.3),
        "divide": (Annotated[float, Field(gt=1, allow_inf_nan=False)], 25.0),
    },
    "plateau": {
        "monitor": (_MONITOR, "val_loss"),
        "factor": (_Factor, 0.1),
        "patience": (Count, 10),
        "min_delta": (FromZero, 0.0001),
        "min_rate": (FromZero, 0.0),
        **_WARMUP,
    },
}
"""What each schedule can be told: the kind of value, and its default."""


def _kind(setting: str, default: Any) -> Any:
    """What a setting of an optimizer may be."""
    if isinstance(default, bool):
        return bool
    if isinstance(default, int):
        return _WholeFromZero
    return (
        Part
        if setting in _PARTS
        else _Negative
        if setting in _NEGATIVE
        else AboveZero
        if setting in _ABOVE_ZERO
        else FromZero
    )


def _models(kind: str, names: Any, settings: Mapping[str, Mapping[str, tuple[Any, Any]]]) -> dict[str, Any]:
    """A model for each name, and one that finds what is wrong with a name that there is not."""
    make: Any = create_model
    some: Any = Some  # types are values here
    models = {}
    for name, told in settings.items():
        fields: dict[str, Any] = {
            key: (some[of], default if default is ... else [default]) for key, (of, default) in told.items()
        }
        models[name] = make(f"{name} {kind}", __base__=Strict, name=(Literal[name], ...), **fields)
    return {**models, "": make(kind, __base__=Strict, name=(names, ...))}


OPTIMIZER_MODELS = _models(
    "optimizer",
    OptimizerName,
    {
        name: {
            **{key: (_kind(key, default), default) for key, default in settings.items()},
            "weight_decay": (FromZero, None),
        }
        for name, settings in OPTIMIZER_SETTINGS.items()
    },
)
_ScheduleName = named("schedule", tuple(SCHEDULE_SETTINGS), {})
SCHEDULE_MODELS = _models("schedule", _ScheduleName, SCHEDULE_SETTINGS)


def _choice(names: Any, models: Mapping[str, Any], *, can_be_off: bool = False) -> Any:
    """A mapping with a name and settings, or a name alone."""

    def in_full(value: Any) -> Any:
        return {"name": value} if isinstance(value, str) and not (can_be_off and value == "off") else value

    def tag(value: Any) -> str:
        if can_be_off and (value is False or value == "off"):
            return "\0off"
        name = value.get("name") if isinstance(value, dict) else None
        return f"\0{name}" if isinstance(name, str) and name in models else "\0"

    parts = [Annotated[model, Tag(f"\0{name}")] for name, model in models.items()]
    off = [Annotated[Off, Tag("\0off")]] if can_be_off else []
    one_of: Any = Union
    union: Any = Annotated[one_of[tuple(parts + off)], Discriminator(tag)]
    return Annotated[union, BeforeValidator(in_full, json_schema_input_type=one_of[names, union])]


OptimizerChoice = _choice(OptimizerName, OPTIMIZER_MODELS)
ScheduleChoice = _choice(_ScheduleName, SCHEDULE_MODELS, can_be_off=True)
