"""A sweep's section in the story of the investigation: plain Markdown, in which a person's notes stay."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.conclusions import decision, how_sure, what_mattered
from mnist_sweep.analysis.metrics import METRICS
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.analysis.wording import cut_words, duration_words, repeats_words
from mnist_sweep.errors import StorageError, UsageError
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.plan.axes import axis_name_words
from mnist_sweep.plan.counts import counted
from mnist_sweep.reports.columns import TEXT
from mnist_sweep.reports.result_tables import confirmed_accuracies, ranking_table, target_table
from mnist_sweep.reports.tables import Table, axis_words, training_images_words
from mnist_sweep.system.files import read_file, write_whole
from mnist_sweep.system.locks import in_turn
from mnist_sweep.system.streams import path_words

_SHOWN = 5
_MAX_BYTES = 2**26  # of a file of Markdown
_NOTES_HINT = "Write here what the numbers do not say; this place is kept when the section is renewed."
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def write_step(summary: Summary, folder: SweepFolder, into: Path) -> None:
    """Write or renew the sweep's section in a Markdown file; what else the file holds stays as it is.

    Raises:
        UsageError: when the lines that mark the section or its notes are broken; nothing is written.
        StorageError: when the file cannot be read or written.
    """
    into = Path(os.path.realpath(into))  # a link stays one
    if not into.parent.is_dir():
        raise UsageError(f"{into.parent}: no such folder; make it, or give another file with --into")
    files = path_words(Path(os.path.relpath(folder.path.resolve(), into.parent)))
    with in_turn(into):
        try:
            text = read_file(into, _MAX_BYTES).decode() if into.exists() else "# The investigation, step by step\n"
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise StorageError(f"{into}: cannot be read as text: {why}; give another file with --into") from error
        write_whole(into, renewed(text, summary, files, str(into)).encode())


def renewed(text: str, summary: Summary, files: str, where: str) -> str:
    """The text with the sweep's section in it, in its old place or at the end; all else keeps its bytes.

    Args:
        files: the sweep's folder, as links of the text name it.
        where: the text's name, for errors.

    Raises:
        UsageError: when the marking lines are broken.
    """
    name = summary.spec.name
    begin, end = f"<!-- mnist-sweep: step {name} begins -->", f"<!-- mnist-sweep: step {name} ends -->"
    before, old, after = _cut(text, begin, end, where)
    begin_notes, end_notes = f"<!-- notes on {name}: kept -->", f"<!-- notes on {name} end -->"
    notes = _cut(old or "", begin_notes, end_notes, where)[1]
    if old is not None and notes is None:
        raise UsageError(
            f"{where}: the section {name} lacks the lines {begin_notes} and {end_notes}; restore them "
            "around the notes, or remove the section, and run the command again"
        )
    newline = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
    numbers = "\n".join([begin, *_section(summary, files), begin_notes]).replace("\n", newline)
    section = newline.join([numbers, (notes or _NOTES_HINT).strip("\r\n"), end_notes, end])
    if old is not None:
        return f"{before}{section}{after}"
    n_ends = before[len(before.rstrip("\r\n")) :].count("\n") if before else 2
    return f"{before}{newline * (2 - n_ends)}{section}{newline}"


def _cut(text: str, begin: str, end: str, where: str) -> tuple[str, str | None, str]:
    """What stands before, between and after two marks, each of which is there once, or neither."""
    if text.count(begin) == text.count(end) == 0:
        return text, None, ""
    before, _, rest = text.partition(begin)
    between, _, after = rest.partition(end)
    if text.count(begin) != 1 or text.count(end) != 1 or end in before:
        raise UsageError(
            f"{where}: found {text.count(begin)} times {begin} and {text.count(end)} times {end}; allowed: each once, "
            "in this order. Restore the two lines, or remove the section, and run the command again"
        )
    return before, between, after


def _section(summary: Summary, files: str) -> Iterator[str]:
    """All but the notes."""
    spec = summary.spec
    yield f"## {spec.name}\n"
    yield f"**Goal.** {_plain(spec.goal or 'not stated')}\n"
    yield from _axes(summary)
    yield f"**{'Where it stands' if summary.unfinished else 'Decision'}.** {decision(summary)}\n"
    if summary.cut:
        yield f"**Cut.** {_plain(cut_words(summary))}\n"
    yield from _target(summary)
    yield from _best(summary)
    yield from _by_axis(summary)
    yield "**What the numbers say.**\n"
    yield from (f"- {sentence}" for sentence in [*what_mattered(summary), *how_sure(summary)])
    yield ""
    yield from _confirmed(summary)
    yield f"**Time.** {_time(summary)}\n"
    steps = next_steps(summary, files)
    if steps:
        yield "**Next.**\n"
        yield from (f"- {step}" for step in steps)
        yield ""
    links = {"best.xlsx": "best.xlsx", "full.xlsx": "full.xlsx", "report": "report.html", "plots": "plots/"}
    yield "**Files.** " + " · ".join(f"[{word}](<{files}/{path}>)" for word, path in links.items()) + "\n"


def _target(summary: Summary) -> Iterator[str]:
    """What reaches the target, if the sweep file has one."""
    sentences, table = target_sentences(summary), target_table(summary).first(_SHOWN)
    if sentences:
        yield f"**Target.** {' '.join(sentences)}\n"
    if table.sources:
        yield from _markdown(table)


def _plain(text: str) -> str:
    """Text from the sweep file as Markdown that shows it as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _axes(summary: Summary) -> Iterator[str]:
    """What was varied, and what was the same everywhere."""
    words = {
        axis.name: f"{axis_name_words(axis.name)} {axis_words(summary.spec, axis.name)}"
        for axis in summary.spec.axes
        if axis.name in summary.told
    }
    varied = "; ".join(text for name, text in words.items() if name in summary.varied) or "nothing"
    held = [text for name, text in words.items() if name not in summary.varied]
    images = [training_images_words(summary.spec)] if summary.spec.training_images else []
    size = f"{counted(len(summary.combinations), 'combination')}, {repeats_words(summary.combinations)} each"
    yield f"**Varied.** {_plain(varied)}: {size}.\n"
    yield f"**Held.** {_plain('; '.join([*held, *images]))}; all else at its default.\n"


_COLUMNS = (
    "Rank",
    "Model",
    "Validation accuracy",
    "Cannot be ruled out",
    "Test accuracy",
    "Test loss",
    "Training time (seconds)",
)


def _best(summary: Summary) -> Iterator[str]:
    """The first by validation, with what they have in all metrics."""
    table = ranking_table(summary).only(*_COLUMNS, *(["Cut by max_epochs"] if summary.cut else [])).first(_SHOWN)
    n = len(table.sources)
    if n:
        yield f"The first {f'{n} ' if n > 1 else ''}by validation (± is half of the 95% interval over seeds):\n"
        yield from _markdown(table)


def _markdown(table: Table) -> Iterator[str]:
    """A table; columns of numbers stand to the right."""
    yield f"| {' | '.join(map(_plain, table.headers))} |"
    yield f"|{'|'.join('---' if column.format == TEXT else '--:' for column in table.columns)}|"
    yield from (f"| {' | '.join(row)} |" for row in table.words())
    yield ""


_MEANS = ("val_accuracy", "test_accuracy", "train_time")


def _by_axis(summary: Summary) -> Iterator[str]:
    """The mean of each value of each axis."""
    if not summary.effects().axes:
        return
    yield f"| Axis | Value | {' | '.join(f'Mean {METRICS[metric].words}' for metric in _MEANS)} |"
    yield f"|---|---|{'|'.join('--:' for _ in _MEANS)}|"
    for effect, *others in zip(*(summary.effects(metric).axes for metric in _MEANS), strict=True):
        for level, *more in zip(effect.levels, *(other.levels for other in others), strict=True):
            means = zip(_MEANS, (level, *more), strict=True)
            words = [METRICS[metric].interval(mean.mean, mean.half_width) for metric, mean in means]
            within = "" if level.within is None else f" ({level.within} layers)"
            yield f"| {effect.name} | {effect.value_words(level)}{within} | {' | '.join(words)} |"
    yield ""


def _confirmed(summary: Summary) -> Iterator[str]:
    if any(confirmed.n_finished for confirmed in summary.confirmed):
        yield "Retrained with fresh seeds (the held-out images are the same; ± is the standard deviation):\n"
        yield from _markdown(confirmed_accuracies(summary))


def _time(summary: Summary) -> str:
    finished, failed, left = summary.counts
    machine = summary.runs[-1].environment.get("machine", {}) if summary.runs else {}
    words = [str(value) for key, value in machine.items() if key != "host"] if isinstance(machine, dict) else []
    left_words = f", {left} left" if left else ""
    on = f" on {', '.join(words)}" if words else ""
    return f"{counted(finished, 'training')}, {failed} failed{left_words}; {duration_words(summary.seconds)}{on}."
