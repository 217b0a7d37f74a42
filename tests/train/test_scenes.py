"""The scenes that the default model learns from: their labels are true, and they can be drawn again."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.datasets import open_dataset
from yolo_edge.errors import SinkError, SourceError
from yolo_edge.markers import CLASS_NAMES, dictionary_names
from yolo_train.cli import main
from yolo_train.scenes import (
    HARDER,
    SETTINGS,
    TRAINING,
    Photographs,
    Scene,
    SceneSettings,
    draw_scene,
)
from yolo_train.scenes.dataset import write_scenes
from yolo_train.scenes.lookalikes import LOOKALIKES, WITH_PHOTOGRAPHS
from yolo_train.scenes.options import SceneOptions
from yolo_train.scenes.patterns import PATTERNS
from yolo_train.scenes.placing import paste, posed
from yolo_train.scenes.prints import Print
from yolo_train.scenes.scene import clip_polygon, code_mask
from yolo_train.scenes.settings import MIN_VISIBLE


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        small = random.integers(0, 256, (12, 16, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(small, (640, 480), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.mark.parametrize("settings", list(SETTINGS.values()), ids=list(SETTINGS))
def test_boxes_are_those_of_what_is_visible(settings: SceneSettings) -> None:
    """Each box once more, from the pixels of the code that are in the picture and not hidden."""
    settings = dataclasses.replace(settings, empty=min(settings.empty, 0.2), occluded=0.6, cut=0.6)
    occluded = cut = count = 0
    for index in range(100):
        scene = draw_scene(11, index, settings)
        for box, outline in zip(scene.boxes_xyxy, scene.outlines):
            mask = code_mask(outline, 416)
            whole = cv2.contourArea(outline.astype(np.float32))
            inside = cv2.countNonZero(mask)
            mask[scene.hidden > 0] = 0
            visible = cv2.countNonZero(mask)
            x, y, width, height = cv2.boundingRect(mask)
            np.testing.assert_allclose(box, [x, y, x + width, y + height], atol=1.6)
            assert visible >= (MIN_VISIBLE - 0.05) * whole
            occluded += visible < inside
            cut += inside < 0.97 * whole
            count += 1
    assert count > 50 and occluded > 10 and cut > 5


@pytest.mark.parametrize("bent", [0.0, 1.0], ids=["flat", "curled"])
def test_outlines_are_where_the_pixels_are(bent: float) -> None:
    """A white field on a black print, tilted, curled and pasted: its pixels have the outline's bounds."""
    settings = dataclasses.replace(HARDER, bent=bent, halftone=0)
    flat = np.full((120, 160, 3), 10, np.uint8)
    flat[30:90, 50:130] = 255
    for seed in range(40):
        random = np.random.default_rng(seed)
        item = Print(flat, [(0, (50.0, 30.0, 130.0, 90.0))])
        placed = posed(random, settings, item, random.uniform(30, 300)).moved(208, 208)
        picture = np.zeros((416, 416, 3), np.uint8)
        paste(picture, placed, random, settings)
        outline = placed.outlines[0][1]
        seen, expected = picture[..., 0] > 60, code_mask(outline, 416) > 0
        assert (seen & expected).sum() / (seen | expected).sum() > 0.93
        bounds = np.concatenate([outline.min(axis=0), outline.max(axis=0)]).clip(0, 416)
        rows, columns = np.nonzero(seen)
        pixels = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(pixels, bounds, atol=2.5)


def test_opencv_finds_markers_at_their_labels() -> None:
    """Whatever OpenCV's detectors read in a scene has a label there."""
    settings = dataclasses.replace(
        TRAINING,
        empty=0,
        occluded=0,
        inverted=0,
        distractors=(0, 0),
        tilt_deg=(0, 40),
        contrast=(0.7, 1),
        motion=0,
        defocus_px=(0, 0.5),
    )
    most = ("5X5_1000", "6X6_1000", "7X7_1000")
    names = [name for name in dictionary_names() if name.endswith(most)]
    detectors = [
        cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))) for name in names
    ]
    read = 0
    for index in range(70):
        scene = draw_scene(5, index, settings)
        for detector in detectors:
            corners, _, _ = detector.detectMarkers(scene.image)
            for each in corners:
                found = np.concatenate([each[0].min(axis=0), each[0].max(axis=0)])
                assert (
                    max(_iou(found, box) for box in _boxes(scene, "marker")) > 0.7
                )  # of two borders it may take the inner
                read += 1
    assert read >= 4


def test_same_arguments_same_scene(photographs: Path) -> None:
    pictures = Photographs.of_folder(photographs)
    first, again = (draw_scene(1, 4, TRAINING, photographs=pictures) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert first.jpeg_quality == again.jpeg_quality
    others = (draw_scene(2, 4, TRAINING), draw_scene(1, 5, TRAINING), draw_scene(1, 4, HARDER))
    assert all(not np.array_equal(first.image, other.image) for other in others)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "harder"])
def test_nothing_in_training_is_as_bad_as_the_harder_setting(name: str) -> None:
    setting = SETTINGS[name]
    for worst in ("tilt_deg", "nearness", "bend_rad", "defocus_px", "noise"):
        assert getattr(setting, worst)[1] < getattr(HARDER, worst)[1], worst
        assert getattr(setting, worst)[0] < getattr(HARDER, worst)[0], worst
    for least in ("gain", "jpeg_quality"):
        assert getattr(setting, least)[1] > getattr(HARDER, least)[1], least
    for chance in ("bent", "halftone", "motion", "shadows", "glare", "light"):
        assert getattr(setting, chance) < getattr(HARDER, chance), chance


@pytest.mark.parametrize("side", [16, 150])
def test_what_looks_like_a_code_can_be_drawn_at_any_size(side: int, photographs: Path) -> None:
    """Every kind, with photographs and without."""
    for pictures in (Photographs(), Photographs.of_folder(photographs)):
        for number in range(20):
            random = np.random.default_rng(number)
            flat = [draw(random, side) for draw in dict.fromkeys(LOOKALIKES)]
            prints = [draw(random, side, pictures) for draw in WITH_PHOTOGRAPHS]
            for item in [*(Print(image) for image in flat), *prints]:
                assert item.image.dtype == np.uint8 and item.image.ndim == 3 and min(item.image.shape) >= 2
                assert item.mask is None or (item.mask.shape == item.image.shape[:2] and item.mask.any())
            assert sum(item.image.std() > 1 for item in prints) >= 2


@pytest.mark.parametrize("size", [(24, 90), (416, 416)], ids=str)
def test_surfaces_have_the_size_asked_for(size: tuple[int, int]) -> None:
    for number, draw in enumerate(PATTERNS):
        first, again = (draw(np.random.default_rng(number), size) for _ in range(2))
        assert first.dtype == np.uint8 and first.shape == (size[1], size[0], 3)
        assert np.array_equal(first, again)


def test_settings_differ() -> None:
    """The harder one is darker, smaller and more often curled, and never has a training scene's seed."""
    assert len({settings.number for settings in SETTINGS.values()}) == len(SETTINGS)
    drawn = {
        settings.name: [draw_scene(3, index, settings) for index in range(100)]
        for settings in SETTINGS.values()
    }
    empty = {name: sum(len(scene.class_ids) == 0 for scene in scenes) for name, scenes in drawn.items()}
    assert 7 <= empty["training"] <= 37 < 67 <= empty["clutter"] < 100
    light = {name: np.mean([scene.image.mean() for scene in scenes]) for name, scenes in drawn.items()}
    assert light["harder"] < light["training"]
    sizes = {
        name: np.median(np.concatenate([_sides(scene) for scene in scenes])) for name, scenes in drawn.items()
    }
    assert sizes["harder"] < sizes["training"]
    classes = Counter(int(each) for scene in drawn["training"] for each in scene.class_ids)
    assert set(classes) == {0, 1, 2} and min(classes.values()) > 8


def test_boxes_lie_in_the_picture() -> None:
    for index in range(40):
        scene = draw_scene(8, index, TRAINING, side=192)
        assert scene.image.shape == (192, 192, 3) and scene.image.dtype == np.uint8
        assert (scene.boxes_xyxy >= 0).all() and (scene.boxes_xyxy <= 192).all()
        assert (_sides(scene) > 4).all()


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        pytest.param([(10, 10), (20, 10), (20, 20), (10, 20)], 100, id="inside"),
        pytest.param([(-10, 10), (10, 10), (10, 20), (-10, 20)], 100, id="half outside"),
        pytest.param([(-5, -5), (200, -5), (200, 200), (-5, 200)], 10000, id="around the picture"),
        pytest.param([(-30, -30), (-20, -30), (-20, -20)], 0, id="outside"),
        pytest.param([(0, 0), (0, 0), (0, 0)], 0, id="no area"),
    ],
)
def test_clipping(polygon: list[tuple[int, int]], expected: float) -> None:
    clipped = clip_polygon(np.array(polygon, np.float64), 100)
    found = abs(cv2.contourArea(clipped.astype(np.float32))) if len(clipped) else 0
    assert found == pytest.approx(expected)


def test_dataset_is_the_same_for_any_number_of_workers(tmp_path: Path, photographs: Path) -> None:
    options = SceneOptions(train=30, val=6, seed=9, imgsz=96)
    hashes = []
    for workers in (1, 2):
        written = write_scenes(tmp_path / str(workers), options, photographs=photographs, workers=workers)
        files = sorted(path for path in written.parent.rglob("*") if path.is_file())
        hashes.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert hashes[0] == hashes[1] and len(hashes[0]) == 2 * 36 + 2
    dataset = open_dataset(tmp_path / "1" / "data.yaml", CLASS_NAMES, split="train")
    record = json.loads((tmp_path / "1" / "scenes.json").read_text())
    val = open_dataset(tmp_path / "1" / "data.yaml", CLASS_NAMES)
    assert len(dataset.images) == 30 and dataset.warnings == () and val.warnings == ()
    assert sum(record["codes"].values()) == dataset.object_count + val.object_count > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]  # nothing is left over


def test_more_scenes_leave_the_others_alone(tmp_path: Path) -> None:
    for name, count in (("few", 2), ("many", 4)):
        write_scenes(tmp_path / name, SceneOptions(train=count, val=1, imgsz=64))
    for file in ("images/train/000001.jpg", "labels/val/000000.txt", "images/val/000000.jpg"):
        assert (tmp_path / "few" / file).read_bytes() == (tmp_path / "many" / file).read_bytes()


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    words = ["scenes", str(out), "--count", "3", "--val", "2", "--imgsz", "64", "--quiet"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{out / 'data.yaml'}\n"
    before = (out / "images/train/000000.jpg").read_bytes()
    assert main(words) == 1
    assert f"{out} is there already; --force replaces it" in capsys.readouterr().err
    assert main([*words, "--force", "--seed", "5"]) == 0
    assert (out / "images/train/000000.jpg").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_labels_are_the_scenes_boxes(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "set", SceneOptions(train=6, val=0, seed=3, imgsz=96))
    dataset = open_dataset(data, CLASS_NAMES, split="train")
    for number, image in enumerate(dataset.images):
        scene = draw_scene(3, 2 * number, TRAINING, side=96)
        np.testing.assert_allclose(image.objects.boxes * 96, scene.boxes_xyxy, atol=1e-6)
        assert np.array_equal(image.objects.class_id, scene.class_ids)
    assert not (tmp_path / "set" / "images" / "val").exists() and dataset.object_count


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SinkError, match="file: cannot be written: Not a directory"):
        write_scenes(tmp_path / "file" / "set", SceneOptions(train=1, val=0, imgsz=64))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SinkError, match=r"drawn: cannot be written: No space left on device; what was there"):
        write_scenes(tmp_path / "drawn", SceneOptions(1, 0, imgsz=64))
    assert list(tmp_path.iterdir()) == []


def test_help_and_wrong_arguments_need_no_opencv(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "yolo_train"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SystemExit) as left:
        main(["scenes", "--help"])
    assert left.value.code == 0
    assert main(["scenes", str(tmp_path / "drawn")]) == 1
    assert capsys.readouterr().err.startswith(
        "yolo-train scenes: error: drawing scenes needs the Python package cv2"
    )


def test_a_worker_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(ProcessPoolExecutor, "map", killed)
    with pytest.raises(SinkError, match=r"a process that draws scenes was killed.*fewer --workers"):
        write_scenes(tmp_path / "drawn", SceneOptions(1, 0, imgsz=64), workers=2)
    assert list(tmp_path.iterdir()) == []


def test_folders_of_others_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(SinkError, match=r"holds no scenes\.json, so it is not replaced"):
        write_scenes(tmp_path / "mine", SceneOptions(train=1, val=0, imgsz=64), force=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(["--count", "0", "--val", "0"], 2, "together they must be at least 1", id="nothing"),
        pytest.param(["--count", "-1"], 2, "count is -1", id="negative"),
        pytest.param(["--seed", "-1"], 2, "seed is -1", id="seed"),
        pytest.param(["--imgsz", "32"], 2, "imgsz is 32; it must be at least 64", id="small"),
        pytest.param(["--workers", "0"], 2, "workers is 0", id="workers"),
        pytest.param(["--photographs", "nowhere"], 1, "no such folder of photographs", id="photographs"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, text: str
) -> None:
    assert main(["scenes", str(tmp_path / "out"), *flags]) == code
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_collage_shows_several_photographs() -> None:
    """Three photographs of one hue each: most collages hold more than one colour."""
    hues = np.eye(3, dtype=np.uint8) * 200
    pictures = Photographs([np.broadcast_to(hue, (90, 120, 3)).copy() for hue in hues])
    random = np.random.default_rng(4)
    drawn = [pictures.collage(random, (96, 64)) for _ in range(20)]
    assert all(picture.shape == (64, 96, 3) for picture in drawn)
    several = sum(len(np.unique(picture.reshape(-1, 3), axis=0)) > 1 for picture in drawn)
    assert several >= 15
    with pytest.raises(ValueError, match="there are no photographs"):
        Photographs().collage(random, (8, 8))


def test_photographs_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no images"):
        Photographs.of_folder(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"broken\.jpg: does not decode as an image"):
        Photographs.of_folder(tmp_path)
    with pytest.raises(ValueError, match="there are no photographs"):
        Photographs().cut(np.random.default_rng(0), (8, 8))


def _boxes(scene: Scene, name: str) -> np.ndarray:
    return scene.boxes_xyxy[scene.class_ids == CLASS_NAMES.index(name)]


def _sides(scene: Scene) -> np.ndarray:
    return (scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]).max(axis=1)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter))
