"""Which backend trains a sweep: what asks for one, in which order, and what a machine gets by itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from builders import a_plan, a_spec, finished
from mnist_sweep.cli.error_boundary import Context
from mnist_sweep.cli.main import cli
from mnist_sweep.errors import UsageError
from mnist_sweep.execution import backends
from mnist_sweep.execution.backends import check_installed, choose, default
from mnist_sweep.execution.machine import environment
from mnist_sweep.journal.ledger import Ledger


def _with_results(backend: str) -> Ledger:
    plan = a_plan(backend=backend)
    trial = plan.trials[0]
    return Ledger(spec=plan.spec, outcomes={trial.key: finished(trial)})


def test_what_is_asked_for_comes_first() -> None:
    """The option decides, else the sweep file, else earlier results, whatever the machine is."""
    written, ledger = a_spec(backend="jax"), _with_results("jax")
    assert "tensorflow" == choose("tensorflow", written, ledger).backend
    assert "jax" == choose(None, written, _with_results("tensorflow")).backend
    assert ("jax", "which trained the results that the folder holds") == (
        choose(None, a_spec(), ledger).backend,
        choose(None, a_spec(), ledger).why,
    )


def test_a_plan_without_results_binds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was trained yet, the machine decides."""
    monkeypatch.setattr(backends, "visible_gpus", list)
    assert "tensorflow" == choose(None, a_spec(), Ledger(spec=a_plan(backend="jax").spec)).backend


@pytest.mark.parametrize(
    ("on_gpu", "installed", "backend", "why"),
    [
        (False, {"tensorflow", "jax"}, "tensorflow", "the default on a CPU"),
        (True, {"tensorflow", "jax", "jax_cuda12_plugin"}, "jax", "the default on a GPU"),
        (True, {"tensorflow", "jax", "jax_cuda13_plugin"}, "jax", "the default on a GPU"),
        (True, {"tensorflow", "jax"}, "tensorflow", "make jax-cuda"),
        (True, {"tensorflow"}, "tensorflow", "make jax-cuda"),
        (False, {"jax"}, "jax", "TensorFlow is not installed"),
        (False, set(), "tensorflow", "the default on a CPU"),
    ],
)
def test_a_machine_gets_what_suits_it(*, on_gpu: bool, installed: Collection[str], backend: str, why: str) -> None:
    """JAX where there is a GPU that it can use, or where there is nothing else."""
    choice = default(on_gpu=on_gpu, has=installed.__contains__)
    assert backend == choice.backend
    assert why in choice.why


def test_a_backend_that_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without JAX the user hears what installs it."""
    check_installed("jax")
    monkeypatch.setattr(backends, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"JAX trains this sweep, and is not installed.*make jax"):
        check_installed("jax")


def test_versions_are_those_of_the_backend() -> None:
    """A run records the libraries that compute, not what else is installed."""
    assert {"tensorflow"} == environment(["tensorflow"])["versions"].keys() & {"tensorflow", "jax", "jaxlib"}
    assert {"jax", "jaxlib"} == environment(["jax"])["versions"].keys() & {"tensorflow", "jax", "jaxlib"}


def test_variables_of_keras_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """KERAS_BACKEND is the user's for other programs."""
    Path("small.yaml").write_text("name: small\ngrid:\n  hidden_width: 8\n")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(backends, "visible_gpus", list)
    shown = CliRunner().invoke(cli, ["plan", "small.yaml"], obj=Context())
    assert "backend       TensorFlow, the default on a CPU" in shown.output


def test_backends_have_trials_of_their_own() -> None:
    """The same recipe and seeds are another trial on another backend, as its initial weights are others."""
    trials = a_plan(backend="jax").trials
    assert {"jax"} == {trial.backend for trial in trials}
    assert [replace(trial, backend="tensorflow").key for trial in trials] == [trial.key for trial in a_plan().trials]
