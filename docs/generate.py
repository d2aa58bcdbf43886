"""Writes what is taken from the code: docs/commands.md, tables of README and docs/recipes.md, the schema in configs.

`make docs` runs it; the suite runs it with --check, which fails where a file is not as it would be written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

import click

from mnist_sweep.cli.main import cli
from mnist_sweep.errors import EXIT_CODES
from mnist_sweep.plan.named import scalar_words
from mnist_sweep.plan.table import SETTINGS
from mnist_sweep.sweepfile.layers import LayerOfNetwork
from mnist_sweep.sweepfile.model import SweepFile, json_schema
from mnist_sweep.sweepfile.template import SCHEMA_NAME

_ROOT = Path(__file__).parents[1]
_INTRODUCTION = """\
# Commands

What `--help` says of every command. README.md shows how they work together.
"""


def commands() -> str:
    """The page of all commands."""
    pages = [_INTRODUCTION, _help("mnist-sweep", cli)]
    pages += [_help(f"mnist-sweep {name}", command) for name, command in cli.commands.items()]
    return "\n".join(pages)


def _help(path: str, command: click.Command) -> str:
    with click.Context(command, info_name=path, terminal_width=100, help_option_names=["-h", "--help"]) as context:
        return f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"


def tables() -> Mapping[str, str]:
    """The tables, by the names that stand before and after them."""
    return {
        "grid": _table(
            ("key of `grid`", "what it takes", "default"),
            ((f"`{one.name}`", one.takes or one.note, one.default) for one in SETTINGS),
        ),
        "file": _table(
            ("key", "what it means", "default"),
            (
                (f"`{name}`", str(field.description), "required" if field.is_required() else f"{field.default or ''}")
                for name, field in SweepFile.model_fields.items()
                if name != "grid"
            ),
        ),
        "exit codes": _table(("code", "meaning"), EXIT_CODES.items()),
        "layers": _table(("layer", "arguments with their defaults; bold ones are needed"), _layers()),
    }


def _layers() -> Iterable[tuple[str, str]]:
    """Each layer that may stand in a network, with its arguments."""
    for name, layer in LayerOfNetwork.model_fields.items():
        arguments = get_args(layer.annotation)[0].model_fields
        words = (
            f"**`{key}`**"
            if one.is_required()
            else f"`{key}`"
            if one.default is None
            else f"`{key}` {scalar_words(one.default)}"
            for key, one in arguments.items()
        )
        yield f"`{name}`", ", ".join(words)


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def with_tables(text: str) -> str:
    """A document with its tables as they are now."""
    for name, table in tables().items():
        before, after = f"<!-- {name}: make docs -->\n", f"<!-- end of {name} -->\n"
        if before in text:
            head, rest = text.split(before)
            text = f"{head}{before}\n{table}\n{after}{rest.split(after)[1]}"
    return text


def main() -> None:
    """Write the files, or only compare them."""
    written = [_ROOT / "README.md", _ROOT / "docs" / "recipes.md"]
    files = {
        _ROOT / "docs" / "commands.md": commands(),
        _ROOT / "configs" / SCHEMA_NAME: f"{json.dumps(json_schema(), indent=2)}\n",
        **{path: with_tables(path.read_text()) for path in written},
    }
    for file, text in files.items():
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            sys.exit(f"{file.relative_to(_ROOT)} is not what the code says; renew it: make docs")


if __name__ == "__main__":
    main()
