"""What is asked of the table of axes: the axis of a name, its values and their words, the columns of workbooks."""

from collections.abc import Collection, Container, Hashable, Mapping
from dataclasses import replace

from mnist_sweep.plan.recipe import LEGACY_VALUES, CompileKey, Recipe, Trial, own_weight_decay
from mnist_sweep.plan.setting import Facet, Setting
from mnist_sweep.plan.settings_of_models import OF_HIDDEN_LAYERS
from mnist_sweep.plan.table import SETTINGS

_BY_NAME: Mapping[str, Setting] = {one.name: one for one in SETTINGS}
AXES = tuple(_BY_NAME)


def setting(name: str) -> Setting:
    """The axis of that name."""
    return _BY_NAME[name]


def compile_key(recipe: Recipe) -> CompileKey:
    """The shape that a recipe trains in."""
    inputs = {name: value for one in SETTINGS for name, value in one.inputs.items()}
    return CompileKey(replace(recipe, **inputs))


def axis_value(recipe: Recipe, name: str) -> Hashable:
    """What a recipe has on an axis; a width or function that all hidden layers share stands for itself."""
    return setting(name).value(recipe)


def told(recipes: Collection[Recipe]) -> frozenset[str]:
    """The axes of which these recipes say something: those that any of them has otherwise than by default.

    What has no default that holds for ever is always said, but for hidden layers, which a network has none of.
    """

    def is_told(name: str) -> bool:
        if name in OF_HIDDEN_LAYERS:
            return any(recipe.network is None for recipe in recipes)
        if name == "weight_decay":
            return any(recipe.weight_decay != own_weight_decay(recipe.optimizer) for recipe in recipes)
        return name not in LEGACY_VALUES or {getattr(recipe, name) for recipe in recipes} != {LEGACY_VALUES[name]}

    return frozenset(filter(is_told, AXES))


def axis_name_words(name: str) -> str:
    """An axis as people call it: width, batch size."""
    return setting(name).words


def axis_value_words(name: str, value: Hashable) -> str:
    """A value of an axis, as `axis_value` gives it: 300, 300-100, relu tanh, sgd momentum 0.9."""
    return setting(name).word(value)


def recipe_words(recipe: Recipe, varied: Container[str] = ()) -> str:
    """A recipe in one short phrase.

    Args:
        varied: names of the axes that have several choices; how a training ends is said only where that is varied.
    """
    return " ".join(filter(None, (one.phrase(recipe, one.name in varied) for one in SETTINGS)))


def trial_words(trial: Trial, varied: Container[str] = ()) -> str:
    """A trial in one short phrase."""
    return f"{recipe_words(trial.recipe, varied)}, {'fresh ' if trial.confirms else ''}repeat {trial.repeat}"


def facets(shown: Container[str]) -> list[Facet]:
    """The columns of settings: first those of the old workbooks in their order, then the others in this table's.

    Args:
        shown: names of the axes whose columns are there, beside those that are everywhere.
    """
    return sorted((facet for _, facet in _columns(shown)), key=lambda facet: facet.place)


def tried_facets(shown: Container[str]) -> list[tuple[str, Facet]]:
    """The same in the order of hyperparams.xlsx, each with the name of its axis."""
    return sorted(_columns(shown), key=lambda pair: pair[1].tried_place)


def _columns(shown: Container[str]) -> list[tuple[str, Facet]]:
    pairs = ((one.name, facet) for one in SETTINGS for facet in one.facets)
    return [(name, facet) for name, facet in pairs if facet.is_everywhere or name in shown]
