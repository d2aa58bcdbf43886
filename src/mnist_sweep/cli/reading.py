"""Commands that say what sweeps have shown: status, report, compare, list and step."""

from pathlib import Path

import click

from mnist_sweep.analysis.summary import summarize
from mnist_sweep.cli.folders import recorded_in, summary_of
from mnist_sweep.cli.options import FOLDER, JSON, path_option
from mnist_sweep.errors import ExitCode, UsageError
from mnist_sweep.system.locks import holder


@click.command(short_help="Show how a sweep stands, while it runs or afterwards.")
@FOLDER
@JSON
def status(folder: Path, *, as_json: bool) -> None:
    """Show how the sweep in FOLDER stands, while it runs or after.

    \b
    Example:
      mnist-sweep status output/quickstart
    """
    from mnist_sweep.terminal.plan_and_status import print_status

    found, plan, ledger = recorded_in(folder)
    summary, who = summarize(plan, ledger), holder(found.lock)
    if as_json:
        from mnist_sweep.terminal.json_facts import print_json, status_facts

        print_json("status", status_facts(plan, summary, ledger, who, str(found.path)))
    else:
        print_status(plan, summary, ledger, who, str(found.path))


@click.command(short_help="Say what a sweep has shown, and write its reports anew.")
@FOLDER
@JSON
def report(folder: Path, *, as_json: bool) -> int:
    """Say what the sweep in FOLDER has shown, and write its reports anew from its journal.

    \b
    Example:
      mnist-sweep report output/quickstart
    """
    from mnist_sweep.cli.train_and_report import write_all
    from mnist_sweep.terminal.results import print_report

    found, plan, ledger = recorded_in(folder)
    if not as_json:
        print_report(summarize(plan, ledger), str(found.path))  # said even where no file can be written
    summary, written, missing = write_all(plan, ledger, found)
    if as_json:
        from mnist_sweep.terminal.json_facts import print_json, report_facts

        print_json("report", report_facts(summary, str(found.path), written, missing), unstable=True)
    elif written:
        click.echo("\n" + "\n".join(str(written[name]) for name in ("best", "page") if name in written))
    return ExitCode.STORAGE if missing else ExitCode.FINISHED


@click.command(short_help="Compare sweeps: the best of each, and what they share.")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER FOLDER...", type=click.Path(path_type=Path))
@JSON
def compare(folders: tuple[Path, ...], *, as_json: bool) -> None:
    """Compare the sweeps in several folders: the best of each, and the combinations that they share.

    \b
    Example:
      mnist-sweep compare output/monday output/tuesday
    """
    from mnist_sweep.terminal.results import print_comparison

    if len(folders) < 2:  # noqa: PLR2004  two are compared
        raise UsageError(f"{folders[0]}: one folder alone cannot be compared; give two or more")
    real = [folder.resolve() for folder in folders]
    twice = next((folder for folder, path in zip(folders, real, strict=True) if real.count(path) > 1), None)
    if twice:
        raise UsageError(f"{twice}: found more than once, allowed: each folder once; compare different sweeps")
    summaries = {str(folder): summary_of(folder) for folder in folders}
    if as_json:
        from mnist_sweep.terminal.json_facts import comparison_facts, print_json

        print_json("compare", comparison_facts(summaries))
    else:
        print_comparison(summaries)


@click.command("list", short_help="List the sweeps in a folder, with the best model of each.")
@click.argument("folder", default="output", metavar="[DIR]", type=click.Path(path_type=Path))
@JSON
def list_sweeps(folder: Path, *, as_json: bool) -> None:
    """List the sweeps in the folder DIR: what is done, left and failed, when each last ran, and its best.

    \b
    Examples:
      mnist-sweep list
      mnist-sweep list /data/sweeps --json
    """
    from mnist_sweep.terminal.sweep_list import print_sweeps, sweeps_in

    sweeps = sweeps_in(folder, summary_of)
    if as_json:
        from mnist_sweep.terminal.json_facts import listing_facts, print_json

        print_json("list", listing_facts(str(folder), sweeps))
    else:
        print_sweeps(str(folder), sweeps)


@click.command(short_help="Write the section of a sweep in DETAILED_STEPS.md.")
@FOLDER
@path_option("--into", "DETAILED_STEPS.md", "FILE", "The Markdown file that holds the steps.", dir_okay=False)
def step(folder: Path, into: Path) -> None:
    """Write or renew the section of the sweep in FOLDER in the story of the investigation.

    What a person wrote between the two lines that mark its place for notes stays.

    \b
    Examples:
      mnist-sweep step output/grid
      mnist-sweep step output/grid --into notes/STEPS.md
    """
    from mnist_sweep.reports.step import write_step

    found, plan, ledger = recorded_in(folder)
    summary = summarize(plan, ledger)
    write_step(summary, found, into)
    click.echo(f"{into}: section {summary.spec.name}")
