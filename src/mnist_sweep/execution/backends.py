"""Which of Keras's backends trains a sweep, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from mnist_sweep.errors import UsageError
from mnist_sweep.execution.machine import visible_gpus
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.plan.recipe import BACKENDS, JAX, TENSORFLOW
from mnist_sweep.plan.spec import SweepSpec

_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_INSTALL = {TENSORFLOW: "make setup", JAX: "make jax"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and why it was chosen."""

    backend: str
    why: str


RECORDED = "which trained the results that the folder holds"


def choose(asked: str | None, spec: SweepSpec, ledger: Ledger) -> Choice:
    """The backend that --backend asks for, else the sweep file, else that of earlier results, else the machine's."""
    if asked:
        return Choice(asked, "as --backend asks")
    if spec.backend:
        return Choice(spec.backend, "as the sweep file asks")
    if ledger.spec and ledger.outcomes:
        return Choice(ledger.spec.backend or TENSORFLOW, RECORDED)
    return default(on_gpu=bool(visible_gpus()))


def default(*, on_gpu: bool, has: Callable[[str], bool] = lambda module: find_spec(module) is not None) -> Choice:
    """The backend that suits a machine."""
    if not has("tensorflow") and has("jax"):
        return Choice(JAX, "since TensorFlow is not installed")
    if not on_gpu:
        return Choice(TENSORFLOW, "the default on a CPU")
    if has("jax") and any(map(has, _PLUGINS)):
        return Choice(JAX, "the default on a GPU")
    return Choice(TENSORFLOW, "since JAX for GPUs is not installed (to install it: make jax-cuda)")


def check_installed(backend: str) -> None:
    """Refuse a backend that cannot be imported."""
    if find_spec(backend) is None:
        raise UsageError(
            f"{BACKENDS[backend]} trains this sweep, and is not installed; to install it, in the folder with "
            f"pyproject.toml: {_INSTALL[backend]}"
        )
