"""Which images are drawn, and that they become what the runtime makes of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge import Detector
from yolo_edge.bundle import ModelInput, load_bundle
from yolo_export.quantize import CalibrationError, open_calibration


@pytest.fixture(scope="module")
def model_input(tiny_bundle: Path) -> ModelInput:
    return load_bundle(tiny_bundle).input


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    folder = tmp_path / "ten"
    folder.mkdir()
    for number in range(10):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 60, 3), 25 * number, np.uint8))
    return folder


@pytest.mark.parametrize("letterbox", ["rect", "square"])
def test_tensors_are_the_runtimes(letterbox: str, tiny_bundle: Path, scenes: Path, model_input: ModelInput):
    from dataclasses import replace

    calibration = open_calibration(scenes, replace(model_input, letterbox=letterbox))
    with Detector(tiny_bundle, engine="onnxruntime", letterbox=letterbox, threads=1) as detector:
        wanted = [detector.letterboxed(cv2.imread(str(path))) for path in calibration.images]
    found = list(calibration.tensors())
    assert len(found) == 3
    for one, other in zip(wanted, found):
        np.testing.assert_array_equal(one, other)


def test_a_network_of_one_size_is_padded_to_it(scenes: Path, model_input: ModelInput):
    calibration = open_calibration(scenes, model_input, fixed_hw=(96, 160))
    assert {tensor.shape for tensor in calibration.tensors()} == {(1, 3, 96, 160)}


def test_a_seed_draws_a_subset(ten: Path, model_input: ModelInput):
    first = open_calibration(ten, model_input, count=4, seed=1)
    assert (len(first), len(first.rest)) == (4, 6)
    assert not set(first.images) & set(first.rest)
    assert open_calibration(ten, model_input, count=4, seed=1) == first
    assert open_calibration(ten, model_input, count=4, seed=2).images != first.images


def test_images_are_held_out(ten: Path, model_input: ModelInput):
    whole = open_calibration(ten, model_input)
    kept, held = whole.hold_out(3)
    assert (len(kept), len(held)) == (7, 3)
    assert kept.images + held.images == whole.images
    assert len({whole.sha256, kept.sha256, held.sha256}) == 3
    for count in (0, 10):
        with pytest.raises(ValueError, match=f"{count} of 10 calibration images cannot be held out"):
            whole.hold_out(count)


def test_the_hash_follows_the_content(ten: Path, model_input: ModelInput):
    before = open_calibration(ten, model_input).sha256
    cv2.imwrite(str(ten / "3.png"), np.zeros((40, 60, 3), np.uint8))
    assert open_calibration(ten, model_input).sha256 != before


def test_what_may_name_images(ten: Path, tmp_path: Path, model_input: ModelInput):
    (tmp_path / "list.txt").write_text("ten/1.png\n\n  ten/2.png  \n")
    for split in ("train", "val"):
        (tmp_path / "set" / "images" / split).mkdir(parents=True)
        (ten / f"{3 if split == 'train' else 4}.png").rename(tmp_path / "set" / "images" / split / "a.png")
    yaml = tmp_path / "data.yaml"
    yaml.write_text("path: set\ntrain: images/train\nval: images/val\nnames: [a]\n")
    named = {
        "list.txt": {"1.png", "2.png"},
        "ten/5.png": {"5.png"},
        "set": {"train/a.png"},
        "data.yaml": {"train/a.png"},
        "ten": {"0.png", "1.png", "2.png", "5.png", "6.png", "7.png", "8.png", "9.png"},
    }
    for name, wanted in named.items():
        found = open_calibration(tmp_path / name, model_input)
        assert len(found) == len(wanted)
        assert all(str(path).endswith(tuple(wanted)) for path in found.images), name
        assert all(tensor.shape[:2] == (1, 3) for tensor in found.tensors())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such file or folder; calibration takes a folder", id="missing"),
        pytest.param(b"", "names no images", id="empty list"),
        pytest.param(
            b"gone.png\nlost.png", "gone.png: No such file .*lost.png: No such", id="missing images"
        ),
        pytest.param(
            b"\xef\xbb\xbfgone.png\r\n/dev/zero",
            "/gone.png: No such .*zero: it is a pipe or a device",
            id="as Windows writes, and endless",
        ),
        pytest.param(b"\xff\xfe\x80", "neither an image nor a text file", id="binary"),
    ],
)
def test_a_list_that_is_none(content: bytes | None, message: str, tmp_path: Path, model_input: ModelInput):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CalibrationError, match=message):
        open_calibration(path, model_input)


def test_an_empty_folder(tmp_path: Path, model_input: ModelInput):
    with pytest.raises(RuntimeError, match="holds neither a folder images/ nor images"):
        open_calibration(tmp_path, model_input)


def test_a_damaged_image_is_named(ten: Path, model_input: ModelInput):
    (ten / "4.png").write_bytes(b"no image")
    with pytest.raises(CalibrationError, match=r"calibration image .*4\.png: does not decode"):
        list(open_calibration(ten, model_input).tensors())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"count": 0}, "number of calibration images is 0", id="count"),
        pytest.param({"count": True}, "number of calibration images is True", id="count bool"),
        pytest.param({"seed": -1}, "seed is -1", id="seed"),
    ],
)
def test_bad_arguments(arguments: dict, message: str, scenes: Path, model_input: ModelInput):
    with pytest.raises(ValueError, match=message):
        open_calibration(scenes, model_input, **arguments)
