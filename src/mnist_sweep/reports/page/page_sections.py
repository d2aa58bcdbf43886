"""The sections of the page, as HTML; what there is nothing to say about is left out."""

from collections.abc import Callable, Iterator
from html import escape

from mnist_sweep.analysis import conclusions
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS, RANKED
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.journal.provenance import rounding_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.charts import charts, landscapes
from mnist_sweep.reports.charts.drawing import DASHES, Spec
from mnist_sweep.reports.page.page_tables import ROWS_AT_FIRST, ranking_html, table_html
from mnist_sweep.reports.result_tables import confirmed_accuracies, incomplete_table, target_table

_TWO = 2


class Page:
    """A page in the making: its charts as they are asked for, by the names of their places."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.specs: dict[str, Spec] = {}
        self.rows = landscapes.combination_rows(summary)

    def figure(self, name: str, spec: Spec, caption: str = "") -> str:
        """The place of a chart, as high as the chart will be, so that nothing jumps."""
        self.specs[name] = spec
        words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return (
            f'<figure><div class="chart" id="chart-{name}" data-chart="{name}" role="img" '
            f'aria-label="{escape(spec["description"])}" style="min-height:{spec["height"]}px"></div>{words}</figure>'
        )


def section(id_: str, title: str, *parts: str) -> str:
    """A section with its heading; `parts` are HTML."""
    body = "\n".join(filter(None, parts))
    return (
        f'<section id="{id_}" aria-labelledby="{id_}-title"><h2 id="{id_}-title">{escape(title)}</h2>\n{body}</section>'
    )


def bullets(sentences: list[str]) -> str:
    """Sentences as a list; nothing of none."""
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>" if sentences else ""


def _paragraphs(*sentences: str) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)


def _select(id_: str, label: str, options: dict[str, str], chosen: str) -> str:
    items = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(words)}</option>'
        for value, words in options.items()
    )
    return f'<label>{escape(label)} <select id="{id_}">{items}</select></label>'


def _target(page: Page) -> Iterator[str]:
    sentences, table = target_sentences(page.summary), target_table(page.summary)
    if sentences:
        rows = table_html(table.first(ROWS_AT_FIRST), "Target") if table.sources else ""
        yield section("target", "Target", bullets(sentences), rows)


def _ranking(page: Page) -> Iterator[str]:
    summary = page.summary
    if not summary.ranked:
        return
    n = len(summary.ranked)
    more = (
        f'<p id="few">The first {ROWS_AT_FIRST} of {n:,} are shown. <button type="button" id="all">Show all {n:,}'
        "</button></p>"
        if n > ROWS_AT_FIRST
        else ""
    )
    shaded = "" if summary.ranking().tie is None else "Shaded: cannot be ruled out as the best. "
    line = "" if summary.ranking().noise is None else ", the line its 95% interval over seeds"
    key = (
        f"The filled dot is the mean validation accuracy{line}. {shaded}"
        "The hollow mark is the test accuracy, which is not used to choose a model. "
        "An arrow marks what lies left of the scale."
    )
    if any(standing.unstable for standing in summary.ranking().standings):
        key += " Unstable: its repeats spread far wider than those of the others."
    if any(combination.n_cut for combination in summary.ranked):
        key += " Cut 1/3: of three trainings max_epochs ended one before early stopping did."
    yield section("ranking-section", "Ranking", ranking_html(summary), more, f'<p class="key">{escape(key)}</p>')


def _learning(page: Page) -> Iterator[str]:
    summary = page.summary
    if not summary.ranked:
        return
    items = "".join(
        f'<li><svg width="36" height="10" aria-hidden="true"><line x1="0" x2="36" y1="5" y2="5" '
        f'stroke="var(--series{i + 1})" stroke-width="2" stroke-dasharray="{" ".join(map(str, DASHES[i]))}"/></svg> '
        f"{escape(charts.ranked_words(summary, standing))}</li>"
        for i, standing in enumerate(charts.shown_standings(summary))
    )
    shown = charts.shown_standings(summary)
    drawn = [row for standing in shown for row in standing.combination.rows]
    thin = (
        f" Of each curve about {charts.MOST_EPOCHS} epochs are drawn."
        if any(len(row.curves.seconds) > charts.MOST_EPOCHS for row in drawn)
        else ""
    )
    most = max(len(standing.combination.rows) for standing in shown)
    fewer = f" The first {charts.MOST_REPEATS_DRAWN} repeats are drawn." if most > charts.MOST_REPEATS_DRAWN else ""
    note = f"One line a repeat; the dot is the epoch whose weights are kept. Scales are logarithmic.{thin}{fewer}"
    plots = "".join(page.figure(f"curves-{curve.name}", charts.curves(summary, curve)) for curve in charts.DRAWN)
    legend = f'<ul class="legend">{items}</ul>'
    yield section("curves", "Learning curves", legend, f'<div class="two">{plots}</div>', _paragraphs(note))


def _effects(page: Page) -> Iterator[str]:
    summary = page.summary
    if not summary.effects().axes:
        return
    choice = _select("metric", "Judged by", {metric: METRICS[metric].words for metric in RANKED}, CHOSEN_BY)
    parts = "".join(
        f'<div class="by-metric" data-metric="{metric}"{"" if metric == CHOSEN_BY else " hidden"}>'
        f"{_effects_by(page, metric)}</div>"
        for metric in RANKED
    )
    yield section("effects", "What mattered", choice, parts, bullets(conclusions.drop_sentences(summary)))


def _effects_by(page: Page, metric: str) -> str:
    summary = page.summary
    plots = "".join(
        page.figure(f"effect-{metric}-{axis}", plot) for axis, plot in charts.effect_plots(summary, metric).items()
    )
    bars = "Dots are means over all combinations with that value, lines their 95% intervals."
    words = [*conclusions.axis_sentences(summary, metric), conclusions.first_words(summary, metric)]
    found = [bullets(words), f'<div class="many">{plots}</div>']
    if summary.effects(metric).shares:
        caption = (
            f"{bars} Below, how much of the differences between single trainings each axis explains; × means two axes "
            "that act together. Pairs below 1% are left out."
        )
        found += [_paragraphs(caption), page.figure(f"shares-{metric}", charts.shares(summary, metric))]
    return "".join(found)


def _heat_map(page: Page) -> Iterator[str]:
    summary = page.summary
    axes = landscapes.heat_axes(summary)
    if len(axes) < _TWO:
        return
    x, y, *_ = axes
    titles = {axis: direction["title"] for axis, direction in axes.items()}
    selects = [
        _select("heat-x", "Across", titles, x),
        _select("heat-y", "Down", titles, y),
        _select("heat-metric", "Colour", {metric: METRICS[metric].words for metric in RANKED}, CHOSEN_BY),
    ]
    caption = "Means over all other axes. The darker the better."
    plot = f'<div class="middling">{page.figure("heat", landscapes.heat_map(summary, x, y), caption)}</div>'
    yield section("heat-map", "Two axes at a time", f'<p class="selects">{" ".join(selects)}</p>', plot)


def _parallel(page: Page) -> Iterator[str]:
    summary = page.summary
    n = len(summary.ranked)
    if n < _TWO or not summary.effects().axes:
        return
    most = landscapes.MOST_LINES
    which = f"The first {most} of {n:,} combinations" if n > most else f"All {n} combinations"
    caption = f"{which}, a line each; the first is the thick one. The bluer, the higher its validation accuracy."
    yield section("all-axes", "All axes at once", page.figure("parallel", landscapes.parallel(summary), caption))


def _trades(page: Page) -> Iterator[str]:
    summary = page.summary
    if len(summary.ranked) < _TWO:
        return
    plots = "".join(page.figure(f"trade-{cost}", landscapes.trade(page.rows, cost)) for cost in landscapes.COSTS)
    note = "Ringed and joined by the line: what no combination beats in both at once (the Pareto frontier)."
    yield section("trades", "What accuracy costs", f'<div class="two">{plots}</div>', _paragraphs(note))


def _confusion(page: Page) -> Iterator[str]:
    if not page.summary.ranked:
        return
    n = len(page.summary.ranked[0].rows)
    over = f", summed over its {n} repeats" if n > 1 else ""
    caption = (
        f"Test images that the first by validation reads{over}. Rightly read images stand uncoloured on the diagonal."
    )
    figure = page.figure("confusion", charts.confusion(page.summary), caption)
    yield section("confusion-matrix", "Which digits it confuses", f'<div class="narrow">{figure}</div>')


def _confirmed(page: Page) -> Iterator[str]:
    if page.summary.confirmed:
        words = (
            "These models were retrained with fresh seeds after they had been selected. The drop is what chance had "
            "added to the selected result. ± is the standard deviation."
        )
        table = table_html(confirmed_accuracies(page.summary), "Confirmed")
        yield section("confirmed", "Confirmed", _paragraphs(words), table)


def _missing(page: Page) -> Iterator[str]:
    n = len(page.summary.incomplete)
    if n:
        verbs = ("lacks", "is") if n == 1 else ("lack", "are")
        words = f"{counted(n, 'combination')} {verbs[0]} repeats, and {verbs[1]} in no ranking and no chart."
        table = incomplete_table(page.summary).only("Model", "Finished", "Failed", "Not trained", "Reason")
        yield section(
            "missing",
            "Not compared",
            _paragraphs(words),
            f"<details{' open' if n <= ROWS_AT_FIRST else ''}><summary>Which and why</summary>"
            f"{table_html(table, 'Not compared')}</details>",
        )


def _how_to_read(page: Page) -> Iterator[str]:
    """What the ranking rests on."""
    rounding = rounding_words(page.summary.executions)
    sentences = [*(_reading(page.summary) if page.summary.ranked else []), f"{rounding}." if rounding else ""]
    if any(sentences):
        yield section("reading", "How to read this", bullets(list(filter(None, sentences))))


def _reading(summary: Summary) -> list[str]:
    ranking, tied = summary.ranking(), ""
    if ranking.telling is not None:
        more = " (less where there are more repeats)" if ranking.tie is None else ""
        tied = (
            f"“Tied” means: behind the first by less than {METRICS[CHOSEN_BY].amount(ranking.telling)}{more}, which so "
            "many combinations of equal worth would often show (Tukey's test, 95% for all of them together)."
        )
    return [
        "The choice is made by the validation images alone: the best test accuracy out of many is partly chance.",
        conclusions.noise_words(summary),
        tied,
        conclusions.power_words(summary),
        *conclusions.images_words(summary),
    ]


SECTIONS: tuple[Callable[[Page], Iterator[str]], ...] = (
    _target,
    _ranking,
    _learning,
    _effects,
    _heat_map,
    _parallel,
    _trades,
    _confusion,
    _confirmed,
    _missing,
    _how_to_read,
)
