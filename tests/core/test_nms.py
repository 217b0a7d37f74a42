import naive_postprocess as naive
import numpy as np
import pytest

from yolo_edge import _core


def random_boxes(rng, count, side):
    corner = rng.integers(-side // 8, side, (count, 2))
    xyxy = np.concatenate([corner, corner + rng.integers(0, side // 3, (count, 2))], 1).astype(np.float32)
    score = np.sort(rng.random(count).astype(np.float32))[::-1]
    return xyxy, score, rng.integers(0, 4, count).astype(np.int32)


@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("iou", [0.0, 0.3, 0.5, 1.0])
def test_random_boxes_equal_numpy(class_agnostic, iou):
    rng = np.random.default_rng(0)
    for count in (0, 1, 7, 60, 600):
        for side in (40, 600):
            xyxy, score, class_id = random_boxes(rng, count, side)
            kept = _core.nms_sorted(
                xyxy, score, class_id, iou=iou, class_agnostic=class_agnostic, max_detections=100
            )
            assert kept.dtype == np.int32
            np.testing.assert_array_equal(kept, naive.nms(xyxy, class_id, iou, class_agnostic, 100))


def test_equals_cv2_away_from_the_threshold():
    """cv2 computes in double, and keeps classes apart by an offset that negative coordinates would defeat."""
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    xyxy, score, class_id = random_boxes(rng, 400, 300)
    xyxy += [50, 50, 51, 51] + rng.random(xyxy.shape, np.float32) / 2
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1).astype(np.float64)
    expected = cv2.dnn.NMSBoxesBatched(xywh, score, class_id, 0.0, 0.45)
    kept = _core.nms_sorted(xyxy, score, class_id, max_detections=400)
    np.testing.assert_array_equal(np.sort(kept), np.sort(np.ravel(expected)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"iou": -0.1}, r"iou is -0.1; it must be in 0\.\.1", id="iou"),
        pytest.param({"iou": float("nan")}, "iou is ", id="no iou"),
        pytest.param({"max_detections": 0}, "max_detections is 0; it must be at least 1", id="no detections"),
        pytest.param(
            {"class_id": np.array([-1])}, r"a class id is -1; they must be 0\.\.65535", id="class id"
        ),
        pytest.param({"score": np.zeros(2)}, "xyxy is float64", id="lengths"),
    ],
)
def test_refused(options, message):
    arguments = {"xyxy": np.zeros((1, 4)), "score": np.zeros(1), "class_id": np.zeros(1, int), **options}
    with pytest.raises(ValueError, match=message):
        _core.nms_sorted(**arguments)
