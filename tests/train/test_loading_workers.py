"""How loading ends: errors that name the image, Ctrl-C, and OpenCV's threads as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from made_batches import batches_of
from painted import labelled, painted_dataset

from yolo_edge.datasets import DatasetError
from yolo_edge.errors import SourceError
from yolo_train.loading import ValidationBatches


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return painted_dataset(tmp_path_factory.mktemp("painted"))


def test_an_unreadable_image_is_named(samples, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    mixed = (*samples, labelled(broken, (50, 50), [], []))
    before = cv2.getNumThreads()
    for workers in (0, 2):
        with pytest.raises(SourceError, match=r"broken\.png: does not decode"):
            list(batches_of(mixed, workers=workers).epoch(0, mosaic=0))
        with pytest.raises(SourceError, match=r"broken\.png: does not decode"):
            list(ValidationBatches(mixed, batch=4, imgsz=128, workers=workers))
        assert_no_threads_left()
    assert cv2.getNumThreads() == before


def test_an_image_that_was_replaced_is_named(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((40, 60, 3), np.uint8))
    changed = (labelled(path, (60, 40), [], []),)
    message = r"a\.png: is 60x40 pixels \(width x height\), but was 40x60 when"
    with pytest.raises(DatasetError, match=message):
        list(batches_of(changed).epoch(0))
    with pytest.raises(DatasetError, match=message):
        list(ValidationBatches(changed, batch=1, imgsz=64, workers=0))


def test_opencvs_threads_are_off_while_batches_are_made(samples):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        first, second = (batches_of(samples, workers=1).epoch(0) for _ in range(2))
        next(first)
        next(second)
        assert cv2.getNumThreads() == 1
        first.close()
        assert cv2.getNumThreads() == 1
        second.close()
        assert cv2.getNumThreads() == 2
        assert_no_threads_left()
    finally:
        cv2.setNumThreads(before)


def assert_no_threads_left():
    assert not [thread.name for thread in threading.enumerate() if "yolo-train" in thread.name]


INTERRUPTED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import cv2
from painted import painted_dataset
from yolo_train.augment import Augmentation
from yolo_train.loading import TrainingBatches
folder = Path({folder!r})
batches = TrainingBatches(painted_dataset(folder), batch=4, imgsz=640, augmentation=Augmentation(), seed=0,
                          workers=2, cache_mb=0)
try:
    epoch = 0
    while True:
        for batch in batches.epoch(epoch):
            print("batch", flush=True)
        epoch += 1
except KeyboardInterrupt:
    import threading, time
    # One that the interrupt met while it was being started was not waited for: it ends by itself, soon.
    until = time.monotonic() + 10
    while left := [t.name for t in threading.enumerate() if "yolo-train" in t.name]:
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    print("left:", left, flush=True)
    raise SystemExit(130)
"""


def test_ctrl_c_ends_it_cleanly(tmp_path):
    code = INTERRUPTED.format(tests=os.path.dirname(__file__), folder=str(tmp_path))  # noqa: PTH120 - text
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "batch\n"
    time.sleep(0.2)  # so that it happens in the middle of the work
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert out.splitlines()[-1] == "left: []"
    assert errors == ""
