"""What the numbers support, in sentences: the decision, what mattered, what to drop, what to try next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mnist_sweep.effects import AxisEffect, Level, axis_value
from mnist_sweep.noise import MOST_REPEATS, POWER, largest_tie, pooled_noise
from mnist_sweep.plan import EACH_REPEAT
from mnist_sweep.recipe import Recipe
from mnist_sweep.summary import CHOSEN_BY, Confirmed, Ranking, Standing, Status, Summary, known_values, spread_of
from mnist_sweep.words import amount_words, axis_name_words, axis_value_words, metric_words, recipe_words

_FEW = 3


def model_words(summary: Summary, recipe: Recipe) -> str:
    """A combination of this sweep in one short phrase."""
    return recipe_words(recipe, summary.spec.varied)


def decision(summary: Summary) -> str:
    """Which combination to take, and how sure that is, in two or three sentences."""
    ranking = summary.ranking()
    if not ranking.standings:
        return "No decision yet: no combination has all its repeats."
    first = ranking.standings[0]
    test = amount_words("test_accuracy", first.combination.spread("test_accuracy").mean)
    n, n_all = len(summary.ranked), len(summary.combinations)
    state = "So far" if summary.n(Status.PENDING) else "Without those that failed"
    so_far = f"{state} ({n} of {n_all} combinations): " if summary.incomplete else ""
    what = "the highest validation accuracy," if n > 1 else "validation accuracy"
    head = (
        f"{so_far}Take {model_words(summary, first.combination.recipe)}: {what} "
        f"{interval_words(CHOSEN_BY, first)} (test {test})."
    )
    return " ".join(filter(None, [head, _sureness(summary, ranking), _luck_of_the_first(summary)]))


def _luck_of_the_first(summary: Summary) -> str:
    """What became of the first when it was trained again, or that nobody has looked yet."""
    n = len(summary.ranked)
    again = {one.combination.recipe: one for one in summary.confirmed if one.n_finished}
    first = again.get(summary.ranked[0].recipe)
    if first is None:
        return f"The highest of {n} is likely rated too high: train it again (mnist-sweep confirm)." if n > 1 else ""
    best = max(again.values(), key=lambda one: spread_of(one.rows, CHOSEN_BY).mean)
    times = "once" if first.n_finished == 1 else f"{first.n_finished} times"
    told = f"Trained again {times} it got {_confirmed_words(first)}"
    if best is first:
        return f"{told}, the highest of the {len(again)} that were." if len(again) > 1 else f"{told}."
    name = model_words(summary, best.combination.recipe)
    return f"{told}, and {name} {_confirmed_words(best)}: {_verdict(summary, first, best)}"


def _confirmed_words(confirmed: Confirmed) -> str:
    return amount_words(CHOSEN_BY, spread_of(confirmed.rows, CHOSEN_BY).mean)


def _verdict(summary: Summary, first: Confirmed, best: Confirmed) -> str:
    """Whether fresh trainings put another combination before the choice, by Tukey's test of all that were confirmed."""
    groups = [known_values(one.rows, CHOSEN_BY) for one in summary.confirmed if one.n_finished]
    noise = pooled_noise(groups)
    behind = spread_of(best.rows, CHOSEN_BY).mean - spread_of(first.rows, CHOSEN_BY).mean
    if noise is None:
        return "too few fresh trainings to tell."
    luck = largest_tie(noise, len(groups), first.n_finished, best.n_finished)
    if behind > luck:
        return f"take that one, the difference is more than the luck of these ({amount_words(CHOSEN_BY, luck)})."
    return f"which of them is better is open, the luck of these is {amount_words(CHOSEN_BY, luck)}."


def interval_words(metric: str, standing: Standing) -> str:
    """A mean with half its 95% interval: 0.9807 ± 0.0021."""
    mean = amount_words(metric, standing.spread.mean)
    return mean if standing.half_width is None else f"{mean} ± {amount_words(metric, standing.half_width)}"


def _sureness(summary: Summary, ranking: Ranking) -> str:
    n, repeats = len(ranking.standings), summary.spec.repeats
    if n == 1:
        return ""
    if ranking.noise is None or ranking.telling is None:
        return "With one repeat nothing can be told about luck: set repeats to 3 or more and run again."
    luck = f"the luck of {repeats} repeats ({amount_words(ranking.metric, ranking.telling)})"
    n_tied = len(ranking.tied) - 1
    if not n_tied:
        behind = amount_words(ranking.metric, ranking.standings[1].behind)
        return f"Nothing else is as good: the next is behind by {behind}, more than {luck}."
    who = "The other one" if n == 2 else "All others" if n_tied == n - 1 else f"{n_tied} of the {n - 1} others"  # noqa: PLR2004
    smallest = min(ranking.tied, key=lambda standing: standing.combination.recipe.n_parameters)
    sentence = f"{who} may be as good: behind by no more than {luck}."
    if smallest.rank == 1:
        return f"{sentence} None of these is smaller."
    small = smallest.combination.recipe
    return f"{sentence} The smallest of these is {model_words(summary, small)} ({small.n_parameters:,} parameters)."


def first_words(summary: Summary, metric: str) -> str:
    """Who is first by a metric, and how many may be as good; empty where nothing is compared."""
    ranking = summary.ranking(metric)
    if len(ranking.standings) < 2:  # noqa: PLR2004  two are compared
        return ""
    first = ranking.standings[0]
    name = model_words(summary, first.combination.recipe)
    tied = (
        f"; {len(ranking.tied) - 1} of the {len(ranking.standings) - 1} others may be as good" if ranking.noise else ""
    )
    return f"By {metric_words(metric)} {name} is first, {interval_words(metric, first)}{tied}."


def noise_words(summary: Summary, metric: str = CHOSEN_BY) -> str:
    """How large seed noise is here, and what that lets one tell."""
    ranking = summary.ranking(metric)
    if ranking.noise is None or ranking.telling is None:
        return "One repeat, or one combination alone, tells nothing about how much luck there is between combinations."
    return (
        f"Seed noise: trained with other seeds, a combination's {metric_words(metric)} differs by "
        f"{amount_words(metric, ranking.noise.s)} (standard deviation, {ranking.noise.df} degrees of freedom). "
        f"With {summary.spec.repeats} repeats each, two of these {len(ranking.standings)} differ beyond luck from "
        f"{amount_words(metric, ranking.telling)} on."
    )


def power_words(summary: Summary) -> str:
    """How many repeats would tell the first two apart; empty where that cannot be said."""
    ranking = summary.ranking()
    if ranking.noise is None or len(ranking.standings) < 2:  # noqa: PLR2004  two are compared
        return ""
    if not ranking.standings[1].behind:
        return "The first two have the same mean: no number of repeats is known to tell them apart."
    needed, behind = ranking.repeats_needed, amount_words(CHOSEN_BY, ranking.standings[1].behind)
    count = f"more than {MOST_REPEATS}" if needed is None else f"{needed}"
    sentence = (
        f"To tell the first two apart in a test of their own takes {count} repeats of each, if their difference of "
        f"{behind} is real (power {POWER:g})."
    )
    few = needed is not None and needed <= summary.spec.repeats and ranking.standings[1].tied
    return sentence + (f" The ranking asks for more, since it compares {len(ranking.standings)}." if few else "")


def axis_sentences(summary: Summary, metric: str = CHOSEN_BY) -> list[str]:
    """For each axis that is varied, what its values did, as far as the repeats can tell."""
    if summary.spec.repeats == 1:
        return []
    found = summary.effects(metric)
    return [
        sentence
        for effect in found.axes
        for within in effect.groups
        for sentence in _axis(summary, effect, within, metric)
    ]


def _axis(summary: Summary, effect: AxisEffect, within: int | None, metric: str) -> Iterator[str]:
    levels = [level for level in effect.levels if level.within == within]
    if len(levels) == 1:
        return
    best, worse = effect.best(within), [level for level in levels if level.worse]
    where = "" if within is None else f" with {within} layers"
    name = axis_name_words(effect.axis)

    def say(level: Level) -> str:
        return axis_value_words(effect.axis, level.value)

    if not all(level.alone for level in levels):
        yield f"{name.capitalize()}{where} cannot be told apart from other axes: too many combinations are missing."
        return
    if not worse:
        largest = max(level.behind for level in levels)
        yield (
            f"{name.capitalize()}{where} made no difference that {summary.spec.repeats} repeats can tell "
            f"(at most {amount_words(metric, largest)} between {_listed(map(say, levels))})."
        )
        return
    compared = [
        f"than {say(level)} by {amount_words(metric, level.behind)} ± {amount_words(metric, level.margin or 0.0)}"
        for level in sorted(worse, key=lambda level: level.behind)
    ]
    rest = f", and {len(compared) - _FEW} more" if len(compared) > _FEW else ""
    better = "faster" if metric == "train_time" else "better"
    tied = [say(level) for level in levels if not level.worse and level is not best]
    also = f"; {_listed(tied)} may be as good" if tied else ""
    yield f"{name.capitalize()} {say(best)}{where} is {better} {', '.join(compared[:_FEW])}{rest}{also}."


_LISTED = 8


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return (
        ", ".join(words) if len(words) <= _LISTED else f"{', '.join(words[:_LISTED])} and {len(words) - _LISTED} more"
    )


def droppable(summary: Summary) -> list[tuple[AxisEffect, Level]]:
    """The values that can be left out: worse than their axis' best, and in no combination that may be the best.

    A combination that is not complete may be the best.
    """
    tied = [standing.combination.recipe for standing in summary.ranking().tied]
    tied += [combination.recipe for combination in summary.incomplete]
    return [
        (effect, level)
        for effect in summary.effects().axes
        for level in effect.levels
        if level.worse
        and not any(
            axis_value(recipe, effect.axis) == level.value and level.within in (None, recipe.num_layers)
            for recipe in tied
        )
    ]


def drop_sentences(summary: Summary) -> list[str]:
    """Which values are safe to drop."""
    if summary.spec.repeats == 1 or not summary.effects().axes:
        return []
    dropped = [
        f"{axis_name_words(effect.axis)} {axis_value_words(effect.axis, level.value)}"
        + ("" if level.within is None else f" with {level.within} layers")
        for effect, level in droppable(summary)
    ]
    if not dropped:
        return ["No value is safe to drop: none is both worse on average and in no combination that may be the best."]
    return [f"Safe to drop: {'; '.join(dropped)}. On average worse, and in no combination that may be the best."]


def next_steps(summary: Summary, home: str) -> list[str]:
    """What to do next, with commands."""
    steps = []
    n_failed, n_left = summary.n(Status.FAILED), summary.n(Status.PENDING)
    if n_left:
        steps.append(f"{_trials(n_left)} left to train: run the same command again.")
    if n_failed:
        steps.append(f"{_trials(n_failed)} failed: full.xlsx says why; --retry-failed trains again.")
    if summary.spec.repeats == 1:
        return [
            *steps,
            "Set repeats to 3 and run again: what is trained is kept, and luck can be told from a difference.",
        ]
    steps += _edges(summary)
    confirmed = {one.combination.recipe for one in summary.confirmed if one.n_finished}
    if len(summary.ranked) > 1 and summary.ranked[0].recipe not in confirmed:
        top = min(5, len(summary.ranked))
        steps.append(
            f"Train the first ones again with fresh seeds: mnist-sweep confirm {home} --top {top} --repeats 10"
        )
    return steps


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def _edges(summary: Summary) -> Iterator[str]:
    """Axes of numbers whose outermost value is better than its neighbour beyond luck."""
    for effect in summary.effects().axes:
        levels = [level for level in effect.levels if isinstance(level.value, int | float)]
        if effect.nested or len(levels) < len(effect.levels):
            continue
        levels.sort(key=lambda level: level.value)  # type: ignore[arg-type,return-value]
        best, name = effect.best(), axis_name_words(effect.axis).capitalize()
        value = axis_value_words(effect.axis, best.value)
        if best is levels[-1] and levels[-2].worse:
            yield f"{name} {value} is the best and the largest that was tried: try larger ones."
        elif best is levels[0] and levels[1].worse:
            yield f"{name} {value} is the best and the smallest that was tried: try smaller ones."


def images_words(summary: Summary) -> list[str]:
    """What the test images can tell: their own chance, and the first against the second."""
    if not summary.ranked:
        return []
    first = summary.ranked[0]
    low, high = summary.images(first)
    split = (
        "the splits of these images" if summary.spec.seeds.split_seed == EACH_REPEAT else "this split of these images"
    )
    other = (
        f"On all images of the test images' kind the first has an accuracy between {low:.4f} and {high:.4f} "
        "(Wilson, 95%)."
    )
    sentences = [f"The intervals cover seeds on {split} only. {other}"]
    pairs = summary.first_against_second
    if pairs:
        told = "; ".join(
            f"repeat {i}: {pair.only_first} and {pair.only_second}, p {_p_words(pair.p)}"
            for i, pair in enumerate(pairs[:_FEW], start=1)
        )
        sentences.append(
            "Test images that only the first misreads, and that only the second does, which says how they compare in "
            f"these very trainings: {told} (McNemar, exact)."
        )
    return sentences


def _p_words(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.01 else "< 0.01"  # noqa: PLR2004  two decimals
