"""What no test may do unnoticed: write into the checkout, use the network, train on all of MNIST without a mark."""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mnist_sweep.plan.data_set import MNIST
from mnist_sweep.training.jax_program import JaxProgram
from mnist_sweep.training.tensorflow_program import TensorFlowProgram

_ROOT = Path(__file__).parents[1]
_NOBODY = "127.0.0.1", 1  # nothing listens there
_PROXIES = {name: "http://{}:{}".format(*_NOBODY) for name in ("http_proxy", "https_proxy", "all_proxy")}
_HERE = ("localhost", "127.0.0.1", "::1")
_MANY = 30_000  # images to train on: half of MNIST


class Guard:
    """Listens to what one test does, in this process and, as far as that can be seen, in those that it starts.

    A child is kept from the network only where it honours proxies, as urllib, pip and browsers do; of its trainings
    those are seen that finished and stand in a journal in the test's folder.
    """

    def __init__(self, folder: Path, marks: Container[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._marks = folder, marks
        self._begun, self._before = datetime.now(UTC), _in_checkout()
        self._hosts: list[str] = []
        self._sizes: list[int] = []
        if "network" not in marks:
            for name, value in {**_PROXIES, "no_proxy": ",".join(_HERE)}.items():
                monkeypatch.setenv(name, value)
            for name in ("connect", "connect_ex"):
                monkeypatch.setattr(socket.socket, name, self._only_here(getattr(socket.socket, name)))
            monkeypatch.setattr(socket, "getaddrinfo", self._only_here(socket.getaddrinfo))
            monkeypatch.setattr(urllib.request, "_opener", None)  # it would keep the proxies of its first use
        for program in (TensorFlowProgram, JaxProgram):
            monkeypatch.setattr(program, "train", self._counted(program.train))

    def faults(self) -> Iterator[str]:
        """What the test has done although it has no mark for it."""
        for path in sorted(_in_checkout() - self._before):
            yield f"wrote {path.relative_to(_ROOT)} into the checkout: choose a folder"
        for host in self._hosts:
            yield f"used the network: {host}"
        n_images = max([*self._sizes, *self._of_children()], default=0)
        if n_images > _MANY and "full_data" not in self._marks:
            yield f"trained on {n_images:,} images: take fewer, or mark it with full_data"

    def _only_here(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **named: Any) -> Any:
            address = given[-1] if isinstance(given[0], socket.socket) else given[:2]
            if isinstance(address, tuple):  # that of a socket of this machine's is a path
                host = str(address[0] or "localhost")
                if host not in _HERE or tuple(address[:2]) == _NOBODY:
                    self._hosts.append(host)
                    raise ConnectionRefusedError(f"no test uses the network: {host}")
            return call(*given, **named)

        return instead

    def _counted(self, train: Callable[..., Any]) -> Callable[..., Any]:
        def instead(program: Any, orders: Any, *given: Any, **named: Any) -> Any:
            self._sizes.append(orders.shape[1])
            return train(program, orders, *given, **named)

        return instead

    def _of_children(self) -> Iterator[int]:
        for path in self._folder.rglob("journal.jsonl"):
            text = path.read_text(errors="replace") if path.is_file() else ""
            for line in text.splitlines():
                with suppress(
                    ValueError, KeyError, TypeError, RecursionError
                ):  # what tests have damaged was trained by no child
                    record = json.loads(line)
                    real = record["event"] == "finished" and "fingerprint" in record["result"]["execution"]
                    if real and datetime.fromisoformat(record["at"]) >= self._begun:
                        yield round(MNIST.n_train * (1 - record["trial"]["recipe"]["validation_fraction"]))


def _in_checkout() -> set[Path]:
    """Every file; what is hidden or a cache is that of tools."""
    found, folders = set[Path](), [_ROOT]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__pycache__")) or entry.name.endswith(".egg-info"):
                    continue
                folders += [Path(entry.path)] if entry.is_dir(follow_symlinks=False) else []
                found.add(Path(entry.path))
    return found
