from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, os, sys, threading
from yolo_edge.c_stdout import catch_c_stdout

libc = ctypes.CDLL(None)
libc.printf(b"before\\n")
with catch_c_stdout() as nothing:
    pass
with catch_c_stdout() as caught:
    libc.puts(b"one")
    thread = threading.Thread(target=lambda: libc.printf(b"  two, no end of line"))
    thread.start(); thread.join()
    with catch_c_stdout() as inner:
        libc.puts(b"inner")
    os.write(1, b"ours\\n")
    print("python", flush=True)
try:
    with catch_c_stdout() as failed:
        libc.puts(b"why")
        raise RuntimeError
except RuntimeError:
    libc.printf(b"after\\n")
print([each.text for each in (nothing, caught, inner, failed)], file=sys.stderr)
"""


def test_only_what_c_prints_meanwhile_is_caught() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == "['', 'one; two, no end of line', 'inner', 'why']\n"
    assert sorted(done.stdout.split()) == ["after", "before", "ours", "python"]
