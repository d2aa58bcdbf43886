"""The sweep files that the documents show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builders import DATA
from mnist_sweep.plan.sweep_plan import make_plan
from mnist_sweep.plan.table import SETTINGS
from mnist_sweep.sweepfile.sweep_file import parse_spec

_ROOT = Path(__file__).parents[2]
_BLOCKS = [
    (path.name, block)
    for path in (_ROOT / "README.md", _ROOT / "docs" / "recipes.md")
    for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
]


@pytest.mark.parametrize(("file", "block"), _BLOCKS, ids=lambda text: text.splitlines()[0])
def test_each_is_a_sweep_file(file: str, block: str) -> None:
    """Each can be planned, and compares something; what has no name is a part of README's first."""
    if "name:" not in block:
        block = _BLOCKS[0][1] + block
    assert len(make_plan(parse_spec(block.encode(), file), DATA).combinations) > 1


def test_recipes_show_every_setting() -> None:
    """Each setting that README does not show stands in a sweep file there."""
    shown = "\n".join(block for _, block in _BLOCKS)
    unshown = {"precision"}  # says nothing on a CPU, and is in README's section on GPUs
    assert unshown == {one.name for one in SETTINGS if not re.search(rf"^  {one.name}:", shown, re.MULTILINE)}
