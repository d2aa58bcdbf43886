"""Where bfloat16 is emulated, `plan` says so before, and `run` how much longer it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builders import a_plan, a_recipe, a_trial, finished
from mnist_sweep.execution import machine
from mnist_sweep.execution import setup as engine
from mnist_sweep.execution.setup import Wishes
from mnist_sweep.journal.events import BFLOAT16, Finished
from mnist_sweep.journal.ledger import Ledger
from mnist_sweep.mnist.images import Mnist
from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.plan.recipe import Seeds, Trial
from mnist_sweep.terminal import plan_and_status as overview
from mnist_sweep.terminal.plan_and_status import print_plan
from mnist_sweep.terminal.progress import Look, tell_emulation
from mnist_sweep.training import trainer as work
from mnist_sweep.training.tensorflow_program import TensorFlowBackend
from mnist_sweep.training.trainer import Trainer

_AVX2 = "fpu avx avx2 fma"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the processor can do."""
    monkeypatch.setattr(overview, "visible_gpus", list)
    monkeypatch.setattr(overview, "_calibrate", lambda: 1e-11)

    def set_flags(words: str) -> None:
        name = "Features" if "asimd" in words else "flags"
        monkeypatch.setattr(machine, "_cpu_facts", lambda: {name: words} if words else {})

    return set_flags


@pytest.mark.parametrize(
    ("words", "emulated"),
    [
        (_AVX2, True),
        (f"{_AVX2} avx512f", True),
        (f"{_AVX2} avx512_bf16", False),
        (f"{_AVX2} amx_bf16", False),
        ("fp asimd asimdhp asimddp", True),
        ("fp asimd asimdhp asimddp bf16 i8mm", False),
        ("", False),
    ],
)
def test_plan_says_where_bfloat16_is_emulated(
    flags: Callable[[str], None], capsys: pytest.CaptureFixture[str], words: str, *, emulated: bool
) -> None:
    """By the processor's flags; of an unknown processor nothing is said, nor of a sweep in float32."""
    flags(words)
    print_plan(a_plan("precision: [float32, mixed_bfloat16]"), Ledger(), "out", "by default")
    assert emulated == ("mixed_bfloat16 is emulated here" in " ".join(capsys.readouterr().out.split()))
    print_plan(a_plan(), Ledger(), "out", "by default")
    assert "emulated" not in capsys.readouterr().out


def test_a_gpu_has_such_products(
    flags: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is a GPU, nothing is said of the processor."""
    flags(_AVX2)
    monkeypatch.setattr(overview, "visible_gpus", lambda: [machine.Gpu("0", "H200")])
    print_plan(a_plan("precision: mixed_bfloat16"), Ledger(), "out", "by default")
    assert "emulated" not in capsys.readouterr().out


def test_run_says_the_factor_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The first result that knows both says how much longer it took; others say nothing."""
    measured = {"factor": 5.04, "widths": [32, 32], "batch_size": 500}
    hear = tell_emulation(Look().tell)
    hear(finished(a_trial()), Ledger())
    assert capsys.readouterr().err == ""
    for _ in range(2):
        hear(finished(a_trial(), execution={BFLOAT16: measured}), Ledger())
    assert capsys.readouterr().err == (
        "mixed_bfloat16 takes 5.0 times as long as float32 on this processor, which emulates it "
        "(measured with 2×32, batch 500)\n"
    )


def _trial(precision: str, width: int = 8) -> Trial:
    recipe = a_recipe(
        hidden_widths=(width,),
        hidden_funcs=("relu",),
        max_epochs=1,
        validation_fraction=0.95,
        precision=precision,
    )
    return Trial(recipe, 1, Seeds(1, 2, 3), MNIST.digest, 2)


def _train(trainer: Trainer, trial: Trial) -> Finished:
    *_, outcome = trainer((trial,))
    assert isinstance(outcome, Finished)
    return outcome


def test_bfloat16_is_compared_before_any_trial_begins(mnist: Mnist) -> None:
    """A trainer is ready with both programs compiled, all its results hold the factor; the numbers stay."""
    backend = TensorFlowBackend(mnist)
    compares, plain = (
        Trainer(mnist, backend, compared=_trial("mixed_bfloat16")),
        Trainer(mnist, TensorFlowBackend(mnist)),
    )
    assert 2 == backend.n_compiled
    for trial in (_trial("float32"), _trial("mixed_bfloat16")):
        outcome, alone = _train(compares, trial), _train(plain, trial).result
        measured = outcome.result.execution[BFLOAT16]
        assert ((8,), 500) == (measured["widths"], measured["batch_size"])
        assert measured["factor"] > 0
        assert BFLOAT16 not in alone.execution
        assert (alone.test_loss, alone.curves.val_loss) == (outcome.result.test_loss, outcome.result.curves.val_loss)
    assert 2 == backend.n_compiled


def test_one_worker_alone_compares_where_bfloat16_is_emulated(
    flags: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker gets the first trial in bfloat16 to compare; no worker where nobody asks for it, or has it."""
    made: list[Trial | None] = []
    monkeypatch.setattr(work, "Trainer", lambda _data, _backend, _stack, compared: made.append(compared))
    monkeypatch.setattr(work, "make_backend", lambda *_: None)
    monkeypatch.setattr(work, "attach", lambda _: None)
    monkeypatch.setattr(engine, "visible_gpus", list)
    plain, first, second = _trial("float32"), _trial("mixed_bfloat16"), _trial("mixed_bfloat16", 9)
    for words, trials in ((_AVX2, [plain, first, second]), (_AVX2, [plain]), (f"{_AVX2} amx_bf16", [first])):
        flags(words)
        with engine.training(Wishes(), trials, stop=lambda: False, say=print) as ready:
            for number in (0, 1):
                ready.make_work(number)
    assert [first, None, None, None, None, None] == made


def test_a_comparison_that_breaks_stops_no_worker(mnist: Mnist, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape that cannot be trained fails as its own trial, and the trainer is ready for the others."""
    monkeypatch.setattr(Trainer, "_compare", lambda *_: 1 / 0)
    outcome = _train(Trainer(mnist, TensorFlowBackend(mnist), compared=_trial("mixed_bfloat16")), _trial("float32"))
    assert BFLOAT16 not in outcome.result.execution
