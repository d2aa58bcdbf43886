"""What stands under a name with settings of its own in a sweep file: optimizers and schedules."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, create_model

from mnist_sweep.plan.keras_names import OPTIMIZER_SETTINGS, SCHEDULES
from mnist_sweep.sweepfile.values import AboveZero, Count, FromZero, Off, OptimizerName, Part, Some, Strict, named

_PARTS = {"beta_1", "beta_2", "adam_beta_1", "adam_beta_2", "rho", "momentum"}
_NEGATIVE = {"learning_rate_power", "beta_2_decay"}
_ABOVE_ZERO = {"epsilon", "epsilon_1", "epsilon_2", "clip_threshold"}
_Negative = Annotated[float, Field(le=0, allow_inf_nan=False)]
_Factor = Annotated[float, Field(gt=0, lt=1)]
_WholeFromZero = Annotated[int, Field(ge=0)]

_NEEDED = {("step", "every"), ("exponential", "factor")}
_OF_SCHEDULES: Mapping[str, tuple[Any, str]] = {
    "warmup": (FromZero, "Epochs in which the rate rises from 0 before the schedule begins."),
    "every": (Count, "The rate is multiplied by the factor after every so many epochs."),
    "factor": (_Factor, "What the rate is multiplied by: at each step, in each epoch, or at each plateau."),
    "epochs": (Count, "Epochs until the rate has come down; left out, those of the training."),
    "final": (Part, "What is left of the rate at the end, as a part of it."),
    "rise": (_Factor, "The part of the epochs in which the rate rises."),
    "divide": (Annotated[float, Field(gt=1, allow_inf_nan=False)], "The first rate is the learning rate over this."),
    "monitor": (Literal["val_loss", "val_accuracy"], "What must improve: val_loss or val_accuracy."),
    "patience": (Count, "The rate is reduced after so many epochs without improvement."),
    "min_delta": (FromZero, "An improvement is more than this."),
    "min_rate": (FromZero, "The rate is never reduced below this."),
}
"""What a setting of schedules may be, and what it means."""


def _kind(optimizer: str, setting: str, default: Any) -> Any:
    """What a setting of an optimizer may be."""
    if isinstance(default, bool):
        return bool
    if isinstance(default, int):
        return _WholeFromZero
    if (optimizer, setting) == ("schedulefreeadamw", "beta_1"):
        return _Factor  # it divides by it
    kinds = (_PARTS, Part), (_NEGATIVE, _Negative), (_ABOVE_ZERO, AboveZero)
    return next((kind for names, kind in kinds if setting in names), FromZero)


_AS_IN_KERAS = "As in Keras."


class _Loose(Strict):
    model_config = ConfigDict(extra="ignore")


def _models(
    kind: str, noun: str, names: Any, settings: Mapping[str, Mapping[str, tuple[Any, str, Any]]]
) -> dict[str, Any]:
    """A model for each name, and one that finds what is wrong with a name that there is not."""
    make: Any = create_model
    some: Any = Some  # types are values here
    models = {}
    for name, told in settings.items():
        fields: dict[str, Any] = {
            key: (some[of], Field(... if default is ... else [default], description=meaning))
            for key, (of, meaning, default) in told.items()
        }
        called = Field(..., description=f"The name of a {noun}.")
        models[name] = make(f"{name} {kind}", __base__=Strict, name=(Literal[name], called), **fields)
    return {**models, kind: make(kind, __base__=_Loose, name=(names, Field(..., description=f"The name of a {noun}.")))}


OPTIMIZER_MODELS = _models(
    "optimizer",
    "Keras optimizer",
    OptimizerName,
    {
        name: {
            **{key: (_kind(name, key, default), _AS_IN_KERAS, default) for key, default in settings.items()},
            "weight_decay": (
                FromZero,
                "Part of each kernel, times the learning rate, that a step takes from it.",
                None,
            ),
        }
        for name, settings in OPTIMIZER_SETTINGS.items()
    },
)
_ScheduleName = named("schedule", tuple(SCHEDULES), {})
SCHEDULE_MODELS = _models(
    "schedule",
    "schedule",
    _ScheduleName,
    {
        name: {
            key: (*_OF_SCHEDULES[key], ... if (name, key) in _NEEDED else default) for key, default in settings.items()
        }
        for name, settings in SCHEDULES.items()
    },
)


def _choice(kind: str, names: Any, models: Mapping[str, Any], *, can_be_off: bool = False) -> Any:
    """A mapping with a name and settings, or a name alone."""

    def in_full(value: Any) -> Any:
        return {"name": value} if isinstance(value, str) and not (can_be_off and value == "off") else value

    def tag(value: Any) -> str:
        if can_be_off and (value is False or value == "off"):
            return "\0off"
        name = value.get("name") if isinstance(value, dict) else None
        return f"\0{name}" if isinstance(name, str) and name in models else f"\0{kind}"

    parts = [Annotated[model, Tag(f"\0{name}")] for name, model in models.items()]
    off = [Annotated[Off, Tag("\0off")]] if can_be_off else []
    one_of: Any = Union
    union: Any = Annotated[one_of[tuple(parts + off)], Discriminator(tag)]
    return Annotated[union, BeforeValidator(in_full, json_schema_input_type=one_of[names, union])]


OptimizerChoice = _choice("optimizer", OptimizerName, OPTIMIZER_MODELS)
ScheduleChoice = _choice("schedule", _ScheduleName, SCHEDULE_MODELS, can_be_off=True)
