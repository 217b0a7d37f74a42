"""Runs an ncnn file on the probe pictures, in a process of its own: ncnn trusts its files and may crash.

Usage: python -m yolo_edge.importing.ncnn_trial REQUEST.json, which names the files and blobs, a folder for
the results and the sizes. Each size that ran leaves HEIGHTxWIDTH.npz there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from yolo_edge.bundle import Target, TargetInput, TargetOutput
from yolo_edge.engines import create_engine
from yolo_edge.engines.base import EngineOptions
from yolo_edge.errors import EngineError
from yolo_edge.importing.pictures import probe_tensors
from yolo_edge.importing.trial_process import read_request


def main(request_path: str) -> int:
    """Does what the request says; 1 when the engine refuses the files."""
    request = read_request(request_path)
    target = Target(
        engine="ncnn",
        weights="fp32",
        compute=("fp32",),
        files={},
        sha256={},
        input=TargetInput(request["input"], "float32", "chw", "dynamic"),
        # No layout has so many dimensions: the arrays stay as they are.
        outputs=tuple(
            TargetOutput(name, i, ",,,,,,,", "none", "float32") for i, name in enumerate(request["outputs"])
        ),
    )
    files = {role: Path(path) for role, path in request["files"].items()}
    try:
        engine = create_engine(target, files, EngineOptions())
    except EngineError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    with engine:
        for height, width in request["sizes"]:
            slot = engine.acquire((height, width))
            arrays = {}
            try:
                for picture, tensor in enumerate(probe_tensors((height, width))):
                    slot.input[...] = tensor
                    engine.infer(slot)
                    for i, head in enumerate(slot.heads):
                        arrays[f"{picture}_{i}"] = np.array(head)
            except (EngineError, MemoryError) as error:
                sys.stdout.write(f"{error}\n")
            else:
                np.savez(Path(request["folder"]) / f"{height}x{width}.npz", **arrays)  # type: ignore[arg-type]
            finally:
                engine.release(slot)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
