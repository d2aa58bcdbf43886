"""What reaches the target that a sweep file names, and how surely."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from mnist_sweep.analysis.combination import Combination
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS
from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.spec import Target


@dataclass(frozen=True, slots=True)
class Reached:
    """A combination whose mean over the repeats reaches the target, and that is as small as it asks for.

    Args:
        n_repeats: how many of its repeats reach it.
        surely: whether the 95% interval of its mean over seeds does; None with one repeat.
        first_epoch: in which epoch they first did, as the mean over the repeats that ever did; None for test accuracy.
    """

    standing: Standing
    n_repeats: int
    surely: bool | None
    first_epoch: float | None

    @property
    def combination(self) -> Combination:
        """That combination."""
        return self.standing.combination


def reached(summary: Summary) -> tuple[Reached, ...]:
    """What reaches the target, the smallest model first; nothing where there is no target."""
    target = summary.spec.target
    if target is None:
        return ()
    found = [one for one in _small_enough(summary, target) if one.spread.mean >= target.at_least]
    found.sort(key=lambda one: one.combination.recipe.n_parameters)
    return tuple(_reached(one, target) for one in found)


def _small_enough(summary: Summary, target: Target) -> list[Standing]:
    return [
        one
        for one in summary.ranking(target.metric).standings
        if target.parameters is None or one.combination.recipe.n_parameters <= target.parameters
    ]


def _reached(standing: Standing, target: Target) -> Reached:
    n = sum(value >= target.at_least for value in standing.combination.values(target.metric))
    surely = None if standing.half_width is None else standing.ends[0] >= target.at_least
    epochs = [
        next((i for i, value in enumerate(row.curves.val_accuracy, start=1) if (value or 0) >= target.at_least), None)
        for row in standing.combination.rows
    ]
    first = [epoch for epoch in epochs if epoch] if target.metric == CHOSEN_BY else []
    return Reached(standing, n, surely, fmean(first) if first else None)


def target_words(target: Target) -> str:
    """What is asked for: test accuracy of at least 0.994 with at most 8,000 parameters."""
    size = "" if target.parameters is None else f" with at most {counted(target.parameters, 'parameter')}"
    return f"{METRICS[target.metric].words} of at least {target.at_least:g}{size}"


def target_sentences(summary: Summary) -> list[str]:
    """Whether the target is reached, by how many, and by which of them with the fewest parameters."""
    target = summary.spec.target
    return list(_sentences(summary, target)) if target else []


def _sentences(summary: Summary, target: Target) -> Iterator[str]:
    found, metric = reached(summary), METRICS[target.metric]
    yield f"The target is a {target_words(target)}, as the mean over the repeats."
    if not summary.ranked:
        yield "No combination has all its repeats yet."
    elif not found:
        yield _missed(summary, target)
    else:
        n_sure = sum(bool(one.surely) for one in found)
        sure = f", {n_sure:,} of them surely: the 95% interval over seeds lies above it too"
        known = found[0].surely is not None
        verb = "reaches" if len(found) == 1 else "reach"
        yield (
            f"{len(found):,} of {counted(len(summary.ranked), 'complete combination')} {verb} it"
            f"{sure if known else '; one repeat does not tell how surely'}."
        )
        yield f"The smallest is {_figures(summary, found[0], target)}."
        smallest_sure = next((one for one in found if one.surely), None)
        if smallest_sure and smallest_sure is not found[0]:
            yield f"The smallest that surely does is {_figures(summary, smallest_sure, target)}."
        if target.metric != CHOSEN_BY and len(found) > 1:
            yield f"Which of them is best is not for {metric.words} to say: the choice goes by validation."


def _figures(summary: Summary, one: Reached, target: Target) -> str:
    recipe, standing = one.combination.recipe, one.standing
    epoch = "" if one.first_epoch is None else f", first in epoch {one.first_epoch:.1f} on average"
    return (
        f"{summary.model_words(recipe)} ({recipe.n_parameters:,} parameters): "
        f"{METRICS[target.metric].interval(standing.spread.mean, standing.half_width)}, "
        f"in {one.n_repeats} of {counted(standing.spread.n, 'repeat')}{epoch}"
    )


def _missed(summary: Summary, target: Target) -> str:
    small = _small_enough(summary, target)
    if not small:
        smallest = min((one.recipe for one in summary.ranked), key=lambda recipe: recipe.n_parameters)
        words = f"{summary.model_words(smallest)}, {smallest.n_parameters:,} parameters"
        return f"No complete combination is as small; the smallest is {words}."
    closest = small[0]
    figures = METRICS[target.metric].interval(closest.spread.mean, closest.half_width)
    among = "" if target.parameters is None else " of those that are small enough"
    words = f"{summary.model_words(closest.combination.recipe)}: {figures}"
    return f"No combination reaches it; the closest{among} is {words}."
