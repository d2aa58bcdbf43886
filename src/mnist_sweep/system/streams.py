"""The standard streams of a command that must not end because nobody can read what it says.

A terminal goes away, the disk that a log lies on is full, the caller has closed a stream, a locale has no "±": none of
these may cost a result or change an exit code.
"""

import codecs
import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

_LACKING = "mnist-sweep"  # our handler of characters that an encoding lacks
_INSTEAD = {"×": "x", "±": "+-", "−": "-", "─": "-", "━": "-", "·": ".", "…": "...", "²": "2", "“": '"', "”": '"'}


class Stream(io.TextIOBase):
    """Writes to a file descriptor at once, and remembers its first failure instead of raising it."""

    encoding = ""  # that of the base class cannot be set

    def __init__(self, fd: int, encoding: str) -> None:
        self.encoding = encoding
        self.error: OSError | None = None
        self._fd = fd
        self._encode = codecs.getincrementalencoder(encoding)(_LACKING).encode

    def write(self, text: str) -> int:
        """Write what the descriptor takes; the rest is lost."""
        rest = memoryview(self._encode(text))
        try:
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:  # a pipe that another program has made non-blocking, and that is full
                    select.select([], [self._fd], [])
        except OSError as error:
            self.error = self.error or error
        return len(text)

    def fileno(self) -> int:
        """The descriptor, which programs that we start inherit."""
        return self._fd

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._fd)

    def writable(self) -> bool:
        """Always."""
        return True


def open_streams() -> None:
    """Give a process its standard streams; must come before it opens any file.

    A descriptor from 0 to 2 that the caller has closed becomes /dev/null: the next file to be opened would get its
    number, and the words for the user would be written into it.
    """
    for fd, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest free number, which is fd
    codecs.register_error(_LACKING, _replace)
    sys.stdout, sys.stderr = (cast("TextIO", Stream(fd, _encoding(s))) for fd, s in ((1, sys.stdout), (2, sys.stderr)))


def _encoding(stream: TextIO | None) -> str:
    return (stream and stream.encoding) or "utf-8"  # Python has no stream where the descriptor was closed


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """What can be written in place of characters that an encoding lacks; bytes in names of files stay as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    with suppress(UnicodeEncodeError):
        return codecs.lookup_error("surrogateescape")(error)
    return "".join(_INSTEAD.get(character, "?") for character in error.object[error.start : error.end]), error.end


def path_words(path: Path) -> str:
    """A path for texts in UTF-8, which cannot hold every byte that a path can."""
    return os.fsencode(path).decode(errors="replace")
