"""From what the user wants and the machine has to how trials are trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mnist_sweep.errors import UsageError
from mnist_sweep.execution.executor import Executor, Limits
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.interpreter import clean_environment, python
from mnist_sweep.machine import Gpu, arithmetic, emulates_bfloat16, environment, n_cores, visible_gpus
from mnist_sweep.recipe import Trial
from mnist_sweep.sweep import Training
from mnist_sweep.training.shared import share
from mnist_sweep.training.work import MakeTrainer

EXECUTORS: Mapping[str, Executor] = {"pool": run_in_pool, "serial": run_serially}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for; None leaves it to the machine.

    Raises:
        UsageError: when it cannot be done.
    """

    executor: str = "pool"
    n_workers: int | None = None
    stack: int | None = None
    trial_timeout_s: float | None = None

    def __post_init__(self) -> None:
        if (self.stack or 1) > 1:
            raise UsageError(f"--stack: found {self.stack}, allowed: 1; on TensorFlow a program trains one model")


@contextmanager
def training(
    wishes: Wishes, trials: Sequence[Trial], *, stop: Callable[[], bool], say: Callable[[str], None]
) -> Iterator[Training]:
    """Ready to train: the data shared, the device chosen.

    A GPU gets one worker, a CPU one a core, unless the user says otherwise; each trains one trial at a time. None of
    this depends on a measurement.

    Args:
        say: hears what the user should know.
    """
    gpus = usable_gpus(visible_gpus(), say)
    stack = wishes.stack or 1
    n_workers = 1 if wishes.executor == "serial" else wishes.n_workers or len(gpus) or n_cores()
    n_workers = min(n_workers, -(-len(trials) // stack))
    ids = tuple(gpus[i % len(gpus)].id for i in range(n_workers)) if gpus else ()
    with share() as data:
        yield Training(
            EXECUTORS[wishes.executor],
            MakeTrainer(data, ids, stack, None if gpus else _to_compare(trials)),
            Limits(n_workers, trial_timeout_s=wishes.trial_timeout_s, stop=stop, say=say),
            {**environment(), "arithmetic": arithmetic(gpus), "workers": n_workers, "stack": stack},
        )


def _to_compare(trials: Sequence[Trial]) -> Trial | None:
    """The trial by which bfloat16 is compared with float32, where the processor emulates it."""
    asked = (trial for trial in trials if trial.recipe.precision == "mixed_bfloat16")
    return next(asked, None) if emulates_bfloat16() else None


def usable_gpus(gpus: list[Gpu], say: Callable[[str], None], count: Callable[[], int] | None = None) -> list[Gpu]:
    """The GPUs, if TensorFlow can use them; otherwise none, and the user hears what to do about that."""
    if not gpus:
        return []
    n_usable = (count or _count_in_tensorflow)()
    if n_usable >= len(gpus):
        return gpus
    say(
        f"{gpus[0].name}: there is a GPU, but TensorFlow sees {n_usable} of {len(gpus)}; training on the CPU. "
        f"To use it, in the folder with pyproject.toml: {sys.executable} -m pip install '.[gpu]'"
    )
    return []


def _count_in_tensorflow() -> int:
    """How many GPUs TensorFlow sees; asked in a process of its own, so that this one holds no GPU."""
    code = "import tensorflow as tf; print('GPUs', len(tf.config.list_physical_devices('GPU')))"
    command = python("-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())  # noqa: S603
    return int(done.stdout.rpartition("GPUs ")[2] or 0)
