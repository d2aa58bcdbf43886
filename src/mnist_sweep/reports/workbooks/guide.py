"""The sheet How to read this: one page of plain words with the sweep's own numbers."""

from collections.abc import Iterator
from operator import itemgetter

from mnist_sweep.analysis.advice import next_steps
from mnist_sweep.analysis.conclusions import decision, images_words, noise_words, power_words
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.analysis.target import target_sentences
from mnist_sweep.analysis.wording import cut_words, repeats_words
from mnist_sweep.reports.columns import TEXT, Column
from mnist_sweep.reports.tables import make_table
from mnist_sweep.reports.workbooks.best import missing_words
from mnist_sweep.reports.workbooks.sheets import Sheet

_HEAD_WIDTH, _WORDS_WIDTH = 24.0, 100.0


def guide_sheet(summary: Summary, folder: str) -> Sheet:
    """What the numbers say, how they came about, and what they cannot tell; commands name the folder."""
    columns = (
        Column("About", TEXT, "What this is about.", itemgetter(0), width=_HEAD_WIDTH),
        Column(f"The sweep {summary.spec.name}", TEXT, "In words.", itemgetter(1), width=_WORDS_WIDTH),
    )
    return Sheet("How to read this", (make_table(columns, list(_lines(summary, folder))),), portrait=True)


def _lines(summary: Summary, folder: str) -> Iterator[tuple[str, str]]:
    if summary.spec.goal:
        yield "The question", summary.spec.goal
    yield (
        "Where it stands" if summary.unfinished else "The decision",
        " ".join([decision(summary), *missing_words(summary)]),
    )
    if summary.spec.target:
        yield "The target", " ".join(target_sentences(summary))
    if summary.cut:
        yield "What max_epochs cut", f"{cut_words(summary)} {_CUT}"
    yield "How it is chosen", _CHOICE.format(repeats=repeats_words(summary.combinations))
    if summary.ranked:
        yield "How much is chance", " ".join(filter(None, (noise_words(summary), power_words(summary))))
    if summary.ranking().noise:
        yield from _TERMS.items()
    yield "What this cannot tell", " ".join([*images_words(summary), _TIMES])
    yield "What to do next", " ".join(next_steps(summary, folder)) or "Nothing: what was asked is trained."
    yield "The other files", _FILES


_CHOICE = (
    "By the highest mean validation accuracy over the repeats ({repeats} each), measured on training images that were "
    "held out; then by the lower validation loss, then by the smaller model. Only combinations whose repeats all "
    "finished are compared. Test images take no part: the highest of many test results looks better than it is. So "
    "the first row of Best counts, not the three below it."
)
_CUT = "Such a model could become better with more epochs; the column Cut of the sheet Ranking marks them."
_TERMS = {
    "What ± means": (
        "Half of the 95% interval of a mean over seeds: of the intervals of many such sweeps, 19 in 20 hold the true "
        "mean. It rests on the noise of the leading combinations together, as a few repeats of one tell little. The "
        "standard deviation (sd) is that of one combination alone."
    ),
    "What may be as good": (
        "What is behind the first by no more than chance can do. Among many combinations some are far apart by chance "
        "alone; the limit is Tukey's, which allows for that: were all equally good, in 19 of 20 sweeps no two would "
        "be further apart. May be as good is not is as good: more repeats could tell them apart."
    ),
    "What mattered": (
        "Each value of an axis is judged by its mean over all combinations that have it, so differences show that no "
        "two combinations alone would show. A share (ω²) is the part of the variance of single trainings that an axis "
        "explains; what the axes leave is seed noise."
    ),
}
_TIMES = "Times are those of this machine, with what else ran there."
_FILES = (
    "full.xlsx has every training and every epoch, with the reasons of failures; hyperparams.xlsx says what was "
    "tried, with which versions, on which machine. The sheet Columns of each workbook explains its columns."
)
