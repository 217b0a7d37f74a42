from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from programs import run_program

from yolo_edge import load_bundle
from yolo_edge.engines import create_engine, select_target
from yolo_edge.engines.base import EngineOptions

ALLOWED = sorted(os.sched_getaffinity(0))

needs_two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")


DURING = """
import os, sys, threading
import numpy as np
from yolo_edge import Detector

bundle, cpu = sys.argv[1], int(sys.argv[2])
before = set(os.listdir("/proc/self/task"))
detector = Detector(bundle, engine="openvino", native=False, affinity=str(cpu), threads=2)
tensor = np.zeros((1, 3, 640, 640), np.float32)
for _ in range(3):
    detector.compute_heads(tensor)
mine = [thread for thread in os.listdir("/proc/self/task") if thread not in before]
user = threading.Thread(target=lambda: [detector.compute_heads(tensor) for _ in range(5)])
user.start()
seen, looks = set(), 0
while user.is_alive():
    looks += 1
    for thread in mine:
        seen |= os.sched_getaffinity(int(thread))
print(looks, len(mine), sorted(seen), os.environ.get("HWLOC_THISSYSTEM"))
"""


@needs_two_cpus
def test_threads_stay_on_their_cpus_while_they_compute(tiny_bundle: Path) -> None:
    looks, threads, rest = run_program(DURING, tiny_bundle, ALLOWED[-1]).split(maxsplit=2)
    assert int(looks) > 100
    assert int(threads) >= 2
    assert rest.strip() == f"[{ALLOWED[-1]}] None"


SEVERAL = """
import sys
from yolo_edge import Detector
from yolo_edge.errors import EngineError

bundle, first, last = sys.argv[1:]

def open_on(affinity, threads):
    return Detector(bundle, engine="openvino", native=False, affinity=affinity, threads=threads)

both = open_on(first, 2), open_on(first, 2)
open_on(last, 1).close()
try:
    open_on(last, 2)
except EngineError as error:
    print(error)
for detector in both:
    detector.close()
open_on(last, 2).close()
print("free again")
"""


@needs_two_cpus
def test_engines_of_several_threads_share_their_cpus(tiny_bundle: Path) -> None:
    first, last = ALLOWED[0], ALLOWED[-1]
    refused, free = run_program(SEVERAL, tiny_bundle, first, last).splitlines()
    assert f"are bound to CPUs {first}: an engine of 2 threads cannot have CPUs {last}. Give both" in refused
    assert free == "free again"


USED_BEFORE = """
import sys
import openvino
from yolo_edge import Detector
from yolo_edge.errors import EngineError

bundle, cpu = sys.argv[1:]
openvino.compile_model(bundle + "/model.xml", "CPU")
try:
    Detector(bundle, engine="openvino", native=False, affinity=cpu)
except EngineError as error:
    print(error)
Detector(bundle, engine="openvino", native=False, cluster="all").close()
"""


@needs_two_cpus
def test_openvino_that_was_used_before_cannot_be_bound(tiny_bundle: Path) -> None:
    refused = run_program(USED_BEFORE, tiny_bundle, ALLOWED[0])
    assert refused.startswith("OpenVINO was used in this process before, so its threads do not stay on")
    assert f"(taskset -c {ALLOWED[0]} ...)" in refused


TELEMETRY = """
import json, sys
from yolo_edge import Detector

Detector(sys.argv[1], engine="openvino", native=False).close()
import openvino

loaded = [name for name in sys.modules if name.startswith("openvino_telemetry")]
print(json.dumps([loaded, callable(openvino.convert_model)]))
"""


def test_nothing_is_reported_to_anybody(tiny_bundle: Path, tmp_path: Path) -> None:
    loaded, converts = json.loads(run_program(TELEMETRY, tiny_bundle))
    assert loaded == []
    assert converts, "the user's own OpenVINO is whole"


def test_fp32_means_fp32(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, "openvino")
    with create_engine(target, bundle.open_files(target), EngineOptions(threads=1)) as engine:
        model = engine._compiled
        assert model.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
        assert model.get_property("INFERENCE_NUM_THREADS") == 1
        assert not model.get_property("ENABLE_CPU_PINNING")


def test_input_and_heads_are_not_copied(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    target = select_target(bundle, "openvino")
    with create_engine(target, bundle.open_files(target), EngineOptions(threads=1)) as engine:
        slot = engine.acquire((64, 96))
        slot.input[...] = 0.5
        engine.infer(slot)
        request = engine._requests[slot.index]
        assert request.get_tensor(engine._input).data.ctypes.data == slot.input.ctypes.data
        for head, output in zip(slot.heads, engine._outputs):
            assert np.shares_memory(head, request.get_tensor(output).data)
        engine.release(slot)
