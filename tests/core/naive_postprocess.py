"""The postprocessing in float64 numpy, written from YOLOv5's formulas without a look at the core."""

import numpy as np


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x.astype(np.float64)))


def decode(head, stride, anchors_px):
    """Raw head (channels, ny, nx) -> boxes (cells, 4) and scores (cells, classes), in YOLOv5's order."""
    na = len(anchors_px)
    channels, ny, nx = head.shape
    p = sigmoid(head.reshape(na, channels // na, ny, nx)).transpose(0, 2, 3, 1)
    grid_y, grid_x = np.mgrid[:ny, :nx]
    xy = (p[..., :2] * 2 - 0.5 + np.stack([grid_x, grid_y], -1)) * stride
    wh = (p[..., 2:4] * 2) ** 2 * np.asarray(anchors_px, np.float64)[:, None, None]
    boxes = np.concatenate([xy - wh / 2, xy + wh / 2], -1).reshape(-1, 4)
    return boxes, (p[..., 4:5] * p[..., 5:]).reshape(len(boxes), -1)


def proposals(head, stride, anchors_px, confidence, multi_label=False, classes=None):
    boxes, scores = decode(head, stride, anchors_px)
    if multi_label:
        cell, class_id = np.nonzero(scores > confidence)
    else:
        class_id = scores.argmax(1)
        cell = np.nonzero(scores.max(1) > confidence)[0]
        class_id = class_id[cell]
    if classes is not None:
        wanted = np.isin(class_id, classes)
        cell, class_id = cell[wanted], class_id[wanted]
    return boxes[cell], scores[cell, class_id], class_id


def iou(a, b):
    """Intersection over union of one box and many, in float32 as torchvision computes it."""
    a, b = np.float32(a), np.float32(b)
    width = np.maximum(0, np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0]))
    height = np.maximum(0, np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1]))
    inter = width * height
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    with np.errstate(invalid="ignore"):
        return inter / (area_b + area_a - inter)


def nms(xyxy, class_id, threshold, class_agnostic=False, max_detections=300):
    """Greedy, over boxes sorted by falling score; the indices kept."""
    alive = np.ones(len(xyxy), bool)
    kept = []
    for i in range(len(xyxy)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == max_detections:
            break
        rivals = (iou(xyxy[i], xyxy) > threshold) & (class_agnostic | (class_id == class_id[i]))
        alive &= ~rivals
    return np.array(kept, int)


def scale_boxes(xyxy, tensor_hw, source_hw):
    gain = min(tensor_hw[0] / source_hw[0], tensor_hw[1] / source_hw[1])
    pad_x, pad_y = (tensor_hw[1] - source_hw[1] * gain) / 2, (tensor_hw[0] - source_hw[0] * gain) / 2
    boxes = (xyxy - np.array([pad_x, pad_y, pad_x, pad_y])) / gain
    limits = np.array([source_hw[1], source_hw[0], source_hw[1], source_hw[0]])
    return np.clip(boxes, 0, limits)
