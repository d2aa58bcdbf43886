"""What one training is made of: everything that can change its result, and nothing else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.plain import from_plain

N_PIXELS = 784
N_CLASSES = 10

PRECISIONS = ("float32", "tf32", "mixed_bfloat16")
"""float32: all of it in float32; tf32: products of matrices on a GPU that has TensorFloat-32 keep 10 bits of the
mantissa; mixed_bfloat16: hidden layers compute in bfloat16, weights and output stay in float32."""

TENSORFLOW, JAX = "tensorflow", "jax"
BACKENDS: Mapping[str, str] = {TENSORFLOW: "TensorFlow", JAX: "JAX"}
"""What Keras can compute with here: its word for each, and the name of the library. TensorFlow was once the only one,
and is left out of journal and key."""


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """When to stop, in the terms of https://keras.io/api/callbacks/early_stopping/."""

    monitor: str
    min_delta: float
    patience: int
    restore_best_weights: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """One combination of the grid: a model and how it is trained, without the seeds.

    A field that was added after the first journal has a default: what its absence means, for ever.
    """

    hidden_widths: tuple[int, ...]
    hidden_funcs: tuple[str, ...]
    batch_size: int
    learning_rate: float
    optimizer: str
    max_epochs: int
    early_stopping: EarlyStopping | None
    validation_fraction: float
    momentum: float = 0.0
    precision: str = "float32"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if len(self.hidden_widths) != len(self.hidden_funcs):
            msg = f"{counted(len(self.hidden_widths), 'width')} but {counted(len(self.hidden_funcs), 'function')}"
            raise ValueError(msg)
        if min((self.batch_size, self.max_epochs, *self.hidden_widths)) < 1:
            raise ValueError("batch size, epochs and widths are at least 1")
        if not 0 < self.validation_fraction < 1:
            raise ValueError("the validation fraction is between 0 and 1")

    @property
    def num_layers(self) -> int:
        """Layers with input and output counted."""
        return len(self.hidden_widths) + 2

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the dense model."""
        sizes = (N_PIXELS, *self.hidden_widths, N_CLASSES)
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))

    def n_validation(self, n_train: int) -> int:
        """How many images are held out of so many."""
        return round(n_train * self.validation_fraction)

    def n_training(self, n_train: int) -> int:
        """How many of so many images are left to train on."""
        return n_train - self.n_validation(n_train)


LEGACY_VALUES: Mapping[str, Any] = {f.name: f.default for f in fields(Recipe) if f.default is not MISSING}
"""The defaults of a recipe. A field that has its own is left out of journal and key, so journals written before the
field existed keep their keys."""


def exact_accuracy(accuracy: float, n_images: int) -> Fraction:
    """An accuracy as what it is: a count over so many images."""
    return Fraction(round(accuracy * n_images), n_images)


def _can_gain_exactly_min_delta(recipe: Recipe, n_train: int) -> bool:
    rule = recipe.early_stopping
    if rule is None or rule.monitor != "val_accuracy" or not 0 < rule.min_delta <= 1:
        return False
    n_images = rule.min_delta * recipe.n_validation(n_train)  # to be gained; floats decide rightly unless it is whole
    return round(n_images) > 0 and abs(n_images - round(n_images)) < 1e-9  # noqa: PLR2004  far above its rounding


_LOOP_CHANGES: tuple[tuple[int, str, Callable[[Recipe, int], bool]], ...] = (
    (1, "the first training loop", lambda *_: True),
    (2, "an epoch is one compiled call, with TensorFlow's fused kernels", lambda *_: True),
    (3, "Muon leaves the output layer to AdamW, as Keras's documentation asks", lambda r, _: r.optimizer == "muon"),
    (3, "a gain of exactly min_delta in validation accuracy is never an improvement", _can_gain_exactly_min_delta),
)
"""Each version of the training loop: what it changed in a training's arithmetic, and whether for a recipe on so many
images."""


def loop_version(recipe: Recipe, n_train: int) -> int:
    """The version of the training loop that a recipe is trained by: the newest one that changed anything for it.

    Results of two versions are never mixed in one folder.

    Args:
        n_train: images to train on, before any are held out.
    """
    return max(version for version, _, concerns in _LOOP_CHANGES if concerns(recipe, n_train))


def loop_changes(recipe: Recipe, n_train: int, since: int) -> list[str]:
    """What later versions of the training loop than this one changed for a recipe on so many images."""
    return [change for version, change, concerns in _LOOP_CHANGES if version > since and concerns(recipe, n_train)]


@dataclass(frozen=True, slots=True)
class CompileKey:
    """What changes a data set's compiled program: a recipe in which all that is an input to it has a fixed value."""

    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Seeds:
    """The three sources of chance: initial weights, held-out images, order of the training batches."""

    weights: int
    split: int
    order: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One planned training: the `repeat`-th (from 1) of a recipe, on the data with this digest.

    A trial that confirms trains a recipe again after it was selected; it is no part of the sweep's plan. Backends draw
    other initial weights from the same seed, hence each has trials of its own.
    """

    recipe: Recipe
    repeat: int
    seeds: Seeds
    data: str
    loop_version: int
    confirms: bool = False
    backend: str = TENSORFLOW

    @property
    def key(self) -> str:
        """The trial's identity: a hash of its resolved values, never of its position in a plan."""
        return _key(self)


@lru_cache(maxsize=2**20)
def _key(trial: Trial) -> str:
    text = json.dumps(trial_to_dict(trial), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def derive_seed(base: int, stream: str, repeat: int) -> int:
    """The seed (31 bits) of a repeat in a named stream; streams and repeats are independent of each other."""
    digest = hashlib.sha256(f"{stream}:{base}:{repeat}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def trial_to_dict(trial: Trial) -> dict[str, Any]:
    """A trial as plain JSON values; fields that have their legacy value are left out."""
    tree = asdict(trial)
    if not trial.confirms:
        del tree["confirms"]
    if trial.backend == TENSORFLOW:
        del tree["backend"]
    recipe = tree["recipe"]
    tree["recipe"] = {k: v for k, v in recipe.items() if k not in LEGACY_VALUES or LEGACY_VALUES[k] != v}
    return tree


def trial_from_dict(tree: Mapping[str, Any]) -> Trial:
    """The trial that `trial_to_dict` wrote; raises KeyError, TypeError or ValueError for any other tree."""
    known = {"loop_version": tree["loop_version"], "recipe": {**LEGACY_VALUES, **tree["recipe"]}}
    trial: Trial = from_plain(Trial, {**tree, **known})
    if trial.backend not in BACKENDS:
        raise ValueError(f"backend: found {trial.backend}, allowed: {', '.join(BACKENDS)}")
    return trial
