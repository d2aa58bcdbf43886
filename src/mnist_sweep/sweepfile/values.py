"""The kinds of values that a sweep file may hold, for its model; pydantic is known to these two and to `layers`."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    INITIALIZERS,
    OPTIMIZERS,
    REFUSED_ACTIVATIONS,
    REFUSED_INITIALIZERS,
    REFUSED_OPTIMIZERS,
)
from mnist_sweep.plan.limits import MAX_COUNT, MAX_WIDTH

_T = TypeVar("_T")


class Strict(BaseModel):
    """A mapping in which no key is unknown and no value is taken for one of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


def named(
    kind: str, known: tuple[str, ...], refused: Mapping[str, str], aliases: Mapping[str, str] | None = None
) -> Any:
    """The type of a name that Keras, or this program, knows."""
    others = aliases or {}
    schema = {"type": "string", "enum": [*known, *others], "description": f"The name of a {kind}."}

    def check(name: str) -> str:
        if name in refused:
            raise PydanticCustomError("refused", "found {name}, refused: {why}", {"name": name, "why": refused[name]})
        if name not in known and name not in others:
            raise PydanticCustomError("unknown", "unknown", {"kind": kind, "known": known, "aliases": tuple(others)})
        return others.get(name, name)

    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def holding(holds: Callable[[Any], Any]) -> AfterValidator:
    """Refuses a value of which something does not hold."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _no_number(value: Any) -> Any:
    if isinstance(value, float) or type(value) is int:  # 0 equals False
        raise ValueError
    return value


Activation = named("Keras activation", ACTIVATIONS, REFUSED_ACTIVATIONS, ACTIVATION_ALIASES)
Initializer = named("Keras initializer", INITIALIZERS, REFUSED_INITIALIZERS)
OptimizerName = named("Keras optimizer", OPTIMIZERS, REFUSED_OPTIMIZERS)
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FromZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Part = Annotated[float, Field(ge=0, lt=1)]
Off = Annotated[Literal[False, "off"], BeforeValidator(_no_number)]
Some = Annotated[list[_T], Field(min_length=1), _OneOrMany()]
