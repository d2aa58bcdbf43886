"""The data sets that trials can be of, as far as a plan must know them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: the digest of its bytes, which is part of every trial's identity, and how many images it has.

    Args:
        n_train: images to train on, before any are held out for validation.
        n_test: test images.
    """

    digest: str
    n_train: int
    n_test: int


MNIST = DataSet("c473ce9de4170e6fe7638543697b7512b19cc4b2c68279feabf4a085461033dd", 60_000, 10_000)
"""Its digest is the SHA-256 of those of its four arrays, one after the other."""

DATA_SETS = (MNIST,)
"""All of them; the first is what a sweep is of that says nothing."""
