"""The loss against one written as loops, and what follows from its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_loss import ciou, matches, plain_loss

from yolo_train.loss import DetectionLoss, LossOptions, complete_iou, match_targets

_ANCHORS = [(10.0, 13.0), (16.0, 30.0), (33.0, 23.0)]


def random_targets(random: np.random.Generator, images: int, count: int, classes: int) -> np.ndarray:
    """Boxes of all sizes, some on the edges and on the borders of cells."""
    targets = np.zeros((count, 6), np.float32)
    targets[:, 0] = random.integers(images, size=count)
    targets[:, 1] = random.integers(classes, size=count)
    targets[:, 2:4] = random.choice(np.linspace(0, 1, 33), (count, 2))
    targets[::2, 2:4] = random.random((len(targets[::2]), 2))
    targets[:, 4:] = np.exp(random.uniform(-4.5, 0, (count, 2)))
    return targets


def random_heads(random, strides, anchors, classes, images, size_hw):
    return [
        random.normal(0, 2, (images, len(anchors) * (classes + 5), size_hw[0] // s, size_hw[1] // s)).astype(
            np.float32
        )
        for s in strides
    ]


@pytest.mark.parametrize(
    ("strides", "classes", "options", "weights"),
    [
        pytest.param([8, 16, 32], 3, LossOptions(), None, id="three heads"),
        pytest.param([32, 16, 8], 3, LossOptions(), None, id="heads in the order of v1.0"),
        pytest.param([8, 16, 32, 64], 2, LossOptions(), None, id="four heads"),
        pytest.param([4, 8, 16, 32], 2, LossOptions(), None, id="four heads from stride 4"),
        pytest.param([4, 8, 16, 32, 64], 2, LossOptions(), None, id="five heads"),
        pytest.param([8, 16], 2, LossOptions(), None, id="two heads"),
        pytest.param([8, 16, 32], 1, LossOptions(), None, id="one class"),
        pytest.param([8, 16, 32], 4, LossOptions(label_smoothing=0.1), None, id="label smoothing"),
        pytest.param([8, 16, 32], 4, LossOptions(cls_pw=1.7, obj_pw=0.6), None, id="positive weights"),
        pytest.param([8, 16, 32], 4, LossOptions(fl_gamma=1.5), None, id="focal"),
        pytest.param([8, 16, 32], 4, LossOptions(anchor_t=2.0), None, id="strict matching"),
        pytest.param([8, 16, 32], 3, LossOptions(), [0.5, 1.0, 3.0], id="class weights"),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 25], ids=["no objects", "one object", "many objects"])
def test_equals_loops(strides, classes, options, weights, count) -> None:
    random = np.random.default_rng(count + classes + len(strides))
    scale = [(1 + index * 1.5) for index in range(len(strides))]
    anchors = [[(w * s, h * s) for w, h in _ANCHORS] for s in scale]
    heads = random_heads(random, strides, _ANCHORS, classes, 2, (64, 128))
    targets = random_targets(random, 2, count, classes)
    loss = DetectionLoss(
        strides,
        anchors,
        classes,
        options,
        imgsz=128,
        class_weights=None if weights is None else torch.tensor(weights),
    )
    parts = loss([torch.from_numpy(head) for head in heads], torch.from_numpy(targets))
    wanted = plain_loss(heads, targets.tolist(), strides, anchors, classes, options, 128, weights)
    for part, value in zip(parts, wanted):
        assert abs(float(part) - value) <= 1e-5 * max(1.0, abs(value))
    if count == 0:
        assert float(parts.box) == 0.0 and float(parts.cls) == 0.0 and float(parts.obj) > 0
    if count == 25:
        assert (float(parts.cls) == 0) == (classes == 1) and float(parts.box) > 0


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param(np.zeros((0, 6)), id="none"),
        pytest.param([[0, 0, 0.5, 0.5, 0.1, 0.1]], id="corner of four cells"),
        pytest.param([[0, 0, 0.0, 0.0, 0.1, 0.1]], id="first corner"),
        pytest.param([[0, 0, 1.0, 1.0, 0.1, 0.1]], id="last corner"),
        pytest.param([[0, 0, 0.5, 0.5, 0.0, 0.1]], id="without width"),
        pytest.param([[0, 0, 0.31, 0.33, 0.1, 0.1]] * 2, id="twice the same"),
    ],
)
def test_matching(targets) -> None:
    targets = np.array(targets, np.float32).reshape(-1, 6)
    anchors = [(1.0, 1.0), (2.5, 1.5), (9.0, 9.0)]
    found = match_targets(torch.from_numpy(targets), torch.tensor(anchors), (8, 10), 4.0)
    made = sorted(
        zip(
            found.image.tolist(),
            found.anchor.tolist(),
            found.row.tolist(),
            found.column.tolist(),
            [[round(v, 4) for v in box] for box in found.boxes.tolist()],
            found.class_id.tolist(),
        )
    )
    wanted = sorted(
        (i, a, r, c, [round(v, 4) for v in box], k)
        for i, a, r, c, box, k in matches(targets.tolist(), anchors, (8, 10), 4.0)
    )
    assert made == wanted
    assert all(0 <= row < 8 and 0 <= column < 10 for _, _, row, column, _, _ in made)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param([5, 5, 4, 2], [5, 5, 4, 2], id="equal"),
        pytest.param([5, 5, 4, 2], [50, 5, 4, 2], id="apart"),
        pytest.param([5, 5, 4, 2], [9, 5, 4, 2], id="touching"),
        pytest.param([5, 5, 4, 4], [5, 5, 1, 1], id="nested"),
        pytest.param([5, 5, 0, 0], [5, 5, 2, 2], id="without area"),
    ],
)
def test_complete_iou(a, b) -> None:
    value = float(
        complete_iou(torch.tensor([a], dtype=torch.float32), torch.tensor([b], dtype=torch.float32))
    )
    assert value == pytest.approx(ciou(a, b), abs=1e-5)
    assert value <= 1


def test_too_many_heads() -> None:
    with pytest.raises(ValueError, match="6 heads; a loss is known for up to 5"):
        DetectionLoss([2, 4, 8, 16, 32, 64], [[(1, 1)]] * 6, 2, LossOptions(), imgsz=64)
