"""The tables of the page, as HTML: the ranking with its intervals, what was confirmed, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from mnist_sweep.analysis.conclusions import interval_words, model_words
from mnist_sweep.analysis.summary import CHOSEN_BY, Combination, Confirmed, Standing, Status, Summary
from mnist_sweep.analysis.wording import amount_words, spread_words
from mnist_sweep.journal.events import Failed

ROWS_AT_FIRST = 50
_LEADING_AT_LEAST = 10
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


def bar_scale(standings: Sequence[Standing]) -> Scale:
    """A scale that holds all, or the leading half where hopeless combinations would squeeze it into a corner."""
    leading = _scale_of(standings[: max(_LEADING_AT_LEAST, -(-len(standings) // 2))])
    whole = _scale_of(standings)
    return leading if whole.high - whole.low > _SQUEEZED * (leading.high - leading.low) else whole


def _scale_of(standings: Sequence[Standing]) -> Scale:
    ends = [end for standing in standings for end in (*_interval(standing), _test(standing))]
    return Scale(min(ends), max(ends))


def _interval(standing: Standing) -> tuple[float, float]:
    width = standing.half_width or 0.0
    return standing.spread.mean - width, standing.spread.mean + width


def _test(standing: Standing) -> float:
    return standing.combination.spread("test_accuracy").mean


_HEADERS = (
    "Rank",
    "Model",
    "Validation accuracy",
    "",
    "Behind",
    "Test accuracy",
    "Validation loss",
    "Time",
    "Parameters",
)


def ranking_table(summary: Summary) -> str:
    """All complete combinations in the order of the choice; a script sorts them, and shows the first 50 at first."""
    ranking = summary.ranking()
    scale = bar_scale(ranking.standings)
    tie = "" if ranking.tie is None else f"--tie:{scale.at(ranking.standings[0].spread.mean - ranking.tie)}%"
    ends = f'<span class="ends"><span>{scale.low:.4f}</span><span>{scale.high:.4f}</span></span>'
    head = "".join(
        f'<th scope="col"><button type="button">{header}</button></th>'
        if header
        else f'<th scope="col"><span class="unseen">Interval on one scale</span>{ends}</th>'
        for header in _HEADERS
    ).replace("<th", '<th aria-sort="ascending"', 1)
    few = ' class="few"' if len(ranking.standings) > ROWS_AT_FIRST else ""
    body = "\n".join(_ranking_row(summary, standing, scale) for standing in ranking.standings)
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="Ranking">'
        f'<table id="ranking"{few} style="{tie}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _ranking_row(summary: Summary, standing: Standing, scale: Scale) -> str:
    kind = "first" if standing.rank == 1 else "tied" if standing.tied and standing.margin is not None else "behind"
    combination = standing.combination
    note = " <em>unstable</em>" if standing.unstable else ""
    note += f" <em>cut\N{NO-BREAK SPACE}{combination.n_cut}/{len(combination.rows)}</em>" if combination.n_cut else ""
    cells = [
        f'<th scope="row">{escape(model_words(summary, combination.recipe))}{note}</th>',
        _cell(interval_words(CHOSEN_BY, standing)),
        f"<td>{_bar(standing, scale)}</td>",
        _cell(_behind_words(standing)),
        _cell(amount_words("test_accuracy", _test(standing))),
        _cell(amount_words("val_loss", combination.spread("val_loss").mean)),
        _cell(amount_words("train_time", combination.spread("train_time").mean)),
        _cell(f"{combination.recipe.n_parameters:,}"),
    ]
    return f'<tr class="{kind}"><td>{standing.rank}</td>{"".join(cells)}</tr>'


def _behind_words(standing: Standing) -> str:
    if standing.rank == 1:
        return "the first"
    behind = amount_words(CHOSEN_BY, standing.behind)
    return f"{behind}, tied" if standing.margin is not None and standing.tied else behind


def _bar(standing: Standing, scale: Scale) -> str:
    low, high = (scale.at(end) for end in _interval(standing))
    off = " off" if standing.spread.mean < scale.low else ""
    return (
        f'<i class="bar{off}" style="--a:{low}%;--b:{round(high - low, 1)}%;'
        f'--m:{scale.at(standing.spread.mean)}%;--t:{scale.at(_test(standing))}%"><b></b></i>'
    )


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]], label: str) -> str:
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in headers)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def confirmed_table(summary: Summary) -> str:
    """What fresh seeds made of the combinations that were selected."""
    headers = (
        "Model",
        "Fresh trainings",
        "Validation ± sd when selected",
        "Validation ± sd afresh",
        "Drop",
        "Test ± sd afresh",
    )
    return _table(headers, (_confirmed(summary, confirmed) for confirmed in summary.confirmed), "Confirmed")


def _confirmed(summary: Summary, confirmed: Confirmed) -> list[str]:
    words = [
        model_words(summary, confirmed.combination.recipe),
        f"{confirmed.n_finished} of {len(confirmed.rows)} finished",
        spread_words(confirmed.combination.spread(CHOSEN_BY)),
    ]
    if not confirmed.n_finished:
        return [*words, "", "", ""]
    fresh, test = (confirmed.spread(metric) for metric in (CHOSEN_BY, "test_accuracy"))
    return [*words, spread_words(fresh), f"{confirmed.drop(CHOSEN_BY):+.4f}", spread_words(test)]


def incomplete_table(summary: Summary) -> str:
    """The combinations that are not compared: how many of their repeats finished, failed and are left, and why."""
    headers = ("Model", "Finished", "Failed", "Left", "Why")
    return _table(headers, (_incomplete(summary, combination) for combination in summary.incomplete), "Not compared")


def _incomplete(summary: Summary, combination: Combination) -> list[str]:
    counts = [str(combination.n(status)) for status in (Status.FINISHED, Status.FAILED, Status.PENDING)]
    failures = [row.outcome for row in combination.rows if isinstance(row.outcome, Failed)]
    reasons = dict.fromkeys(f"{failure.cause}: {failure.reason}" for failure in failures)
    return [model_words(summary, combination.recipe), *counts, "; ".join(reasons)]
