import naive_postprocess as naive
import numpy as np
import pytest

from yolo_edge import _core

ANCHORS = [(10, 13), (16, 30), (33, 23)]


def random_head(rng, classes=5, ny=9, nx=11, spread=3.0):
    return rng.normal(-1, spread, (len(ANCHORS) * (5 + classes), ny, nx)).astype(np.float32)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("confidence", [0.001, 0.25, 0.9])
@pytest.mark.parametrize("wanted", [None, [0, 3]])
def test_random_heads_equal_numpy(multi_label, confidence, wanted):
    rng = np.random.default_rng(0)
    for classes in (4, 5, 80):
        head = random_head(rng, classes)
        boxes, scores, ids = naive.proposals(head, 8, ANCHORS, confidence, multi_label, wanted)
        xyxy, score, class_id = _core.generate_proposals(
            head, stride=8, anchors_px=ANCHORS, confidence=confidence, multi_label=multi_label, classes=wanted
        )
        np.testing.assert_array_equal(class_id, ids)
        np.testing.assert_allclose(score, scores, rtol=5e-7)
        np.testing.assert_allclose(xyxy, boxes, rtol=1e-6, atol=1e-4)
        assert (xyxy.dtype, score.dtype, class_id.dtype) == (np.float32, np.float32, np.int32)
        assert xyxy.flags.owndata


def test_silent_head_gives_empty_arrays():
    head = np.full((18, 3, 4), -20, np.float32)
    xyxy, score, class_id = _core.generate_proposals(head, stride=8, anchors_px=ANCHORS)
    assert (xyxy.shape, score.shape, class_id.shape) == ((0, 4), (0,), (0,))


def test_batched_and_padded_planes():
    rng = np.random.default_rng(1)
    head = random_head(rng)
    expected = _core.generate_proposals(head, stride=8, anchors_px=ANCHORS)
    padded = np.full((len(head), head[0].size + 13), np.nan, np.float32)  # as ncnn pads its planes
    padded[:, : head[0].size] = head.reshape(len(head), -1)
    strides = (padded.strides[0], head.strides[1], head.strides[2])
    view = np.lib.stride_tricks.as_strided(padded, head.shape, strides)
    for same in (head[None], view, view[None]):
        for a, b in zip(expected, _core.generate_proposals(same, stride=8, anchors_px=ANCHORS)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_make_no_box(bad):
    rng = np.random.default_rng(2)
    for multi_label in (False, True):
        head = random_head(rng)
        head[rng.random(head.shape) < 0.02] = bad
        xyxy, score, _ = _core.generate_proposals(
            head, stride=8, anchors_px=ANCHORS, confidence=0.01, multi_label=multi_label
        )
        assert len(xyxy) > 0
        assert np.isfinite(xyxy).all()
        assert ((score > 0.01) & (score <= 1)).all()
        xyxy, _, _ = _core.generate_proposals(
            np.full_like(head, bad), stride=8, anchors_px=ANCHORS, confidence=0.0
        )
        assert len(xyxy) == 0


GOOD = np.zeros((30, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        pytest.param(
            GOOD.astype(np.float16),
            {},
            r"a head array is float16 \(30, 4, 4\); it must be float32",
            id="half",
        ),
        pytest.param(
            GOOD[0], {}, r"float32 \(4, 4\); it must be float32 \(channels, ny, nx\)", id="two axes"
        ),
        pytest.param(GOOD[:, :0], {}, "with at least one cell", id="no cells"),
        pytest.param(np.zeros((2, 30, 4, 4), np.float32), {}, "it must be float32", id="batch of two"),
        pytest.param(GOOD[:, ::2], {}, "its planes must be contiguous", id="every second row"),
        pytest.param(GOOD[:, :, :3], {}, "its planes must be contiguous", id="cropped rows"),
        pytest.param(GOOD[::-1], {}, "its planes must be contiguous and in order", id="reversed planes"),
        pytest.param(GOOD[:29], {}, "has 29 channels; with 3 anchors it must have 3", id="channels"),
        pytest.param(GOOD[:15], {}, "has 15 channels", id="no classes"),
        pytest.param(GOOD, {"confidence": 1.5}, r"confidence is 1.5; it must be in 0\.\.1", id="confidence"),
        pytest.param(
            GOOD, {"classes": [1, 5]}, r"classes holds 5; the model's class ids are 0\.\.4", id="class id"
        ),
        pytest.param(GOOD, {"stride": 0}, "stride is 0; it must be at least 1", id="stride"),
        pytest.param(GOOD, {"anchors_px": []}, "has no anchors", id="no anchors"),
        pytest.param(
            GOOD, {"anchors_px": [(1, 2), (3, -4), (5, 6)]}, "an anchor of 3x-4 px", id="negative anchor"
        ),
    ],
)
def test_refused(head, options, message):
    with pytest.raises(ValueError, match=message):
        _core.generate_proposals(head, **{"stride": 8, "anchors_px": ANCHORS, **options})
