"""Networks as lists of Keras layers: the shapes, parameters and multiplications that follow from such a list.

Keras says the same, but takes seconds to import; tests compare the two.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mnist_sweep.plan.named import Named

Shape = tuple[int, ...]
"""Height, width and channels of an image, or the length of a vector."""

IMAGE: Shape = (28, 28, 1)
N_PIXELS = 784
N_CLASSES = 10


SOFTMAX = Named("Softmax")
OUTPUT = Named(
    "Dense",
    (
        ("activation", "linear"),
        ("initializer", "glorot_uniform"),
        ("l2", 0.0),
        ("max_norm", None),
        ("units", N_CLASSES),
        ("use_bias", True),
    ),
)
BATCH_NORM = Named("BatchNormalization", (("center", True), ("epsilon", 0.001), ("momentum", 0.99), ("scale", True)))


class Size(NamedTuple):
    """What a layer gives and costs."""

    shape: Shape
    n_parameters: int = 0  # those that are trained
    n_multiplications: int = 0  # for one image


class LayerError(ValueError):
    """A layer that cannot stand where it does.

    Args:
        index: its place in the network.
        argument: the one to blame, if it is one.
    """

    def __init__(self, text: str, index: int, argument: str | None = None) -> None:
        super().__init__(text)
        self.index = index
        self.argument = argument


class _MisfitError(ValueError):
    def __init__(self, text: str, argument: str | None = None) -> None:
        super().__init__(text)
        self.argument = argument


def _same(_: Named, shape: Shape) -> Size:
    return Size(shape)


def _dense(layer: Named, shape: Shape) -> Size:
    (n_in,), n_out = shape, layer["units"]
    return Size((n_out,), n_in * n_out + n_out * layer["use_bias"], n_in * n_out)


def _sides(layer: Named, window: str, shape: Shape, dilation: int = 1) -> tuple[int, int]:
    """Height and width of what a window gives that moves over an image."""
    stride, reach = layer["strides"], (layer[window] - 1) * dilation + 1
    if layer["padding"] == "same":
        return -(-shape[0] // stride), -(-shape[1] // stride)
    if reach > min(shape[:2]):
        text = f"found a window of {reach}×{reach} over {shape[0]}×{shape[1]} values, allowed: one that fits into them"
        raise _MisfitError(f"{text}, or padding: same", window)
    return (shape[0] - reach) // stride + 1, (shape[1] - reach) // stride + 1


def _convolved(layer: Named, shape: Shape, n_out: int, n_weights: int) -> Size:
    if min(layer["strides"], layer["dilation_rate"]) > 1:
        text = f"found {layer['dilation_rate']} with strides of {layer['strides']}, allowed: only one of them above 1"
        raise _MisfitError(text, "dilation_rate")
    sides = _sides(layer, "kernel_size", shape, layer["dilation_rate"])
    return Size((*sides, n_out), n_weights + n_out * layer["use_bias"], n_weights * math.prod(sides))


def _convolution(layer: Named, shape: Shape) -> Size:
    n_in, n_out, groups = shape[2], layer["filters"], layer["groups"]
    if n_in % groups or n_out % groups:
        text = f"found {groups} for {n_in} channels and {n_out} filters, allowed: a number that divides both"
        raise _MisfitError(text, "groups")
    return _convolved(layer, shape, n_out, layer["kernel_size"] ** 2 * n_in // groups * n_out)


def _depthwise(layer: Named, shape: Shape) -> Size:
    n_out = shape[2] * layer["depth_multiplier"]
    return _convolved(layer, shape, n_out, layer["kernel_size"] ** 2 * n_out)


def _separable(layer: Named, shape: Shape) -> Size:
    n_between = shape[2] * layer["depth_multiplier"]
    n_weights = layer["kernel_size"] ** 2 * n_between + n_between * layer["filters"]
    return _convolved(layer, shape, layer["filters"], n_weights)


def _pooled(layer: Named, shape: Shape) -> Size:
    return Size((*_sides(layer, "pool_size", shape), shape[2]))


def _normalized(layer: Named, shape: Shape) -> Size:
    return Size(shape, shape[-1] * (layer["center"] + layer["scale"]), math.prod(shape))


def _channels(_: Named, shape: Shape) -> Size:
    return Size(shape[2:])


_OF_IMAGES: Mapping[str, Callable[[Named, Shape], Size]] = {
    "Conv2D": _convolution,
    "SeparableConv2D": _separable,
    "DepthwiseConv2D": _depthwise,
    "MaxPooling2D": _pooled,
    "AveragePooling2D": _pooled,
    "GlobalMaxPooling2D": _channels,
    "GlobalAveragePooling2D": _channels,
    "SpatialDropout2D": _same,
}
_OF_VECTORS: Mapping[str, Callable[[Named, Shape], Size]] = {"Dense": _dense}
_OF_BOTH: Mapping[str, Callable[[Named, Shape], Size]] = {
    "Flatten": lambda _, shape: Size((math.prod(shape),)),
    "BatchNormalization": _normalized,
    "LayerNormalization": _normalized,
    "Dropout": _same,
    "Activation": _same,
    "ReLU": _same,
    "LeakyReLU": _same,
    "ELU": _same,
    "PReLU": lambda _, shape: Size(shape, math.prod(shape)),
    "Softmax": _same,
}
_SIZES = {**_OF_IMAGES, **_OF_VECTORS, **_OF_BOTH}

KINDS = tuple(_SIZES)
"""The names of all layers that may stand in a network."""


def sizes(layers: Iterable[Named], shape: Shape) -> list[Size]:
    """What each of the layers gives and costs when the first takes this shape.

    Raises:
        LayerError: when one cannot stand where it does, or the last one does not give ten values.
    """
    told, index = list[Size](), 0
    for index, layer in enumerate(layers):
        needed = "an image" if layer.name in _OF_IMAGES else "a vector" if layer.name in _OF_VECTORS else None
        if needed and needed != ("an image" if len(shape) == len(IMAGE) else "a vector"):
            cure = "; put Flatten or a global pooling before it" if needed == "a vector" else ""
            text = f"found {layer.name} behind {'×'.join(map(str, shape))} values, allowed: it takes {needed}{cure}"
            raise LayerError(text, index)
        try:
            told.append(_SIZES[layer.name](layer, shape))
        except _MisfitError as error:
            raise LayerError(str(error), index, error.argument) from error
        shape = told[-1].shape
    if shape != (N_CLASSES,):
        raise LayerError(f"found {'×'.join(map(str, shape))} values at the end, allowed: {N_CLASSES}", index)
    return told
