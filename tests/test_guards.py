"""The guards over all tests: each of them fails a test that does what it guards against, and no other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_TRESPASSES = """
import json, socket, subprocess, sys, urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from builders import a_trial, finished
from mnist_sweep.journal.events import Record, record_to_dict
from mnist_sweep.training.jax_program import JaxProgram
from mnist_sweep.training.tensorflow_program import TensorFlowProgram

ROOT = Path(__file__).parents[1]
ADDRESS = ("192.0.2.1", 80)  # of nobody, says RFC 5737

def train(program, n):
    with suppress(AttributeError):  # it is no program, and trains nothing
        program.train(None, np.zeros((1, n), np.int32), None, epochs=[1])

def a_child_trains(fraction, execution):
    event = finished(a_trial(validation_fraction=fraction), execution=execution)
    record = record_to_dict(Record(f"{datetime.now(UTC):%FT%T.999Z}", 0.0, event))
    Path("journal.jsonl").write_text("damaged\\n" + json.dumps(record))

def test_good_folder():
    for path in ("here", ROOT / ".a-tool"):
        Path(path).touch()

def test_good_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        socket.create_connection(("localhost", server.getsockname()[1])).close()

def test_good_part_of_the_data():
    train(TensorFlowProgram, 6_000)

def test_good_child_trains_on_a_part():
    a_child_trains(0.95, {"fingerprint": "01234567"})

def test_good_journal_of_a_made_up_result():
    a_child_trains(0.1, {"device": "CPU"})

@pytest.mark.full_data
def test_good_mark_for_full_data():
    train(TensorFlowProgram, 54_000)

@pytest.mark.network
def test_good_mark_for_the_network(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", None)
    assert "http" not in urllib.request.getproxies()

@pytest.mark.parametrize("folder", [".", "output", "configs"])
def test_bad_writes(folder):
    (ROOT / folder / "forgotten.txt").touch()

def test_bad_connects():
    with suppress(OSError), socket.socket() as one:
        one.connect(ADDRESS)

def test_bad_connects_without_an_exception():
    with socket.socket() as one, suppress(OSError):
        one.connect_ex(ADDRESS)

def test_bad_asks_for_a_name():
    with suppress(OSError):
        socket.create_connection(("example.org", 80))

def test_bad_downloads():
    with suppress(OSError):
        urllib.request.urlopen("https://example.org")

def test_bad_trains_on_tensorflow():
    train(TensorFlowProgram, 54_000)

def test_bad_trains_on_jax():
    train(JaxProgram, 54_000)

def test_bad_child_trains():
    a_child_trains(0.1, {"fingerprint": "01234567"})

def test_good_child_is_refused():
    code = "import urllib.request; urllib.request.urlopen('http://example.org', timeout=60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Connection refused" in done.stderr
"""
_FAULTS = {
    "writes[.]": "wrote forgotten.txt into the checkout",
    "writes[output]": "wrote output/forgotten.txt into the checkout",
    "writes[configs]": "wrote configs/forgotten.txt into the checkout",
    "connects": "used the network: 192.0.2.1",
    "connects_without_an_exception": "used the network: 192.0.2.1",
    "asks_for_a_name": "used the network: example.org",
    "downloads": "used the network: 127.0.0.1",
    "trains_on_tensorflow": "trained on 54,000 images",
    "trains_on_jax": "trained on 54,000 images",
    "child_trains": "trained on 54,000 images",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of these tests in a checkout of their own, which has our guards and settings."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("tests", "output", "configs"):
        (checkout / name).mkdir()
    for name in ("conftest.py", "guards.py", "builders.py", "command.py"):
        shutil.copy(_HERE / name, checkout / "tests")
    shutil.copy(_HERE.parent / "pyproject.toml", checkout)
    (checkout / "tests" / "test_trespasses.py").write_text(_TRESPASSES)
    words = [sys.executable, "-m", "pytest", "-n0", "-rA", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("name", _FAULTS)
def test_a_trespass_fails_its_test_by_name(told: str, name: str) -> None:
    """Also where the test itself notices nothing, as an exception was suppressed or a child did it."""
    (section,) = re.findall(
        rf"_ ERROR at teardown of test_bad_{re.escape(name)} _(.*?)\n_{{4}}", told + "\n____", re.DOTALL
    )
    assert _FAULTS[name] in section


def test_nothing_else_fails(told: str) -> None:
    """What stays in its folder, on this machine and with few images passes, and so does what is marked."""
    assert set(re.findall(r"^PASSED \S+::(test_good_\w+)", told, re.MULTILINE)) == set(
        re.findall(r"test_good_\w+", _TRESPASSES)
    )
    assert len(_FAULTS) == len(re.findall("^ERROR ", told, re.MULTILINE))
    assert "FAILED" not in told
