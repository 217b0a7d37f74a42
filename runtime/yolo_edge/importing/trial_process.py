"""Starts a trial of a file in a process of its own, with limits: engines trust their files."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_S = 300
"""Two pictures of 1280x1280 through the largest YOLOv5 take a Raspberry Pi 4 less."""
MEMORY_BYTES = 4 << 30
"""Address space of a trial. The largest YOLOv5 takes about 2 GB at 1280x1280."""


def run_trial(module: str, request: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m module request.json``.

    Args:
        module: Below ``yolo_edge.importing``.
        request: What the module reads.
        folder: For the request, and for what the trial leaves there.

    Raises:
        subprocess.TimeoutExpired: It was ended after ``TIMEOUT_S``.
    """
    path = folder / "request.json"
    path.write_text(json.dumps({**request, "memory_bytes": MEMORY_BYTES}), encoding="utf-8")
    home = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", f"yolo_edge.importing.{module}", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": search},
        check=False,
    )


def read_request(path: str) -> dict[str, Any]:
    """In the trial: reads the request and limits this process's memory."""
    request: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = min(request["memory_bytes"], sys.maxsize)
    resource.setrlimit(
        resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
    )
    return request
