"""The command line: wiring and nothing else."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_sweep.boundary import Context, run_command
from mnist_sweep.errors import ExitCode, JournalCorruptError, SweepMismatchError, UsageError
from mnist_sweep.home import Home, existing_home
from mnist_sweep.journal import holder, locked, read_records
from mnist_sweep.ledger import Ledger, replay
from mnist_sweep.plan import Plan, make_plan
from mnist_sweep.recipe import LOOP_VERSION, Trial
from mnist_sweep.summary import Summary, summarize

if TYPE_CHECKING:
    from mnist_sweep.drive import How

_HOME = click.argument("home", type=click.Path(path_type=Path))
_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_COUNT = click.IntRange(min=1)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_OUTPUT = click.option(
    "--output",
    default="output",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the folders of sweeps lie in.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mnist-sweep", message="%(package)s %(version)s")
def cli() -> None:
    """Find out which dense network is best on MNIST, and how sure one can be.

    \b
    Example:
      mnist-sweep init first            write first.yaml, with comments
      mnist-sweep plan first.yaml       see what would be trained
      mnist-sweep run first.yaml        train it, write output/first/best.xlsx

    \b
    Exit codes:
      0 all finished           5 the folder holds results of another sweep
      1 some trials failed     6 the journal is corrupt
      2 usage or sweep file    7 all trials failed, or none can be trained
      3 a bug                  8 your own limit was reached
      4 the folder is busy     9 data, disk or permissions
                               130 interrupted, 143 terminated
    """


def _training_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of commands that train, handed to them as one `how`."""

    @functools.wraps(command)
    def gather(
        *args: Any,
        quiet: bool,
        retry_failed: bool,
        workers: int | None,
        stack: int | None,
        trial_timeout: float | None,
        executor: str,
        max_hours: float | None,
        max_trials: int | None,
        log_format: str,
        live: bool,
        **kwargs: Any,
    ) -> int:
        from mnist_sweep.drive import How
        from mnist_sweep.engine import Wishes
        from mnist_sweep.terminal import Look

        look = Look(quiet=quiet, log_format=log_format, retry_failed=retry_failed)
        how = How(Wishes(executor, workers, stack, trial_timeout), look, max_hours, max_trials, live)
        return command(*args, how=how, **kwargs)

    for option in reversed(_TRAINING_OPTIONS):
        gather = option(gather)
    return gather


_TRAINING_OPTIONS = (
    click.option("--quiet", is_flag=True, help="Say nothing but the last lines."),
    click.option("--live", is_flag=True, help="Write report.html anew while it trains; the page reloads itself."),
    click.option(
        "--workers", type=_COUNT, metavar="N", help="Processes that train at once.  [default: one a core, or one a GPU]"
    ),
    click.option(
        "--stack",
        type=_COUNT,
        metavar="N",
        help="Trials that a process trains side by side.  [default: 1 on a CPU, the repeats on a GPU]",
    ),
    click.option("--trial-timeout", type=_POSITIVE, metavar="SECONDS", help="A trial that takes longer has failed."),
    click.option(
        "--executor",
        type=click.Choice(["pool", "serial"]),
        default="pool",
        show_default=True,
        help="Train in processes of their own, or one trial after the other in this one.",
    ),
    click.option("--retry-failed", is_flag=True, help="Train failed trials again; otherwise they stay as they are."),
    click.option(
        "--max-hours", type=_POSITIVE, metavar="HOURS", help="Stop in good order after this time; exit code 8."
    ),
    click.option("--max-trials", type=_COUNT, metavar="N", help="Train so many trials at most; exit code 8."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How each trial is told where there is no terminal.",
    ),
)


@cli.command()
@_CONFIG
@_OUTPUT
@click.option("--fresh", is_flag=True, help="Move what the sweep has so far aside, and start anew.")
@_training_options
@click.option(
    "--notify",
    metavar="COMMAND",
    help="At the end, run the shell command COMMAND with the summary as JSON on its standard input.",
)
@click.pass_obj
def run(context: Context, config: Path, output: Path, *, fresh: bool, how: How, notify: str | None) -> int:
    """Train what CONFIG asks for and write the reports.

    Running the same command again continues where it stopped; nothing is trained twice.

    \b
    Examples:
      mnist-sweep run configs/quickstart.yaml
      mnist-sweep run configs/grid.yaml --output /data/sweeps --quiet
      mnist-sweep run configs/grid.yaml --live
      mnist-sweep run configs/grid.yaml --fresh
      mnist-sweep run configs/grid.yaml --workers 4 --trial-timeout 600
      mnist-sweep run configs/grid.yaml --max-hours 8 --notify 'mail -s sweep me@example.org'
    """
    from mnist_sweep.drive import exit_code, train_at
    from mnist_sweep.notify import closing_facts, send
    from mnist_sweep.terminal import say
    from mnist_sweep.words import closing_words

    plan, home = _plan_and_home(config, output, context)
    if fresh and home.path.exists():
        with locked(home.lock):
            aside = home.move_aside(datetime.now(UTC))
        click.echo(f"{home.path} is now {aside}", err=True)
    home.create()
    ending = train_at(home, plan, how)
    say(closing_words(ending.summary, str(ending.best)))
    code = exit_code(ending, home, how)
    if notify:
        send(notify, closing_facts(ending.summary, str(ending.best), code))
    return code


@cli.command()
@_HOME
@click.option(
    "--top", type=_COUNT, default=5, show_default=True, metavar="N", help="How many, from the best by validation down."
)
@click.option(
    "--repeats", type=_COUNT, default=10, show_default=True, metavar="N", help="Fresh trainings of each of them."
)
@_training_options
@click.pass_obj
def confirm(context: Context, home: Path, *, top: int, repeats: int, how: How) -> int:
    """Train the best of the sweep in the folder HOME again, with fresh seeds.

    Who comes first of many was lucky too: trained again, winners fall. The fresh results stand beside the ranking,
    which they never enter. Running the same command again continues where it stopped.

    \b
    Examples:
      mnist-sweep confirm output/grid
      mnist-sweep confirm output/grid --top 3 --repeats 20
    """
    from mnist_sweep.drive import exit_code, train_at
    from mnist_sweep.findings import print_confirmed
    from mnist_sweep.plan import confirmations
    from mnist_sweep.terminal import say

    context.home = found = existing_home(home)
    plan = _recorded_plan(replay(read_records(found.journal)), found)
    if plan.trials[0].loop_version != LOOP_VERSION:
        raise SweepMismatchError(
            f"{home}: its results come from another version of the training loop; run its sweep file with --fresh first"
        )

    def choose(ledger: Ledger) -> tuple[Trial, ...]:
        ranked = summarize(plan, ledger).ranked[:top]
        if not ranked:
            raise UsageError(
                f"{home}: nothing to confirm yet: no combination has all its repeats; finish the run first"
            )
        return confirmations(plan, [combination.recipe for combination in ranked], repeats)

    ending = train_at(found, plan, how, choose)
    print_confirmed(ending.summary)
    say(str(ending.best))
    return exit_code(ending, found, how)


@cli.command("plan")
@_CONFIG
@_OUTPUT
@click.option("--list", "list_trials", is_flag=True, help="Print every trial, a line each.")
@click.pass_obj
def show_plan(context: Context, config: Path, output: Path, *, list_trials: bool) -> None:
    """Show what CONFIG would train, what of it is done and how long the rest will take; trains nothing.

    \b
    Examples:
      mnist-sweep plan configs/grid.yaml
      mnist-sweep plan configs/grid.yaml --list
    """
    from mnist_sweep.overview import print_plan, print_trials
    from mnist_sweep.sweep import check_continues

    plan, home = _plan_and_home(config, output, context)
    ledger = replay(read_records(home.journal))
    if list_trials:
        print_trials(plan, ledger)
    else:
        print_plan(plan, ledger, str(home.path))
    check_continues(plan, ledger, home.path)


@cli.command()
@_HOME
def status(home: Path) -> None:
    """Show how the sweep in the folder HOME stands, while it runs or after.

    \b
    Example:
      mnist-sweep status output/quickstart
    """
    from mnist_sweep.overview import print_status

    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    plan = _recorded_plan(ledger, found)
    print_status(plan, summarize(plan, ledger), ledger, holder(found.lock), str(found.path))


@cli.command()
@_HOME
def report(home: Path) -> int:
    """Say what the sweep in the folder HOME has shown, and write its reports anew from its journal.

    \b
    Example:
      mnist-sweep report output/quickstart
    """
    from mnist_sweep.drive import write_all
    from mnist_sweep.findings import print_report

    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    summary, best, missing = write_all(_recorded_plan(ledger, found), ledger, found)
    print_report(summary, str(found.path))
    click.echo(f"\n{best}\n{found.reports['page']}")
    return ExitCode.STORAGE if missing else ExitCode.FINISHED


@cli.command()
@click.argument("homes", nargs=-1, required=True, metavar="HOME HOME...", type=click.Path(path_type=Path))
def compare(homes: tuple[Path, ...]) -> None:
    """Compare the sweeps in several folders: the best of each, and the combinations that they share.

    \b
    Example:
      mnist-sweep compare output/monday output/tuesday
    """
    from mnist_sweep.findings import print_comparison

    if len(homes) < 2:  # noqa: PLR2004  two are compared
        raise UsageError(f"{homes[0]}: one folder alone cannot be compared; give two or more")
    print_comparison({str(home): _summary_of(home) for home in homes})


@cli.command()
@_HOME
@click.option(
    "--into",
    default="DETAILED_STEPS.md",
    show_default=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The Markdown file that holds the steps.",
)
def step(home: Path, into: Path) -> None:
    """Write or renew the section of the sweep in the folder HOME in the story of the investigation.

    What a person wrote between the two lines that mark its place for notes stays.

    \b
    Examples:
      mnist-sweep step output/grid
      mnist-sweep step output/grid --into notes/STEPS.md
    """
    from mnist_sweep.reports.step import write_step

    summary = _summary_of(home)
    write_step(summary, existing_home(home), into)
    click.echo(f"{into}: section {summary.spec.name}")


def _summary_of(home: Path) -> Summary:
    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    return summarize(_recorded_plan(ledger, found), ledger)


def _recorded_plan(ledger: Ledger, home: Home) -> Plan:
    """The plan that the journal holds, for the data and by the training loop that its outcomes came from."""
    from mnist_sweep.training.data import MNIST_DIGEST

    if ledger.spec is None:
        raise UsageError(f"{home.path}: nothing was planned here yet; run a sweep file first")
    trials = [outcome.trial for outcome in ledger.outcomes.values()]
    data, loop_version = (trials[-1].data, trials[-1].loop_version) if trials else (MNIST_DIGEST, LOOP_VERSION)
    try:
        return make_plan(ledger.spec, data, loop_version)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{home.journal}: its plan cannot be read ({error}); restore the file from a copy"
        raise JournalCorruptError(msg) from error


@cli.command()
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
    from mnist_sweep.training.data import DIGESTS, cached_file, load

    if source is None:
        mnist = load()
    else:
        from mnist_sweep.training.fetch import take

        mnist = take(source)
    click.echo(f"MNIST from {mnist.source}")
    if mnist.source not in {str(cached_file()), str(cached_file().with_name("mnist.npz"))}:
        click.echo(f"kept in {cached_file()}")
    for name, digest in DIGESTS.items():
        click.echo(f"  {name:8} SHA-256 {digest} holds")


@cli.command()
@click.argument("name")
@click.option(
    "--folder",
    default=".",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write the files.",
)
def init(name: str, folder: Path) -> None:
    """Write the commented sweep file NAME.yaml, with the schema that editors check it by.

    \b
    Example:
      mnist-sweep init widths --folder configs
    """
    from mnist_sweep.template import write_sweep_file

    path = write_sweep_file(name.removesuffix(".yaml"), folder)
    click.echo(f"{path}\nNext: mnist-sweep plan {shlex.quote(str(path))}")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of sweep files.

    \b
    Example:
      mnist-sweep schema > sweep.schema.json
    """
    from mnist_sweep.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _plan_and_home(config: Path, output: Path, context: Context) -> tuple[Plan, Home]:
    from mnist_sweep.config import load_spec
    from mnist_sweep.training.data import MNIST_DIGEST

    context.config = config
    spec = load_spec(config)
    context.home = Home(output / spec.name)
    return make_plan(spec, MNIST_DIGEST), context.home


def main() -> None:
    """The console script."""
    context = Context()

    def command() -> int:
        # Not cli.main(): it ends the process with code 1 when a pipe closes.
        with cli.make_context("mnist-sweep", sys.argv[1:], obj=context) as click_context:
            return int(cli.invoke(click_context) or 0)

    sys.exit(run_command(command, context))
