"""A process of its own that uses the plot library, whose engine may end the process that it works in.

Under `ulimit -v`, V8 aborts. Gets its engine warm until a task is there on standard input, {"charts": {name:
specification}} or {"script": code}, and writes each file that it has made as a line of JSON: [name, base64 of its
bytes, what went wrong].
"""

import base64
import json
import os
import resource
import select
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

_SCALE = 2.0
_SMALL = {"data": {"values": [{"x": 1}]}, "mark": "point", "encoding": {"x": {"field": "x", "type": "quantitative"}}}


def main() -> None:
    """Make what is asked for, one thing after the other, and tell of each as soon as it is there."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of the engine's memory helps nobody
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answers:
        os.dup2(2, 1)  # what libraries print is no answer
        if not select.select([sys.stdin], [], [], 0)[0]:
            deque(_made({"charts": {"warm": _SMALL}}), maxlen=0)  # the first chart takes the engine a second
        task = sys.stdin.read()  # nothing when the parent has ended, or has no task
        for name, content, error in _made(json.loads(task or "{}")):
            answers.write(f"{json.dumps([name, base64.b64encode(content).decode(), error])}\n")
            answers.flush()


def _made(task: Mapping[str, Any]) -> Iterator[tuple[str, bytes, str]]:
    import vl_convert

    if "script" in task:
        yield "script", vl_convert.javascript_bundle(task["script"]).encode(), ""
    for name, spec in task.get("charts", {}).items():
        try:
            svg = vl_convert.vegalite_to_svg(spec)
            yield f"{name}.svg", svg.encode(), ""
            yield f"{name}.png", vl_convert.svg_to_png(svg, scale=_SCALE), ""
        except Exception as error:  # noqa: BLE001  the other charts may be drawn
            yield name, b"", f"{type(error).__name__}: {error}"
