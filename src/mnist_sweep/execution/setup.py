"""From what the user wants and the machine has to how trials are trained."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mnist_sweep.errors import UsageError
from mnist_sweep.execution.backends import check_installed
from mnist_sweep.execution.executor import Executor, Limits
from mnist_sweep.execution.machine import Gpu, arithmetic, emulates_bfloat16, environment, n_workers_for, visible_gpus
from mnist_sweep.execution.pool import run_in_pool
from mnist_sweep.execution.run_sweep import Training
from mnist_sweep.execution.serial import run_serially
from mnist_sweep.mnist.shared import share
from mnist_sweep.plan.recipe import BACKENDS, JAX, TENSORFLOW, Trial
from mnist_sweep.system.interpreter import clean_environment, python
from mnist_sweep.training.program import MAX_STACK
from mnist_sweep.training.trainer import MakeTrainer

EXECUTORS: Mapping[str, Executor] = {"pool": run_in_pool, "serial": run_serially}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for; None leaves it to the machine."""

    executor: str = "pool"
    n_workers: int | None = None
    stack: int | None = None
    trial_timeout_s: float | None = None

    def check(self, backend: str) -> None:
        """Refuse what cannot be done."""
        check_installed(backend)
        if (self.stack or 1) > 1 and backend == TENSORFLOW:
            raise UsageError(
                f"--stack: found {self.stack}, allowed: 1; on TensorFlow a program trains one model, with "
                "--backend jax it trains several"
            )


@contextmanager
def training(
    wishes: Wishes, trials: Sequence[Trial], *, stop: Callable[[], bool], say: Callable[[str], None]
) -> Iterator[Training]:
    """Ready to train trials of one backend: the data shared, the device chosen.

    A GPU gets one worker, a CPU one a core, unless the user says otherwise. None of this depends on a measurement.
    """
    backend = trials[0].backend
    gpus = usable_gpus(visible_gpus(), backend, say)
    n_workers = 1 if wishes.executor == "serial" else wishes.n_workers or n_workers_for(gpus)
    n_workers = min(n_workers, len(trials))
    stack = wishes.stack or (None if gpus and backend == JAX else 1)
    batch = 1 if stack == 1 else 4 * (stack or MAX_STACK)  # more than a stack, so that free places are taken
    recorded = {"stack": stack} if stack else {}  # what the backend decides is known later, and stands with each result
    ids = tuple(gpus[i % len(gpus)].id for i in range(n_workers)) if gpus else ()
    with share() as data:
        yield Training(
            EXECUTORS[wishes.executor],
            MakeTrainer(data, backend, ids, wishes.stack, None if gpus else _to_compare(trials)),
            Limits(n_workers, batch, wishes.trial_timeout_s, stop=stop, say=say),
            {**environment([backend]), "arithmetic": arithmetic(gpus), "workers": n_workers, **recorded},
        )


def _to_compare(trials: Sequence[Trial]) -> Trial | None:
    """The trial by which bfloat16 is compared with float32, where the processor emulates it."""
    asked = (trial for trial in trials if trial.recipe.precision == "mixed_bfloat16")
    return next(asked, None) if emulates_bfloat16() else None


def usable_gpus(
    gpus: list[Gpu], backend: str, say: Callable[[str], None], count: Callable[[str], int] | None = None
) -> list[Gpu]:
    """The GPUs, if the backend can use them; otherwise none, and the user hears what to do about that."""
    if not gpus:
        return []
    n_usable = (count or _count_gpus)(backend)
    if n_usable >= len(gpus):
        return gpus
    say(
        f"{gpus[0].name}: there is a GPU, but {BACKENDS[backend]} sees {n_usable} of {len(gpus)}; training on the CPU. "
        f"To use it, in the folder with pyproject.toml: {_INSTALL_FOR_GPUS[backend]}"
    )
    return []


_INSTALL_FOR_GPUS = {TENSORFLOW: "make tensorflow-cuda", JAX: "make jax-cuda"}
_COUNTING = {
    TENSORFLOW: "import tensorflow as tf; print('GPUs', len(tf.config.list_physical_devices('GPU')))",
    JAX: "import jax; print('GPUs', len(jax.devices('cuda')))",
}


def _count_gpus(backend: str) -> int:
    """How many GPUs a backend sees; asked in a process of its own, so that this one holds no GPU."""
    command = python("-c", _COUNTING[backend])
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())  # noqa: S603
    return int(done.stdout.rpartition("GPUs ")[2] or 0)
