"""The combinations of a sweep as rows of a factorial design.

Activations and lists of widths that fit only one number of layers are nested within it.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values. NumPy is imported
late.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from mnist_sweep.plan.axes import AXES, axis_value, told
from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.plan.settings_of_models import LAYERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PER_LAYER = ("hidden_width", "hidden_funcs")
_MOST_COLUMNS = 600
"""Of a design with pairs; larger ones take minutes, and their pairs are counted with the higher interactions."""


class Design:
    """Its axes, their levels, and the terms of one axis and of two; one design serves all metrics."""

    def __init__(self, recipes: Sequence[Recipe]) -> None:
        values = {axis: [axis_value(recipe, axis) for recipe in recipes] for axis in AXES}
        self.n = len(recipes)
        said = told(recipes)
        self.factors = [axis for axis in AXES if axis in said and len(set(values[axis])) > 1]
        if {"optimizer", "weight_decay"} <= set(self.factors):
            pairs = set(zip(values["optimizer"], values["weight_decay"], strict=True))
            if len(pairs) == len(
                set(values["optimizer"])
            ):  # it stands inside each optimizer, whose effect it is part of
                self.factors.remove("weight_decay")
        self.mains = [frozenset([axis]) for axis in self.factors]
        # A value that fits one number of layers alone has one entry a layer, or none where no layer is hidden.
        per_layer = {axis for axis in _PER_LAYER if any(isinstance(value, tuple) for value in values[axis])}
        self.nested = per_layer & set(self.factors) if LAYERS in self.factors else set()
        self.levels: Mapping[str, list[tuple[int | None, Hashable]]] = {
            axis: [
                (recipe.num_layers if axis in self.nested else None, value)
                for recipe, value in zip(recipes, values[axis], strict=True)
            ]
            for axis in self.factors
        }

    def contains(self, outer: frozenset[str], inner: frozenset[str]) -> bool:
        """Whether the term `outer` takes in all that `inner` can say, so that inner is judged without it."""
        return outer != inner and self._roots(inner) <= self._roots(outer)

    def _roots(self, term: frozenset[str]) -> frozenset[str]:
        return term | {LAYERS} if term & self.nested else term

    def _cells(self, term: Iterable[str]) -> list[tuple[tuple[int | None, Hashable], ...]]:
        """The term's levels in each combination."""
        return list(zip(*(self.levels[axis] for axis in sorted(term)), strict=True))

    @cached_property
    def pairs(self) -> list[frozenset[str]]:
        """The terms of two axes each; none where there are so many columns that they would take minutes."""
        pairs = [
            frozenset(pair)
            for pair in combinations(self.factors, 2)
            if not (LAYERS in pair and set(pair) & self.nested)  # a nested axis says that already
        ]
        return pairs if sum(len(set(self._cells(pair))) for pair in pairs) <= _MOST_COLUMNS else []

    def matrix(self, terms: Iterable[frozenset[str]]) -> NDArray[np.float64]:
        """A column of 1, and one of 0 and 1 for each level of each term that occurs: (n, columns)."""
        import numpy as np

        columns = [np.ones((self.n, 1))]
        for cells in map(self._cells, terms):
            order = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
            columns.append(np.eye(len(order))[[order[cell] for cell in cells]])
        return np.hstack(columns)
