"""The committed names against the installed Keras."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from mnist_sweep.plan.keras_names import (
    ACTIVATION_ALIASES,
    ACTIVATIONS,
    INITIALIZERS,
    OPTIMIZER_SETTINGS,
    OPTIMIZERS,
    OWN_WEIGHT_DECAY,
    REFUSED_ACTIVATIONS,
    REFUSED_INITIALIZERS,
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


_FOR_ALL = {
    *("learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name", "kwargs"),
}
"""What every optimizer takes; what of it can be set has settings of its own."""
_LEFT_OUT = {"muon": {"adam_weight_decay", "exclude_layers", "exclude_embeddings", "muon_a", "muon_b", "muon_c"}}
"""What ours are not asked for: the output layer and the coefficients of Newton-Schulz stay as they are."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_of_an_optimizer_are_those_of_keras(keras: ModuleType, name: str) -> None:
    """Each that Keras has, with the default and the weight decay that it has there."""
    parameters = inspect.signature(type(keras.optimizers.get(name)).__init__).parameters
    taken = {key: one.default for key, one in parameters.items() if key != "self"}
    assert OPTIMIZER_SETTINGS[name] == {
        key: value for key, value in taken.items() if key not in _FOR_ALL | _LEFT_OUT.get(name, set())
    }
    assert OWN_WEIGHT_DECAY.get(name, 0.0) == (taken["weight_decay"] or 0.0)


def test_every_initializer_of_keras_is_listed_once(keras: ModuleType) -> None:
    """Each that Keras finds by a name is known or refused, and no name is made up."""
    names = [name for name, value in vars(keras.initializers).items() if name.islower() and inspect.isclass(value)]
    assert sorted(names) == sorted([*INITIALIZERS, *REFUSED_INITIALIZERS])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_known_initializer_draws_by_its_name_alone(keras: ModuleType, name: str) -> None:
    """Another draw gives other weights, none of them all alike."""
    first, second = (keras.ops.convert_to_numpy(keras.initializers.get(name)((20, 10))) for _ in range(2))
    assert (first != second).mean() > 0.9
    assert first.std() > 0.01
