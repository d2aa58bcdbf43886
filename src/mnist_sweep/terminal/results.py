"""What a sweep has shown, on a terminal: the decision, the ranking, what mattered; and sweeps side by side."""

from collections.abc import Mapping

from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.comparison import Shared, shared
from mnist_sweep.analysis.conclusions import decision, how_sure, what_mattered
from mnist_sweep.analysis.metrics import CHOSEN_BY, METRICS
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.analysis.wording import counts_words, cut_words, spread_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.result_tables import confirmed_accuracies, incomplete_table, ranking_table, target_table
from mnist_sweep.terminal.screen import make_table, show

_SHOWN_RANKS = 10


def print_report(summary: Summary, folder: str) -> None:
    """The decision, the ten best with intervals and ties, what mattered, what to do next."""
    show(decision(summary), style="bold")
    show(counts_words(summary))
    if summary.cut:
        show(cut_words(summary))
    if summary.ranked:
        _show_ranking(summary)
    _show_target(summary)
    _show_sentences("What mattered for validation accuracy", what_mattered(summary))
    _show_sentences("How sure", how_sure(summary))
    if summary.incomplete:
        _show_incomplete(summary)
    _show_sentences("Next", next_steps(summary, folder))
    if summary.confirmed:
        show()
        print_confirmed(summary)


def _show_target(summary: Summary) -> None:
    _show_sentences("Target", target_sentences(summary))
    found = target_table(summary)
    if found.sources:
        show(make_table(found.headers, 1, found.first(_SHOWN_RANKS).words()))


def _show_sentences(title: str, sentences: list[str]) -> None:
    if sentences:
        show(f"\n{title}", style="bold")
        for sentence in sentences:
            show(f"- {sentence}")


_RANKING = ("Rank", "Model", "Validation accuracy", "Behind the first", "Test accuracy", "Training time (seconds)")


def _show_ranking(summary: Summary) -> None:
    ranking = summary.ranking()
    n, n_tied = len(ranking.standings), len(ranking.tied)
    told = ranking.noise is not None and not summary.unfinished
    tied = f"; {n_tied:,} cannot be ruled out as the best (~)" if told else ""
    interval = "; ±: 95% interval" if ranking.noise else ""
    show(f"\nRanking by validation, {min(n, _SHOWN_RANKS)} of {n:,}{tied}{interval}", style="bold")
    found = ranking_table(summary).only(*_RANKING, *(["Cut by max_epochs"] if summary.cut else [])).first(_SHOWN_RANKS)
    table = make_table(found.headers, 2)
    for standing, (rank, model, validation, *rest) in zip(found.sources, found.words(), strict=True):
        mark = "~" if standing.tied and told else ""
        mark += " unstable" if standing.unstable else ""
        style = "bold green" if standing.rank == 1 else "" if standing.tied else "dim"
        table.add_row(rank, model, f"{validation} {mark or ' '}", *rest, style=style)
    show(table)


def _show_incomplete(summary: Summary) -> None:
    """The combinations that are not in the ranking, and what became of their repeats."""
    show("\nNot compared", style="bold")
    found = incomplete_table(summary).only("Model", "Finished", "Failed", "Not trained")
    show(make_table(found.headers, 1, found.first(_SHOWN_RANKS).words()))
    if len(found.sources) > _SHOWN_RANKS:
        show(f"and {len(found.sources) - _SHOWN_RANKS:,} more")


def print_confirmed(summary: Summary) -> None:
    """What fresh seeds gave the selected combinations, beside what they were selected for."""
    title = "Confirmed with fresh seeds for weights and order, held-out images as they were; mean ± standard deviation"
    show(title, style="bold")
    found = confirmed_accuracies(summary)
    table = make_table(found.headers, 2)
    above = ""
    for model, *rest in found.words():
        table.add_row("" if model == above else model, *rest)
        above = model
    show(table)


def print_comparison(summaries: Mapping[str, Summary]) -> None:
    """The best of each sweep, and what the others do with the combinations that they share with the first."""
    show("Best of each, by validation", style="bold")
    rows = [(folder, *_best_of(summary)) for folder, summary in summaries.items()]
    show(make_table(("folder", "model", "validation ±95%", "test", "n"), 2, rows))
    (base_folder, base), *others = summaries.items()
    for folder, summary in others:
        show()
        _show_shared(base, summary, (base_folder, folder))


def _best_of(summary: Summary) -> tuple[str, ...]:
    if not summary.ranked:
        return "none has all its repeats yet", "", "", ""
    first = summary.ranking().standings[0]
    model = f"{summary.model_words(first.combination.recipe)}{', leading so far' if summary.unfinished else ''}"
    validation = METRICS[CHOSEN_BY].interval(first.spread.mean, first.half_width)
    return model, validation, f"{first.combination.spread('test_accuracy').mean:.4f}", f"{first.spread.n}"


def _show_shared(base: Summary, other: Summary, names: tuple[str, str]) -> None:
    pairs = shared(base, other)
    if not pairs:
        show(_nothing_shared(base, other, names))
        return
    shown = f", the first {_SHOWN_RANKS} shown" if len(pairs) > _SHOWN_RANKS else ""
    common = f"{' and '.join(names)}: {counted(len(pairs), 'combination')} in common{shown}"
    show(f"{common}; validation accuracy ± standard deviation", style="bold")
    table = make_table(("model", "first", "second", "difference", "chance up to", "verdict"), 1)
    for pair in pairs[:_SHOWN_RANKS]:
        table.add_row(
            base.model_words(pair.recipe),
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
    behind = METRICS[CHOSEN_BY].amount(abs(first - second))
    ahead = f"that of {names[first < second]} is ahead by {behind}" if first != second else "both have the same mean"
    return (
        f"{' and '.join(names)} have no complete combination in common, so a difference between them cannot be "
        f"told from chance. Of the best of each, {ahead} in validation accuracy."
    )


def _verdict(pair: Shared) -> str:
    if pair.same:
        return "same trainings"
    if pair.other_images:
        return "other held-out images"
    if pair.margin is None:
        return "no repeats"
    return "differs" if pair.differs else "may be chance"
