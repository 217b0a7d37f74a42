"""Reads videos back: frames and times, and the boxes that an MP4 file is made of."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np


def read_video(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """Times in seconds and BGR images of all frames."""
    times, images = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base))
            images.append(frame.to_ndarray(format="bgr24"))
    return times, images


def top_level_boxes(path: Path) -> list[str]:
    """Types of the boxes of an MP4 file, in order; the last may be cut off."""
    data, offset, types = path.read_bytes(), 0, []
    while offset + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        assert size >= 8, f"{path}: a box of {size} bytes at {offset}"
        types.append(kind.decode("latin-1"))
        offset += size
    return types


def is_playable_in_a_browser(path: Path) -> bool:
    """By its structure: the index first, then fragments only; H.264 in 4:2:0."""
    kinds = top_level_boxes(path)
    assert kinds[:2] == ["ftyp", "moov"], kinds
    rest = kinds[2:-1] if kinds[-1] == "mfra" else kinds[2:]
    assert rest == ["moof", "mdat"] * (len(rest) // 2), kinds
    assert b"avc1" in path.read_bytes()[:2000]
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.pix_fmt == "yuv420p"
