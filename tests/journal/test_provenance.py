"""A sweep that goes on with other settings, versions or rounding says so, and its reports can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from books import rows_of, sheet_of
from builders import a_plan, finished
from mnist_sweep.analysis.summary import summarize
from mnist_sweep.execution.executor import Limits, TrialEvent
from mnist_sweep.execution.run_sweep import Training, run_sweep
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.journal.events import Event, Record, RunStarted, Started, record_from_dict, record_to_dict
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.journal.provenance import differences, rounding_words
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.reports.charts.plot_library import Made
from mnist_sweep.reports.page.page import report_html
from mnist_sweep.reports.workbooks.xlsx import hyperparams_xlsx

_OLD: dict[str, Any] = {"machine": {"host": "a"}, "versions": {"tensorflow": "2.20.0", "pandas": "3.0.0"}}
_NOW: dict[str, Any] = {
    "machine": {"host": "b"},
    "versions": {"tensorflow": "2.21.0", "pandas": "3.1.0"},
    "arithmetic": {"device": "CPU", "instructions": "avx2 fma"},
    "workers": 8,
    "stack": 1,
}
_WIDER: dict[str, Any] = {**_NOW, "arithmetic": {"device": "CPU", "instructions": "avx2 fma avx512f"}, "workers": 2}


def test_only_what_decides_bits_is_compared() -> None:
    """Versions of what computes, the device and the stack count; hosts, workers and what writes reports do not."""
    assert [] == differences([], _NOW)
    assert [] == differences([_NOW], {**_NOW, "workers": 2, "machine": {"host": "c"}})
    assert ["tensorflow 2.21.0 instead of 2.20.0"] == differences([_OLD], _NOW)
    assert ["stack 3 instead of 1"] == differences([_NOW], {**_NOW, "stack": 3})


def test_a_fact_that_old_runs_lack_is_taken_from_the_first_that_has_it() -> None:
    """Journals from before a fact was recorded are no difference; later ones are."""
    assert ["tensorflow 2.21.0 instead of 2.20.0", "instructions avx2 fma avx512f instead of avx2 fma"] == differences(
        [_OLD, _NOW], _WIDER
    )
    assert [] == differences([_NOW, _WIDER], _NOW)


def test_the_record_of_a_run_is_kept_whole() -> None:
    """A journal's line with what decides bits is read as it was written, and so is one without."""
    for environment in (_OLD, _NOW):
        record = Record("2026-01-02T03:04:05Z", 1.0, RunStarted(environment))
        assert record == record_from_dict(record_to_dict(record))


def _run(
    environment: dict[str, Any], max_trials: int, execution: dict[str, str] | None = None
) -> tuple[list[str], Ledger]:
    def trains(trials: tuple[Trial, ...]) -> Iterator[TrialEvent]:
        yield from map(Started, trials)
        yield from (finished(trial, execution={"device": "CPU", **(execution or {})}) for trial in trials)

    def stamp(event: Event) -> Record:
        return Record("2026-01-02T03:04:05Z", 0.0, event)

    said: list[str] = []
    training = Training(run_serially, lambda _: trains, Limits(1), environment)
    ledger = run_sweep(
        a_plan(),
        journal_path=Path("journal.jsonl"),
        prepare=lambda _: nullcontext(training),
        stamp=stamp,
        max_trials=max_trials,
        say=said.append,
    )
    return said, ledger


def test_going_on_elsewhere_is_said_once_and_told_by_the_workbook() -> None:
    """One sentence names what differs; hyperparams.xlsx has it in a column, which is empty where nothing differs."""
    said, ledger = _run(_NOW, 1)
    assert [] == said
    assert rows_of(sheet_of(hyperparams_xlsx(summarize(a_plan(), ledger))))[0]["Changed since the start"] is None
    (sentence,), ledger = _run(_WIDER, 2)
    assert sentence.endswith("up to rounding only: instructions avx2 fma avx512f instead of avx2 fma")
    (row,) = rows_of(sheet_of(hyperparams_xlsx(summarize(a_plan(), ledger))))
    assert "instructions avx2 fma avx512f instead of avx2 fma" == row["Changed since the start"]
    assert [] == _run(_NOW, 1)[0]


def _by(fingerprint: str, host: str) -> dict[str, str]:
    return {"fingerprint": fingerprint, "host": host}


_ALIKE = "Not all results of this sweep were rounded alike, as their fingerprints tell"
_UP_TO = "with equal seeds they agree up to rounding only"


def test_only_another_fingerprint_is_another_rounding() -> None:
    """Another host is none, and results from before there were fingerprints are none either."""
    assert "" == rounding_words([])
    assert "" == rounding_words([{"device": "CPU"}, _by("11", "a"), _by("11", "b")])
    ways = [_by("22", "b"), {"device": "CPU"}, _by("11", "a"), _by("22", "b"), _by("22", "c")]
    assert f"{_ALIKE} (22 on b, c; 11 on a): {_UP_TO}" == rounding_words(ways)


def test_going_on_with_another_rounding_is_said_once_and_told_by_the_reports() -> None:
    """The first result with another fingerprint says it, later ones nothing; workbook and page have the same words."""
    assert [] == _run(_NOW, 1)[0]
    assert [] == _run(_NOW, 1, _by("11", "a"))[0]
    said, ledger = _run(_NOW, 2, _by("22", "b"))
    words = f"{_ALIKE} (11 on a; 22 on b): {_UP_TO}"
    assert [words] == said
    summary = summarize(a_plan(), ledger)
    (row,) = rows_of(sheet_of(hyperparams_xlsx(summary)))
    assert words == row["Changed since the start"]
    assert 1 == report_html(summary, "output/test", lambda: Made({})).decode().count(f"<li>{words}.</li>")


def test_a_host_that_rounds_alike_is_nothing_to_say() -> None:
    """Neither terminal nor reports speak of it; nor of a fingerprint that the sweep has had before."""
    for execution in (_by("11", "a"), _by("11", "b")):
        said, ledger = _run(_NOW, 1, execution)
        assert [] == said
    summary = summarize(a_plan(), ledger)
    assert rows_of(sheet_of(hyperparams_xlsx(summary)))[0]["Changed since the start"] is None
    assert "fingerprint" not in report_html(summary, "output/test", lambda: Made({})).decode().split("<script>")[0]
    assert 1 == len(_run(_NOW, 1, _by("22", "b"))[0])
    assert [] == _run(_NOW, 1, _by("11", "a"))[0]
