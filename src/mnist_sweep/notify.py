"""Telling somebody, or some program, how a sweep ended."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import click

from mnist_sweep.summary import METRICS, Combination, Status, Summary
from mnist_sweep.words import recipe_words

_PATIENCE_S = 60


def closing_facts(summary: Summary, best_path: str, exit_code: int) -> dict[str, Any]:
    """The end of a sweep as plain JSON values."""
    first = _best(summary.picks[0].combination, summary) if summary.picks else None
    return {
        "name": summary.spec.name,
        "exit_code": int(exit_code),
        "finished": summary.n(Status.FINISHED),
        "failed": summary.n(Status.FAILED),
        "left": summary.n(Status.PENDING),
        "hours": round(summary.seconds / 3600, 4),
        "best_by_validation": None if summary.unfinished else first,
        "leading_so_far": first if summary.unfinished else None,
        "best_xlsx": best_path,
    }


def _best(combination: Combination, summary: Summary) -> dict[str, Any]:
    means = {metric: round(combination.spread(metric).mean, 6) for metric in METRICS}
    return {"model": recipe_words(combination.recipe, summary.spec.varied), "repeats": len(combination.rows), **means}


def send(command: str, facts: dict[str, Any]) -> None:
    """Run a command of the shell with the facts as JSON on its standard input; the sweep is none the worse if it fails.

    The shell is the point: the user's own command may pipe and redirect, as in a crontab.
    """
    try:
        subprocess.run(command, input=json.dumps(facts), text=True, check=True, timeout=_PATIENCE_S, shell=True)  # noqa: S602
    except subprocess.CalledProcessError as error:
        why = f"ended with exit code {error.returncode}"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = str(error)
    else:
        return
    click.echo(f"--notify {command}: {why}; the sweep itself is not touched by this", err=True)
