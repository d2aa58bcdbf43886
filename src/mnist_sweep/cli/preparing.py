"""Commands that prepare a sweep: init, plan, data and schema."""

import json
import shlex
from pathlib import Path

import click

from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.folders import plan_of, spec_and_folder
from mnist_sweep.cli.options import BACKEND, CHANGES, CONFIG, JSON, OUTPUT, path_option
from mnist_sweep.journal.journal_file import read_ledger


@click.command(short_help="Write a commented sweep file.")
@click.argument("name")
@path_option("--folder", ".", None, "Where to write the files.", file_okay=False)
def init(name: str, folder: Path) -> None:
    """Write the commented sweep file NAME.yaml, with the schema that editors check it by.

    \b
    Example:
      mnist-sweep init widths --folder configs
    """
    from mnist_sweep.sweepfile.template import write_sweep_file

    path = write_sweep_file(name.removesuffix(".yaml"), folder)
    click.echo(f"{path}\nNext: mnist-sweep plan {shlex.quote(str(path))}")


@click.command("plan", short_help="Show what a sweep file would train, and how long that takes.")
@CONFIG
@OUTPUT
@BACKEND
@CHANGES
@click.option("--list", "list_trials", is_flag=True, help="Print every trial on its own line.")
@JSON
@click.pass_obj
def show_plan(
    context: Context,
    config: Path,
    output: Path,
    *,
    backend: str | None,
    changes: tuple[str, ...],
    list_trials: bool,
    as_json: bool,
) -> None:
    """Show what CONFIG would train, how much of it is done, and how long the rest will take. Nothing is trained.

    \b
    Examples:
      mnist-sweep plan configs/grid.yaml
      mnist-sweep plan configs/grid.yaml --list
      mnist-sweep plan configs/grid.yaml --json
      mnist-sweep plan configs/grid.yaml --set grid.batch_size=128 --set repeats=5
    """
    from mnist_sweep.execution.backends import choose
    from mnist_sweep.execution.run_sweep import check_continues
    from mnist_sweep.terminal.plan_and_status import print_plan, print_trials

    spec, folder = spec_and_folder(config, output, context, changes)
    ledger = read_ledger(folder.journal)
    choice = choose(backend, spec, ledger)
    plan = plan_of(spec, choice)
    if as_json:
        from mnist_sweep.terminal.json_facts import plan_facts, print_json

        print_json("plan", plan_facts(plan, ledger, str(folder.path), choice.why, list_trials=list_trials))
    elif list_trials:
        print_trials(plan, ledger)
    else:
        print_plan(plan, ledger, str(folder.path), choice.why)
    check_continues(plan, ledger, folder.path)


@click.command(short_help="Check MNIST, and fetch it where it is missing.")
@click.option(
    "--from",
    "source",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A .npz file, or a folder with the four IDX files (gzipped or not), to take MNIST from.",
)
def data(source: Path | None) -> None:
    """Say where MNIST comes from and that its bytes are right; fetch it where it is missing.

    \b
    Examples:
      mnist-sweep data
      mnist-sweep data --from ~/Downloads/mnist.npz
    """
    from mnist_sweep.mnist.images import DIGESTS, cached_file
    from mnist_sweep.mnist.sources import load, take

    mnist = take(source) if source else load()
    click.echo(f"MNIST from {mnist.source}")
    if mnist.source not in {str(cached_file()), str(cached_file().with_name("mnist.npz"))}:
        click.echo(f"kept in {cached_file()}")
    for name, digest in DIGESTS.items():
        click.echo(f"  {name:8} SHA-256 {digest} holds")


@click.command(short_help="Print the JSON Schema of sweep files.")
def schema() -> None:
    """Print the JSON Schema of sweep files.

    \b
    Example:
      mnist-sweep schema > sweep.schema.json
    """
    from mnist_sweep.sweepfile.model import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
