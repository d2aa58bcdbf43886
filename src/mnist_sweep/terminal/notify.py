"""Telling somebody, or some program, how a sweep ended."""

import json
import subprocess
from typing import Any

import click

from mnist_sweep.terminal.json_facts import plain

_PATIENCE_S = 60


def send(command: str, facts: dict[str, Any]) -> None:
    """Run a command of the shell with the facts as JSON on its standard input; the sweep is none the worse if it fails.

    The shell is the point: the user's own command may pipe and redirect, as in a crontab.
    """
    told = json.dumps(plain(facts), allow_nan=False)
    try:
        subprocess.run(command, input=told, text=True, check=True, timeout=_PATIENCE_S, shell=True)  # noqa: S602
    except subprocess.CalledProcessError as error:
        why = f"ended with exit code {error.returncode}"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = str(error)
    else:
        return
    click.echo(f"--notify {command}: {why}; the sweep itself is not touched by this", err=True)
