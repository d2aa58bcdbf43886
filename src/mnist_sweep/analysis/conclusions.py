"""What the numbers support, in sentences: the decision, what mattered, what to drop."""

from mnist_sweep.analysis.combination import Confirmed, same_repeats
from mnist_sweep.analysis.effects import AxisEffect, Level
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, Metric
from mnist_sweep.analysis.noise import MOST_REPEATS, POWER, largest_tie, pooled_noise
from mnist_sweep.analysis.summary import Ranking, Summary
from mnist_sweep.analysis.wording import complete_words, listed, repeats_words
from mnist_sweep.plan.axes import axis_value
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.spec import EACH_REPEAT

_CHOICE = METRICS[CHOSEN_BY]
_FEW = 3


def decision(summary: Summary) -> str:
    """Which combination to take, and how sure that is, in two or three sentences; while trials are left, who leads."""
    ranking = summary.ranking()
    if not ranking.standings:
        return "No decision yet: no combination has all its repeats."
    first = ranking.standings[0]
    test = METRICS["test_accuracy"].amount(first.combination.spread("test_accuracy").mean)
    n, n_all, model = len(summary.ranked), len(summary.combinations), summary.model_words(first.combination.recipe)
    figures = f"{_CHOICE.interval(first.spread.mean, first.half_width)} (test {test})."
    if summary.unfinished:
        return f"Leading so far ({complete_words(summary)}): {model}, validation accuracy {figures}"
    rest = f"Without those that failed ({n:,} of {counted(n_all, 'combination')}): " if summary.incomplete else ""
    what = "the highest validation accuracy," if n > 1 else "validation accuracy"
    head = f"{rest}Take {model}: {what} {figures}"
    return " ".join(filter(None, [head, _sureness(summary, ranking), _chance_of_the_first(summary)]))


def _chance_of_the_first(summary: Summary) -> str:
    """What became of the first when it was trained again, or that nobody has looked yet."""
    n = len(summary.ranked)
    again = {one.recipe: one for one in summary.confirmed if one.n_finished}
    first = again.get(summary.ranked[0].recipe)
    if first is None:
        return f"The highest of {n} is likely rated too high: train it again (mnist-sweep confirm)." if n > 1 else ""
    best = max(again.values(), key=lambda one: one.spread(CHOSEN_BY).mean)
    times = "once" if first.n_finished == 1 else counted(first.n_finished, "time")
    told = f"Trained again {times} it got {_CHOICE.amount(first.spread(CHOSEN_BY).mean)}"
    if best is first:
        return f"{told}, the highest of the {len(again)} that were." if len(again) > 1 else f"{told}."
    other = f"{summary.model_words(best.recipe)} {_CHOICE.amount(best.spread(CHOSEN_BY).mean)}"
    return f"{told}, and {other}: {_verdict(list(again.values()), first, best)}"


def _verdict(again: list[Confirmed], first: Confirmed, best: Confirmed) -> str:
    """Whether fresh trainings put another combination before the choice, by Tukey's test of all that were confirmed."""
    noise = pooled_noise([one.values(CHOSEN_BY) for one in again], paired=same_repeats(again))
    behind = best.spread(CHOSEN_BY).mean - first.spread(CHOSEN_BY).mean
    if noise is None:
        return "too few fresh trainings to tell."
    margin = largest_tie(noise, len(again), first.n_finished, best.n_finished)
    if behind > margin:
        return f"take that one, the difference is more than chance explains ({_CHOICE.amount(margin)})."
    return f"which of them is better is open: chance explains up to {_CHOICE.amount(margin)}."


def _sureness(summary: Summary, ranking: Ranking) -> str:
    if len(ranking.standings) == 1:
        return ""
    if ranking.noise is None or ranking.telling is None:
        return "With one repeat nothing can be said about chance: set repeats to 3 or more and run again."
    limit = f"the seed noise of {repeats_words(summary.ranked)}"
    if len(ranking.tied) == 1:
        second = ranking.standings[1]
        behind, margin = (METRICS[ranking.metric].amount(amount or 0.0) for amount in (second.behind, second.margin))
        return f"Nothing else is as good: the next is behind by {behind}, more than {limit} ({margin})."
    limit = f"{limit} ({METRICS[ranking.metric].amount(ranking.telling)})"
    smallest = min(ranking.tied, key=lambda standing: standing.combination.recipe.n_parameters)
    sentence = f"{_tied_words(ranking)}: behind by no more than {limit}."
    if smallest.rank == 1:
        return f"{sentence} None of these is smaller."
    small = smallest.combination.recipe
    return f"{sentence} The smallest of these is {summary.model_words(small)} ({small.n_parameters:,} parameters)."


def _tied_words(ranking: Ranking) -> str:
    """How many of the others may be as good as the first; there are some others."""
    n, n_tied = len(ranking.standings) - 1, len(ranking.tied) - 1
    if not n_tied:
        return "No other may be as good"
    who = f"{n_tied:,} of the {n:,} others" if n_tied < n else "The other one" if n == 1 else "All others"
    return f"{who} may be as good"


def first_words(summary: Summary, metric: str) -> str:
    """Who is first by a metric, and how many may be as good; empty where nothing is compared."""
    ranking = summary.ranking(metric)
    if len(ranking.standings) < 2:  # noqa: PLR2004  two are compared
        return ""
    first = ranking.standings[0]
    name = summary.model_words(first.combination.recipe)
    figures = METRICS[metric].interval(first.spread.mean, first.half_width)
    if summary.unfinished:
        return f"By {METRICS[metric].words} {name} leads so far, {figures}."
    tied = f" {_tied_words(ranking)}." if ranking.noise else ""
    return f"By {METRICS[metric].words} {name} is first, {figures}.{tied}"


def noise_words(summary: Summary) -> str:
    """How large seed noise is here, and what that lets one tell."""
    ranking = summary.ranking()
    if ranking.noise is None or ranking.telling is None:
        return "One repeat, or one combination alone, tells nothing about how much noise there is between combinations."
    freedom = f"{counted(ranking.noise.df, 'degree')} of freedom"
    return (
        f"Seed noise: trained with other seeds, a combination's {_CHOICE.words} differs by "
        f"{_CHOICE.amount(ranking.noise.s)} (standard deviation, {freedom}). "
        f"With {repeats_words(summary.ranked)} each, two of these {len(ranking.standings)} must differ by at "
        f"least {_CHOICE.amount(ranking.telling)} for that to be more than chance."
    )


def power_words(summary: Summary) -> str:
    """How many repeats would tell the first two apart; empty where that cannot be said."""
    ranking = summary.ranking()
    if ranking.noise is None or len(ranking.standings) < 2 or summary.unfinished:  # noqa: PLR2004  two are compared
        return ""
    first, second, *_ = ranking.standings
    if not second.behind:
        return "The first two have the same mean: no number of repeats is known to tell them apart."
    needed = ranking.repeats_needed
    sentence = (
        f"To tell the first two apart in a test of their own takes {needed or f'more than {MOST_REPEATS}'} repeats of "
        f"each, if their difference of {_CHOICE.amount(second.behind)} is real (power {POWER:g})."
    )
    if needed and needed <= min(first.spread.n, second.spread.n) and second.tied:
        sentence += f" The ranking asks for more, since it compares {len(ranking.standings)}."
    return sentence


def axis_sentences(summary: Summary, metric: str = CHOSEN_BY) -> list[str]:
    """For each axis that is varied, what its values did, as far as the repeats can tell."""
    if not summary.is_repeated:
        return []
    groups = [(effect, within) for effect in summary.effects(metric).axes for within in effect.groups]
    told = list(filter(None, (_axis(summary, effect, within, METRICS[metric]) for effect, within in groups)))
    if told and summary.spec.include:
        told.append(
            f"This is about the {counted(summary.n_of_grid or 0, 'combination')} of the grid, not those included."
        )
    return told


def _axis(summary: Summary, effect: AxisEffect, within: int | None, metric: Metric) -> str:
    levels = [level for level in effect.levels if level.within == within]
    if len(levels) == 1:
        return ""
    best, worse = effect.best(within), sorted((one for one in levels if one.worse), key=lambda level: level.behind)
    name, where, say = effect.name.capitalize(), best.where, effect.value_words
    if not all(level.alone for level in levels):
        return f"{name}{where} cannot be told apart from other axes, together with which it varies."
    if not worse:
        largest = max(level.behind for level in levels)
        return (
            f"{name}{where} made no difference that {repeats_words(summary.ranked)} can tell "
            f"(at most {metric.amount(largest)} between {listed(map(say, levels))})."
        )
    compared = [f"than {say(level)} by {metric.interval(level.behind, level.margin)}" for level in worse]
    rest = f", and {len(compared) - _FEW} more" if len(compared) > _FEW else ""
    better = "faster" if metric.unit else "better"
    tied = [say(level) for level in levels if not level.worse and level is not best]
    also = f"; {listed(tied)} may be as good" if tied else ""
    return f"{name} {say(best)}{where} is {better} {', '.join(compared[:_FEW])}{rest}{also}."


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
    """Which values are safe to drop; nothing is while trials are left."""
    if not summary.is_repeated or summary.unfinished or not summary.effects().axes:
        return []
    dropped = [f"{effect.name} {effect.value_words(level)}{level.where}" for effect, level in droppable(summary)]
    if not dropped:
        return ["No value is safe to drop: none is both worse on average and in no combination that may be the best."]
    return [f"Safe to drop: {'; '.join(dropped)}. On average worse, and in no combination that may be the best."]


def what_mattered(summary: Summary) -> list[str]:
    """What the axes did, and which values are safe to drop."""
    return [*axis_sentences(summary), *drop_sentences(summary)]


def how_sure(summary: Summary) -> list[str]:
    """What noise there is between combinations, and what more repeats or other images would tell."""
    told = [noise_words(summary), power_words(summary), *images_words(summary)] if summary.ranked else []
    return [sentence for sentence in told if sentence]


def images_words(summary: Summary) -> list[str]:
    """What the test images can tell: their own chance, and the first against the second."""
    if not summary.ranked:
        return []
    low, high = summary.images(summary.ranked[0])
    split = "the splits" if summary.spec.seeds.split_seed == EACH_REPEAT else "this split"
    chance = (
        f"The intervals cover seeds on {split} of these images only. On all images of the test images' kind the "
        f"first has an accuracy between {low:.4f} and {high:.4f} (Wilson, 95%)."
    )
    pairs = [
        f"repeat {i}: {pair.only_first} and {pair.only_second}, p {_p_words(pair.p)}"
        for i, pair in summary.first_against_second.items()
    ]
    compared = (
        "Test images that only the first misreads, and that only the second does, which says how they compare in these "
        f"very trainings: {'; '.join(pairs[:_FEW])} (McNemar, exact)."
    )
    return [chance, compared] if pairs else [chance]


def _p_words(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.01 else "< 0.01"  # noqa: PLR2004  two decimals
