"""MNIST in a file that all processes of a sweep map: in memory once, copied to nobody, gone with nobody.

The file lies beside the cache, uncompressed, and is checked once, by the parent. Where it cannot lie there, it is a
file without a name, which the system removes when the last process ends, however it ends. Workers inherit it open, so
that they map the very bytes that were checked, whatever happens to its name meanwhile.
"""

import hashlib
import math
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from mnist_sweep.errors import StorageError
from mnist_sweep.mnist.images import DIGESTS, SHAPES, Mnist, cached_file
from mnist_sweep.mnist.sources import load
from mnist_sweep.system.files import refusing, write_whole

_N_BYTES = {name: math.prod(shape) for name, shape in SHAPES.items()}


class Handle:
    """The open file; it can be pickled for another process."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(self.fd),)


def _received(duplicate: Any) -> Handle:
    return Handle(duplicate.detach())


@contextmanager
def share() -> Iterator[Handle]:
    """Open the file of the arrays, made from the cache or the network where there is none yet."""
    with _open(cached_file().with_suffix(".raw")) as file:
        yield Handle(file.fileno())


def _open(path: Path) -> IO[bytes]:
    if kept := _checked(path):
        return kept
    data = load()
    content = b"".join(getattr(data, name).tobytes() for name in SHAPES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except (OSError, StorageError):
        return _nameless(content)
    return _checked(path) or _nameless(content)


def _checked(path: Path) -> IO[bytes] | None:
    """The file, if it can be mapped and its bytes are MNIST's."""
    if not path.is_file():  # a pipe of that name would be waited for
        return None
    try:
        file = path.open("rb")
    except OSError:
        return None
    try:
        _map(file.fileno()).close()
        # Read and not mapped: a disk that fails is then an error, where a mapped page would end the process.
        whole = all(hashlib.sha256(file.read(n)).hexdigest() == DIGESTS[name] for name, n in _N_BYTES.items())
    except (OSError, ValueError):
        whole = False
    if whole and not file.read(1):
        return file
    file.close()
    return None


def _nameless(content: bytes) -> IO[bytes]:
    places = f"{cached_file().parent} or in the folder for temporary files"
    remedy = "; make room, or set KERAS_HOME or TMPDIR to a folder that can be written"
    with refusing(f"no room for MNIST (55 MB), in {places}", remedy), ExitStack() as closing_later:
        file = closing_later.enter_context(tempfile.TemporaryFile(buffering=0))
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        closing_later.pop_all()  # the caller closes it
    return file


def _map(fd: int) -> mmap.mmap:
    # Private mappings are possible on file systems that have no shared ones, and share memory as long as none writes.
    return mmap.mmap(fd, sum(_N_BYTES.values()), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


def attach(handle: Handle) -> Mnist:
    """The shared arrays, read-only."""
    import numpy as np

    memory, offset, arrays = _map(handle.fd), 0, {}
    for name, shape in SHAPES.items():
        array = np.frombuffer(memory, np.uint8, _N_BYTES[name], offset)
        arrays[name] = array.reshape(len(array) // math.prod(shape[1:]), -1) if shape[1:] else array
        offset += _N_BYTES[name]
    return Mnist(**arrays, source="a mapped file")
