"""A sweep's section in the story: renewed in its place, with what a person wrote kept."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from builders import a_plan, finished
from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.errors import StorageError, UsageError
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.reports.step import renewed, write_step


def _summary(name: str = "widths", goal: str = "Is wider *better*?\\nReally?", n: int = 4) -> Summary:
    plan = a_plan(name=name, goal=f'"{goal}"')
    ledger = Ledger()
    for trial in plan.trials[:n]:
        ledger.outcomes[trial.key] = finished(trial)
    return summarize(plan, ledger)


def test_a_section_is_added_at_the_end() -> None:
    """What the file held stays before it; the section has its goal, its axes, its decision and its files."""
    text = renewed("# Story\n\nBefore.\n", _summary(), "output/widths", "STEPS.md")
    assert text.startswith("# Story\n\nBefore.\n\n<!-- mnist-sweep: step widths begins -->\n## widths\n")
    assert "**Goal.** Is wider \\*better\\*? Really?\n" in text
    assert "**Varied.** width 32, 64: 2 combinations, 2 repeats each.\n" in text
    assert "[best.xlsx](<output/widths/best.xlsx>)" in text
    assert "- Width made no difference that 2 repeats can tell" in text


def test_notes_and_all_around_stay_when_it_is_renewed() -> None:
    """Renewing changes the numbers, not the notes, and not the sections before and behind."""
    first = renewed("# Story\n", _summary(n=2), "o", "S.md")
    first = renewed(first, _summary("other"), "o", "S.md") + "\nBehind.\n"
    written = first.replace("Write here what the numbers do not say", "I think it is luck", 1)
    again = renewed(written, _summary(n=4), "o", "S.md")
    assert 1 == again.count("## widths")
    assert "I think it is luck" in again
    assert "Leading so far (1 of 2 combinations" in first
    assert "Leading so far" not in again
    assert again.index("## widths") < again.index("## other") < again.index("Behind.")
    assert again == renewed(again, _summary(n=4), "o", "S.md")


@pytest.mark.parametrize(
    "lost", ["step widths begins", "step widths ends", "notes on widths: kept", "notes on widths end"]
)
def test_a_broken_mark_loses_nothing(lost: str) -> None:
    """Where a marking line is gone, the error says which, and the file stays as it is."""
    into = Path("STEPS.md")
    write_step(_summary(), SweepFolder(Path("output/widths")), into)
    broken = into.read_text().replace(lost, "gone")
    into.write_text(broken)
    with pytest.raises(UsageError, match=r"STEPS.md: found [01] times <!-- .* Restore the two lines"):
        write_step(_summary(), SweepFolder(Path("output/widths")), into)
    assert broken == into.read_text()


def test_notes_without_their_marks_are_not_lost() -> None:
    """Where both lines around the notes are gone, the section is not renewed over what a person wrote."""
    into = Path("STEPS.md")
    write_step(_summary(), SweepFolder(Path("output/widths")), into)
    lines = [line for line in into.read_text().splitlines(keepends=True) if "<!-- notes on" not in line]
    into.write_text("".join(lines))
    with pytest.raises(UsageError, match="the section widths lacks the lines"):
        write_step(_summary(), SweepFolder(Path("output/widths")), into)
    assert "".join(lines) == into.read_text()


def test_line_ends_and_links_stay() -> None:
    """A file with the line ends of Windows, behind a link, keeps both."""
    Path("real.md").write_bytes(b"# Mine\r\n\r\ntext  \r\n")
    Path("link.md").symlink_to("real.md")
    write_step(_summary(), SweepFolder(Path("output/widths")), Path("link.md"))
    assert Path("link.md").is_symlink()
    content = Path("real.md").read_bytes()
    assert content.startswith(b"# Mine\r\n\r\ntext  \r\n\r\n<!-- mnist-sweep")
    assert content.count(b"\n") == content.count(b"\r\n")


def test_each_line_keeps_its_end() -> None:
    """One line with the end of Windows among others stays the only one; so do single ones in notes and behind."""
    before = b"# Mine\r\n\na\nb\n"
    Path("S.md").write_bytes(before)
    folder = SweepFolder(Path("output/widths"))
    write_step(_summary(), folder, Path("S.md"))
    first = Path("S.md").read_bytes()
    assert first.startswith(before + b"\n<!-- mnist-sweep")
    assert 1 == first.count(b"\r\n")
    hint = first.index(b"Write here")
    noted = first[:hint] + b"mine\r\nand mine\n" + first[hint:] + b"behind\r\n"
    Path("S.md").write_bytes(noted)
    write_step(_summary(), folder, Path("S.md"))
    assert noted == Path("S.md").read_bytes()


def test_a_file_with_windows_ends_is_renewed_without_a_change() -> None:
    """Renewing a section in a file whose lines end as on Windows changes nothing where the numbers are the same."""
    Path("S.md").write_bytes(b"# Mine\r\n")
    write_step(_summary(), SweepFolder(Path("output/widths")), Path("S.md"))
    first = Path("S.md").read_bytes()
    assert first.count(b"\n") == first.count(b"\r\n")
    write_step(_summary(), SweepFolder(Path("output/widths")), Path("S.md"))
    assert first == Path("S.md").read_bytes()


def test_permissions_and_read_only_files_are_left_alone() -> None:
    """A private file stays private; a read-only one is refused in words."""
    Path("S.md").write_text("# Mine\n")
    Path("S.md").chmod(0o600)
    write_step(_summary(), SweepFolder(Path("output/widths")), Path("S.md"))
    assert 0o600 == Path("S.md").stat().st_mode & 0o777
    Path("S.md").chmod(0o400)
    before = Path("S.md").read_bytes()
    with pytest.raises(StorageError, match="it is read-only"):
        write_step(_summary("other"), SweepFolder(Path("output/widths")), Path("S.md"))
    assert before == Path("S.md").read_bytes()


_EIGHT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from mnist_sweep.journal.folder import SweepFolder
from mnist_sweep.reports.step import write_step
from reports.test_step import _summary
summaries = [_summary(f"{{sys.argv[1]}}{{j}}", n=0) for j in range(3)]
print("ready", flush=True)
sys.stdin.readline()
for summary in summaries:
    write_step(summary, SweepFolder(Path("output")), Path("S.md"))
"""


def test_eight_processes_at_once_keep_all_sections() -> None:
    """However many write into one file at the same moment, each finds what the others wrote."""
    code = _EIGHT.format(tests=str(Path(__file__).parents[1]))
    commands = [[sys.executable, "-c", code, f"sweep{i}"] for i in range(8)]
    running = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for command in commands]
    for process in running:
        assert process.stdout
        assert "ready\n" == process.stdout.readline()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
    assert [0] * 8 == [process.returncode for process in running]
    text = Path("S.md").read_text()
    sections = [f"<!-- mnist-sweep: step sweep{i}{j} begins -->" for i in range(8) for j in range(3)]
    assert [1] * 24 == [text.count(section) for section in sections]
    assert ["S.md"] == [path.name for path in Path().iterdir()]


def test_links_lead_from_the_file_to_the_folder() -> None:
    """A file in another folder gets relative links; a missing file is begun with a title."""
    Path("notes").mkdir()
    write_step(_summary(), SweepFolder(Path("output/widths")), Path("notes/S.md"))
    text = Path("notes/S.md").read_text()
    assert text.startswith("# The investigation, step by step\n")
    assert "(<../output/widths/report.html>)" in text


def test_a_file_that_is_no_text_is_not_touched() -> None:
    """Bytes that are no UTF-8 are an error with the file's name."""
    Path("S.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match=r"S\.md: cannot be read as text"):
        write_step(_summary(), SweepFolder(Path("output/widths")), Path("S.md"))
    assert b"\xff\xfe\x00" == Path("S.md").read_bytes()


def test_a_sweep_that_is_not_finished_decides_nothing() -> None:
    """The section says who leads and how to go on, and advises nothing else."""
    text = renewed("", _summary(n=2), "o", "S.md")
    assert "**Where it stands.** Leading so far (1 of 2 combinations has all its repeats): 2×32 relu" in text
    assert "**Next.**\n\n- 2 trials left to train: run the same command again.\n\n" in text
    assert "The first by validation" in text
    for word in ("Decision", "Take", "afe to drop", "confirm"):
        assert word not in text


def test_what_was_cut_is_told_and_marked() -> None:
    """Below the decision stands what max_epochs cut, and the ranking has a column for it; else neither is there."""
    plan = a_plan("hidden_width: [32, 64]\nmax_epochs: 2", name="widths")
    summary = summarize(plan, Ledger({trial.key: finished(trial) for trial in plan.trials}))
    text = renewed("", summary, "o", "S.md")
    assert "**Cut.** max\\_epochs ended 4 of 4 trainings before early stopping did: 2×32 relu" in text
    assert "| Training time (seconds) | Cut by max\\_epochs |\n|--:|---|--:|---|--:|--:|--:|--:|\n" in text
    assert "| 2.2 | 2 of 2 |" in text
    assert "**Next.**\n\n- Raise max_epochs in the sweep file from 2 to 12 or more" in text
    assert "Cut" not in renewed("", _summary(), "o", "S.md")


def test_a_sweep_without_a_result_has_a_section() -> None:
    """Before anything is trained there is no decision, and no table."""
    text = renewed("", _summary(n=0), "o", "S.md")
    assert "No decision yet" in text
    assert "| Model |" not in text
