"""Arguments and options that several commands share."""

import functools
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.folders import summary_of
from mnist_sweep.plan.recipe import BACKENDS
from mnist_sweep.system.stop import stop_signals

FOLDER = click.argument("folder", type=click.Path(path_type=Path))
CONFIG = click.argument("config", type=click.Path(path_type=Path))
COUNT = click.IntRange(min=1)


class _Positive(click.FloatRange):
    """A finite number above 0; `nan` and `inf`, which no comparison catches, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE = _Positive(min=0, min_open=True)


def path_option(name: str, default: str, metavar: str | None, words: str, **kind: bool) -> Callable[[Any], Any]:
    """An option that takes a path of this kind; `words` are its help."""
    form = click.Path(path_type=Path, **kind)
    return click.option(name, default=default, show_default=True, metavar=metavar, type=form, help=words)


OUTPUT = path_option("--output", "output", "DIR", "The folder that holds the folders of all sweeps.", file_okay=False)
BACKEND = click.option(
    "--backend",
    type=click.Choice(list(BACKENDS)),
    help="The library that Keras computes with.  [default: the one in the sweep file, else the one of earlier results, "
    "else the one that suits the machine]",
)
CHANGES = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY.PATH=VALUE",
    help="Set a value of the sweep file for this once, such as grid.batch_size=128 or 'grid.hidden_width=[64, 128]'; "
    "may be repeated.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of words, for scripts.")


def training_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of commands that train, handed to them as one `how`."""

    @functools.wraps(command)
    def gather(*args: Any, max_hours: float | None, notify: str | None, **given: Any) -> int:
        context: Context = click.get_current_context().obj
        context.trains = True
        stop = context.until_end.enter_context(stop_signals(max_hours))
        context.at_end = functools.partial(_notify, notify, context) if notify else None

        from mnist_sweep.cli.train_and_report import How
        from mnist_sweep.execution.setup import Wishes
        from mnist_sweep.terminal.progress import Look

        wishes = Wishes(*(given.pop(name) for name in ("executor", "workers", "stack", "trial_timeout")))
        look = Look(*(given.pop(name) for name in ("quiet", "log_format", "retry_failed")))
        how = How(wishes, look, max_hours, given.pop("max_trials"), given.pop("live"), stop)
        return command(*args, how=how, **given)

    for option in reversed(_TRAINING_OPTIONS):
        gather = option(gather)
    return gather


_TRAINING_OPTIONS = (
    click.option("--quiet", is_flag=True, help="Print only warnings and the last lines."),
    click.option("--live", is_flag=True, help="Rewrite report.html while training; an open page reloads itself."),
    click.option(
        "--workers",
        type=COUNT,
        metavar="N",
        help="Number of processes that train at once.  [default: one per core, or one per GPU]",
    ),
    click.option(
        "--stack",
        type=COUNT,
        metavar="N",
        help="Number of trials that a process trains side by side, on JAX.  [default: 1 on a CPU, what fits on a GPU]",
    ),
    click.option(
        "--trial-timeout", type=POSITIVE, metavar="SECONDS", help="Give up a trial that takes longer than this."
    ),
    click.option(
        "--executor",
        type=click.Choice(["pool", "serial"]),
        default="pool",
        show_default=True,
        help="Train in several processes (pool), or one trial after another in this one (serial).",
    ),
    click.option("--retry-failed", is_flag=True, help="Train failed trials again; without it, they stay failed."),
    click.option(
        "--max-hours",
        type=POSITIVE,
        metavar="HOURS",
        help="Stop after this many hours, with all reports written; exit code 8.",
    ),
    click.option("--max-trials", type=COUNT, metavar="N", help="Train at most this many trials; exit code 8."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="The format of the log where there is no terminal.",
    ),
    click.option(
        "--notify",
        metavar="COMMAND",
        help="At the end, except with exit codes 2 and 4, run this shell command with facts as JSON on standard input.",
    ),
)


def _notify(command: str, context: Context, code: int) -> None:
    """Tell a command of the user's how training ended, with the numbers if there are any."""
    from mnist_sweep.terminal.json_facts import closing_facts
    from mnist_sweep.terminal.notify import send

    folder, summary, best = context.folder, None, context.best
    name = context.config.stem if context.config else ""
    if folder:
        name, best = folder.path.absolute().name, best or folder.reports["best"]
        with suppress(Exception):  # what ended the command may also stand in the way of its summary
            summary = summary_of(folder.path)
    best_path = str(best) if best and best.is_file() else None
    path = str(folder.path) if folder else None
    facts = closing_facts(summary, name=name, exit_code=code, error=context.error, folder=path, best_path=best_path)
    send(command, facts)
