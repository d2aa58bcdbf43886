"""The layers of a network in a sweep file, by their names in Keras."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mnist_sweep.plan.named import Named
from mnist_sweep.plan.networks import OUTPUT, SOFTMAX
from mnist_sweep.plan.recipe import Network
from mnist_sweep.sweepfile.values import AboveZero, Activation, FromZero, Initializer, Part, Strict, Width

_Size = Annotated[int, Field(ge=1, le=28)]


class _Layer(Strict):
    """The arguments of a layer."""

    alone: ClassVar[str] = ""
    """The one that may stand without its name."""

    @model_validator(mode="before")
    @classmethod
    def _in_full(cls, written: Any) -> Any:
        if written is None:
            return {}
        return {cls.alone: written} if cls.alone and not isinstance(written, dict) else written


class _Weights(_Layer):
    activation: Activation = "linear"
    use_bias: bool = True
    initializer: Initializer = "glorot_uniform"
    l2: FromZero = 0.0
    max_norm: AboveZero | None = None


class _Convolution(_Weights):
    kernel_size: _Size
    strides: _Size = 1
    padding: Literal["valid", "same"] = "valid"
    dilation_rate: _Size = 1


class _Pooling(_Layer):
    alone = "pool_size"
    pool_size: _Size = 2
    strides: _Size | None = None
    padding: Literal["valid", "same"] = "valid"


class _Normalization(_Layer):
    epsilon: AboveZero = 0.001
    center: bool = True
    scale: bool = True


class _Dropping(_Layer):
    alone = "rate"
    rate: Part


class _Dense(_Weights):
    alone = "units"
    units: Width


class _Conv2D(_Convolution):
    filters: Width
    groups: Width = 1


class _SeparableConv2D(_Convolution):
    filters: Width
    depth_multiplier: Width = 1


class _DepthwiseConv2D(_Convolution):
    alone = "kernel_size"
    depth_multiplier: Width = 1


class _BatchNormalization(_Normalization):
    momentum: Part = 0.99


class _Activation(_Layer):
    alone = "activation"
    activation: Activation


class _ReLU(_Layer):
    max_value: FromZero | None = None
    negative_slope: FromZero = 0.0
    threshold: FromZero = 0.0


class _LeakyReLU(_Layer):
    alone = "negative_slope"
    negative_slope: FromZero = 0.3


class _ELU(_Layer):
    alone = "alpha"
    alpha: AboveZero = 1.0


class LayerOfNetwork(Strict):
    """One layer: its name, or a mapping from its name to its arguments as Keras calls them."""

    Dense: _Dense | None = None
    Conv2D: _Conv2D | None = None
    SeparableConv2D: _SeparableConv2D | None = None
    DepthwiseConv2D: _DepthwiseConv2D | None = None
    MaxPooling2D: _Pooling | None = None
    AveragePooling2D: _Pooling | None = None
    GlobalMaxPooling2D: _Layer | None = None
    GlobalAveragePooling2D: _Layer | None = None
    Flatten: _Layer | None = None
    BatchNormalization: _BatchNormalization | None = None
    LayerNormalization: _Normalization | None = None
    Dropout: _Dropping | None = None
    SpatialDropout2D: _Dropping | None = None
    Activation: _Activation | None = None
    ReLU: _ReLU | None = None
    LeakyReLU: _LeakyReLU | None = None
    ELU: _ELU | None = None
    PReLU: _Layer | None = None
    Softmax: _Layer | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_in_full(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {written: {}}
        if not isinstance(written, dict) or len(written) != 1:
            raise PydanticCustomError("layer", "no layer")
        return {name: {} if arguments is None else arguments for name, arguments in written.items()}

    @property
    def plain(self) -> Named:
        """The layer with all its arguments, sorted."""
        ((name, arguments),) = ((name, value) for name, value in self if value is not None)
        told = arguments.model_dump()
        if "pool_size" in told:
            told["strides"] = told["strides"] or told["pool_size"]
        return Named(name, tuple(sorted(told.items())))


def network_of(name: str, layers: Iterable[LayerOfNetwork]) -> Network:
    """A network with a softmax at its end: a dense one of ten values unless the file has one."""
    plain = [layer.plain for layer in layers]
    last = plain[-1]
    if last == Named("Activation", (("activation", "softmax"),)):
        plain[-1] = SOFTMAX
    elif ("activation", "softmax") in last.settings:
        plain[-1:] = [Named(last.name, tuple(sorted({**dict(last.settings), "activation": "linear"}.items()))), SOFTMAX]
    elif last != SOFTMAX:
        plain += [OUTPUT, SOFTMAX]
    return Network(tuple(plain), name)
