"""The committed names against the installed Keras."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    OPTIMIZERS,
    REFUSED_ACTIVATIONS,
    REFUSED_OPTIMIZERS,
)
from mnist_sweep.training.runtime import tensorflow


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    tensorflow()
    import keras

    assert isinstance(keras, ModuleType)
    return keras


def test_every_activation_of_keras_is_listed_once(keras: ModuleType) -> None:
    """Each public activation is known, a second name, or refused, and no name is made up."""
    functions = [
        name
        for name, value in vars(keras.activations).items()
        if not name.startswith("_") and callable(value) and name not in {"deserialize", "get", "serialize"}
    ]

    assert sorted(functions) == sorted([*ACTIVATIONS, *ACTIVATION_ALIASES, *REFUSED_ACTIVATIONS])


def test_every_optimizer_of_keras_is_listed_once(keras: ModuleType) -> None:
    """Each optimizer class is known or refused by its name in lower case, and no name is made up."""
    classes = [name.lower() for name, value in vars(keras.optimizers).items() if inspect.isclass(value)]

    assert sorted(classes) == sorted([*OPTIMIZERS, *REFUSED_OPTIMIZERS])


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ACTIVATION_ALIASES])
def test_a_known_activation_works_by_its_name_alone(keras: ModuleType, name: str) -> None:
    """A layer of an odd width with this activation keeps its width."""
    outputs = keras.layers.Dense(7, activation=name)(keras.ops.ones((2, 5)))

    assert (2, 7) == tuple(outputs.shape)


@pytest.mark.parametrize("name", REFUSED_ACTIVATIONS)
def test_a_refused_activation_does_not_work_by_its_name_alone(keras: ModuleType, name: str) -> None:
    """A layer of an odd width with this activation fails."""
    with pytest.raises((TypeError, ValueError)):
        keras.layers.Dense(7, activation=name)(keras.ops.ones((2, 5)))


def test_a_layer_with_glu_loses_half_its_width(keras: ModuleType) -> None:
    """The reason for refusing it holds for the even widths, where it does not fail."""
    assert (2, 4) == tuple(keras.layers.Dense(8, activation="glu")(keras.ops.ones((2, 5))).shape)


@pytest.mark.parametrize(("alias", "name"), ACTIVATION_ALIASES.items())
def test_a_second_name_is_the_same_function(keras: ModuleType, alias: str, name: str) -> None:
    """Both names get the very same function."""
    assert keras.activations.get(name) is keras.activations.get(alias)


def test_different_names_are_different_functions(keras: ModuleType) -> None:
    """No known activation is a second name of another one."""
    assert len(ACTIVATIONS) == len({keras.activations.get(name) for name in ACTIVATIONS})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_known_optimizer_is_found_by_its_name(keras: ModuleType, name: str) -> None:
    """The name alone gives the optimizer of that class."""
    assert name == type(keras.optimizers.get(name)).__name__.lower()


@pytest.mark.parametrize("name", REFUSED_OPTIMIZERS)
def test_a_refused_optimizer_cannot_be_built_from_its_name(keras: ModuleType, name: str) -> None:
    """The name alone gives no optimizer."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        keras.optimizers.get(name)
