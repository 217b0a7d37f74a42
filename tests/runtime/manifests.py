"""Bundles with a right manifest and model files that no engine would load, for tests of the reader."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

CONTENT = b"weights"

MANIFEST: dict[str, Any] = {
    "schema": 1,
    "requires": [],
    "model": {"family": "yolov5", "task": "detect", "names": ["person", "car"]},
    "input": {
        "channels": "rgb",
        "mean": [0, 0, 0],
        "scale": [1 / 255, 1 / 255, 1 / 255],
        "pad_value": 114,
        "letterbox": "rect",
        "size_hw": [64, 64],
        "stride": 32,
    },
    "heads": [{"stride": 8, "anchors_px": [[10, 13], [16, 30]]}, {"stride": 32, "anchors_px": [[30, 61]]}],
    "targets": [
        {
            "engine": "onnxruntime",
            "weights": "fp32",
            "compute": ["fp32"],
            "files": {"model": "model.onnx"},
            "sha256": {"model.onnx": hashlib.sha256(CONTENT).hexdigest()},
            "input": {"name": "images", "dtype": "float32", "layout": "nchw", "shapes": "dynamic"},
            "outputs": [
                {"name": f"head_{i}", "head": i, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
                for i in range(2)
            ],
        }
    ],
    "provenance": {},
    "verification": [],
}


def manifest() -> dict[str, Any]:
    """A copy to change."""
    return copy.deepcopy(MANIFEST)


def write_bundle(folder: Path, content: dict[str, Any] | str | None = None) -> Path:
    """Writes a bundle with this manifest, or text in its place, and returns the folder."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(CONTENT)
    text = content if isinstance(content, str) else json.dumps(MANIFEST if content is None else content)
    (folder / "bundle.json").write_text(text)
    return folder
