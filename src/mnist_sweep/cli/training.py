"""Commands that train: run and confirm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_sweep.analysis.summary import summarize
from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.folders import plan_of, recorded_in, spec_and_folder
from mnist_sweep.cli.options import BACKEND, CHANGES, CONFIG, COUNT, FOLDER, OUTPUT, training_options
from mnist_sweep.errors import UsageError
from mnist_sweep.journal.folder import existing_folder
from mnist_sweep.journal.journal_file import read_ledger
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.recipe import Trial
from mnist_sweep.plan.sweep_plan import MAX_TRIALS
from mnist_sweep.system.locks import locked

if TYPE_CHECKING:
    from mnist_sweep.cli.train_and_report import How


@click.command(short_help="Train what a sweep file asks for, and write the reports.")
@CONFIG
@OUTPUT
@BACKEND
@CHANGES
@click.option("--fresh", is_flag=True, help="Move earlier results aside and start again.")
@training_options
@click.pass_obj
def run(
    context: Context,
    config: Path,
    output: Path,
    *,
    backend: str | None,
    changes: tuple[str, ...],
    fresh: bool,
    how: How,
) -> int:
    """Train what CONFIG asks for, and write the reports.

    Running the same command again continues where it stopped; nothing is trained twice.

    \b
    Examples:
      mnist-sweep run configs/quickstart.yaml
      mnist-sweep run configs/grid.yaml --output /data/sweeps --quiet
      mnist-sweep run configs/grid.yaml --live
      mnist-sweep run configs/grid.yaml --fresh
      mnist-sweep run configs/grid.yaml --workers 4 --trial-timeout 600
      mnist-sweep run configs/grid.yaml --set name=large_batches --set grid.batch_size=1000
      mnist-sweep run configs/grid.yaml --backend jax --output output/jax
      mnist-sweep run configs/grid.yaml --max-hours 8 --notify 'mail -s sweep me@example.org'
    """
    from mnist_sweep.analysis.wording import closing_words
    from mnist_sweep.cli.train_and_report import exit_code, train_at
    from mnist_sweep.execution.backends import choose
    from mnist_sweep.terminal.progress import say

    spec, folder = spec_and_folder(config, output, context, changes)
    choice = choose(backend, spec, Ledger() if fresh else read_ledger(folder.journal))
    how.wishes.check(choice.backend)
    plan = plan_of(spec, choice)
    if fresh and folder.path.exists():
        with locked(folder.lock):
            aside = folder.move_aside(datetime.now(UTC))
        click.echo(f"{folder.path} is now {aside}", err=True)
    folder.create()
    ending = train_at(folder, plan, replace(how, backend_why=choice.why))
    context.best = ending.best
    say(closing_words(ending.summary, str(ending.best)))
    return exit_code(ending, folder, how, context)


@click.command(short_help="Retrain the best models of a sweep with fresh seeds.")
@FOLDER
@click.option(
    "--top",
    type=COUNT,
    default=5,
    show_default=True,
    metavar="N",
    help="How many models, the best by validation first.",
)
@click.option(
    "--repeats", type=COUNT, default=10, show_default=True, metavar="N", help="How often each of them is retrained."
)
@training_options
@click.pass_obj
def confirm(context: Context, folder: Path, *, top: int, repeats: int, how: How) -> int:
    """Retrain the best models of the sweep in FOLDER with fresh seeds.

    The first of many models also had favourable seeds, so its lead usually shrinks when it is retrained. The fresh
    results are shown beside the ranking and never enter it. Running the same command again continues where it stopped.

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

    context.folder = existing_folder(folder)
    found, plan, _ = recorded_in(folder)
    how.wishes.check(plan.backend)

    def choose(ledger: Ledger) -> tuple[Trial, ...]:
        ranked = summarize(plan, ledger).ranked[:top]
        if not ranked:
            raise UsageError(
                f"{folder}: nothing to confirm yet: no combination has all its repeats; finish the run first"
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
