"""Commands that prepare a sweep: init, plan, preview, data and schema."""

import json
import shlex
from pathlib import Path

import click

from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.folders import plan_of, spec_and_folder
from mnist_sweep.cli.options import BACKEND, CHANGES, CONFIG, JSON, OUTPUT, path_option
from mnist_sweep.errors import StorageError, UsageError
from mnist_sweep.journal.journal_file import read_ledger
from mnist_sweep.journal.ledger import Ledger


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


_DRAWS, _MOST_PREVIEWED = 3, 12


@click.command(short_help="Draw how a sweep file changes training images.")
@CONFIG
@click.option(
    "-o",
    "--picture",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The PNG file to write.  [default: NAME_preview.png]",
)
@CHANGES
@click.pass_obj
def preview(context: Context, config: Path, picture: Path | None, changes: tuple[str, ...]) -> None:
    """Draw what networks will see of the training images: as they are, then by draws of each augmentation of CONFIG.

    \b
    Example:
      mnist-sweep preview configs/thirteen_steps.yaml -o images.png
    """
    from mnist_sweep.execution.backends import choose
    from mnist_sweep.execution.preview import preview_rows
    from mnist_sweep.reports.charts.pictures import draw
    from mnist_sweep.reports.charts.plot_library import Plotter
    from mnist_sweep.reports.charts.preview import preview as chart
    from mnist_sweep.system.files import write_whole

    spec, _ = spec_and_folder(config, Path(), context, changes)
    choice = choose(None, spec, Ledger())
    augments = list(dict.fromkeys(one.augment for one in plan_of(spec, choice).combinations if one.augment))
    if not augments:
        raise UsageError(
            f"{config}: there is no augmentation in it, so networks see the training images as they are; "
            "to change them, write under grid: augment: {rotation: 5}"
        )
    with Plotter() as plotter:
        plotter.start()  # it gets warm meanwhile
        rows = preview_rows(augments[:_MOST_PREVIEWED], choice.backend, _DRAWS)
        made = draw({"preview": chart(rows)}, plotter)
    if made.trouble:
        raise StorageError(f"the picture cannot be made: {made.trouble}")
    path = picture or Path(f"{spec.name}_preview.png")
    write_whole(path, made.files["preview.png"])
    if len(augments) > _MOST_PREVIEWED:
        click.echo(f"the first {_MOST_PREVIEWED} of {len(augments):,} augmentations")
    click.echo(str(path))


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
