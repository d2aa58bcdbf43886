"""Telling somebody, or some program, how a sweep ended."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import click

from mnist_sweep.summary import METRICS, Combination, Status, Summary
from mnist_sweep.words import recipe_words

_PATIENCE_S = 60


def closing_facts(
    summary: Summary | None, *, name: str, exit_code: int, error: str, folder: str | None, best_path: str | None
) -> dict[str, Any]:
    """The end of a sweep as plain JSON values; null for what is not known.

    Args:
        summary: None where there is none, or its journal cannot be read.
        error: what went wrong, in words; empty when nothing did.
    """
    facts = {
        "name": summary.spec.name if summary else name,
        "exit_code": int(exit_code),
        "error": error or None,
        "folder": folder,
    }
    return {**facts, **(_numbers(summary) if summary else dict.fromkeys(_NUMBERS)), "best_xlsx": best_path}


_NUMBERS = ("finished", "failed", "left", "hours", "best_by_validation", "leading_so_far")


def _numbers(summary: Summary) -> dict[str, Any]:
    counts = [summary.n(status) for status in (Status.FINISHED, Status.FAILED, Status.PENDING)]
    first = _best(summary.picks[0].combination, summary) if summary.picks else None
    best, leading = (None, first) if summary.unfinished else (first, None)
    return dict(zip(_NUMBERS, (*counts, round(summary.seconds / 3600, 4), best, leading), strict=True))


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
