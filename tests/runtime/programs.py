"""Programs that have a process of their own: an engine's threads belong to the process."""

from __future__ import annotations

import subprocess
import sys


def run_program(program: str, *arguments: object) -> str:
    """What a Python program prints to stdout."""
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
