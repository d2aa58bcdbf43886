"""Where bfloat16 is emulated, `plan` says so before, and `run` how much longer it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builders import a_plan, a_recipe, a_trial, finished
from mnist_sweep import machine, overview
from mnist_sweep.events import BFLOAT16_FACTOR, Finished
from mnist_sweep.ledger import Ledger
from mnist_sweep.overview import print_plan
from mnist_sweep.recipe import Seeds, Trial
from mnist_sweep.terminal import Look, tell_emulation
from mnist_sweep.training.data import MNIST_DIGEST, Mnist
from mnist_sweep.training.work import Trainer

_AVX2 = "fpu avx avx2 fma"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the processor can do."""
    monkeypatch.setattr(overview, "visible_gpus", list)
    monkeypatch.setattr(overview, "_calibrate", lambda: 1e-11)
    return lambda words: monkeypatch.setattr(machine, "_cpu_facts", lambda: {"flags": words} if words else {})


@pytest.mark.parametrize(
    ("words", "emulated"),
    [
        (_AVX2, True),
        (f"{_AVX2} avx512f", True),
        (f"{_AVX2} avx512_bf16", False),
        (f"{_AVX2} amx_bf16", False),
        ("", False),
    ],
)
def test_plan_says_where_bfloat16_is_emulated(
    flags: Callable[[str], None], capsys: pytest.CaptureFixture[str], words: str, *, emulated: bool
) -> None:
    """By the processor's flags; of an unknown processor nothing is said, nor of a sweep in float32."""
    flags(words)
    print_plan(a_plan("precision: [float32, mixed_bfloat16]"), Ledger(), "out")
    assert emulated == ("mixed_bfloat16 is emulated here" in " ".join(capsys.readouterr().out.split()))
    print_plan(a_plan(), Ledger(), "out")
    assert "emulated" not in capsys.readouterr().out


def test_a_gpu_has_such_products(
    flags: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is a GPU, nothing is said of the processor."""
    flags(_AVX2)
    monkeypatch.setattr(overview, "visible_gpus", lambda: [machine.Gpu("0", "H200")])
    print_plan(a_plan("precision: mixed_bfloat16"), Ledger(), "out")
    assert "emulated" not in capsys.readouterr().out


def test_run_says_the_factor_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The first result that knows both says how much longer it took; others say nothing."""
    trial = a_trial(precision="mixed_bfloat16")
    hear = tell_emulation(Look().tell)
    hear(finished(a_trial()), Ledger())
    assert capsys.readouterr().err == ""
    for _ in range(2):
        hear(finished(trial, execution={BFLOAT16_FACTOR: 5.04}), Ledger())
    assert capsys.readouterr().err == (
        "mixed_bfloat16 takes 5.0 times as long as float32 on this processor, which emulates it "
        "(measured with 2×32, batch 500)\n"
    )


def test_the_first_shape_in_bfloat16_is_compared(mnist: Mnist) -> None:
    """Its results hold how much longer it took, those of others do not, and the numbers are the same without."""

    def train(trainer: Trainer, precision: str, width: int) -> Finished:
        recipe = a_recipe(
            hidden_widths=(width,),
            hidden_funcs=("relu",),
            max_epochs=1,
            validation_fraction=0.95,
            precision=precision,
        )
        *_, outcome = trainer((Trial(recipe, 1, Seeds(1, 2, 3), MNIST_DIGEST, 2),))
        assert isinstance(outcome, Finished)
        return outcome

    compares, plain = Trainer(mnist, compares=True), Trainer(mnist)
    asked = [("float32", 8), ("mixed_bfloat16", 8), ("mixed_bfloat16", 9)]
    outcomes = [train(compares, *one) for one in asked]
    assert [False, True, False] == [BFLOAT16_FACTOR in outcome.result.execution for outcome in outcomes]
    assert outcomes[1].result.execution[BFLOAT16_FACTOR] > 0
    for one, outcome in zip(asked, outcomes, strict=True):
        alone = train(plain, *one).result
        assert BFLOAT16_FACTOR not in alone.execution
        assert (alone.test_loss, alone.curves.val_loss) == (outcome.result.test_loss, outcome.result.curves.val_loss)
