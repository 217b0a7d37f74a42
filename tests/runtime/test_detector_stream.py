"""``Detector.detect_stream``: what single calls give, in order, and no slot is ever lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from runtimes import RUNTIMES, runtime_options

from yolo_edge import Detector
from yolo_edge.errors import EngineError
from yolo_edge.scene import draw_scene

SHAPES = [(90, 160), (160, 90), (64, 64), (1, 400), (90, 160)]
IMAGES = [draw_scene(size, seed) for seed, size in enumerate(SHAPES)]


@pytest.fixture(scope="module", params=RUNTIMES)
def detector(request: pytest.FixtureRequest, tiny_bundle: Path) -> Detector:
    with Detector(tiny_bundle, **runtime_options(request.param), threads=1) as made:
        yield made


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_gives_what_single_calls_give(detector: Detector, count: int) -> None:
    results = list(detector.detect_stream(iter(IMAGES[:count]), conf=0.4))
    assert len(results) == count
    for image, found in zip(IMAGES, results):
        assert np.array_equal(found.xyxy, detector.detect(image, conf=0.4).xyxy)


def test_reads_one_image_ahead_and_no_more(detector: Detector) -> None:
    read: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for number in range(5):
            read.append(number)
            yield IMAGES[0]

    seen = [len(read) for _ in detector.detect_stream(images())]
    assert seen == [2, 3, 4, 5, 5]


def test_one_array_may_hold_image_after_image(detector: Detector) -> None:
    buffer = np.empty((90, 160, 3), np.uint8)
    scenes = [draw_scene((90, 160), seed) for seed in range(4)]

    def images() -> Iterator[np.ndarray]:
        for scene in scenes:
            buffer[...] = scene
            yield buffer

    for scene, found in zip(scenes, detector.detect_stream(images())):
        assert np.array_equal(found.xyxy, detector.detect(scene).xyxy)


def test_the_engine_s_intervals_follow_each_other(detector: Detector) -> None:
    times = [found.times for found in detector.detect_stream(IMAGES)]
    for before, after in zip(times, times[1:]):
        assert before.engine_from_s < before.engine_to_s <= after.engine_from_s


def test_bad_arguments_are_refused_before_the_first_image(detector: Detector) -> None:
    with pytest.raises(ValueError, match="conf is 2"):
        detector.detect_stream([], conf=2)


def test_an_error_of_the_images_reaches_the_caller(detector: Detector) -> None:
    def images() -> Iterator[np.ndarray]:
        yield from IMAGES[:3]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(detector.detect_stream(images()))
    with pytest.raises(ValueError, match="image is"):
        list(detector.detect_stream([IMAGES[0], np.zeros((3, 3), np.uint8)]))
    assert len(list(detector.detect_stream(IMAGES))) == len(IMAGES), "the slots were given back"


def test_a_stream_may_be_left_early(detector: Detector) -> None:
    for _ in range(3):
        stream = detector.detect_stream(IMAGES)
        next(stream)
        stream.close()
    assert len(list(detector.detect_stream(IMAGES))) == len(IMAGES)


def test_single_images_between_the_results(detector: Detector) -> None:
    for image, found in zip(IMAGES, detector.detect_stream(IMAGES)):
        assert np.array_equal(detector.detect(image).xyxy, found.xyxy)


def test_two_streams_in_turn(detector: Detector) -> None:
    for one, other in zip(detector.detect_stream(IMAGES), detector.detect_stream(IMAGES)):
        assert np.array_equal(one.xyxy, other.xyxy)


def test_streams_of_several_threads(detector: Detector) -> None:
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(list(detector.detect_stream(IMAGES * 3)))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [15] * 4


def test_a_detector_closed_in_the_middle(tiny_bundle: Path) -> None:
    detector = Detector(tiny_bundle, threads=1)
    stream = detector.detect_stream(IMAGES)
    next(stream)
    detector.close()
    with pytest.raises(EngineError, match="the engine was closed"):
        list(stream)
