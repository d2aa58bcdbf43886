"""The sheet What mattered: what each value of each axis did, and how much of the variance each axis explains."""

from collections.abc import Callable, Iterator

from mnist_sweep.analysis.conclusions import axis_sentences, drop_sentences
from mnist_sweep.analysis.effects import SEEDS, AxisEffect, Level, Share
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, RANKED
from mnist_sweep.analysis.noise import MOST_REPEATS
from mnist_sweep.analysis.summary import Ranking, Summary
from mnist_sweep.plan.axes import axis_name_words
from mnist_sweep.reports.columns import ACCURACY, AS_WRITTEN, NUMBER, PERCENT, SHORT_FORMATS, TEXT, Cell, Column, Scale
from mnist_sweep.reports.tables import axis_cell, make_table
from mnist_sweep.reports.workbooks.sheets import Block, Heading, Sheet, Text

TITLE = "What mattered"
_NO_SHARES = (
    "There are no shares of the variance: with one repeat nothing tells what an axis does from what the seeds do."
)


_SHARES = (
    "The part of the variance of single trainings that an axis explains; × is what two axes do together beyond what "
    "each does alone."
)
_CHANCE = (
    "Chance up to: how far a value can be behind the best one of its axis by chance alone (Tukey, 95%). Means are over "
    "all combinations that have the value."
)


def mattered_sheet(summary: Summary) -> Sheet:
    """What the axes did to validation accuracy, the shares of all metrics, then the other metrics."""
    if not summary.effects().axes:
        return Sheet(TITLE, (Text("Fewer than two complete combinations: there is nothing to compare."),))
    others = (block for metric in RANKED if metric != CHOSEN_BY for block in _metric(summary, metric))
    return Sheet(TITLE, (*_metric(summary, CHOSEN_BY), *_shares(summary), *_firsts(summary), *others))


def _firsts(summary: Summary) -> Iterator[Block]:
    """Who is first by each metric, how many may be as good, and what these repeats can tell."""
    yield Heading("The first by each metric")
    yield Text("The choice goes by validation accuracy. This is what each other metric would choose, and how surely.")
    yield make_table(
        [
            Column("Metric", TEXT, "What is ranked by.", lambda r: METRICS[r.metric].words, width=_SOURCE_WIDTH),
            Column("First", TEXT, "The first.", lambda r: summary.model_words(r.standings[0].combination.recipe)),
            Column("Mean", ACCURACY, "Its mean; times in seconds.", lambda r: r.standings[0].spread.mean),
            Column("± (95%)", ACCURACY, "Half of its 95% interval.", lambda r: r.standings[0].half_width),
            Column("Cannot be ruled out", NUMBER, "Others.", lambda r: len(r.tied) - 1 if r.noise else None),
            Column("Seed noise", ACCURACY, "Pooled standard deviation.", lambda r: r.noise.s if r.noise else None),
            Column("More than chance from", ACCURACY, "Smallest difference that can be told.", lambda r: r.telling),
            Column("Repeats for the first two", TEXT, "If their difference is real.", _repeats_for_two),
        ],
        [summary.ranking(metric) for metric in RANKED],
    )


def _repeats_for_two(ranking: Ranking) -> Cell:
    """How many repeats of each tell the first two apart with power 0.8."""
    if not ranking.noise or not ranking.standings[1].behind:
        return None
    return str(ranking.repeats_needed or f"more than {MOST_REPEATS}")


def _shares(summary: Summary) -> Iterator[Block]:
    yield Heading("Shares of the variance (ω²)")
    shares = {metric: {_source(share): share for share in summary.effects(metric).shares} for metric in RANKED}
    if not any(shares.values()):
        yield Text(_NO_SHARES if not summary.is_repeated else "All trainings ended alike: there is no variance.")
        return
    yield Text(_SHARES)
    sources = list(dict.fromkeys(source for found in shares.values() for source in found))
    first = shares[CHOSEN_BY]

    def order(source: str) -> tuple[bool, float]:
        return source == SEEDS, -first[source].omega2 if source in first else 0.0

    yield make_table(
        [
            Column("Source", TEXT, "An axis, or two that act together.", str, width=_SOURCE_WIDTH),
            *(
                Column(METRICS[metric].words.capitalize(), PERCENT, "ω²", _share_of(shares[metric]), Scale.BARS)
                for metric in RANKED
            ),
        ],
        sorted(sources, key=order),
    )


_SOURCE_WIDTH = 36.0


def _source(share: Share) -> str:
    return share.label or " × ".join(axis_name_words(axis) for axis in share.sources)


def _share_of(shares: dict[str, Share]) -> Callable[[str], Cell]:
    return lambda source: shares[source].omega2 if source in shares else None


def _metric(summary: Summary, metric: str) -> Iterator[Block]:
    """What the axes did to one metric: in sentences, then in numbers."""
    seconds = " in seconds: less is better" if METRICS[metric].unit else ""
    yield Heading(METRICS[metric].words.capitalize() + seconds)
    yield from map(Text, axis_sentences(summary, metric))
    if metric == CHOSEN_BY:
        yield from map(Text, drop_sentences(summary))
        yield from [Text(_CHANCE)] if summary.is_repeated else []
    levels = [(effect, level) for effect in summary.effects(metric).axes for level in effect.levels]
    yield make_table(_columns(SHORT_FORMATS[METRICS[metric].quantity], nested=any(e.nested for e, _ in levels)), levels)


def _columns(format_: str, *, nested: bool) -> list[Column]:
    """The columns of a table of (effect, level)."""
    within = Column("Within layers", NUMBER, "The number of layers that this fits.", lambda of: of[1].within)
    return [
        Column("Axis", TEXT, "What is varied.", lambda of: axis_name_words(of[0].axis), width=_SOURCE_WIDTH),
        *([within] if nested else []),
        Column("Value", AS_WRITTEN, "A value of the axis.", lambda of: axis_cell(of[0].axis, of[1].value)),
        Column("Combinations", NUMBER, "With this value.", lambda of: of[1].n_combinations),
        Column("Mean", format_, "Over these, all other axes alike.", lambda of: of[1].mean),
        Column("± (95%)", format_, "Half of the interval of the mean.", lambda of: of[1].half_width),
        Column("Behind the best", format_, "Of the axis.", lambda of: of[1].behind),
        Column("Chance up to", format_, "Tukey, 95%.", lambda of: of[1].margin or None),
        Column("Verdict", TEXT, "In words.", lambda of: _verdict(*of)),
    ]


def _verdict(effect: AxisEffect, level: Level) -> str:
    if sum(other.within == level.within for other in effect.levels) == 1:
        return "the only one"
    if level.margin is None:
        return "unknown: one repeat"
    if level.worse:
        return "worse"
    return "best" if level is effect.best(level.within) else "cannot be ruled out"
