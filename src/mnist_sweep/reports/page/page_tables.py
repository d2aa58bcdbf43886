"""Tables of the page, as HTML: the ranking with its intervals, and any other as it is."""

from dataclasses import dataclass
from html import escape
from itertools import chain

from mnist_sweep.analysis.summary import Standing, Summary
from mnist_sweep.reports.result_tables import ranking_table
from mnist_sweep.reports.tables import Table

ROWS_AT_FIRST = 50
_SQUEEZED = 2.5


@dataclass(frozen=True, slots=True)
class Scale:
    """From accuracies to percent of a bar's width."""

    low: float
    high: float

    def at(self, accuracy: float) -> float:
        """Where an accuracy lies, from 0 to 100; what is beyond an end lies at that end."""
        place = (accuracy - self.low) / (self.high - self.low or 1.0)
        return round(100 * min(1.0, max(0.0, place)), 1)


def bar_scale(summary: Summary) -> Scale:
    """A scale that holds all, or the leading half where hopeless combinations would squeeze it into a corner."""
    standings = summary.ranking().standings
    ends = [(*standing.ends, _test(standing)) for standing in standings]
    whole, leading = (list(chain(*some)) for some in (ends, ends[: len(summary.leading)]))
    squeezed = max(whole) - min(whole) > _SQUEEZED * (max(leading) - min(leading))
    return Scale(min(leading), max(leading)) if squeezed else Scale(min(whole), max(whole))


def _test(standing: Standing) -> float:
    return standing.combination.spread("test_accuracy").mean


_SHOWN = (
    "Rank",
    "Model",
    "Validation accuracy",
    "Behind the first",
    "Test accuracy",
    "Validation loss",
    "Training time (seconds)",
    "Parameters",
)
_BAR = 3  # the column of intervals is the fourth


def ranking_html(summary: Summary) -> str:
    """All complete combinations in the order of the choice; a script sorts them, and shows the first 50 at first."""
    ranking, table = summary.ranking(), ranking_table(summary).only(*_SHOWN)
    scale = bar_scale(summary)
    tie = "" if ranking.tie is None else f"--tie:{scale.at(ranking.standings[0].spread.mean - ranking.tie)}%"
    ends = f'<span class="ends"><span>{scale.low:.4f}</span><span>{scale.high:.4f}</span></span>'
    heads = [f'<th scope="col"><button type="button">{escape(header)}</button></th>' for header in table.headers]
    heads.insert(_BAR, f'<th scope="col"><span class="unseen">Interval on one scale</span>{ends}</th>')
    head = "".join(heads).replace("<th", '<th aria-sort="ascending"', 1)
    few = ' class="few"' if len(ranking.standings) > ROWS_AT_FIRST else ""
    body = "\n".join(
        _ranking_row(standing, words, scale) for standing, words in zip(ranking.standings, table.words(), strict=True)
    )
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="Ranking">'
        f'<table id="ranking"{few} style="{tie}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _ranking_row(standing: Standing, words: list[str], scale: Scale) -> str:
    rank, model, validation, behind, *rest = words
    tied = standing.tied and standing.margin is not None
    kind = "first" if standing.rank == 1 else "tied" if tied else "behind"
    behind = {"first": "the first", "tied": f"{behind}, tied", "behind": behind}[kind]
    combination = standing.combination
    note = " <em>unstable</em>" if standing.unstable else ""
    note += f" <em>cut\N{NO-BREAK SPACE}{combination.n_cut}/{len(combination.rows)}</em>" if combination.n_cut else ""
    cells = [
        _cell(rank),
        f'<th scope="row">{escape(model)}{note}</th>',
        _cell(validation),
        f"<td>{_bar(standing, scale)}</td>",
        *map(_cell, [behind, *rest]),
    ]
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def _bar(standing: Standing, scale: Scale) -> str:
    low, high = (scale.at(end) for end in standing.ends)
    off = " off" if standing.spread.mean < scale.low else ""
    return (
        f'<i class="bar{off}" style="--a:{low}%;--b:{round(high - low, 1)}%;'
        f'--m:{scale.at(standing.spread.mean)}%;--t:{scale.at(_test(standing))}%"><b></b></i>'
    )


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def table_html(table: Table, label: str) -> str:
    """A table as it is."""
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in table.headers)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.words())
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )
