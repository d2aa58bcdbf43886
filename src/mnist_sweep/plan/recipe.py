"""What one training is made of: everything that can change its result, and nothing else."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from mnist_sweep.plan.augment import Augment
from mnist_sweep.plan.counts import counted
from mnist_sweep.plan.keras_names import OWN_WEIGHT_DECAY
from mnist_sweep.plan.named import Named, Scalar
from mnist_sweep.plan.networks import BATCH_NORM, IMAGE, N_CLASSES, N_PIXELS, SOFTMAX, Size, sizes
from mnist_sweep.plan.plain import from_plain

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
class Network:
    """Layers from an image to a softmax over the classes, under a name that only people use."""

    layers: tuple[Named, ...]
    name: str = field(default="network", compare=False)

    def __str__(self) -> str:
        return self.name


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
    optimizer_settings: tuple[
        tuple[str, Scalar], ...
    ] = ()  # those that are not Keras's defaults, momentum of sgd apart
    weight_decay: float = 0.0  # of kernels; what its absence means depends on the optimizer
    clip_norm: float | None = None  # of all gradients together
    ema: float | None = None  # momentum of the weights' moving averages
    schedule: Named | None = None
    batch_norm: bool = False
    dropout: tuple[float, ...] = ()  # of the input, then behind each hidden layer
    initializer: str = "glorot_uniform"  # of kernels, as are l2 and max_norm
    l2: float = 0.0
    max_norm: float | None = None
    use_bias: bool = True
    augment: Augment | None = None
    network: Network | None = None  # where it is none of hidden widths and functions
    training_images: int | None = None  # all that are left when some are held out

    def __post_init__(self) -> None:
        if len(self.hidden_widths) != len(self.hidden_funcs):
            msg = f"{counted(len(self.hidden_widths), 'width')} but {counted(len(self.hidden_funcs), 'function')}"
            raise ValueError(msg)
        if min((self.batch_size, self.max_epochs, *self.hidden_widths)) < 1:
            raise ValueError("batch size, epochs and widths are at least 1")
        if not 0 < self.validation_fraction < 1:
            raise ValueError("the validation fraction is between 0 and 1")
        if len(self.dropout) not in {0, len(self.hidden_widths) + 1}:
            raise ValueError(f"{counted(len(self.dropout), 'rate')} of dropout")

    @property
    def num_layers(self) -> int:
        """Layers with input and output counted."""
        return len(self.hidden_widths) + 2

    @property
    def layers(self) -> tuple[Named, ...]:
        """The network's layers, from its input to the softmax at its end."""
        return self.network.layers if self.network else _dense_layers(self)

    @property
    def n_parameters(self) -> int:
        """What is trained: weights, biases, scales and offsets."""
        return _total(self.layers, bool(self.network)).n_parameters

    @property
    def n_multiplications(self) -> int:
        """What the network multiplies to classify an image."""
        return _total(self.layers, bool(self.network)).n_multiplications

    @property
    def n_values(self) -> int:
        """What an image and all layers behind it hold for it; an activation of its own as much as what it takes."""
        return _total(self.layers, bool(self.network)).shape[0]

    def n_validation(self, n_train: int) -> int:
        """How many images are held out of so many."""
        return round(n_train * self.validation_fraction)

    def n_training(self, n_train: int) -> int:
        """How many of so many images are trained on."""
        return min(n_train - self.n_validation(n_train), self.training_images or n_train)


def _dense_layers(recipe: Recipe) -> tuple[Named, ...]:
    layers, rates = list[Named](), recipe.dropout or (0.0,) * (len(recipe.hidden_widths) + 1)

    def drop(rate: float) -> None:
        if rate:
            layers.append(Named("Dropout", (("rate", rate),)))

    def dense(units: int, func: str, *, use_bias: bool) -> None:
        kernels = (("initializer", recipe.initializer), ("l2", recipe.l2), ("max_norm", recipe.max_norm))
        layers.append(Named("Dense", (("activation", func), *kernels, ("units", units), ("use_bias", use_bias))))

    drop(rates[0])
    for width, func, rate in zip(recipe.hidden_widths, recipe.hidden_funcs, rates[1:], strict=True):
        if recipe.batch_norm:
            dense(width, "linear", use_bias=False)
            layers.extend((BATCH_NORM, Named("Activation", (("activation", func),))))
        else:
            dense(width, func, use_bias=recipe.use_bias)
        drop(rate)
    dense(N_CLASSES, "linear", use_bias=recipe.use_bias)
    return (*layers, SOFTMAX)


@lru_cache(maxsize=2**16)
def _total(layers: tuple[Named, ...], takes_image: bool) -> Size:  # noqa: FBT001
    told = sizes(layers, IMAGE if takes_image else (N_PIXELS,))
    n_values = N_PIXELS + sum(math.prod(one.shape) for one in told[:-1])  # the softmax is part of the loss
    return Size((n_values,), sum(one.n_parameters for one in told), sum(one.n_multiplications for one in told))


LEGACY_VALUES: Mapping[str, Any] = {f.name: f.default for f in fields(Recipe) if f.default is not MISSING}
"""The defaults of a recipe. A field that has its own is left out of journal and key, so journals written before the
field existed keep their keys."""


def own_weight_decay(optimizer: str) -> float:
    """What Keras's optimizer has where nothing is said."""
    return OWN_WEIGHT_DECAY.get(optimizer, 0.0)


def legacy_values(optimizer: str) -> Mapping[str, Any]:
    """The same for an optimizer: some decay weights by themselves."""
    return {**LEGACY_VALUES, "weight_decay": own_weight_decay(optimizer)}


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
    (4, "weights decay in kernels alone, not in biases", lambda r, _: r.optimizer in OWN_WEIGHT_DECAY),
    (4, "the training loss that is told is the one that was minimised", lambda r, _: r.label_smoothing > 0),
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
    tree = trial_to_dict(trial)
    if trial.recipe.network:
        tree["recipe"]["network"].pop("name", None)
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def derive_seed(base: int, stream: str, repeat: int) -> int:
    """The seed (31 bits) of a repeat in a named stream; streams and repeats are independent of each other."""
    digest = hashlib.sha256(f"{stream}:{base}:{repeat}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def trial_to_dict(trial: Trial) -> dict[str, Any]:
    """A trial as plain JSON values; fields that have their legacy value are left out."""
    tree: dict[str, Any] = _lean(trial)
    tree["recipe"].pop("weight_decay", None)
    if trial.recipe.weight_decay != own_weight_decay(trial.recipe.optimizer):
        tree["recipe"]["weight_decay"] = trial.recipe.weight_decay
    return tree


def _lean(value: Any) -> Any:
    """A value as plain JSON, without the fields that have their defaults, however deep they lie."""
    if isinstance(value, tuple):
        return [_lean(part) for part in value]
    if not is_dataclass(value):
        return value
    told = {one.name: (getattr(value, one.name), one.default) for one in fields(value)}
    return {name: _lean(found) for name, (found, default) in told.items() if found != default}


def trial_from_dict(tree: Mapping[str, Any]) -> Trial:
    """The trial that `trial_to_dict` wrote; raises KeyError, TypeError or ValueError for any other tree."""
    recipe = {**legacy_values(tree["recipe"]["optimizer"]), **tree["recipe"]}
    known = {"loop_version": tree["loop_version"], "recipe": recipe}
    trial: Trial = from_plain(Trial, {**tree, **known})
    if trial.backend not in BACKENDS:
        raise ValueError(f"backend: found {trial.backend}, allowed: {', '.join(BACKENDS)}")
    return trial
