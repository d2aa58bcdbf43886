"""How much of a difference is chance: seed noise, and what differences, intervals and ties follow from it.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values. SciPy is imported
late: commands that need no statistics start without it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

CONFIDENCE = 0.95
POWER = 0.8
MOST_REPEATS = 200
"""More repeats than this are not worth asking for: "more than 200"."""
UNSTABLE = 3.0
"""A combination whose own standard deviation is over so many times the pooled one is unstable. One of ten or
fewer that the noise is pooled over cannot be: its own spread is a large part of the pooled one."""

ROUNDING = 1e-12
"""Differences up to this come from rounding: equal results must not be told apart where there is no noise at all."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Seed noise: the standard deviation of one training, and the degrees of freedom that it is known with."""

    s: float
    df: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Images that only the first of two models misreads, that only the second does, and McNemar's exact p-value."""

    only_first: int
    only_second: int
    p: float


def pooled_noise(groups: Sequence[Sequence[float]], *, paired: bool = True) -> Noise | None:
    """Seed noise pooled over combinations; None where no combination has two repeats.

    Paired, with as many repeats in every group: the residual of the additive model combination + repeat. A repeat's
    seeds are the same in every combination, so what they do to all alike is no noise between combinations.
    https://www.itl.nist.gov/div898/handbook/prc/section4/prc438.htm
    Else: the variance within the groups, https://www.itl.nist.gov/div898/handbook/prc/section4/prc432.htm

    Between combinations that have the same repeats, what repeats do to all alike cancels. In a mean by itself, between
    sweeps with other seeds, and between combinations of which one has repeats that the other lacks, it does not.

    Args:
        groups: for each combination its value in each repeat; paired, the same position is the same repeat.
    """
    k, sizes = len(groups), {len(group) for group in groups}
    shared = paired and k > 1 and len(sizes) == 1
    df = (k - 1) * (sizes.pop() - 1) if shared else sum(len(group) - 1 for group in groups if group)
    spreads = own_spreads(groups, groups if shared else ())
    total = math.fsum(spread**2 * (len(group) - 1) for spread, group in zip(spreads, groups, strict=True))
    return Noise(math.sqrt(total / df), df) if df else None


def own_spreads(groups: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> list[float]:
    """Each combination's own standard deviation, without what repeats do to all of the reference alike; 0 of one value.

    The reference has as many repeats each; none, or one combination alone, shows nothing that repeats do.
    """
    n = {len(group) for group in (*reference, *groups)}
    shift = [0.0] * max(n, default=0)
    if len(reference) > 1 and len(n) == 1:
        of_repeat = [fmean(column) for column in zip(*reference, strict=True)]
        shift = [value - fmean(of_repeat) for value in of_repeat]

    def spread(group: Sequence[float]) -> float:
        mean = fmean(group) if group else 0.0
        squares = math.fsum((value - mean - shift[j]) ** 2 for j, value in enumerate(group))
        return math.sqrt(squares / max(1, len(group) - 1))

    return [spread(group) for group in groups]


@lru_cache(maxsize=256)
def studentized_range(k: int, df: int) -> float:
    """The 95% point of Tukey's studentized range of k means: 1 of 20 sets of equal means spreads wider by chance.

    https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.studentized_range.html
    """
    from scipy.stats import studentized_range as distribution

    return float(distribution.ppf(CONFIDENCE, k, df)) if k > 1 else 0.0


def largest_tie(noise: Noise, k: int, n: int, m: int) -> float:
    """Tukey and Kramer's least significant difference of two of k means, over n and m repeats.

    https://www.itl.nist.gov/div898/handbook/prc/section4/prc471.htm
    """
    return studentized_range(k, noise.df) * noise.s * math.sqrt((1 / n + 1 / m) / 2)


@lru_cache(maxsize=256)
def student(df: int) -> float:
    """The 97.5% point of Student's t, https://www.itl.nist.gov/div898/handbook/eda/section3/eda352.htm."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, df))


def half_width(noise: Noise, n: int) -> float:
    """Half of the 95% interval of a mean over n repeats, with the pooled noise."""
    return student(noise.df) * noise.s / math.sqrt(n)


def repeats_needed(difference: float, s: float) -> int | None:
    """Repeats of each of two combinations that tell this difference apart with power 0.8; None: more than 200.

    The power of the two-sided t-test of two independent samples of n each, from the noncentral t distribution with
    noncentrality (d/s)·√(n/2): https://en.wikipedia.org/wiki/Power_of_a_test and
    https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.nct.html
    """
    import numpy as np
    from scipy.stats import nct, t

    if not difference or not s:
        return None if not difference else 2
    n = np.arange(2, MOST_REPEATS + 1)
    df = 2 * n - 2
    power = 1 - nct.cdf(t.ppf((1 + CONFIDENCE) / 2, df), df, difference / s * np.sqrt(n / 2))
    enough = np.flatnonzero(np.nan_to_num(power, nan=1.0) >= POWER)  # SciPy gives NaN where the power is all but 1
    return int(n[enough[0]]) if enough.size else None


def images_interval(accuracy: float, n_images: int) -> tuple[float, float]:
    """Wilson's 95% interval of an accuracy: what it is on all images of this kind.

    https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats._result_classes.BinomTestResult.proportion_ci.html
    """
    from scipy.stats import binomtest

    interval = binomtest(round(accuracy * n_images), n_images).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def disagreement(first: Collection[int], second: Collection[int]) -> Disagreement:
    """McNemar's exact test of two models by the indices of the images that they misread: is it a coin's toss?

    https://en.wikipedia.org/wiki/McNemar%27s_test
    """
    from scipy.stats import binomtest

    only_first, only_second = len(set(first) - set(second)), len(set(second) - set(first))
    n = only_first + only_second
    return Disagreement(only_first, only_second, float(binomtest(only_first, n).pvalue) if n else 1.0)
