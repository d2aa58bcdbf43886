"""What Keras or this program has under a name, with the value of every setting that it takes.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scalar = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Named:
    """A layer, an optimizer, a schedule: equal where name and settings are."""

    name: str
    settings: tuple[tuple[str, Scalar], ...] = ()

    def __getitem__(self, name: str) -> Any:
        """The value of a setting."""
        return dict(self.settings)[name]

    def __str__(self) -> str:
        """The same for people: sgd momentum 0.9, Conv2D filters 6 kernel_size 5."""
        return " ".join([self.name, *(f"{name} {scalar_words(value)}" for name, value in self.settings)])

    def without(self, defaults: Mapping[str, Scalar]) -> Named:
        """The same with only those settings that differ from their defaults."""
        return Named(self.name, tuple(pair for pair in self.settings if pair not in defaults.items()))


def scalar_words(value: Scalar) -> str:
    """A value as a sweep file has it."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
