"""Outputs in the forms that other tools export, against numpy."""

import naive_postprocess as naive
import numpy as np
import pytest

from yolo_edge import _core

ANCHORS = [(10, 13), (16, 30), (33, 23)]
HEADS = [(32, [(a * 8, b * 8) for a, b in ANCHORS]), (8, ANCHORS)]
CLASSES = 6
NO = 5 + CLASSES


def raw_heads(seed, tensor_hw):
    rng = np.random.default_rng(seed)
    shapes = [(3 * NO, tensor_hw[0] // stride, tensor_hw[1] // stride) for stride, _ in HEADS]
    return [rng.normal(-1.5, 2.0, shape).astype(np.float32) for shape in shapes]


def in_form(heads, layout, activation):
    """What a tool that exports this form makes of raw heads."""
    cells = [head.reshape(3, NO, *head.shape[1:]).transpose(0, 2, 3, 1) for head in heads]
    if activation == "sigmoid":
        cells = [naive.sigmoid(cell).astype(np.float32) for cell in cells]
    if activation == "decoded":
        rows = []
        for head, (stride, anchors) in zip(heads, HEADS):
            boxes, _ = naive.decode(head, stride, anchors)
            scores = naive.sigmoid(head.reshape(3, NO, *head.shape[1:]).transpose(0, 2, 3, 1)).reshape(-1, NO)
            corners = boxes[:, :2], boxes[:, 2:]
            rows.append(
                np.concatenate([sum(corners) / 2, corners[1] - corners[0], scores[:, 4:]], 1).astype(
                    np.float32
                )
            )
        return [np.concatenate(rows)]
    if layout == "n,no":
        return [np.concatenate([cell.reshape(-1, NO) for cell in cells])]
    if layout == "na,h*w,no":
        return [cell.reshape(3, -1, NO) for cell in cells]
    if layout == "na,h,w,no":
        return [np.ascontiguousarray(cell) for cell in cells]
    return [
        np.ascontiguousarray(cell.transpose(0, 3, 1, 2)).reshape(3 * NO, *cell.shape[1:3]) for cell in cells
    ]


FORMS = [
    pytest.param(layout, activation, id=f"{layout} {activation}")
    for layout, activation in [
        ("c,h,w", "none"),
        ("c,h,w", "sigmoid"),
        ("na,h,w,no", "none"),
        ("na,h,w,no", "sigmoid"),
        ("na,h*w,no", "none"),
        ("na,h*w,no", "sigmoid"),
        ("n,no", "none"),
        ("n,no", "sigmoid"),
        ("n,no", "decoded"),
    ]
]


@pytest.mark.parametrize(("layout", "activation"), FORMS)
@pytest.mark.parametrize("multi_label", [False, True], ids=["best class", "all classes"])
@pytest.mark.parametrize("classes", [None, [1, 4]], ids=["all wanted", "two wanted"])
def test_every_form_equals_numpy(layout, activation, multi_label, classes):
    specs = [] if activation == "decoded" else HEADS
    outputs = [(layout, activation)] * (1 if layout == "n,no" else len(HEADS))
    postprocessor = _core.Postprocessor(specs, outputs=outputs)
    for seed, source_hw in enumerate([(90, 200), (333, 100), (57, 57)]):
        geometry = _core.letterbox_geometry(source_hw, size_hw=(192, 192), stride=32)
        heads = raw_heads(seed, geometry.tensor_hw)
        parts = [
            naive.proposals(head, stride, anchors, 0.1, multi_label, classes)
            for head, (stride, anchors) in zip(heads, HEADS)
        ]
        boxes, scores, ids = (np.concatenate(columns) for columns in zip(*parts))
        order = np.argsort(-scores, kind="stable")
        boxes, scores, ids = boxes[order], scores[order], ids[order]
        kept = naive.nms(boxes, ids, 0.6, max_detections=50)
        for batched in (False, True):
            arrays = [array[None] if batched else array for array in in_form(heads, layout, activation)]
            xyxy, confidence, class_id = postprocessor.run(
                arrays,
                geometry,
                confidence=0.1,
                iou=0.6,
                classes=classes,
                multi_label=multi_label,
                max_detections=50,
            )
            np.testing.assert_array_equal(class_id, ids[kept])
            np.testing.assert_allclose(confidence, scores[kept], rtol=1e-6)
            wanted = naive.scale_boxes(boxes[kept], geometry.tensor_hw, source_hw)
            np.testing.assert_allclose(xyxy, wanted, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("layout", "activation"), FORMS)
def test_raw_numbers_in_any_form_give_the_same_boxes_as_raw_heads(layout, activation):
    geometry = _core.letterbox_geometry((90, 200), size_hw=(192, 192), stride=32)
    heads = raw_heads(5, geometry.tensor_hw)
    outputs = [(layout, activation)] * (1 if layout == "n,no" else len(HEADS))
    found = _core.Postprocessor(HEADS, outputs=outputs).run(in_form(heads, layout, activation), geometry)
    expected = _core.Postprocessor(HEADS).run(heads, geometry)
    exact = activation == "none"
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-3)


@pytest.mark.parametrize(
    ("heads", "outputs", "text"),
    [
        pytest.param(
            HEADS, [("h,w,c", "none")] * 2, "layout is 'h,w,c'; it must be one of c,h,w, na,", id="layout"
        ),
        pytest.param(
            HEADS, [("n,no", "relu")], "activation is 'relu'; it must be one of none, sig", id="activation"
        ),
        pytest.param(HEADS, [("c,h,w", "none")], "got 1 outputs for 2 heads", id="too few outputs"),
        pytest.param([], [("n,no", "sigmoid")], "heads is empty; only a decoded output", id="no heads"),
        pytest.param(HEADS, [("c,h,w", "decoded")] * 2, "a decoded output is c,h,w", id="decoded planes"),
    ],
)
def test_refused_specs(heads, outputs, text):
    with pytest.raises(ValueError, match=text):
        _core.Postprocessor(heads, outputs=outputs)


@pytest.mark.parametrize(("layout", "activation"), FORMS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38, -3e38], ids=str)
def test_numbers_that_no_network_should_give(layout, activation, bad):
    """They make no box, or one inside the image, with a confidence that is a number."""
    geometry = _core.letterbox_geometry((90, 130), size_hw=(96, 160), stride=32)
    outputs = in_form(raw_heads(5, geometry.tensor_hw), layout, activation)
    forms = [(layout, activation)] * len(outputs)
    postprocessor = _core.Postprocessor([] if activation == "decoded" else HEADS, outputs=forms)
    rng = np.random.default_rng(6)
    for share in (0.01, 1.0):
        damaged = [np.where(rng.random(output.shape) < share, bad, output) for output in outputs]
        damaged = [output.astype(np.float32) for output in damaged]
        for multi_label in (False, True):
            xyxy, confidence, class_id = postprocessor.run(
                damaged, geometry, confidence=0.01, multi_label=multi_label
            )
            assert np.isfinite(xyxy).all()
            assert ((xyxy >= 0) & (xyxy <= [130, 90, 130, 90])).all()
            assert np.isfinite(confidence).all()
            assert (confidence > 0.01).all()
            assert set(class_id) <= set(range(CLASSES))
            assert len(xyxy) > 0 or share == 1.0
            if not np.isfinite(bad) and share == 1.0:
                assert len(xyxy) == 0


def test_refused_arrays():
    geometry = _core.letterbox_geometry((96, 96), size_hw=(96, 96), stride=32)
    postprocessor = _core.Postprocessor(HEADS, outputs=[("n,no", "sigmoid")])
    rows = in_form(raw_heads(0, (96, 96)), "n,no", "sigmoid")[0]
    with pytest.raises(ValueError, match="got 2 outputs; this model has 1"):
        postprocessor.run([rows, rows], geometry)
    with pytest.raises(ValueError, match=r"float64.* it must be float32 with 2 dimensions"):
        postprocessor.run([rows.astype(np.float64)], geometry)
    with pytest.raises(ValueError, match=r"with a tensor of 96x96 the heads give 459 rows"):
        postprocessor.run([rows[1:]], geometry)
    with pytest.raises(ValueError, match="must be float32 with 2 dimensions"):
        postprocessor.run([rows[None, None]], geometry)
