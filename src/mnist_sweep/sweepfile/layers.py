"""The layers of a network in a sweep file, by their names in Keras."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from mnist_sweep.plan.networks import Layer
from mnist_sweep.sweepfile.values import Activation, Initializer, Rate, Strict

_Size = Annotated[int, Field(ge=1, le=28)]
_Width = Annotated[int, Field(ge=1, le=65_536)]
_Part = Annotated[float, Field(ge=0, lt=1)]
_FromZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Arguments(Strict):
    """The arguments of a layer; one of them may stand without its name."""

    alone: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if value is None:
            return {}
        return value if isinstance(value, dict) or cls.alone is None else {cls.alone: value}


class _Weights(_Arguments):
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    l2: _FromZero = 0.0
    max_norm: Rate | None = None


class _Window(_Weights):
    kernel_size: _Size
    strides: _Size = 1
    padding: Literal["valid", "same"] = "valid"
    dilation_rate: _Size = 1


class Dense(_Weights):
    alone = "units"
    units: _Width
