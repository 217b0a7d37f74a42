from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from runtimes import RUNTIMES, runtime_options

from yolo_edge import Detections, DetectOptions, Detector, _core, load_bundle
from yolo_edge.checking.agreement import box_agreement
from yolo_edge.errors import BundleError, EngineError, MissingExtraError
from yolo_edge.scene import draw_scene

IMAGE = draw_scene((90, 160), 1)


@pytest.fixture(scope="module", params=RUNTIMES)
def detector(request: pytest.FixtureRequest, tiny_bundle: Path) -> Detector:
    with Detector(tiny_bundle, **runtime_options(request.param), threads=1) as made:
        yield made


def test_finds_something_and_tells_where_the_time_went(detector: Detector) -> None:
    found = detector.detect(IMAGE)
    assert len(found) > 5
    assert (np.diff(found.confidence) <= 0).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [160, 90, 160, 90]).all()
    assert found.times is not None
    assert found.times.inference_ms > 0


def test_one_bundle_runs_at_any_multiple_of_the_stride(tiny_bundle: Path) -> None:
    for name in RUNTIMES:
        for imgsz in (32, (384, 640), (480, 640), (320, 256)):
            with Detector(tiny_bundle, **runtime_options(name), imgsz=imgsz, letterbox="square") as detector:
                tensor = detector.letterboxed(IMAGE)
                wanted = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
                assert tensor.shape[2:] == wanted
                heads = detector.compute_heads(tensor)
                assert [head.shape[1:] for head in heads] == [
                    (wanted[0] // stride, wanted[1] // stride) for stride in (8, 16, 32)
                ]


def test_engines_agree(tiny_bundle: Path) -> None:
    results = []
    for name in RUNTIMES:
        with Detector(tiny_bundle, **runtime_options(name)) as detector:
            results.append(detector.detect(IMAGE, conf=0.4))
    assert len(results[0])
    assert all(box_agreement(results[0], other) >= 0.95 for other in results[1:])


def test_rgb_and_bgr(detector: Detector) -> None:
    as_rgb = detector.detect(IMAGE[..., ::-1], image_channels="rgb")
    assert np.array_equal(detector.detect(IMAGE).xyxy, as_rgb.xyxy)


def test_overrides_and_options(detector: Detector) -> None:
    everything = detector.detect(IMAGE, conf=0.1)
    assert len(everything) > len(detector.detect(IMAGE, conf=0.6))
    assert set(detector.detect(IMAGE, conf=0.1, classes=["dog"]).class_names) == {"dog"}
    few = detector.detect(IMAGE, options=DetectOptions(conf=0.1, max_detections=3))
    assert np.array_equal(few.xyxy, everything.xyxy[:3])
    with pytest.raises(ValueError, match="the model has no class horse; it has: 0 cat, 1 dog, 2 bird"):
        detector.detect(IMAGE, classes=["horse"])
    with pytest.raises(ValueError, match="conf is 3"):
        detector.detect(IMAGE, conf=3)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        pytest.param(np.zeros((10, 10), np.uint8), r"image is \(10, 10\)", id="gray"),
        pytest.param("street.jpg", "image is str", id="path"),
        pytest.param(np.zeros((10, 10, 4), np.uint8), "3", id="four channels"),
        pytest.param(np.zeros((10, 10, 3), np.float32), "uint8", id="float"),
        pytest.param(np.zeros((0, 10, 3), np.uint8), "0", id="no rows"),
    ],
)
def test_refuses_images(detector: Detector, image: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        detector.detect(image)
    assert len(detector.detect(IMAGE)), "the slot was given back"


def test_several_threads_share_one_detector(detector: Detector) -> None:
    images = [draw_scene(size, seed) for seed, size in enumerate([(90, 160), (160, 90), (64, 64)])]
    expected = [detector.detect(image) for image in images]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            found: Detections = detector.detect(images[number])
            if not np.array_equal(found.xyxy, expected[number].xyxy):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[i % 3]) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_close(tiny_bundle: Path) -> None:
    detector = Detector(tiny_bundle)
    detector.close()
    detector.close()
    with pytest.raises(EngineError, match="the engine was closed"):
        detector.detect(IMAGE)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(
            {"threads": 0}, "threads is 0; it must be a whole number of at least 1", id="no threads"
        ),
        pytest.param({"imgsz": 100}, "image size 100 is not a multiple .* stride 32; .*: 96, 128", id="size"),
        pytest.param(
            {"letterbox": "round"}, "letterbox is 'round'; it must be rect or square", id="letterbox"
        ),
        pytest.param({"engine": "tensorrt"}, "unknown engine 'tensorrt'; known engines: mnn", id="engine"),
    ],
)
def test_refuses_arguments(tiny_bundle: Path, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Detector(tiny_bundle, **arguments)


def _edited(bundle: Path, folder: Path, **changes: object) -> Path:
    """A copy of a bundle whose targets have other values; one of them is left where the engine is given."""
    copy = folder / "copy.edge"
    shutil.copytree(bundle, copy)
    path = copy / "bundle.json"
    manifest = json.loads(path.read_text())
    if "engine" in changes:
        del manifest["targets"][1:]
    for target in manifest["targets"]:
        target.update(changes)
    path.write_text(json.dumps(manifest))
    return copy


def test_fixed_shapes_are_padded_to(tiny_bundle: Path, tmp_path: Path) -> None:
    tensor = {
        "name": "images",
        "dtype": "float32",
        "layout": "nchw",
        "shapes": [[64, 64], [64, 128], [128, 64]],
    }
    copy = _edited(tiny_bundle, tmp_path, input=tensor)
    with Detector(copy, engine="onnxruntime") as detector:
        assert detector.letterboxed(IMAGE).shape == (1, 3, 64, 128)
        assert detector.letterboxed(np.ascontiguousarray(IMAGE.transpose(1, 0, 2))).shape == (1, 3, 128, 64)
        assert detector.letterboxed(IMAGE[:, :90]).shape == (1, 3, 64, 64)
        assert len(detector.detect(IMAGE, conf=0.1))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"compute": ["int8"]}, "onnxruntime with weights fp32, verified in int8", id="compute"),
        pytest.param(
            {
                "outputs": [
                    {"name": "out", "layout": "n,no", "activation": "decoded", "dtype": "float16"},
                ]
            },
            "its output out is float16, not float32",
            id="output in half precision",
        ),
    ],
)
def test_refuses_targets_that_it_cannot_run(
    tiny_bundle: Path, tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    with pytest.raises(BundleError, match=text):
        Detector(_edited(tiny_bundle, tmp_path, **changes), engine="onnxruntime")


def test_a_bundle_without_the_engine(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = _edited(tiny_bundle, tmp_path, engine="ncnn")
    with pytest.raises(BundleError, match=r"no target for engine 'onnxruntime'; it has: ncnn"):
        Detector(copy, engine="onnxruntime")
    other = _edited(tiny_bundle, tmp_path / "b", engine="future")
    with pytest.raises(
        BundleError, match="has targets for future; this version runs mnn, ncnn, onnxruntime, openvino"
    ):
        Detector(other)


def test_no_engine_installed(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yolo_edge.engines.base import Engine

    monkeypatch.setattr(Engine, "version", classmethod(lambda cls: None))
    monkeypatch.setattr(_core, "native_engines", {})
    with pytest.raises(MissingExtraError, match=r"no engine for .* is installed; .*pip install ncnn"):
        Detector(load_bundle(tiny_bundle))


def test_batch_gives_what_single_calls_give(detector: Detector) -> None:
    images = [draw_scene(size, seed) for seed, size in enumerate([(90, 160), (160, 90), (64, 64), (90, 160)])]
    results = detector.detect_batch(images, conf=0.4)
    assert detector.detect_batch([]) == []
    for image, found in zip(images, results):
        assert np.array_equal(found.xyxy, detector.detect(image, conf=0.4).xyxy)


def test_batches_of_several_threads_do_not_block_each_other(detector: Detector) -> None:
    images = [IMAGE] * 8
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(detector.detect_batch(images)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [8, 8, 8, 8]


def test_a_bad_image_in_a_batch_gives_the_slots_back(detector: Detector) -> None:
    with pytest.raises(ValueError, match="image is"):
        detector.detect_batch([IMAGE, IMAGE, np.zeros((3, 3), np.uint8)])
    with pytest.raises(ValueError, match="height, width, 3"):
        detector.detect_batch([IMAGE, np.zeros((3, 3, 7), np.uint8)])
    assert len(detector.detect_batch([IMAGE] * 4)) == 4
