"""The command line: wiring and nothing else."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from mnist_sweep.errors import ConfigError, ExitCode, JournalCorruptError, SweepError, UsageError
from mnist_sweep.events import Event, Record
from mnist_sweep.home import Home, existing_home
from mnist_sweep.journal import locked, read_records
from mnist_sweep.ledger import Ledger, replay
from mnist_sweep.plan import Plan, make_plan
from mnist_sweep.recipe import LOOP_VERSION
from mnist_sweep.summary import Status, Summary, summarize

if TYPE_CHECKING:
    from mnist_sweep.engine import Wishes

_HOME = click.argument("home", type=click.Path(path_type=Path))
_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)
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
      3 a bug                  9 data, disk or permissions
      4 the folder is busy     130 interrupted, 143 terminated
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
@click.option("--trial-timeout", type=_SECONDS, metavar="SECONDS", help="A trial that takes longer has failed.")
@click.option(
    "--executor",
    type=click.Choice(["pool", "serial"]),
    default="pool",
    show_default=True,
    help="Train in processes of their own, or one trial after the other in this one.",
)
@click.option("--retry-failed", is_flag=True, help="Train failed trials again; otherwise they stay as they are.")
def run(
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
) -> int:
    """Train what CONFIG asks for and write the reports.

    Running the same command again continues where it stopped; nothing is trained twice.

    \b
    Examples:
      mnist-sweep run configs/quickstart.yaml
      mnist-sweep run configs/grid.yaml --output /data/sweeps --quiet
      mnist-sweep run configs/grid.yaml --fresh
      mnist-sweep run configs/grid.yaml --workers 4 --trial-timeout 600
    """
    from mnist_sweep.engine import Wishes

    stamp, wishes = _stamper(), Wishes(executor, workers, stack, trial_timeout)
    plan, home = _plan_and_home(config, output)
    if fresh and home.path.exists():
        with locked(home.lock):
            aside = home.move_aside(datetime.now(UTC))
        click.echo(f"{home.path} is now {aside}", err=True)
    home.create()
    with locked(home.lock), _stop_signals() as stopped:
        ledger = _train(plan, home, stamp, stopped, wishes, quiet=quiet, retry_failed=retry_failed)
        summary = _write_reports(plan, ledger, home)
    return _close(summary, home, stopped)


@cli.command("plan")
@_CONFIG
@_OUTPUT
def show_plan(config: Path, output: Path) -> None:
    """Show what CONFIG would train, and what of it is done; trains nothing.

    \b
    Example:
      mnist-sweep plan configs/grid.yaml
    """
    from mnist_sweep.machine import devices_words
    from mnist_sweep.sweep import check_continues
    from mnist_sweep.terminal import print_plan

    plan, home = _plan_and_home(config, output)
    ledger = replay(read_records(home.journal))
    print_plan(plan, ledger, str(home.path), devices_words())
    check_continues(plan, ledger, home.path)


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
    summary = _write_reports(_recorded_plan(ledger, found), ledger, found)
    click.echo(closing_words(summary, str(found.best)))


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


def _plan_and_home(config: Path, output: Path) -> tuple[Plan, Home]:
    from mnist_sweep.config import load_spec
    from mnist_sweep.training.data import MNIST_DIGEST

    spec = load_spec(config)
    return make_plan(spec, MNIST_DIGEST), Home(output / spec.name)


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
    stopped: _Stopped,
    wishes: Wishes,
    *,
    quiet: bool,
    retry_failed: bool,
) -> Ledger:
    from mnist_sweep.sweep import Training, run_sweep
    from mnist_sweep.terminal import progress, say

    def prepare(n_trials: int) -> AbstractContextManager[Training]:
        from mnist_sweep.engine import training

        say_aside = partial(say, err=True)
        return training(wishes, n_trials=n_trials, repeats=plan.spec.repeats, stop=stopped.__bool__, say=say_aside)

    with progress(plan, quiet=quiet, retry_failed=retry_failed) as listeners:
        return run_sweep(
            plan,
            journal_path=home.journal,
            prepare=prepare,
            stamp=stamp,
            retry_failed=retry_failed,
            listeners=listeners,
        )


def _write_reports(plan: Plan, ledger: Ledger, home: Home) -> Summary:
    from mnist_sweep.reports.build import write_reports

    summary = summarize(plan, ledger)
    write_reports(summary, {"hyperparams": home.hyperparams, "full": home.full, "best": home.best})
    return summary


def _close(summary: Summary, home: Home, stopped: _Stopped) -> int:
    """Say how it ended, and with which exit code."""
    from mnist_sweep.terminal import say
    from mnist_sweep.words import closing_words

    say(closing_words(summary, str(home.best)))
    if stopped and summary.n(Status.PENDING):
        again = shlex.join(word for word in sys.argv[1:] if word != "--fresh")
        say(f"Stopped; to continue: mnist-sweep {again}", err=True)
        return 128 + stopped.signal
    n_failed = summary.n(Status.FAILED)
    if not n_failed:
        return ExitCode.FINISHED
    say(f"{n_failed} trials failed; the column Reason of {home.full} says why", err=True)
    return ExitCode.SOME_FAILED if summary.n(Status.FINISHED) else ExitCode.ALL_FAILED


@dataclass(slots=True)
class _Stopped:
    """Whether a signal asked the command to stop, and which."""

    signal: int = 0

    def __bool__(self) -> bool:
        return bool(self.signal)


@contextmanager
def _stop_signals() -> Iterator[_Stopped]:
    """Take Ctrl-C and SIGTERM as a wish to stop in good order; a second one ends the process at once."""
    stopped = _Stopped()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stopped:
            os.write(2, b"\x1b[?25h" if os.isatty(2) else b"")  # the live lines have hidden the cursor
            os.write(2, b"stopped at once; finished trials are kept; run again without --fresh to continue\n")
            os._exit(128 + number)  # the journal is whole at every moment
        stopped.signal = number
        os.write(2, b"\nstopping; once more to stop at once\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """The one boundary where errors become words and exit codes."""
    try:
        code = _exit_code()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away: not our error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FINISHED
    except Exception:  # noqa: BLE001  anything else is a bug of ours
        click.echo(f"{traceback.format_exc()}\nThis is a bug in mnist-sweep. All results so far are safe.", err=True)
        code = ExitCode.BUG
    sys.exit(code)


def _exit_code() -> int:
    try:
        # Not cli.main(): it ends the process with code 1 when a pipe closes.
        with cli.make_context("mnist-sweep", sys.argv[1:]) as context:
            return int(cli.invoke(context) or 0)
    except SweepError as error:
        click.echo(str(error) if isinstance(error, ConfigError) else f"Error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.STORAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; run the same command to continue", err=True)
        return ExitCode.INTERRUPTED
