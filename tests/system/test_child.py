"""Processes of this Python."""

from __future__ import annotations

import signal

import pytest

from mnist_sweep.system.child import ending_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-signal.SIGKILL, "was ended by SIGKILL"),
        (-40, "was ended by signal 40"),
    ],
)
def test_every_end_has_words(code: int, words: str) -> None:
    """Also that by a signal without a name, such as those for real-time programs."""
    assert words == ending_words(code)
