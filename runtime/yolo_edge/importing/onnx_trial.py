"""Opens an ONNX file and runs it on the probe pictures, in a process of its own.

onnxruntime computes what is constant when it opens a file, and loops for as long as the file says: either can
take all memory or all time. Usage: python -m yolo_edge.importing.onnx_trial REQUEST.json, which names the
file and sizes. Prints a JSON object: ``error`` where the file cannot be opened, else ``failures`` by size.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime as ort

from yolo_edge.engines.onnxruntime import open_session
from yolo_edge.importing.pictures import fixed_size, probe_tensors
from yolo_edge.importing.trial_process import read_request

#: How onnxruntime says that it was denied memory; a file that needs too much is not opened again outside.
_DENIED = ("Failed to allocate memory", "bad_alloc")


def main(request_path: str) -> int:
    """Does what the request says."""
    request = read_request(request_path)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # Each thread's stack would count as memory.
    try:
        session = open_session(ort, Path(request["file"]), options)
    except Exception as error:  # onnxruntime's errors have no common base.
        sys.stdout.write(json.dumps({"error": str(error) or type(error).__name__}))
        return 0
    failures = {}
    inputs = session.get_inputs()
    # Other inputs are refused by whoever asked.
    if len(inputs) == 1 and inputs[0].type == "tensor(float)":
        fixed = fixed_size(inputs[0].shape)
        for size in [fixed] if fixed else request["sizes"]:
            try:
                for tensor in probe_tensors((size[0], size[1])):
                    session.run(None, {inputs[0].name: tensor})
            except Exception as error:  # As above; MemoryError too.
                said = str(error) or type(error).__name__
                if any(denied in said for denied in _DENIED):
                    limit = request["memory_bytes"] >> 20
                    found = f"it needs more than {limit} MiB of memory at {size[0]}x{size[1]}"
                    sys.stdout.write(json.dumps({"error": found}))
                    return 0
                failures[f"{size[0]}x{size[1]}"] = said
    sys.stdout.write(json.dumps({"failures": failures}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
