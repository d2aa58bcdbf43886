"""What a sweep has shown, on a terminal: the decision, the ranking, what mattered; and sweeps side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mnist_sweep.comparison import Shared, shared
from mnist_sweep.conclusions import (
    axis_sentences,
    decision,
    drop_sentences,
    images_words,
    interval_words,
    model_words,
    next_steps,
    noise_words,
    power_words,
)
from mnist_sweep.summary import CHOSEN_BY, Status, Summary, spread_of
from mnist_sweep.words import counts_words, spread_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SHOWN_RANKS = 10


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)


def _table(title: str, headers: Iterable[str], numbers_from: int) -> Table:
    """A table without lines around it; columns of numbers stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, title=Text(title), title_justify="left", title_style="bold")
    for i, header in enumerate(headers):
        table.add_column(header, justify="right" if i >= numbers_from else "left", overflow="fold")
    return table


def print_report(summary: Summary, home: str) -> None:
    """The decision, the ten best with intervals and ties, what mattered, what to do next."""
    console = _console()
    console.print(decision(summary), style="bold")
    console.print(counts_words(summary))
    if summary.ranked:
        console.print()
        console.print(_ranking_table(summary))
    parts = {
        "What mattered for validation accuracy": [*axis_sentences(summary), *drop_sentences(summary)],
        "How sure": [noise_words(summary), power_words(summary), *images_words(summary)] if summary.ranked else [],
        "Not compared": _incomplete(summary),
        "Next": next_steps(summary, home),
    }
    for title, sentences in parts.items():
        if any(sentences):
            console.print(f"\n{title}", style="bold")
            for sentence in filter(None, sentences):
                console.print(f"- {sentence}")
    if summary.confirmed:
        console.print()
        print_confirmed(summary)


def _ranking_table(summary: Summary) -> Table:
    ranking = summary.ranking()
    n, n_tied = len(ranking.standings), len(ranking.tied)
    title = f"Ranking by validation, {min(n, _SHOWN_RANKS)} of {n}; {n_tied} may be the best (~)"
    headers = ("", "model", "validation ±95%", "behind", "test", "seconds")
    table = _table(title if ranking.noise else f"Ranking by validation, {min(n, _SHOWN_RANKS)} of {n}", headers, 2)
    for standing in ranking.standings[:_SHOWN_RANKS]:
        combination = standing.combination
        mark = "~" if standing.tied and ranking.noise else ""
        mark += " unstable" if standing.unstable else ""
        table.add_row(
            f"{standing.rank}",
            model_words(summary, combination.recipe),
            f"{interval_words(ranking.metric, standing)} {mark or ' '}",
            f"{standing.behind:.4f}",
            f"{combination.spread('test_accuracy').mean:.4f}",
            f"{combination.spread('train_time').mean:.1f}",
            style="bold green" if standing.rank == 1 else "" if standing.tied else "dim",
        )
    return table


def _incomplete(summary: Summary) -> list[str]:
    """The combinations that are not in the ranking, and why."""
    return [
        f"{model_words(summary, combination.recipe)}: {combination.n(Status.FINISHED)} finished, "
        f"{combination.n(Status.FAILED)} failed, {combination.n(Status.PENDING)} not trained"
        for combination in summary.incomplete[:_SHOWN_RANKS]
    ] + ([f"and {len(summary.incomplete) - _SHOWN_RANKS} more"] if len(summary.incomplete) > _SHOWN_RANKS else [])


def print_confirmed(summary: Summary) -> None:
    """What fresh seeds gave the selected combinations, beside what they were selected for."""
    title = "Confirmed with fresh seeds for weights and order, held-out images as they were; mean ± standard deviation"
    headers = ("model", "n", "validation: selected", "confirmed", "drop", "test: before", "confirmed", "drop")
    table = _table(title, headers, 1)
    for confirmed in summary.confirmed:
        cells = []
        for metric in ("val_accuracy", "test_accuracy"):
            if confirmed.n_finished:
                before, after = confirmed.combination.spread(metric), spread_of(confirmed.rows, metric)
                cells += [spread_words(before), spread_words(after), f"{confirmed.drop(metric):+.4f}"]
        table.add_row(model_words(summary, confirmed.combination.recipe), f"{confirmed.n_finished}", *cells)
    _console().print(table)


def print_comparison(summaries: Mapping[str, Summary]) -> None:
    """The best of each sweep, and what the others do with the combinations that they share with the first."""
    console = _console()
    table = _table("Best of each, by validation", ("folder", "model", "validation ±95%", "test", "n"), 2)
    for home, summary in summaries.items():
        if summary.ranked:
            first = summary.ranking().standings[0]
            test = f"{first.combination.spread('test_accuracy').mean:.4f}"
            model = model_words(summary, first.combination.recipe)
            table.add_row(home, model, interval_words(CHOSEN_BY, first), test, f"{first.spread.n}")
        else:
            table.add_row(home, "none has all its repeats yet", "", "", "")
    console.print(table)
    (base_home, base), *others = summaries.items()
    for home, summary in others:
        console.print()
        console.print(_shared_table(base, summary, f"{base_home} and {home}"))


def _shared_table(base: Summary, other: Summary, names: str) -> Table:
    pairs = shared(base, other)
    shown = f", the first {_SHOWN_RANKS} shown" if len(pairs) > _SHOWN_RANKS else ""
    title = f"{names}: {len(pairs)} combinations in common{shown}; validation accuracy ± standard deviation"
    table = _table(title, ("model", "first", "second", "second less first", "luck up to", "verdict"), 1)
    for pair in pairs[:_SHOWN_RANKS]:
        table.add_row(
            model_words(base, pair.recipe),
            spread_words(pair.first),
            spread_words(pair.second),
            f"{pair.difference:+.4f}",
            "" if pair.margin is None else f"{pair.margin:.4f}",
            _verdict(pair),
        )
    return table


def _verdict(pair: Shared) -> str:
    if pair.same:
        return "same trainings"
    if pair.other_images:
        return "other held-out images"
    if pair.margin is None:
        return "no repeats"
    return "differs" if pair.differs else "may be luck"
