"""What a sweep has shown, on a terminal: the decision, the ranking, what mattered; and sweeps side by side."""

from __future__ import annotations

from collections.abc import Mapping

from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.comparison import Shared, shared
from mnist_sweep.analysis.conclusions import (
    decision,
    how_sure,
    interval_words,
    model_words,
    what_mattered,
)
from mnist_sweep.analysis.summary import CHOSEN_BY, Combination, Status, Summary
from mnist_sweep.analysis.wording import amount_words, counts_words, cut_words, metric_words, spread_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.terminal.screen import make_table, show

_SHOWN_RANKS = 10


def print_report(summary: Summary, home: str) -> None:
    """The decision, the ten best with intervals and ties, what mattered, what to do next."""
    show(decision(summary), style="bold")
    show(counts_words(summary))
    if summary.cut:
        show(cut_words(summary))
    if summary.ranked:
        _show_ranking(summary)
    parts = {
        "What mattered for validation accuracy": what_mattered(summary),
        "How sure": how_sure(summary),
        "Not compared": _incomplete(summary),
        "Next": next_steps(summary, home),
    }
    for title, sentences in parts.items():
        if sentences:
            show(f"\n{title}", style="bold")
            for sentence in sentences:
                show(f"- {sentence}")
    if summary.confirmed:
        show()
        print_confirmed(summary)


def _show_ranking(summary: Summary) -> None:
    ranking = summary.ranking()
    n, n_tied = len(ranking.standings), len(ranking.tied)
    told = ranking.noise is not None and not summary.unfinished
    tied = f"; {n_tied:,} may be the best (~)" if told else ""
    show(f"\nRanking by validation, {min(n, _SHOWN_RANKS)} of {n:,}{tied}", style="bold")
    cut = ["cut"] if summary.cut else []
    table = make_table(["", "model", "validation ±95%", "behind", "test", "seconds", *cut], 2)
    for standing in ranking.standings[:_SHOWN_RANKS]:
        combination = standing.combination
        mark = "~" if standing.tied and told else ""
        mark += " unstable" if standing.unstable else ""
        table.add_row(
            f"{standing.rank}",
            model_words(summary, combination.recipe),
            f"{interval_words(ranking.metric, standing)} {mark or ' '}",
            f"{standing.behind:.4f}",
            f"{combination.spread('test_accuracy').mean:.4f}",
            f"{combination.spread('train_time').mean:.1f}",
            *([_cut_mark(combination)] if cut else []),
            style="bold green" if standing.rank == 1 else "" if standing.tied else "dim",
        )
    show(table)


def _cut_mark(combination: Combination) -> str:
    return f"{combination.n_cut}/{len(combination.rows)}" if combination.n_cut else ""


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
    show(title, style="bold")
    table = make_table(("model", "metric", "n", "selected", "confirmed", "drop"), 2)
    for confirmed in summary.confirmed:
        for metric in ("val_accuracy", "test_accuracy"):
            name = model_words(summary, confirmed.combination.recipe) if metric == CHOSEN_BY else ""
            before = spread_words(confirmed.combination.spread(metric))
            n = confirmed.n_finished
            drop = [spread_words(confirmed.spread(metric)), f"{confirmed.drop(metric):+.4f}"] if n else []
            table.add_row(name, metric_words(metric), f"{n}", before, *drop)
    show(table)


def print_comparison(summaries: Mapping[str, Summary]) -> None:
    """The best of each sweep, and what the others do with the combinations that they share with the first."""
    show("Best of each, by validation", style="bold")
    table = make_table(("folder", "model", "validation ±95%", "test", "n"), 2)
    for home, summary in summaries.items():
        if summary.ranked:
            first = summary.ranking().standings[0]
            test = f"{first.combination.spread('test_accuracy').mean:.4f}"
            model = (
                f"{model_words(summary, first.combination.recipe)}{', leading so far' if summary.unfinished else ''}"
            )
            table.add_row(home, model, interval_words(CHOSEN_BY, first), test, f"{first.spread.n}")
        else:
            table.add_row(home, "none has all its repeats yet", "", "", "")
    show(table)
    (base_home, base), *others = summaries.items()
    for home, summary in others:
        show()
        _show_shared(base, summary, (base_home, home))


def _show_shared(base: Summary, other: Summary, names: tuple[str, str]) -> None:
    pairs = shared(base, other)
    if not pairs:
        show(_nothing_shared(base, other, names))
        return
    shown = f", the first {_SHOWN_RANKS} shown" if len(pairs) > _SHOWN_RANKS else ""
    common = f"{' and '.join(names)}: {counted(len(pairs), 'combination')} in common{shown}"
    show(f"{common}; validation accuracy ± standard deviation", style="bold")
    table = make_table(("model", "first", "second", "second less first", "luck up to", "verdict"), 1)
    for pair in pairs[:_SHOWN_RANKS]:
        table.add_row(
            model_words(base, pair.recipe),
            spread_words(pair.first),
            spread_words(pair.second),
            f"{pair.difference:+.4f}",
            "" if pair.margin is None else f"{pair.margin:.4f}",
            _verdict(pair),
        )
    show(table)


def _nothing_shared(base: Summary, other: Summary, names: tuple[str, str]) -> str:
    """What can be said of two sweeps that have no complete combination in common."""
    for name, summary in zip(names, (base, other), strict=True):
        if not summary.ranked:
            return f"{' and '.join(names)} cannot be compared: no combination of {name} has all its repeats yet."
    first, second = (summary.ranking().standings[0].spread.mean for summary in (base, other))
    behind = amount_words(CHOSEN_BY, abs(first - second))
    ahead = f"that of {names[first < second]} is ahead by {behind}" if first != second else "both have the same mean"
    return (
        f"{' and '.join(names)} have no complete combination in common, so nothing tells a difference between them "
        f"from luck. Of the best of each, {ahead} in validation accuracy."
    )


def _verdict(pair: Shared) -> str:
    if pair.same:
        return "same trainings"
    if pair.other_images:
        return "other held-out images"
    if pair.margin is None:
        return "no repeats"
    return "differs" if pair.differs else "may be luck"
