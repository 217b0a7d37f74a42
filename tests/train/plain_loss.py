"""The loss of YOLOv5 once more, written as loops over images, anchors and objects: slow and plain."""

from __future__ import annotations

import math

BALANCE = {3: [4.0, 1.0, 0.4], 4: [4.0, 1.0, 0.25, 0.06], 5: [4.0, 1.0, 0.25, 0.06, 0.02]}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def entropy(logit: float, wanted: float, positive: float, gamma: float) -> float:
    """Binary cross entropy, focal where gamma is above 0."""

    # log(sigmoid(x)) = -softplus(-x)
    def softplus(x: float) -> float:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    value = positive * wanted * softplus(-logit) + (1 - wanted) * softplus(logit)
    if gamma:
        p = sigmoid(logit)
        value *= wanted * 0.25 + (1 - wanted) * 0.75
        value *= (wanted * (1 - p) + (1 - wanted) * p) ** gamma
    return value


def ciou(a: list[float], b: list[float]) -> float:
    """Of two boxes as centre x, centre y, width, height."""
    eps = 1e-7
    ax0, ay0, ax1, ay1 = a[0] - a[2] / 2, a[1] - a[3] / 2, a[0] + a[2] / 2, a[1] + a[3] / 2
    bx0, by0, bx1, by1 = b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    iou = shared / (a[2] * a[3] + b[2] * b[3] - shared + eps)
    around = (max(ax1, bx1) - min(ax0, bx0)) ** 2 + (max(ay1, by1) - min(ay0, by0)) ** 2 + eps
    distance = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    v = 4 / math.pi**2 * (math.atan(b[2] / (b[3] + eps)) - math.atan(a[2] / (a[3] + eps))) ** 2
    alpha = v / (v - iou + 1 + eps)
    return iou - distance / around - alpha * v


def matches(targets, anchors, grid_hw, threshold):
    """For one head: (image, anchor, row, column, [x, y, w, h] relative to the cell, class), in cells."""
    height, width = grid_hw
    found = []
    for image, class_id, cx, cy, w, h in targets:
        x, y, w, h = cx * width, cy * height, w * width, h * height
        for number, (aw, ah) in enumerate(anchors):
            ratios = [w / aw, h / ah]
            if min(ratios) <= 0 or max(max(r, 1 / r) for r in ratios) >= threshold:
                continue
            column, row = min(int(x), width - 1), min(int(y), height - 1)
            cells = [(int(x), int(y))]
            if x % 1 < 0.5 and x > 1:
                cells.append((int(x) - 1, int(y)))
            if y % 1 < 0.5 and y > 1:
                cells.append((int(x), int(y) - 1))
            if (width - x) % 1 < 0.5 and width - x > 1:
                cells.append((int(x) + 1, int(y)))
            if (height - y) % 1 < 0.5 and height - y > 1:
                cells.append((int(x), int(y) + 1))
            for column, row in cells:
                column, row = min(column, width - 1), min(row, height - 1)
                box = [x - column, y - row, w, h]
                found.append((int(image), number, row, column, box, int(class_id)))
    return found


def plain_loss(heads, targets, strides, anchors_px, classes, options, imgsz, class_weights=None):
    """The three weighted parts. ``heads`` are numpy arrays (N, na*(nc+5), ny, nx)."""
    count = len(heads)
    ranks = sorted(range(count), key=lambda head: strides[head])
    box = obj = cls = 0.0
    for index, head in enumerate(heads):
        images, _, height, width = head.shape
        anchors = [(w / strides[index], h / strides[index]) for w, h in anchors_px[index]]
        maps = head.reshape(images, len(anchors), classes + 5, height, width)
        objectness = {}
        found = matches(targets, anchors, (height, width), options.anchor_t)
        box_sum = cls_sum = 0.0
        for image, anchor, row, column, wanted, class_id in found:
            numbers = [float(value) for value in maps[image, anchor, :, row, column]]
            made = [2 * sigmoid(numbers[0]) - 0.5, 2 * sigmoid(numbers[1]) - 0.5]
            made += [(2 * sigmoid(numbers[2 + i])) ** 2 * anchors[anchor][i] for i in (0, 1)]
            likeness = ciou(made, wanted)
            box_sum += 1 - likeness
            place = (image, anchor, row, column)
            objectness[place] = max(objectness.get(place, 0.0), likeness)
            for c in range(classes):
                smooth = options.label_smoothing / 2
                goal = 1 - smooth if c == class_id else smooth
                weight = 1.0 if class_weights is None else class_weights[class_id]
                cls_sum += weight * entropy(numbers[5 + c], goal, options.cls_pw, options.fl_gamma)
        if found:
            box += box_sum / len(found)
            if classes > 1:
                cls += cls_sum / len(found) / classes
        obj_sum = 0.0
        for image in range(images):
            for anchor in range(len(anchors)):
                for row in range(height):
                    for column in range(width):
                        goal = objectness.get((image, anchor, row, column), 0.0)
                        logit = float(maps[image, anchor, 4, row, column])
                        obj_sum += entropy(logit, goal, options.obj_pw, options.fl_gamma)
        obj += (
            BALANCE.get(count, BALANCE[5])[ranks.index(index)]
            * obj_sum
            / (images * len(anchors) * height * width)
        )
    per_head = 3 / count
    return (
        options.box * per_head * box,
        options.obj * per_head * (imgsz / 640) ** 2 * obj,
        options.cls * per_head * classes / 80 * cls,
    )
