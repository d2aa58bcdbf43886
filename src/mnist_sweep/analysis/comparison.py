"""Two sweeps side by side: the combinations that they share, with the difference and whether it can be chance."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mnist_sweep.analysis.combination import Combination, Spread
from mnist_sweep.analysis.metrics import CHOSEN_BY
from mnist_sweep.analysis.noise import CONFIDENCE, Noise, pooled_noise
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Shared:
    """A combination that two sweeps have in common.

    `margin` is up to which difference can be chance (95% for all shared combinations together); None where neither
    sweep has repeats. `same` tells that these are the very same trainings: same seeds, same data, same loop;
    `other_images` that the two hold out other images, whose chance no margin covers.
    """

    recipe: Recipe
    first: Spread
    second: Spread
    margin: float | None
    same: bool
    other_images: bool

    @property
    def difference(self) -> float:
        """By how much the second's mean is higher than the first's."""
        return self.second.mean - self.first.mean

    @property
    def differs(self) -> bool:
        """Whether that is more than chance."""
        known = not self.same and not self.other_images and self.margin is not None
        return known and abs(self.difference) > (self.margin or 0.0)


def shared(first: Summary, second: Summary) -> list[Shared]:
    """The complete combinations of both sweeps, in the first's order by validation."""
    others = {combination.recipe: combination for combination in second.ranked}
    pairs = [(c, others[c.recipe]) for c in first.ranked if c.recipe in others]
    # What a repeat does to all alike does not cancel between sweeps: the noise is that of single trainings.
    groups = ([combination.values(CHOSEN_BY) for combination in one.leading] for one in (first, second))
    return list(_compared(pairs, _together(*(pooled_noise(results, paired=False) for results in groups))))


def _together(a: Noise | None, b: Noise | None) -> Noise | None:
    """Both sweeps' seed noise, weighted by degrees of freedom."""
    if a is None or b is None:
        return a or b
    df = a.df + b.df
    return Noise(math.sqrt((a.s**2 * a.df + b.s**2 * b.df) / df), df)


def _compared(pairs: list[tuple[Combination, Combination]], noise: Noise | None) -> Iterator[Shared]:
    """Two-sample t intervals with the pooled noise, by Bonferroni's correction for as many pairs as there are.

    https://www.itl.nist.gov/div898/handbook/prc/section4/prc463.htm
    """
    from scipy.stats import t

    quantile = float(t.ppf(1 - (1 - CONFIDENCE) / 2 / len(pairs), noise.df)) if noise and pairs else 0.0
    for a, b in pairs:
        first, second = a.spread(CHOSEN_BY), b.spread(CHOSEN_BY)
        margin = quantile * noise.s * math.sqrt(1 / first.n + 1 / second.n) if noise else None
        same = [row.trial.key for row in a.rows] == [row.trial.key for row in b.rows]
        splits = [{row.trial.seeds.split for row in rows} for rows in (a.rows, b.rows)]
        yield Shared(a.recipe, first, second, margin, same, other_images=splits[0] != splits[1])
