"""The command line: wiring and nothing else."""

from __future__ import annotations

import functools
import json
import math
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.cli.error_boundary import Context, run_command
from mnist_sweep.errors import ExitCode, JournalCorruptError, UsageError
from mnist_sweep.journal.folder import Home, existing_home
from mnist_sweep.journal.journal_file import read_records
from mnist_sweep.journal.ledger import Ledger, recorded_plan, replay
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.recipe import BACKENDS, Trial
from mnist_sweep.plan.sweep_plan import MAX_RECORDED_TRIALS, MAX_TRIALS, Plan, SweepSpec, count_points, make_plan
from mnist_sweep.system.locks import holder, locked
from mnist_sweep.system.stop import stop_signals
from mnist_sweep.system.streams import open_streams

if TYPE_CHECKING:
    from mnist_sweep.cli.train_and_report import How
    from mnist_sweep.execution.backends import Choice

_HOME = click.argument("home", type=click.Path(path_type=Path))
_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_COUNT = click.IntRange(min=1)


class _Positive(click.FloatRange):
    """A finite number above 0; `nan` and `inf`, which no comparison catches, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_POSITIVE = _Positive(min=0, min_open=True)
_OUTPUT = click.option(
    "--output",
    default="output",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the folders of sweeps lie in.",
)


_BACKEND = click.option(
    "--backend",
    type=click.Choice(list(BACKENDS)),
    help="What Keras computes with.  [default: as the sweep file says, or as before, or what suits the machine]",
)
_COMPLETE = "_MNIST_SWEEP_COMPLETE"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of words, for scripts.")


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
                               129 hung up, 130 interrupted, 143 terminated
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
        notify: str | None,
        **kwargs: Any,
    ) -> int:
        context: Context = click.get_current_context().obj
        context.trains = True
        stop = context.until_end.enter_context(stop_signals(max_hours))
        context.at_end = functools.partial(_notify, notify, context) if notify else None

        from mnist_sweep.cli.train_and_report import How
        from mnist_sweep.execution.setup import Wishes
        from mnist_sweep.terminal.progress import Look

        look = Look(quiet=quiet, log_format=log_format, retry_failed=retry_failed)
        how = How(Wishes(executor, workers, stack, trial_timeout), look, max_hours, max_trials, live, stop)
        return command(*args, how=how, **kwargs)

    for option in reversed(_TRAINING_OPTIONS):
        gather = option(gather)
    return gather


_TRAINING_OPTIONS = (
    click.option("--quiet", is_flag=True, help="Say what is out of the ordinary and the last lines, and nothing else."),
    click.option("--live", is_flag=True, help="Write report.html anew while it trains; the page reloads itself."),
    click.option(
        "--workers", type=_COUNT, metavar="N", help="Processes that train at once.  [default: one a core, or one a GPU]"
    ),
    click.option(
        "--stack",
        type=_COUNT,
        metavar="N",
        help="Trials that a process trains side by side, on JAX.  [default: 1 on a CPU, what fits on a GPU]",
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
    click.option(
        "--notify",
        metavar="COMMAND",
        help="At the end, but for exit codes 2 and 4, run the shell command COMMAND with facts as JSON on its stdin.",
    ),
)


def _notify(command: str, context: Context, code: int) -> None:
    """Tell a command of the user's how training ended, with the numbers if there are any."""
    from mnist_sweep.terminal.json_facts import closing_facts
    from mnist_sweep.terminal.notify import send

    home, summary, best = context.home, None, context.best
    name, folder = (context.config.stem if context.config else ""), None
    if home:
        name, folder, best = home.path.absolute().name, str(home.path), best or home.reports["best"]
        with suppress(Exception):  # what ended the command may also stand in the way of its summary
            summary = _summary_of(home.path)
    best_path = str(best) if best and best.is_file() else None
    facts = closing_facts(summary, name=name, exit_code=code, error=context.error, folder=folder, best_path=best_path)
    send(command, facts)


@cli.command()
@_CONFIG
@_OUTPUT
@_BACKEND
@click.option("--fresh", is_flag=True, help="Move what the sweep has so far aside, and start anew.")
@_training_options
@click.pass_obj
def run(context: Context, config: Path, output: Path, *, backend: str | None, fresh: bool, how: How) -> int:
    """Train what CONFIG asks for and write the reports.

    Running the same command again continues where it stopped; nothing is trained twice.

    \b
    Examples:
      mnist-sweep run configs/quickstart.yaml
      mnist-sweep run configs/grid.yaml --output /data/sweeps --quiet
      mnist-sweep run configs/grid.yaml --live
      mnist-sweep run configs/grid.yaml --fresh
      mnist-sweep run configs/grid.yaml --workers 4 --trial-timeout 600
      mnist-sweep run configs/grid.yaml --backend jax --output output/jax
      mnist-sweep run configs/grid.yaml --max-hours 8 --notify 'mail -s sweep me@example.org'
    """
    from mnist_sweep.analysis.wording import closing_words
    from mnist_sweep.cli.train_and_report import exit_code, train_at
    from mnist_sweep.execution.backends import choose
    from mnist_sweep.terminal.progress import say

    spec, home = _spec_and_home(config, output, context)
    choice = choose(backend, spec, Ledger() if fresh else replay(read_records(home.journal)))
    how.wishes.check(choice.backend)
    plan = _plan_of(spec, choice)
    if fresh and home.path.exists():
        with locked(home.lock):
            aside = home.move_aside(datetime.now(UTC))
        click.echo(f"{home.path} is now {aside}", err=True)
    home.create()
    ending = train_at(home, plan, replace(how, backend_why=choice.why))
    context.best = ending.best
    say(closing_words(ending.summary, str(ending.best)))
    return exit_code(ending, home, how, context)


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
      mnist-sweep confirm output/grid --notify 'mail -s confirmed me@example.org'
    """
    from mnist_sweep.cli.train_and_report import exit_code, train_at
    from mnist_sweep.execution.run_sweep import check_current
    from mnist_sweep.plan.sweep_plan import confirmations
    from mnist_sweep.terminal.progress import say
    from mnist_sweep.terminal.results import print_confirmed

    context.home = found = existing_home(home)
    plan = _recorded_plan(replay(read_records(found.journal)), found)
    how.wishes.check(plan.backend)

    def choose(ledger: Ledger) -> tuple[Trial, ...]:
        ranked = summarize(plan, ledger).ranked[:top]
        if not ranked:
            raise UsageError(
                f"{home}: nothing to confirm yet: no combination has all its repeats; finish the run first"
            )
        if len(ranked) * repeats > MAX_TRIALS:
            asked = f"{len(ranked)} combinations, {repeats:,} repeats each"
            raise UsageError(f"--repeats {repeats}: found {asked}, allowed: at most {MAX_TRIALS:,} trials in all")
        recipes = [combination.recipe for combination in ranked]
        check_current([plan.first_trials[recipe] for recipe in recipes], plan.data, found.path)
        return confirmations(plan, recipes, repeats)

    ending = train_at(found, plan, how, choose)
    context.best = ending.best
    print_confirmed(ending.summary)
    say(str(ending.best))
    return exit_code(ending, found, how, context)


@cli.command("plan")
@_CONFIG
@_OUTPUT
@_BACKEND
@click.option("--list", "list_trials", is_flag=True, help="Print every trial, a line each.")
@_JSON
@click.pass_obj
def show_plan(
    context: Context, config: Path, output: Path, *, backend: str | None, list_trials: bool, as_json: bool
) -> None:
    """Show what CONFIG would train, what of it is done and how long the rest will take; trains nothing.

    \b
    Examples:
      mnist-sweep plan configs/grid.yaml
      mnist-sweep plan configs/grid.yaml --list
      mnist-sweep plan configs/grid.yaml --json
    """
    from mnist_sweep.execution.backends import choose
    from mnist_sweep.execution.run_sweep import check_continues
    from mnist_sweep.terminal.plan_and_status import print_plan, print_trials

    spec, home = _spec_and_home(config, output, context)
    ledger = replay(read_records(home.journal))
    choice = choose(backend, spec, ledger)
    plan = _plan_of(spec, choice)
    if as_json:
        from mnist_sweep.terminal.json_facts import plan_facts, print_json

        print_json("plan", plan_facts(plan, ledger, str(home.path), choice.why, list_trials=list_trials))
    elif list_trials:
        print_trials(plan, ledger)
    else:
        print_plan(plan, ledger, str(home.path), choice.why)
    check_continues(plan, ledger, home.path)


@cli.command()
@_HOME
@_JSON
def status(home: Path, *, as_json: bool) -> None:
    """Show how the sweep in the folder HOME stands, while it runs or after.

    \b
    Example:
      mnist-sweep status output/quickstart
    """
    from mnist_sweep.terminal.plan_and_status import print_status

    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    plan = _recorded_plan(ledger, found)
    summary, who = summarize(plan, ledger), holder(found.lock)
    if as_json:
        from mnist_sweep.terminal.json_facts import print_json, status_facts

        print_json("status", status_facts(plan, summary, ledger, who, str(found.path)))
    else:
        print_status(plan, summary, ledger, who, str(found.path))


@cli.command()
@_HOME
@_JSON
def report(home: Path, *, as_json: bool) -> int:
    """Say what the sweep in the folder HOME has shown, and write its reports anew from its journal.

    \b
    Example:
      mnist-sweep report output/quickstart
    """
    from mnist_sweep.cli.train_and_report import write_all
    from mnist_sweep.terminal.results import print_report

    found = existing_home(home)
    ledger = replay(read_records(found.journal))
    plan = _recorded_plan(ledger, found)
    if not as_json:
        print_report(summarize(plan, ledger), str(found.path))  # said even where no file can be written
    summary, written, missing = write_all(plan, ledger, found)
    if as_json:
        from mnist_sweep.terminal.json_facts import print_json, report_facts

        print_json("report", report_facts(summary, str(found.path), written, missing), unstable=True)
    elif written:
        click.echo("\n" + "\n".join(str(written[name]) for name in ("best", "page") if name in written))
    return ExitCode.STORAGE if missing else ExitCode.FINISHED


@cli.command()
@click.argument("homes", nargs=-1, required=True, metavar="HOME HOME...", type=click.Path(path_type=Path))
@_JSON
def compare(homes: tuple[Path, ...], *, as_json: bool) -> None:
    """Compare the sweeps in several folders: the best of each, and the combinations that they share.

    \b
    Example:
      mnist-sweep compare output/monday output/tuesday
    """
    from mnist_sweep.terminal.results import print_comparison

    if len(homes) < 2:  # noqa: PLR2004  two are compared
        raise UsageError(f"{homes[0]}: one folder alone cannot be compared; give two or more")
    real = [home.resolve() for home in homes]
    twice = next((home for home, path in zip(homes, real, strict=True) if real.count(path) > 1), None)
    if twice:
        raise UsageError(f"{twice}: found more than once, allowed: each folder once; compare different sweeps")
    summaries = {str(home): _summary_of(home) for home in homes}
    if as_json:
        from mnist_sweep.terminal.json_facts import comparison_facts, print_json

        print_json("compare", comparison_facts(summaries))
    else:
        print_comparison(summaries)


@cli.command("list")
@click.argument("folder", default="output", metavar="[DIR]", type=click.Path(path_type=Path))
@_JSON
def list_sweeps(folder: Path, *, as_json: bool) -> None:
    """List the sweeps in the folder DIR: what is done, left and failed, when each last ran, and its best.

    \b
    Examples:
      mnist-sweep list
      mnist-sweep list /data/sweeps --json
    """
    from mnist_sweep.terminal.sweep_list import print_sweeps, sweeps_in

    sweeps = sweeps_in(folder, _summary_of)
    if as_json:
        from mnist_sweep.terminal.json_facts import listing_facts, print_json

        print_json("list", listing_facts(str(folder), sweeps))
    else:
        print_sweeps(str(folder), sweeps)


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
    """The plan that the journal holds, for the data and by the training loops that its outcomes came from."""
    if ledger.spec is None:
        raise UsageError(f"{home.path}: nothing was planned here yet; run a sweep file first")
    try:
        n_trials = count_points(ledger.spec) * ledger.spec.repeats
        if n_trials > MAX_RECORDED_TRIALS:
            msg = f"{home.journal}: its plan asks for more than {MAX_RECORDED_TRIALS:,} trials; restore the file"
            raise JournalCorruptError(msg)
        return recorded_plan(ledger.spec, ledger)
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
    from mnist_sweep.mnist.images import DIGESTS, cached_file
    from mnist_sweep.mnist.sources import load

    if source is None:
        mnist = load()
    else:
        from mnist_sweep.mnist.sources import take

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
    from mnist_sweep.sweepfile.template import write_sweep_file

    path = write_sweep_file(name.removesuffix(".yaml"), folder)
    click.echo(f"{path}\nNext: mnist-sweep plan {shlex.quote(str(path))}")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of sweep files.

    \b
    Example:
      mnist-sweep schema > sweep.schema.json
    """
    from mnist_sweep.sweepfile.sweep_file import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _plan_of(spec: SweepSpec, choice: Choice) -> Plan:
    return make_plan(replace(spec, backend=choice.backend), MNIST)


def _spec_and_home(config: Path, output: Path, context: Context) -> tuple[SweepSpec, Home]:
    from mnist_sweep.sweepfile.sweep_file import load_spec

    context.config = config
    spec = load_spec(config)
    try:
        os.fsencode(spec.name)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{config}: name: {spec.name}: {sys.getfilesystemencoding()}, the encoding of file names in this locale, "
            "has no such name; set PYTHONUTF8=1, or give the sweep a name in ASCII"
        ) from error
    context.home = Home(output / spec.name)
    return spec, context.home


def main() -> None:
    """The console script."""
    if instruction := os.environ.get(_COMPLETE):  # a shell asks how to complete words, or for completions
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(cli, {}, "mnist-sweep", _COMPLETE, instruction))
    open_streams()
    context = Context()

    def command() -> int:
        with cli.make_context("mnist-sweep", sys.argv[1:], obj=context) as click_context:
            return int(cli.invoke(click_context) or 0)

    sys.exit(run_command(command, context))
