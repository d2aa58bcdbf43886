"""How training images are changed, anew each time that they are seen.

Law of the pure modules: no files, no clock, no environment; time and randomness come in as values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Elastic:
    """The smooth distortion of https://doi.org/10.1109/ICDAR.2003.1227801.

    Args:
        alpha: by what the smoothed noise is multiplied to give displacements, pixels.
        sigma: the width of the Gaussian that smooths it, pixels.
    """

    alpha: float
    sigma: float

    def __str__(self) -> str:
        return f"{self.alpha:g}/{self.sigma:g}"


@dataclass(frozen=True, slots=True)
class Augment:
    """What may happen to an image; each amount is drawn from its whole range for each image.

    Args:
        rotation: degrees to either side.
        shift: pixels to each of the four sides.
        zoom: part by which it becomes larger or smaller.
        shear: degrees to either side.
        elastic: smooth distortion, if any.
        noise: standard deviation of what is added to each pixel, of the range from 0 to 1.
        erase: side of the square that is set to 0, pixels.
    """

    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    elastic: Elastic | None = None
    noise: float = 0.0
    erase: int = 0

    def __str__(self) -> str:
        """What is done: rotation 5 shift 1.5 elastic 20/5."""
        amounts = {field.name: getattr(self, field.name) for field in fields(self)}
        words = {name: f"{amount:g}" if isinstance(amount, float) else amount for name, amount in amounts.items()}
        return " ".join(f"{name} {word}" for name, word in words.items() if amounts[name])
