"""Rows of images with words over them, as a chart."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mnist_sweep.reports.charts.drawing import Spec, layer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SIDE, _ZOOM, _GAP, _WORDS = 28, 2, 4, 22


def preview(rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> Spec:
    """The chart of rows of images (n, 784) in [0, 1], each with the words over it, if any."""
    values, top, width = [], 0, 0
    for words, images in rows:
        top += _WORDS if words else _GAP
        width = _ZOOM * _SIDE * len(images)
        values.append({"words": words, "top": top, "url": f"data:image/png;base64,{_png(images)}"})
        top += _ZOOM * _SIDE
    place = {"x": {"value": 0}, "y": {"field": "top", "type": "quantitative", "scale": None}}
    look = {"align": "left", "baseline": "top", "width": width, "height": _ZOOM * _SIDE}
    said = {"align": "left", "baseline": "bottom", "dy": -4, "fontSize": 12}
    return {
        "description": "Training images as they are, and as augmentation changes them.",
        "width": width,
        "height": top,
        "data": {"values": values},
        "layer": [
            layer("image", {**place, "url": {"field": "url", "type": "nominal"}}, **look),
            layer("text", {**place, "text": {"field": "words", "type": "nominal"}}, **said),
        ],
    }


def _png(images: npt.NDArray[np.float32]) -> str:
    """Images beside one another as base64 of a PNG of greys: https://www.w3.org/TR/png-3/."""
    import numpy as np

    row = np.hstack(list((255 * images).round().astype(np.uint8).reshape(-1, _SIDE, _SIDE)))
    row = row.repeat(2 * _ZOOM, 0).repeat(2 * _ZOOM, 1)  # the picture has twice the size; sharp pixels stay so
    lines = b"".join(b"\0" + line.tobytes() for line in row)  # 0: as they are
    head = struct.pack(">IIBBBBB", row.shape[1], row.shape[0], 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()
