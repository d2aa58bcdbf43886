"""The command line: wiring and nothing else."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_sweep.boundary import Context, Stop, run_command, stop_signals
from mnist_sweep.errors import ExitCode, JournalCorruptError, UsageError, WorkersError
from mnist_sweep.events import Event, Record
from mnist_sweep.home import Home, existing_home
from mnist_sweep.journal import holder, locked, read_records
from mnist_sweep.ledger import Ledger, replay
from mnist_sweep.plan import Plan, make_plan
from mnist_sweep.recipe import LOOP_VERSION
from mnist_sweep.summary import Status, Summary, summarize

if TYPE_CHECKING:
    from mnist_sweep.engine import Wishes
    from mnist_sweep.terminal import Look

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


@cli.command()
@_CONFIG
@_OUTPUT
@click.option("--fresh", is_flag=True, help="Move what the sweep has so far aside, and start anew.")
@click.option("--quiet", is_flag=True, help="Say nothing but the last lines.")
@click.option(
    "--workers", type=_COUNT, metavar="N", help="Processes that train at once.  [default: one a core, or one a GPU]"
)
@click.option(
    "--stack",
    type=_COUNT,
    metavar="N",
    help="Trials that a process trains side by side.  [default: 1 on a CPU, the repeats on a GPU]",
)
@click.option("--trial-timeout", type=_POSITIVE, metavar="SECONDS", help="A trial that takes longer has failed.")
@click.option(
    "--executor",
    type=click.Choice(["pool", "serial"]),
    default="pool",
    show_default=True,
    help="Train in processes of their own, or one trial after the other in this one.",
)
@click.option("--retry-failed", is_flag=True, help="Train failed trials again; otherwise they stay as they are.")
@click.option("--max-hours", type=_POSITIVE, metavar="HOURS", help="Stop in good order after this time; exit code 8.")
@click.option("--max-trials", type=_COUNT, metavar="N", help="Train so many trials at most; exit code 8.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How each trial is told where there is no terminal.",
)
@click.option(
    "--notify",
    metavar="COMMAND",
    help="At the end, run the shell command COMMAND with the summary as JSON on its standard input.",
)
@click.pass_obj
def run(
    context: Context,
    config: Path,
    output: Path,
    *,
    fresh: bool,
    quiet: bool,
    retry_failed: bool,
    workers: int | None,
    stack: int | None,
    trial_timeout: float | None,
    executor: str,
    max_hours: float | None,
    max_trials: int | None,
    log_format: str,
    notify: str | None,
) -> int:
    """Train what CONFIG asks for and write the reports.

    Running the same command again continues where it stopped; nothing is trained twice.

    \b
    Examples:
      mnist-sweep run configs/quickstart.yaml
      mnist-sweep run configs/grid.yaml --output /data/sweeps --quiet
      mnist-sweep run configs/grid.yaml --fresh
      mnist-sweep run configs/grid.yaml --workers 4 --trial-timeout 600
      mnist-sweep run configs/grid.yaml --max-hours 8 --notify 'mail -s sweep me@example.org'
    """
    from mnist_sweep.engine import Wishes
    from mnist_sweep.notify import closing_facts, send
    from mnist_sweep.terminal import Look

    stamp, wishes = _stamper(), Wishes(executor, workers, stack, trial_timeout)
    plan, home = _plan_and_home(config, output, context)
    if fresh and home.path.exists():
        with locked(home.lock):
            aside = home.move_aside(datetime.now(UTC))
        click.echo(f"{home.path} is now {aside}", err=True)
    home.create()
    look = Look(quiet=quiet, log_format=log_format, retry_failed=retry_failed)
    with locked(home.lock), stop_signals(max_hours) as stop:
        try:
            ledger = _train(plan, home, stamp, stop, wishes, look=look, max_trials=max_trials)
        except WorkersError:
            _write_reports(plan, replay(read_records(home.journal)), home)
            raise
        summary, best = _write_reports(plan, ledger, home)
    code = _close(summary, home, best, stop, limited=bool(max_hours or max_trials))
    if notify:
        send(notify, closing_facts(summary, str(best), code))
    return code


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
def report(home: Path) -> None:
    """Write the reports of the sweep in the folder HOME anew from its journal.

    \b
    Example:
      mnist-sweep report output/quickstart
    """
    from mnist_sweep.words import closing_words

    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    summary, best = _write_reports(_recorded_plan(ledger, found), ledger, found)
    click.echo(closing_words(summary, str(best)))


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


def _stamper() -> Callable[[Event], Record]:
    """Dates events, and counts the seconds from now; the monotonic clock leaves out a laptop's sleep."""
    began = time.monotonic()

    def stamp(event: Event) -> Record:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Record(at, time.monotonic() - began, event)

    return stamp


def _train(
    plan: Plan,
    home: Home,
    stamp: Callable[[Event], Record],
    stop: Stop,
    wishes: Wishes,
    *,
    look: Look,
    max_trials: int | None,
) -> Ledger:
    from mnist_sweep.sweep import Training, run_sweep
    from mnist_sweep.terminal import progress, say

    def prepare(n_trials: int) -> AbstractContextManager[Training]:
        from mnist_sweep.engine import training

        return training(wishes, n_trials=n_trials, repeats=plan.spec.repeats, stop=stop, say=partial(say, err=True))

    with progress(plan, look) as listeners:
        return run_sweep(
            plan,
            journal_path=home.journal,
            prepare=prepare,
            stamp=stamp,
            retry_failed=look.retry_failed,
            max_trials=max_trials,
            listeners=listeners,
        )


def _write_reports(plan: Plan, ledger: Ledger, home: Home) -> tuple[Summary, Path]:
    """The summary, and where best.xlsx was written."""
    from mnist_sweep.reports.build import write_reports
    from mnist_sweep.terminal import say

    summary = summarize(plan, ledger)
    paths = {"hyperparams": home.hyperparams, "full": home.full, "best": home.best}
    written = write_reports(summary, paths)
    for name, path in written.items():
        if path != paths[name]:
            say(f"{paths[name]} is open in a spreadsheet program; written instead: {path}", err=True)
    return summary, written["best"]


def _close(summary: Summary, home: Home, best: Path, stop: Stop, *, limited: bool) -> int:
    """Say how it ended, and with which exit code."""
    from mnist_sweep.terminal import say
    from mnist_sweep.words import closing_words

    say(closing_words(summary, str(best)))
    n_failed, n_left = summary.n(Status.FAILED), summary.n(Status.PENDING)
    if n_left and (stop.signal or limited):
        again = shlex.join(word for word in sys.argv[1:] if word != "--fresh")
        why = "Stopped" if stop.signal else "Limit reached"
        say(f"{why}, {n_left} trials left; to continue: mnist-sweep {again}", err=True)
        return 128 + stop.signal if stop.signal else ExitCode.LIMIT_REACHED
    if not n_failed:
        return ExitCode.FINISHED
    say(f"{n_failed} trials failed; the column Reason of {home.full} says why", err=True)
    return ExitCode.SOME_FAILED if summary.n(Status.FINISHED) else ExitCode.ALL_FAILED


def main() -> None:
    """The console script."""
    context = Context()

    def command() -> int:
        # Not cli.main(): it ends the process with code 1 when a pipe closes.
        with cli.make_context("mnist-sweep", sys.argv[1:], obj=context) as click_context:
            return int(cli.invoke(click_context) or 0)

    sys.exit(run_command(command, context))
