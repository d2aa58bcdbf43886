from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_plan, a_trial, finished
from mnist_sweep.journal.events import (
    Cause,
    Curves,
    Event,
    Failed,
    Planned,
    Record,
    RunEnded,
    RunStarted,
    Started,
    record_from_dict,
    record_to_dict,
)
from mnist_sweep.plan.recipe import trial_to_dict

_AT = "2026-01-02T03:04:05.678Z"
_value = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_fraction = st.none() | st.floats(0, 1)
_epochs = st.lists(st.tuples(_value, _fraction, _value, _fraction, _value), max_size=4)
_curves = _epochs.map(lambda epochs: Curves(*zip(*epochs, strict=True)))


def _through_json(record: Record) -> Record:
    return record_from_dict(json.loads(json.dumps(record_to_dict(record), allow_nan=False)))


@pytest.mark.parametrize(
    "event",
    [
        RunStarted({"host": "Käse", "gpus": [], "cores": 8}),
        RunEnded(),
        Planned(a_plan().spec),
        Started(a_trial()),
        Started(a_trial(early_stopping=None, optimizer="sgd", momentum=0.9)),
        Started(a_trial(hidden_widths=(), hidden_funcs=())),
        finished(a_trial(repeat=2)),
        Failed(a_trial(), Cause.ERROR, "ValueError: no\nsuch thing"),
        Failed(a_trial(), Cause.DIVERGED, "diverged", Curves((None,), (0.1,), (None,), (0.1,), (1.5,))),
    ],
)
def test_every_kind_of_event_survives_json(event: Event) -> None:
    """Each kind of event comes back from JSON as it was, with its time."""
    record = Record(_AT, 12.345, event)

    assert record == _through_json(record)


@pytest.mark.parametrize(
    "grid",
    [
        "hidden_width: [32, [64, 32]]",
        "hidden_funcs: [relu, [tanh, relu], {each_layer: [relu, tanh]}]",
        "optimizer: [adam, {name: sgd, momentum: [0.0, 0.9]}]",
        "early_stopping: [off, {patience: [3, 5]}]",
        "num_layers: [2, 3]",
    ],
)
def test_plan_survives_json(grid: str) -> None:
    """A spec with every form of value is the same after it was written as an event and read again."""
    spec = a_plan(grid).spec
    back = _through_json(Record(_AT, 0.0, Planned(spec))).event

    assert isinstance(back, Planned)
    assert spec == back.spec


@given(_curves)
def test_curves_survive_json(curves: Curves) -> None:
    """Curves of a result and of a failure come back bit for bit, missing values included."""
    broken = Record(_AT, 1.0, Failed(a_trial(), Cause.DIVERGED, "diverged", curves))
    assert broken == _through_json(broken)
    if curves.seconds and None not in {curves.val_loss[-1], curves.val_accuracy[-1]}:
        n = len(curves.seconds)
        done = Record(_AT, 1.0, finished(a_trial(), curves=curves, best_epoch=n, kept_epoch=n))
        assert done == _through_json(done)


def test_identity_of_a_trial_survives_json() -> None:
    """A trial that was read again has the key that it had."""
    back = _through_json(Record(_AT, 1.0, Started(a_trial(momentum=0.5)))).event

    assert isinstance(back, Started)
    assert a_trial(momentum=0.5).key == back.trial.key


def test_run_seconds_are_written_in_milliseconds() -> None:
    """The seconds of a run are rounded to three decimals."""
    assert record_to_dict(Record(_AT, 1.23456, RunEnded())) == {"event": "run_ended", "at": _AT, "run_s": 1.235}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", range(5))
def test_values_that_are_not_finite_become_none(value: float, column: int) -> None:
    """An epoch's value that is NaN or infinite is None in the curves, and the others stay."""
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    values[column] = value
    curves = Curves().add(*values)

    assert [(None if i == column else v,) for i, v in enumerate(values)] == list(curves.columns)


def test_epochs_are_added_at_the_end() -> None:
    """Another epoch stands after those before it, and the curves before are not changed."""
    one = Curves().add(1.0, 0.2, 3.0, 0.4, 5.0)
    two = one.add(6.0, 0.7, 8.0, 0.9, 10.0)

    assert Curves((1.0,), (0.2,), (3.0,), (0.4,), (5.0,)) == one
    assert Curves((1.0, 6.0), (0.2, 0.7), (3.0, 8.0), (0.4, 0.9), (5.0, 10.0)) == two


@pytest.mark.parametrize("n", [0, 4, 6])
def test_an_epoch_has_five_values(n: int) -> None:
    """Too few or too many values of an epoch are refused, so that no curve gets longer than another."""
    with pytest.raises(ValueError, match="argument"):
        Curves().add(*[0.5] * n)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "unheard_of"},
        {"event": "failed", "cause": "bad luck", "reason": "", "curves": {}},
        {"event": "failed", "cause": "error"},
        {"event": "finished", "result": {}},
        {"event": "started", "unknown": 1},
        {"event": "started", "trial": {}},
        {"event": "started", "trial": {**trial_to_dict(a_trial()), "recipe": {"unknown": 1}}},
        {"event": ["started"]},
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, object]) -> None:
    """Unknown kinds, unknown causes and missing or unknown fields raise instead of making a wrong event."""
    tree = {"at": _AT, "run_s": 1.0, "trial": trial_to_dict(a_trial()), **change}

    with pytest.raises((KeyError, TypeError, ValueError)):
        record_from_dict(tree)


_WRONG_RESULTS: list[dict[str, object]] = [
    {"test_accuracy": 1.0001},
    {"test_accuracy": "0.9"},
    {"test_accuracy": True},
    {"test_loss": None},
    {"test_loss": 10**400},
    {"best_epoch": 3},
    {"kept_epoch": 0},
    {"kept_epoch": 2.0},
    {"kept_epoch": True},
    {"confusion": [[1000] * 10] * 9},
    {"confusion": [[1000] * 9] * 10},
    {"confusion": [[-1] * 10] * 10},
    {"confusion": []},
    {"wrong": [[7, 2, 1]]},
    {"wrong": [[7, 10]]},
    {"wrong": [[7, "2"]]},
    {"wrong": [7]},
    {"execution": []},
    {"more": 1},
]


@pytest.mark.parametrize("change", _WRONG_RESULTS, ids=str)
def test_an_impossible_result_is_refused(change: dict[str, object]) -> None:
    """A result of wrong types or with values outside their range raises, whatever wrote it."""
    tree = json.loads(json.dumps(record_to_dict(Record(_AT, 1.0, finished(a_trial())))))
    with pytest.raises(ValueError, match=next(iter(change))):
        record_from_dict({**tree, "result": {**tree["result"], **change}})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("val_accuracy", [0.9, 1.5]),
        ("val_loss", [0.3]),
        ("val_loss", [0.3, None]),
        ("seconds", [1, "1"]),
        ("seconds", [[1, 2], [1, 2]]),
        ("seconds", 1),
    ],
)
def test_impossible_curves_are_refused(name: str, values: object) -> None:
    """Curves of different lengths, with something else than numbers, or without the kept epoch make no result."""
    tree = json.loads(json.dumps(record_to_dict(Record(_AT, 1.0, finished(a_trial())))))
    tree["result"]["curves"][name] = values
    with pytest.raises(ValueError, match=r"curves|val_accuracy|no validation results"):
        record_from_dict(tree)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("recipe", {"batch_size": "100"}),
        ("recipe", {"batch_size": 100.0}),
        ("recipe", {"hidden_widths": 32}),
        ("recipe", {"hidden_funcs": ["relu", 1]}),
        ("recipe", {"learning_rate": [0.1]}),
        ("recipe", {"early_stopping": {"monitor": "val_loss", "min_delta": 0, "patience": None}}),
        ("seeds", {"weights": 1.5}),
        ("seeds", {"more": 1}),
    ],
)
def test_a_trial_of_wrong_types_is_refused(part: str, change: dict[str, object]) -> None:
    """A recipe or seeds with a value of another type raise, naming the part."""
    tree = json.loads(json.dumps(trial_to_dict(a_trial())))
    with pytest.raises(ValueError, match=next(iter(change))):
        record_from_dict({"event": "started", "at": _AT, "run_s": 1, "trial": {**tree, part: {**tree[part], **change}}})


@pytest.mark.parametrize("missing", ["event", "at", "run_s"])
def test_a_record_has_kind_and_time(missing: str) -> None:
    """A record without its kind or its time is refused."""
    tree = record_to_dict(Record(_AT, 1.0, RunEnded()))
    del tree[missing]

    with pytest.raises(KeyError, match=missing):
        record_from_dict(tree)


def test_events_can_be_kept_in_sets() -> None:
    """Events with mappings inside are hashable, and equal ones count once."""
    events = [finished(a_trial()), finished(a_trial()), RunStarted({"cores": 8}), RunStarted({"cores": 8})]

    assert 2 == len(set(events))


def test_last_test_scores_are_left_out_where_there_are_none() -> None:
    """Older journals lack them, and lines of trials without them stay as they were."""
    old = Record(_AT, 1.0, finished(a_trial()))
    assert not {"last_test_loss", "last_test_accuracy"} & set(record_to_dict(old)["result"])
    new = Record(_AT, 1.0, finished(a_trial(), last_test_loss=0.25, last_test_accuracy=0.95))
    assert (0.25, 0.95) == tuple(record_to_dict(new)["result"][f"last_test_{name}"] for name in ("loss", "accuracy"))
    assert (old, new) == (_through_json(old), _through_json(new))
    with pytest.raises(ValueError, match="last_test_accuracy"):
        finished(a_trial(), last_test_accuracy=1.5)
