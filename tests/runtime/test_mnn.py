from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from programs import run_program

from yolo_edge import load_bundle
from yolo_edge.c_stdout import catch_c_stdout
from yolo_edge.engines import create_engine, select_target
from yolo_edge.engines.base import SLOTS, Engine, EngineOptions
from yolo_edge.errors import EngineError

ALLOWED = sorted(os.sched_getaffinity(0))

needs_two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")


@pytest.fixture
def engine(tiny_bundle: Path) -> Iterator[Engine]:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, "mnn")
    with create_engine(target, bundle.open_files(target), EngineOptions(threads=1)) as made:
        yield made


DURING = """
import os, sys, threading
import numpy as np
from yolo_edge import Detector

bundle, cpu = sys.argv[1], int(sys.argv[2])
before = set(os.listdir("/proc/self/task"))
detector = Detector(bundle, engine="mnn", affinity=str(cpu), threads=2)
tensor = np.zeros((1, 3, 640, 640), np.float32)
mine = [thread for thread in os.listdir("/proc/self/task") if thread not in before]
counted, seen = [0], set()

def compute():
    for _ in range(5):
        detector.compute_heads(tensor)

user = threading.Thread(target=compute)
user.start()
while user.is_alive():
    counted[0] += 1
    for thread in mine:
        seen |= os.sched_getaffinity(int(thread))
print(counted[0], len(mine), sorted(seen))
"""


@needs_two_cpus
def test_threads_stay_on_their_cpus_and_python_runs_while_they_compute(tiny_bundle: Path) -> None:
    looks, threads, rest = run_program(DURING, tiny_bundle, ALLOWED[-1]).split(maxsplit=2)
    assert int(looks) > 100, "the GIL is free during an inference"
    assert int(threads) == 2
    assert rest.strip() == f"[{ALLOWED[-1]}]"


SEVERAL = """
import os, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from yolo_edge import Detector, load_bundle
from yolo_edge._core import CpuSet
from yolo_edge.engines import create_engine, select_target
from yolo_edge.engines.base import EngineOptions
from yolo_edge.errors import EngineError

bundle, first, last = sys.argv[1:]
target = select_target(load_bundle(bundle), "mnn")
head, *others = target.outputs
broken = replace(target, outputs=(replace(head, name="nothing"), *others))
try:
    create_engine(broken, {"model": Path(bundle, "model.mnn")}, EngineOptions(threads=2, cpus=CpuSet(last)))
except EngineError:
    print("refused when it had started the workers")

def open_on(affinity, threads):
    return Detector(bundle, engine="mnn", affinity=affinity, threads=threads)

def attempt(affinity, threads):
    try:
        open_on(affinity, threads).close()
    except EngineError as error:
        print(error)

def workers():
    tasks = [path for path in Path("/proc/self/task").iterdir()]
    named = [path for path in tasks if (path / "comm").read_text() == "yolo-mnn\\n"]
    return sorted(str(os.sched_getaffinity(int(path.name))) for path in named)

image = np.full((90, 160, 3), 99, np.uint8)
alone = open_on(last, 1)
both = open_on(first, 2), open_on(first, 2)
attempt(last, 2)
attempt(first, 3)
alone.detect(image)
results = [detector.detect(image, conf=0.01).xyxy.tobytes() for detector in both]
for detector in both:
    detector.close()
again = open_on(last, 2)
print(workers(), len(set(results)))
"""


@needs_two_cpus
def test_engines_of_several_threads_share_their_workers(tiny_bundle: Path) -> None:
    first, last = ALLOWED[0], ALLOWED[-1]
    failed, other_cpus, more, rest = run_program(SEVERAL, tiny_bundle, first, last).splitlines()
    assert failed == "refused when it had started the workers"
    assert f"are bound to CPUs {first}: an engine of 2 threads cannot have CPUs {last}. Give" in other_cpus
    assert more.startswith("MNN computes with 2 threads here, not with 3: it starts its worker threads once")
    assert rest == f"{[str({last})] * 2} 1", "the worker followed the new engine"


USED_BEFORE = """
import os, sys
import MNN
from yolo_edge import Detector
from yolo_edge.errors import EngineError

bundle, cpu = sys.argv[1:]
net = MNN.Interpreter(bundle + "/model.mnn")
session = net.createSession({"backend": "CPU", "numThread": 2})
print()
try:
    Detector(bundle, engine="mnn", affinity=cpu, threads=2)
except EngineError as error:
    print(error)
Detector(bundle, engine="mnn", affinity=cpu, threads=1).close()
Detector(bundle, engine="mnn", cluster="all", threads=2).close()
"""


@needs_two_cpus
def test_workers_that_somebody_else_started_cannot_be_bound(tiny_bundle: Path) -> None:
    refused = run_program(USED_BEFORE, tiny_bundle, ALLOWED[0])
    assert "MNN was used in this process before, so its worker threads are not known" in refused
    assert f"(taskset -c {ALLOWED[0]} ...)" in refused


QUIET = """
import sys
import numpy as np
from yolo_edge import Detector
with Detector(sys.argv[1], engine="mnn", threads=2) as detector:
    detector.detect(np.zeros((90, 160, 3), np.uint8))
loaded = [name for name in sys.modules if name.startswith("MNN.tools")]
print("ours", loaded)
"""


def test_stdout_is_ours_and_nothing_is_reported_to_anybody(tiny_bundle: Path) -> None:
    assert run_program(QUIET, tiny_bundle) == "ours []\n"


def test_fp32_means_fp32(engine: Engine) -> None:
    """MNN says which precision a session has; ARM CPUs could compute in half precision or bfloat16."""
    with catch_c_stdout() as said:
        engine._net.createSession(engine._config)
    assert said.text == "MNN use high precision"
    if platform.machine() == "aarch64":
        backends, plain = 2, 0  # the half-precision and bfloat16 ones are number 13, on x86 that is AVX2
        assert [engine._net.getSessionInfo(session, backends) for session in engine._sessions] == [plain] * 2


def test_input_and_heads_are_not_copied(engine: Engine) -> None:
    slot = engine.acquire((64, 96))
    mine = slot.input
    slot.input[...] = 0.5
    engine.infer(slot)
    net, session = engine._net, engine._sessions[slot.index]
    theirs = net.getSessionInput(session, "images").getNumpyData()
    assert slot.input is mine
    assert mine.ctypes.data == theirs.ctypes.data
    for head, name in zip(slot.heads, ("head_8", "head_16", "head_32")):
        assert head.ctypes.data == net.getSessionOutput(session, name).getNumpyData().ctypes.data
    engine.release(slot)


def test_arrays_outlive_the_engine(engine: Engine) -> None:
    slots = [engine.acquire((64, 96)) for _ in range(SLOTS)]
    for slot in slots:
        slot.input[...] = 0.5
        engine.infer(slot)
    kept = [head.copy() for head in slots[0].heads]
    engine.close()
    for slot in slots:
        slot.input[...] = 1.0
    assert all(np.isfinite(head).all() for slot in slots for head in slot.heads)
    assert [head.shape for head in slots[0].heads] == [head.shape for head in kept]


def test_a_size_that_the_network_cannot_have(engine: Engine) -> None:
    for _ in range(2 * SLOTS):
        with pytest.raises(
            EngineError, match=r"cannot run an input of \(1, 3, 33, 47\): .*Compute Shape Error"
        ):
            engine.acquire((33, 47))
    slot = engine.acquire((32, 64))
    slot.input[...] = 0.5
    engine.infer(slot)
    engine.release(slot)


@pytest.mark.parametrize("size", [0, 5000, -100])
def test_a_damaged_file(tiny_bundle: Path, tmp_path: Path, size: int) -> None:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, "mnn")
    damaged = tmp_path / "damaged.mnn"
    damaged.write_bytes(bundle.open_files(target)["model"].read_bytes()[:size])
    with pytest.raises(EngineError, match=f"mnn cannot load {damaged}: .*(empty|Invalidate buffer)"):
        create_engine(target, {"model": damaged}, EngineOptions())
