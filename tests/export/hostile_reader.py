"""Reads files one after the other and tells, as JSON lines, what became of each; run with limits by a test.

python hostile_reader.py FILE...
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError


def main() -> None:
    for path in sys.argv[1:]:
        start = time.process_time()
        outcome, message = "read", ""
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            outcome, message = "refused", str(error)
        except BaseException:
            outcome, message = "crashed", traceback.format_exc()
        row = {
            "path": path,
            "outcome": outcome,
            "message": message,
            "cpu_s": time.process_time() - start,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
