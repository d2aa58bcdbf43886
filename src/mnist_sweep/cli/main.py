"""The command line: wiring and nothing else."""

import os
import sys
from collections.abc import Mapping

import click

from mnist_sweep.cli.error_boundary import Context, run_command
from mnist_sweep.cli.preparing import data, init, preview, schema, show_plan
from mnist_sweep.cli.reading import compare, list_sweeps, report, status, step
from mnist_sweep.cli.training import confirm, run
from mnist_sweep.errors import EXIT_CODES
from mnist_sweep.system.streams import open_streams

_COMPLETE = "_MNIST_SWEEP_COMPLETE"
_GROUPS: Mapping[str, tuple[click.Command, ...]] = {
    "Prepare": (init, show_plan, preview, data, schema),
    "Train": (run, confirm),
    "Look at results": (status, list_sweeps, report, compare, step),
}


class _InGroups(click.Group):
    """Lists its commands in groups, and the exit codes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(str(one.name), str(one.short_help)) for one in commands])
        with formatter.section("Exit codes"):
            formatter.write_dl(list(EXIT_CODES.items()))


@click.group(cls=_InGroups, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mnist-sweep", message="%(package)s %(version)s")
def cli() -> None:
    """Find out which network is best on MNIST, and how sure one can be.

    \b
    Example:
      mnist-sweep init first            write first.yaml, with comments
      mnist-sweep plan first.yaml       see what would be trained
      mnist-sweep run first.yaml        train it, write output/first/best.xlsx

    """


for _commands in _GROUPS.values():
    for _command in _commands:
        cli.add_command(_command)


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
