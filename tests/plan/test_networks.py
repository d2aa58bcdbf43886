"""Shapes, parameters and multiplications of layers: those of Keras, and those of hand."""

from __future__ import annotations

import importlib
import math
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_recipe
from mnist_sweep.plan.named import Named
from mnist_sweep.plan.networks import IMAGE, KINDS, OUTPUT, SOFTMAX, LayerError, sizes
from mnist_sweep.plan.recipe import Network
from mnist_sweep.sweepfile.layers import LayerOfNetwork, network_of
from mnist_sweep.training.model import _keras_layer, build_model
from mnist_sweep.training.runtime import tensorflow


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    tensorflow()
    return importlib.import_module("keras")


def _network(*layers: Any) -> Network:
    return network_of("net", [LayerOfNetwork.model_validate(layer) for layer in layers])


_small, _padding, _flag = st.integers(1, 4), st.sampled_from(["valid", "same"]), st.booleans()
_window = {"kernel_size": st.integers(1, 9), "strides": st.integers(1, 3), "dilation_rate": st.integers(1, 3)}
_convolution = {**_window, "padding": _padding, "use_bias": _flag, "activation": st.sampled_from(["relu", "tanh"])}
_pooling = {"pool_size": st.integers(1, 4), "strides": st.none() | _small, "padding": _padding}
_normalization = {"center": _flag, "scale": _flag}
_rate = {"rate": st.floats(0, 0.9)}
_ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Dense": {"units": st.integers(1, 12), "use_bias": _flag},
    "Conv2D": {**_convolution, "filters": st.sampled_from([1, 2, 4, 6]), "groups": st.sampled_from([1, 1, 1, 2, 3])},
    "SeparableConv2D": {**_convolution, "filters": _small, "depth_multiplier": _small},
    "DepthwiseConv2D": {**_convolution, "depth_multiplier": _small},
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "BatchNormalization": _normalization,
    "LayerNormalization": _normalization,
    "Dropout": _rate,
    "SpatialDropout2D": _rate,
    "Activation": {"activation": st.sampled_from(["relu", "softplus"])},
    "ReLU": {"max_value": st.none() | st.floats(0, 6), "negative_slope": st.floats(0, 1), "threshold": st.floats(0, 1)},
    "LeakyReLU": {"negative_slope": st.floats(0, 1)},
    "ELU": {"alpha": st.floats(0.1, 2)},
}
_NEEDED = {"units", "filters", "kernel_size", "rate", "activation"}


def _one(name: str) -> st.SearchStrategy[Any]:
    arguments = _ARGUMENTS.get(name, {})
    needed = {key: value for key, value in arguments.items() if key in _NEEDED}
    others = {key: value for key, value in arguments.items() if key not in _NEEDED}
    return st.fixed_dictionaries(needed, optional=others).map(lambda told: {name: told})


_of_images = [name for name in KINDS if name not in {"Dense", "Flatten"} and not name.startswith("Global")]
_images = st.lists(st.sampled_from(_of_images).flatmap(_one), max_size=5)
_turn = st.sampled_from(["Flatten", "GlobalMaxPooling2D", "GlobalAveragePooling2D"])
_vectors = st.lists(
    st.sampled_from(["Dense", "Dense", "BatchNormalization", "Dropout", "PReLU"]).flatmap(_one), max_size=3
)
_likely = st.tuples(_images, _turn, _vectors).map(lambda parts: [*parts[0], parts[1], *parts[2]])
_any = st.lists(st.sampled_from(KINDS).flatmap(_one), min_size=1, max_size=6)


def _told(network: Network) -> LayerError | None:
    try:
        sizes(network.layers, IMAGE)
    except LayerError as error:
        return error
    return None


def _is_ours(error: LayerError, layer: Named) -> bool:
    """Whether Keras would let it pass: Dense over channels, no ten values, strides that it documents as not allowed."""
    dilated = error.argument == "dilation_rate" and layer.name != "Conv2D"
    return layer.name == "Dense" or dilated or "at the end" in str(error)


@settings(max_examples=80, deadline=None)
@given(layers=_likely | _any)
def test_what_is_told_of_layers_is_what_keras_says(keras: ModuleType, layers: list[Any]) -> None:
    """Shapes and trained parameters are Keras's; what Keras refuses we refuse at the same layer, and little else."""
    network = _network(*layers)
    error = _told(network)
    n_possible = len(network.layers) if error is None else error.index
    model, expected, seeds = keras.Sequential([keras.Input(IMAGE)]), _sizes_until(network.layers, n_possible), count()
    for layer, told in zip(network.layers, expected, strict=False):
        model.add(_keras_layer(layer, seeds))
        assert told.shape == model.output_shape[1:]
        assert told.n_parameters == sum(math.prod(w.shape) for w in model.layers[-1].trainable_weights)
    if error is None:
        built = build_model(a_recipe(hidden_widths=(), hidden_funcs=(), network=network))
        weights = sum(math.prod(weight.shape) for weight in built.trainable_weights)
        assert a_recipe(hidden_widths=(), hidden_funcs=(), network=network).n_parameters == weights
        assert (10,) == built.output_shape[1:]
    elif not _is_ours(error, network.layers[n_possible]):
        with pytest.raises(ValueError, match=r".+"):
            model.add(_keras_layer(network.layers[n_possible], seeds))


def _sizes_until(layers: tuple[Named, ...], n: int) -> list[Any]:
    """Those of the first layers alone, of which the last need not give ten values."""
    ends = (Named("Flatten"), OUTPUT)
    return sizes([*layers[:n], *ends], IMAGE)[:n] if n else []


_LENET_5 = (
    {"Conv2D": {"filters": 6, "kernel_size": 5, "padding": "same", "activation": "tanh"}},
    {"AveragePooling2D": 2},
    {"Conv2D": {"filters": 16, "kernel_size": 5, "activation": "tanh"}},
    {"AveragePooling2D": 2},
    "Flatten",
    {"Dense": {"units": 120, "activation": "tanh"}},
    {"Dense": {"units": 84, "activation": "tanh"}},
)


def test_lenet_5_is_what_its_paper_says() -> None:
    """61,706 parameters; the multiplications of each layer are places × window × channels × filters."""
    recipe = a_recipe(hidden_widths=(), hidden_funcs=(), network=_network(*_LENET_5))
    assert 61_706 == recipe.n_parameters
    products = [28 * 28 * 25 * 6, 0, 10 * 10 * 25 * 6 * 16, 0, 0, 400 * 120, 120 * 84, 84 * 10, 0]
    assert products == [size.n_multiplications for size in sizes(recipe.layers, IMAGE)]
    assert sum(products) == recipe.n_multiplications


@pytest.mark.parametrize(
    ("layer", "n_parameters", "n_multiplications"),
    [
        ({"Conv2D": {"filters": 6, "kernel_size": 3, "groups": 2}}, 9 * 2 * 6 + 6, 26 * 26 * 9 * 2 * 6),
        ({"DepthwiseConv2D": {"kernel_size": 3, "strides": 2}}, 9 * 4 + 4, 13 * 13 * 9 * 4),
        (
            {"SeparableConv2D": {"filters": 6, "kernel_size": 3, "depth_multiplier": 2}},
            9 * 8 + 8 * 6 + 6,
            26 * 26 * (9 * 8 + 8 * 6),
        ),
        ({"Conv2D": {"filters": 1, "kernel_size": 5, "dilation_rate": 3, "use_bias": False}}, 100, 16 * 16 * 100),
    ],
)
def test_convolutions_by_hand(layer: Any, n_parameters: int, n_multiplications: int) -> None:
    """Over an image of 28×28 with four channels."""
    (made, *_) = _network(layer).layers
    told = sizes([made, Named("Flatten"), OUTPUT, SOFTMAX], (28, 28, 4))[0]
    assert (n_parameters, n_multiplications) == (told.n_parameters, told.n_multiplications)


@pytest.mark.parametrize(
    ("layers", "index", "argument", "words"),
    [
        ([{"Dense": 5}], 0, None, "it takes a vector; put Flatten or a global pooling before it"),
        (["Flatten", {"Conv2D": {"filters": 1, "kernel_size": 1}}], 1, None, "behind 784 values, allowed: it takes an"),
        ([{"MaxPooling2D": 7}, {"Conv2D": {"filters": 1, "kernel_size": 5}}], 1, "kernel_size", "5×5 over 4×4 values"),
        ([{"MaxPooling2D": 14}, {"AveragePooling2D": 3}], 1, "pool_size", "a window of 3×3 over 2×2"),
        (
            [{"MaxPooling2D": 7}, {"DepthwiseConv2D": {"kernel_size": 3, "dilation_rate": 2}}],
            1,
            "kernel_size",
            "a window of 5×5 over 4×4",
        ),
        ([{"Conv2D": {"filters": 3, "kernel_size": 1, "groups": 2}}], 0, "groups", "2 for 1 channels and 3 filters"),
        (
            [{"SeparableConv2D": {"filters": 3, "kernel_size": 2, "strides": 2, "dilation_rate": 3}}],
            0,
            "dilation_rate",
            "3 with strides of 2, allowed: only one of them above 1",
        ),
        (["Flatten", {"Dense": 9}, "Softmax"], 2, None, "9 values at the end, allowed: 10"),
    ],
)
def test_layers_that_do_not_fit_are_told(layers: list[Any], index: int, argument: str | None, words: str) -> None:
    """Which of them, what of it, and why."""
    error = _told(_network(*layers))
    assert error is not None
    assert (index, argument) == (error.index, error.argument)
    assert words in str(error)
