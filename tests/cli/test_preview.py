"""The picture that shows what networks will see."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import command

if TYPE_CHECKING:
    from mnist_sweep.mnist.images import Mnist

_SWEEP = "name: seen\ngrid:\n  augment: {}\n"
_MANY = [*({"rotation": degrees} for degrees in range(1, 15)), "off"]


def test_a_picture_has_a_row_for_each_draw(mnist: Mnist) -> None:
    """A second augmentation makes the picture higher; without a terminal the last line is the file."""
    assert mnist
    heights = {}
    for name, augments in {"one": "{rotation: 5}", "two": "[off, {rotation: 5}, {noise: 0.1, erase: 6}]"}.items():
        Path("seen.yaml").write_text(_SWEEP.format(augments))
        done = command.run("preview", "seen.yaml", "-o", f"{name}.png")
        assert (0, f"{name}.png\n", "") == (done.returncode, done.stdout, done.stderr)
        content = Path(f"{name}.png").read_bytes()
        assert b"\x89PNG" == content[:4]
        heights[name] = struct.unpack(">II", content[16:24])[1]
    assert heights["one"] < heights["two"]


def test_a_sweep_without_augmentation_has_no_picture() -> None:
    """That is said, and what would give one; nothing is written."""
    Path("seen.yaml").write_text(_SWEEP.format("off"))
    done = command.run("preview", "seen.yaml")
    assert 2 == done.returncode
    assert "seen.yaml: there is no augmentation in it, so networks see the training images as they are" in done.stderr
    assert ["seen.yaml"] == [path.name for path in Path().iterdir()]


@pytest.mark.usefixtures("mnist")
def test_a_picture_that_cannot_be_written_is_told() -> None:
    """The path is named."""
    Path("seen.yaml").write_text(_SWEEP.format("{rotation: 5}"))
    done = command.run("preview", "seen.yaml", "-o", "nowhere/seen.png")
    assert 9 == done.returncode
    assert "nowhere/seen.png: cannot be written: No such file or directory" in done.stderr


@pytest.mark.usefixtures("mnist")
def test_of_many_augmentations_the_first_are_drawn() -> None:
    """The name follows from the sweep's."""
    Path("seen.yaml").write_text(_SWEEP.format(str(_MANY).replace("'", "")))
    done = command.run("preview", "seen.yaml")
    assert (0, "the first 12 of 14 augmentations\nseen_preview.png\n") == (done.returncode, done.stdout)
    assert Path("seen_preview.png").is_file()
