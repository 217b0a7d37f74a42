import sys
import threading
import time

import naive_postprocess as naive
import numpy as np
import pytest

from yolo_edge import _core

ANCHORS = [(10, 13), (16, 30), (33, 23)]
HEADS = [(32, [(a * 8, b * 8) for a, b in ANCHORS]), (8, ANCHORS)]  # any order of strides


def random_heads(rng, tensor_hw, classes=6):
    shapes = [
        (3 * (5 + classes), -(-tensor_hw[0] // stride), -(-tensor_hw[1] // stride)) for stride, _ in HEADS
    ]
    return [rng.normal(-1.5, 2.0, shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("mode", ["rect", "square"])
def test_random_heads_equal_numpy(multi_label, mode):
    rng = np.random.default_rng(0)
    postprocessor = _core.Postprocessor(HEADS)
    for source_hw in ((90, 200), (333, 100), (57, 57)):
        geometry = _core.letterbox_geometry(source_hw, size_hw=(192, 192), stride=32, mode=mode)
        heads = random_heads(rng, geometry.tensor_hw)
        parts = [
            naive.proposals(head, stride, anchors, 0.1, multi_label)
            for head, (stride, anchors) in zip(heads, HEADS)
        ]
        boxes, scores, ids = (np.concatenate(columns) for columns in zip(*parts))
        order = np.argsort(-scores, kind="stable")
        boxes, scores, ids = boxes[order], scores[order], ids[order]
        kept = naive.nms(boxes, ids, 0.6, max_detections=50)
        xyxy, confidence, class_id = postprocessor.run(
            heads, geometry, confidence=0.1, iou=0.6, multi_label=multi_label, max_detections=50
        )
        np.testing.assert_array_equal(class_id, ids[kept])
        np.testing.assert_allclose(confidence, scores[kept], rtol=5e-7)
        np.testing.assert_allclose(
            xyxy, naive.scale_boxes(boxes[kept], geometry.tensor_hw, source_hw), rtol=1e-5, atol=1e-3
        )


def test_is_its_steps_in_a_row():
    rng = np.random.default_rng(1)
    geometry = _core.letterbox_geometry((90, 200), size_hw=(192, 192), stride=32)
    heads = random_heads(rng, geometry.tensor_hw)
    parts = [
        _core.generate_proposals(head, stride=stride, anchors_px=anchors, confidence=0.05, classes=[1, 4])
        for head, (stride, anchors) in zip(heads, HEADS)
    ]
    xyxy, score, class_id = _core.sort_descending(*map(np.concatenate, zip(*parts)), max_candidates=40)
    kept = _core.nms_sorted(xyxy, score, class_id, iou=0.3, class_agnostic=True, max_detections=10)
    expected = (_core.scale_boxes(xyxy[kept], geometry), score[kept], class_id[kept])
    found = _core.Postprocessor(HEADS).run(
        heads,
        geometry,
        confidence=0.05,
        iou=0.3,
        classes=[1, 4],
        class_agnostic=True,
        max_detections=10,
        max_candidates=40,
    )
    for a, b in zip(expected, found):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@pytest.mark.parametrize("multi_label", [False, True])
def test_all_simd_levels_give_the_same_bits(multi_label):
    rng = np.random.default_rng(4)
    geometry = _core.letterbox_geometry((90, 200), size_hw=(192, 192), stride=32)
    heads = random_heads(rng, geometry.tensor_hw, classes=80)
    scalar = _core.Postprocessor(HEADS, simd="scalar").run(
        heads, geometry, confidence=0.01, multi_label=multi_label
    )
    for simd in _core.simd_levels():
        found = _core.Postprocessor(HEADS, simd=simd).run(
            heads, geometry, confidence=0.01, multi_label=multi_label
        )
        for a, b in zip(scalar, found):
            np.testing.assert_array_equal(a, b)


def test_results_outlive_the_next_call():
    rng = np.random.default_rng(2)
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    postprocessor = _core.Postprocessor(HEADS)
    first = postprocessor.run(random_heads(rng, (96, 96)), geometry)
    copies = [array.copy() for array in first]
    postprocessor.run(random_heads(rng, (96, 96)), geometry)
    for array, copy in zip(first, copies):
        np.testing.assert_array_equal(array, copy)


def test_nothing_found():
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    heads = [np.full_like(head, -20) for head in random_heads(np.random.default_rng(), (96, 96))]
    xyxy, confidence, class_id = _core.Postprocessor(HEADS).run(heads, geometry)
    assert (xyxy.shape, confidence.shape, class_id.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("multi_label", [False, True])
def test_more_candidates_than_the_limit(multi_label):
    """Every cell of 400x400 is a box, of two classes even: the best 30,000 enter NMS."""
    rng = np.random.default_rng(5)
    head = rng.normal(3, 1, (7, 400, 400)).astype(np.float32)
    geometry = _core.letterbox_geometry((3200, 3200), size_hw=(3200, 3200), stride=8)
    postprocessor = _core.Postprocessor([(8, [(4, 4)])])
    options = {"confidence": 0.001, "iou": 1.0, "multi_label": multi_label}
    _, confidence, _ = postprocessor.run([head], geometry, max_detections=200_000, **options)
    assert len(confidence) == 30_000
    scores = naive.sigmoid(head[4]) * naive.sigmoid(head[5:])
    ranked = np.sort((scores if multi_label else scores.max(0)).ravel())[::-1]
    np.testing.assert_allclose(confidence, ranked[:30_000], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(lambda head: head[:-1], "the head of stride 32 has 32 channels", id="channels"),
        pytest.param(lambda head: head[:, :, :-1], "its planes must be contiguous", id="cropped"),
        pytest.param(lambda head: head[:, :-1].copy(), "head 0 is 2x3 cells", id="rows"),
        pytest.param(lambda head: head[:0], "with at least one cell", id="no channels"),
        pytest.param(lambda head: head[0], "must be float32", id="two axes"),
        pytest.param(lambda head: head.astype(np.float64), "float64", id="double"),
        pytest.param(lambda head: head.astype(np.float16), "float16", id="half"),
        pytest.param(lambda head: np.stack([head, head]), "must be float32", id="batch of two"),
        pytest.param(lambda head: np.asfortranarray(head), "its planes must be contiguous", id="fortran"),
        pytest.param(lambda head: head.tolist(), "incompatible function arguments", id="list"),
    ],
)
def test_heads_of_another_shape_are_refused(change, text):
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    heads = random_heads(np.random.default_rng(), (96, 96))
    with pytest.raises((ValueError, TypeError), match=text):
        _core.Postprocessor(HEADS).run([change(heads[0]), heads[1]], geometry)


def test_refused():
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    heads = random_heads(np.random.default_rng(), (96, 96))
    postprocessor = _core.Postprocessor(HEADS)
    with pytest.raises(ValueError, match="heads is empty; a detector has at least one"):
        _core.Postprocessor([])
    with pytest.raises(ValueError, match="the head of stride 8 has no anchors"):
        _core.Postprocessor([(8, [])])
    with pytest.raises(ValueError, match="got 1 heads; this model has 2"):
        postprocessor.run(heads[:1], geometry)
    with pytest.raises(ValueError, match="head 0 is 12x12 cells; at stride 32 a tensor of 96x96 gives 3x3"):
        postprocessor.run(heads[::-1], geometry)
    with pytest.raises(ValueError, match="max_candidates is -1; it must be at least 1"):
        postprocessor.run(heads, geometry, max_candidates=-1)
    with pytest.raises(ValueError, match="iou is 2; it must be in"):
        postprocessor.run(heads, geometry, iou=2)
    with pytest.raises(TypeError):
        postprocessor.run(heads, geometry, 0.25)  # options are keyword-only


def test_prints_itself():
    assert repr(_core.Postprocessor([(8, [(10, 13)])])) == "Postprocessor([(8, [(10.0, 13.0)])])"


def crowded_call():
    """A call that takes a good part of a second: NMS of 30,000 boxes that never overlap."""
    head = np.zeros((6, 400, 400), np.float32)
    head[2:4] = -20
    head[4:] = 10
    geometry = _core.letterbox_geometry((3200, 3200), size_hw=(3200, 3200), stride=8)
    postprocessor = _core.Postprocessor([(8, [(10, 10)])])
    return lambda: postprocessor.run([head], geometry, max_detections=30000)


def test_other_threads_run_during_a_call():
    call = crowded_call()
    xyxy, _, _ = call()
    assert len(xyxy) == 30000
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.perf_counter()
        call()
        end = time.perf_counter()
    finally:
        done.set()
        thread.join()
    assert end - start > 4 * interval, "the call is too short to show anything"
    assert sum(start < t < end for t in ticks) > 3


def test_threads_may_share_an_object():
    rng = np.random.default_rng(3)
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    postprocessor = _core.Postprocessor(HEADS)
    inputs = [random_heads(rng, (96, 96)) for _ in range(4)]
    expected = [_core.Postprocessor(HEADS).run(heads, geometry)[0] for heads in inputs]
    wrong = []

    def work(index):
        for _ in range(200):
            if not np.array_equal(postprocessor.run(inputs[index], geometry)[0], expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
