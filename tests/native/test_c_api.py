"""The C interface: from C99, and from Python's ctypes as any other language would call it."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_size_t, c_void_p, sizeof
from pathlib import Path

import numpy as np
import pytest

from yolo_edge import Detector
from yolo_edge.options import DetectOptions
from yolo_edge.scene import draw_scene

BAD_ARGUMENT, BAD_BUNDLE = 1, 2
BGR, RGB = 0, 1


class DetectorFields(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("engine", c_char_p),
        ("cluster", c_char_p),
        ("affinity", c_char_p),
        ("precision", c_char_p),
        ("letterbox", c_char_p),
        ("threads", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("reserved", c_int32),
    ]


class DetectFields(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("classes", POINTER(c_int32)),
        ("class_count", c_size_t),
        ("conf", c_float),
        ("iou", c_float),
        ("agnostic", c_int32),
        ("multi_label", c_int32),
        ("max_detections", c_int32),
        ("max_candidates", c_int32),
    ]


class Box(ctypes.Structure):
    _fields_ = [*((name, c_float) for name in ("x0", "y0", "x1", "y1", "score")), ("class_id", c_int32)]


class Times(ctypes.Structure):
    _fields_ = [(f"{stage}_ms", c_double) for stage in ("letterbox", "inference", "postprocess")]


@pytest.fixture(scope="session")
def library(shared_install: Path) -> ctypes.CDLL:
    api = ctypes.CDLL(str(next(shared_install.glob("**/libyolo_edge.so"))))
    for name in ("version", "last_error", "engine_name", "engine_version", "detector_engine"):
        getattr(api, f"yolo_edge_{name}").restype = c_char_p
    for name in ("detector_precision", "detector_cpus", "detector_class_name"):
        getattr(api, f"yolo_edge_{name}").restype = c_char_p
    for name in ("results_count", "detector_class_count"):
        getattr(api, f"yolo_edge_{name}").restype = c_size_t
    api.yolo_edge_engine_name.argtypes = [c_size_t]
    api.yolo_edge_detector_options_init.argtypes = [POINTER(DetectorFields), c_size_t]
    api.yolo_edge_detect_options_init.argtypes = [POINTER(DetectFields), c_size_t]
    api.yolo_edge_detector_create.argtypes = [c_char_p, POINTER(DetectorFields), POINTER(c_void_p)]
    api.yolo_edge_detector_class_name.argtypes = [c_void_p, c_int32]
    api.yolo_edge_results_create.argtypes = [POINTER(c_void_p)]
    api.yolo_edge_detect.argtypes = [
        *(c_void_p, c_void_p, c_int32, c_int32, ctypes.c_ssize_t, c_int32),
        *(POINTER(DetectFields), c_void_p),
    ]
    for name in ("count", "boxes", "times", "destroy"):
        getattr(api, f"yolo_edge_results_{name}").argtypes = [c_void_p]
    for name in ("destroy", "engine", "precision", "cpus", "threads", "class_count"):
        getattr(api, f"yolo_edge_detector_{name}").argtypes = [c_void_p]
    api.yolo_edge_results_boxes.restype = POINTER(Box)
    api.yolo_edge_results_times.restype = Times
    return api


def _create(api: ctypes.CDLL, bundle: Path) -> c_void_p:
    options, detector = DetectorFields(), c_void_p()
    assert api.yolo_edge_detector_options_init(byref(options), sizeof(options)) == 0
    options.threads = 1
    status = api.yolo_edge_detector_create(str(bundle).encode(), byref(options), byref(detector))
    assert status == 0, api.yolo_edge_last_error()
    return detector


@pytest.fixture
def detector(library: ctypes.CDLL, tiny_bundle: Path) -> Iterator[c_void_p]:
    made = _create(library, tiny_bundle)
    yield made
    library.yolo_edge_detector_destroy(made)


def _detect(api: ctypes.CDLL, detector: c_void_p, image: np.ndarray, **choice: float) -> np.ndarray:
    options, results = DetectFields(), c_void_p()
    assert api.yolo_edge_detect_options_init(byref(options), sizeof(options)) == 0
    for name, value in choice.items():
        setattr(options, name, value)
    assert api.yolo_edge_results_create(byref(results)) == 0
    height, width = image.shape[:2]
    status = api.yolo_edge_detect(
        *(detector, image.ctypes.data, height, width, image.strides[0], BGR, byref(options), results)
    )
    assert status == 0, api.yolo_edge_last_error()
    boxes = api.yolo_edge_results_boxes(results)
    rows = [
        (box.x0, box.y0, box.x1, box.y1, box.score, box.class_id)
        for box in (boxes[i] for i in range(api.yolo_edge_results_count(results)))
    ]
    assert api.yolo_edge_results_times(results).inference_ms > 0
    api.yolo_edge_results_destroy(results)
    return np.array(rows, np.float32).reshape(-1, 6)


def test_from_c99(build_folder: Path, tiny_bundle: Path) -> None:
    program = build_folder / "cpp" / "runtime" / "tests" / "yolo_edge_c_api_test"
    done = subprocess.run([program, tiny_bundle], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 10


def test_the_same_boxes_as_python(library: ctypes.CDLL, detector: c_void_p, tiny_bundle: Path) -> None:
    image = draw_scene((90, 160), seed=1)
    wide = np.zeros((90, 200, 3), np.uint8)
    wide[:, :160] = image
    with Detector(tiny_bundle, engine="ncnn", threads=1) as python:
        found = python.detect(image, conf=0.05)
    expected = np.column_stack([found.xyxy, found.confidence, found.class_id])
    assert len(expected) > 10
    assert np.array_equal(_detect(library, detector, image, conf=0.05), expected)
    assert np.array_equal(_detect(library, detector, wide[:, :160], conf=0.05), expected)


def test_defaults_are_the_python_ones(library: ctypes.CDLL) -> None:
    options = DetectFields()
    assert library.yolo_edge_detect_options_init(byref(options), sizeof(options)) == 0
    expected = DetectOptions()
    for name in ("conf", "iou", "agnostic", "multi_label", "max_detections", "max_candidates"):
        assert getattr(options, name) == pytest.approx(float(getattr(expected, name)))
    assert not options.classes


def test_facts(library: ctypes.CDLL, detector: c_void_p) -> None:
    version = (Path(__file__).parents[2] / "VERSION").read_text().strip()
    assert library.yolo_edge_version().decode() == version
    assert library.yolo_edge_detector_engine(detector) == library.yolo_edge_engine_name(0) == b"ncnn"
    assert library.yolo_edge_detector_threads(detector) == 1
    names = [library.yolo_edge_detector_class_name(detector, i) for i in range(4)]
    assert names == [b"cat", b"dog", b"bird", None]


def test_errors_are_texts_of_their_thread(library: ctypes.CDLL, detector: c_void_p) -> None:
    made = c_void_p(1)
    missing = "/no/Straße.edge".encode()
    assert library.yolo_edge_detector_create(missing, None, byref(made)) == BAD_BUNDLE
    assert made.value is None
    assert "/no/Straße.edge" in library.yolo_edge_last_error().decode()
    assert library.yolo_edge_detector_create(b"/x" * 4000, None, byref(made)) == BAD_BUNDLE
    assert len(library.yolo_edge_last_error()) < 2048

    seen: list[bytes] = []
    thread = threading.Thread(target=lambda: seen.append(library.yolo_edge_last_error()))
    thread.start()
    thread.join()
    assert seen == [b""]

    newer = (ctypes.c_uint8 * (sizeof(DetectFields) + 8))()
    options = ctypes.cast(newer, POINTER(DetectFields))
    assert library.yolo_edge_detect_options_init(options, sizeof(newer)) == 0
    image, results = np.zeros((8, 8, 3), np.uint8), c_void_p()
    assert library.yolo_edge_results_create(byref(results)) == 0
    call = (detector, image.ctypes.data, 8, 8, 24, RGB, options, results)
    assert library.yolo_edge_detect(*call) == 0
    newer[-1] = 1  # a field of a later version, set to something
    assert library.yolo_edge_detect(*call) == BAD_ARGUMENT
    assert b"needs a newer library" in library.yolo_edge_last_error()
    library.yolo_edge_results_destroy(results)


def test_several_threads_share_a_detector(library: ctypes.CDLL, detector: c_void_p) -> None:
    images = [draw_scene((90 + 10 * i, 160), seed=i) for i in range(4)]
    expected = [_detect(library, detector, image, conf=0.05) for image in images]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(10):
            if not np.array_equal(_detect(library, detector, images[i], conf=0.05), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
