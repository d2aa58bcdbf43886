"""What mattered: the mean result of each value of each axis, and how much of the variance each axis explains.

The results are the cell means of a factorial design. Activations and lists of widths that fit only one number of
layers are nested within it. A grid can have holes (failed combinations, duplicates that were removed), so sums of
squares are of Type II: each term after all terms that do not contain it, https://en.wikipedia.org/wiki/Analysis_of_variance
and Langsrud, "ANOVA for unbalanced data: use Type II instead of Type III sums of squares", Statistics and Computing 13
(2003), https://doi.org/10.1023/A:1023260610025

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values. NumPy is imported
late.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from mnist_sweep.analysis.design import Design
from mnist_sweep.analysis.noise import ROUNDING, Noise, student, studentized_range
from mnist_sweep.plan.axes import axis_name_words, axis_value_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ESTIMABLE = 1e-8
"""A mean is estimable if its weights lie in the row space of the design, up to rounding."""


@dataclass(frozen=True, slots=True)
class Level:
    """A value of an axis: the mean over its combinations, all other axes alike.

    `margin` and `half_width` (of the mean's 95% interval) are None with one repeat. They are None too, and `alone` is
    False, where so many combinations are missing that the value cannot be told apart from those of other axes.
    """

    value: Hashable
    within: int | None  # the number of layers that it is nested in
    n_combinations: int
    mean: float
    half_width: float | None
    behind: float  # how far the mean is from that of the axis' best value
    margin: float | None  # up to which distance that can be chance (Tukey, 95%)
    alone: bool = True

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval of the mean; twice the mean where there is none."""
        return self.mean - (self.half_width or 0.0), self.mean + (self.half_width or 0.0)

    @property
    def where(self) -> str:
        """Behind its value, where it is nested: with 3 layers."""
        return "" if self.within is None else f" with {self.within} layers"

    @property
    def worse(self) -> bool:
        """Whether it is worse than the best value beyond chance."""
        return self.margin is not None and self.behind > self.margin + ROUNDING


@dataclass(frozen=True, slots=True)
class AxisEffect:
    """An axis with its values, in the order of the plan."""

    axis: str
    nested: bool  # within the number of layers
    levels: tuple[Level, ...]

    @property
    def name(self) -> str:
        """The axis in words."""
        return axis_name_words(self.axis)

    def value_words(self, level: Level) -> str:
        """The value of one of its levels in words."""
        return axis_value_words(self.axis, level.value)

    def best(self, within: int | None = None) -> Level:
        """The value with the best mean, among those of one number of layers where the axis is nested."""
        return min((level for level in self.levels if level.within == within), key=lambda level: level.behind)

    @property
    def groups(self) -> tuple[int | None, ...]:
        """The numbers of layers that it is nested in; (None,) where it is not."""
        return tuple(dict.fromkeys(level.within for level in self.levels))


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the variance of single trainings that a source explains: ω², at least 0."""

    sources: tuple[str, ...]  # an axis, two that act together, or nothing for HIGHER or SEEDS
    label: str
    omega2: float


HIGHER, TOGETHER, SEEDS = "three or more axes together", "axes together", "seed noise"
MIXED = "axes that missing combinations mix up"


@dataclass(frozen=True, slots=True)
class Effects:
    """What mattered for one metric. No shares with one repeat: nothing tells effects from noise then."""

    axes: tuple[AxisEffect, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Measured:
    """A metric of all combinations, each with its repeats, its noise, and whether more is better.

    The noise is pooled over all of these combinations, since the means of an axis run over all of them. A combination
    counts like any other however many repeats it has: the analysis is that of unweighted means, in which a mean over
    fewer repeats is less certain. With as many repeats each it is the usual one.
    https://en.wikipedia.org/wiki/Analysis_of_variance#Unbalanced_designs
    """

    results: Sequence[Sequence[float]]
    noise: Noise | None
    higher: bool

    @cached_property
    def means(self) -> Floats:
        """(n combinations,) float64."""
        import numpy as np

        return np.array([np.mean(values) for values in self.results])

    @cached_property
    def repeats(self) -> float:
        """Their harmonic mean: what the usual formulas take where combinations have different numbers of them."""
        return float(len(self.results) / sum(Fraction(1, len(values)) for values in self.results))

    @cached_property
    def weights(self) -> Floats:
        """(n combinations,) float64; of each training, 1 with as many repeats each."""
        import numpy as np

        return self.repeats / np.array([len(values) for values in self.results])

    @cached_property
    def total(self) -> float:
        """The weighted sum of squares of all trainings around their weighted mean."""
        import numpy as np

        each = np.repeat(self.weights, [len(values) for values in self.results])
        values = np.concatenate([np.asarray(values) for values in self.results])
        return float((each * (values - (each * values).sum() / each.sum()) ** 2).sum())


def effects(design: Design, measured: Sequence[Measured]) -> list[Effects]:
    """What mattered for each of these metrics; together, since they share the design's decompositions."""
    import numpy as np

    means = np.stack([one.means for one in measured], axis=1)
    sources = _sources(design, means) if any(one.noise for one in measured) else []
    return [
        Effects(
            tuple(_axis_effect(design, axis, one) for axis in design.factors),
            _shares([(names, label, float(ss[i]), df) for names, label, ss, df in sources], one),
        )
        for i, one in enumerate(measured)
    ]


def _axis_effect(design: Design, axis: str, measured: Measured) -> AxisEffect:
    """Adjusted means (least squares means) of an additive model: plain means where the grid has no holes."""
    import numpy as np

    others = [term for term in design.mains if axis not in term and not design.contains(term, frozenset([axis]))]
    levels = design.levels[axis]
    keys = list(dict.fromkeys(levels))
    rest, own = design.matrix(others), np.eye(len(keys))[[keys.index(level) for level in levels]]
    x = np.hstack([rest, own])
    pseudo = np.linalg.pinv(x)
    scaled = pseudo * np.sqrt(measured.weights)
    inverse, estimable = scaled @ scaled.T, pseudo @ x
    beta = pseudo @ measured.means

    def weights(i: int) -> Floats:  # what the adjusted mean of level i is made of
        within = keys[i][0]
        rows = [row for row in range(design.n) if within in (None, levels[row][0])]
        return np.hstack([rest[rows].mean(axis=0), np.eye(len(keys))[i]])

    c = [weights(i) for i in range(len(keys))]
    noise = measured.noise
    variance = noise.s**2 / measured.repeats if noise else 0.0

    def error(contrast: Floats) -> float:
        return math.sqrt(max(0.0, variance * float(contrast @ inverse @ contrast)))

    means = _without_rounding([float(row @ beta) for row in c])

    def level(i: int) -> Level:
        family = [j for j in range(len(keys)) if keys[j][0] == keys[i][0]]
        best = (max if measured.higher else min)(family, key=lambda j: means[j])
        behind, n = abs(means[best] - means[i]), levels.count(keys[i])
        alone = bool(np.abs(c[i] - c[i] @ estimable).max() < _ESTIMABLE)
        if not noise or not alone:
            return Level(keys[i][1], keys[i][0], n, means[i], None, behind, None, alone)
        margin = studentized_range(len(family), noise.df) / math.sqrt(2) * error(c[i] - c[best])
        return Level(keys[i][1], keys[i][0], n, means[i], student(noise.df) * error(c[i]), behind, margin)

    return AxisEffect(axis, axis in design.nested, tuple(level(i) for i in range(len(keys))))


def _without_rounding(means: Sequence[float]) -> list[float]:
    """These means, equal where they differ by rounding alone, so that the first of equal ones is the best."""
    return [next(first for first in means if abs(first - mean) <= ROUNDING) for mean in means]


def _sources(design: Design, means: Floats) -> list[tuple[tuple[str, ...], str, Floats, int]]:
    """Each source of variance between combinations with its sums of squares (of cell means) and degrees of freedom.

    The means are (n combinations, metrics); the sums of squares are one a metric.
    """
    import numpy as np

    terms = design.mains + design.pairs
    found = [(tuple(sorted(term)), "", *_type_two(design, terms, term, means)) for term in terms]
    sources = [source for source in found if source[3]]  # a term without a degree of freedom cannot be told apart
    explained, rank = _explained(design.matrix(terms), means)
    between = ((means - means.mean(axis=0)) ** 2).sum(axis=0)
    if len(sources) < len(found):
        told = np.sum([ss for _, _, ss, _ in sources], axis=0) if sources else np.zeros_like(between)
        df = rank - 1 - sum(df for *_, df in sources)
        sources.append(((), MIXED, (explained - told).clip(min=0.0), max(0, df)))
    if len(design.factors) > 1 and design.n > rank:
        sources.append(((), HIGHER if design.pairs else TOGETHER, between - explained, design.n - rank))
    return [*sources, ((), SEEDS, between, design.n - 1)]


def _shares(sources: list[tuple[tuple[str, ...], str, float, int]], measured: Measured) -> tuple[Share, ...]:
    """ω² = (SS − df·MSE) / (SS_total + MSE), https://en.wikipedia.org/wiki/Effect_size#Omega-squared_(%CF%892).

    η² = SS / SS_total would give an axis that does nothing its share of the noise; ω² takes that off, and is clipped at
    0. A repeat's seeds do something to all combinations alike: that counts as seed noise, which is what the model of
    all combinations leaves, so the shares add up to 1 where nothing is clipped and the grid has no holes.
    """
    if not measured.noise or not measured.total:
        return ()
    mse = measured.noise.s**2
    shares = []
    for names, label, ss, df in sources:
        omega2 = (measured.repeats * ss - df * mse) / (measured.total + mse)
        omega2 = 1 - omega2 if label == SEEDS else omega2
        shares.append(Share(names, label, min(1.0, max(0.0, omega2))))
    return tuple(shares)


def _type_two(design: Design, terms: list[frozenset[str]], term: frozenset[str], means: Floats) -> tuple[Floats, int]:
    """The sums of squares and the degrees of freedom that a term adds to all that do not contain it."""
    others = [other for other in terms if other != term and not design.contains(other, term)]
    without, rank_without = _explained(design.matrix(others), means)
    together, rank = _explained(design.matrix([*others, term]), means)
    return (together - without).clip(min=0.0), rank - rank_without


def _explained(x: Floats, y: Floats) -> tuple[Floats, int]:
    """The sums of squares of each column of y around its mean that x explains, and x's rank (its first column is 1)."""
    import numpy as np

    weights, vectors = np.linalg.eigh(x.T @ x)  # far quicker than to decompose the long matrix itself
    keep = weights > weights[-1] * max(x.shape) * np.finfo(float).eps * 10
    parts = vectors[:, keep].T @ (x.T @ (y - y.mean(axis=0)))
    return (parts**2 / weights[keep, None]).sum(axis=0), int(keep.sum())
