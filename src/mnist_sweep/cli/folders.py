"""From what a command is given to specs, plans and summaries."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_sweep.analysis.summary import Summary, summarize
from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.errors import JournalCorruptError, UsageError
from mnist_sweep.journal.folder import SweepFolder, existing_folder
from mnist_sweep.journal.journal_file import read_ledger
from mnist_sweep.journal.ledger import Ledger, recorded_plan
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.spec import SweepSpec
from mnist_sweep.plan.sweep_plan import MAX_RECORDED_TRIALS, Plan, count_points, make_plan

if TYPE_CHECKING:
    from mnist_sweep.execution.backends import Choice


def recorded_in(folder: Path) -> tuple[SweepFolder, Plan, Ledger]:
    """The sweep in a folder: its files, the plan and the ledger that its journal holds."""
    found = existing_folder(folder)
    ledger = read_ledger(found.journal)
    return found, recorded_plan_of(ledger, found), ledger


def summary_of(folder: Path) -> Summary:
    """The summary of the sweep in a folder."""
    _, plan, ledger = recorded_in(folder)
    return summarize(plan, ledger)


def recorded_plan_of(ledger: Ledger, folder: SweepFolder) -> Plan:
    """The plan that the journal holds, for the data and by the training loops that its outcomes came from."""
    if ledger.spec is None:
        raise UsageError(f"{folder.path}: nothing was planned here yet; run a sweep file first")
    try:
        n_trials = count_points(ledger.spec) * ledger.spec.repeats
        if n_trials > MAX_RECORDED_TRIALS:
            msg = f"{folder.journal}: its plan asks for more than {MAX_RECORDED_TRIALS:,} trials; restore the file"
            raise JournalCorruptError(msg)
        return recorded_plan(ledger.spec, ledger)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{folder.journal}: its plan cannot be read ({error}); restore the file from a copy"
        raise JournalCorruptError(msg) from error


def plan_of(spec: SweepSpec, choice: Choice) -> Plan:
    """The plan of a spec on MNIST, for this backend."""
    return make_plan(replace(spec, backend=choice.backend), MNIST)


def spec_and_folder(
    config: Path, output: Path, context: Context, changes: tuple[str, ...]
) -> tuple[SweepSpec, SweepFolder]:
    """What a sweep file with these changes asks for, and the folder of its results."""
    from mnist_sweep.sweepfile.sweep_file import load_spec

    context.config = config
    spec = load_spec(config, changes)
    try:
        os.fsencode(spec.name)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{config}: name: {spec.name}: {sys.getfilesystemencoding()}, the encoding of file names in this locale, "
            "has no such name; set PYTHONUTF8=1, or give the sweep a name in ASCII"
        ) from error
    context.folder = SweepFolder(output / spec.name)
    return spec, context.folder
