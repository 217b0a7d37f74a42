"""From raw heads to boxes: our one call against numpy and cv2.dnn.NMSBoxesBatched, one thread on one CPU.

    python benchmarks/postprocess.py CHECKPOINT IMAGES [--images 32] [--out FILE]

The heads are those of the checkpoint (``best.pt``) for images of a folder, at 640x640. The other side is
numpy as a careful user writes it: objectness first, and only the rows above the threshold are decoded.
Between two calls the other side evicts the heads from the caches, so ours reads them from memory. The
time depends on how crowded an image is, so the figures are over images: each image's own is the median
of its pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from pairs import describe_machine, paired_ratio, summary, timed_in_turn

from yolo_edge import _core

SETTINGS = {
    "confidence 0.25, best class": {"confidence": 0.25, "iou": 0.45, "multi_label": False},
    "confidence 0.001, every class": {"confidence": 0.001, "iou": 0.6, "multi_label": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("images", type=Path, help="a folder")
    parser.add_argument("--images", dest="count", type=int, default=32, help="how many of them (32)")
    parser.add_argument("--pairs", type=int, default=5, help="per image (5)")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    scenes = [raw_heads(args.checkpoint, path) for path in sorted(args.images.iterdir())[: args.count]]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    report = {"machine": describe_machine("numpy", "opencv-python-headless"), "images": len(scenes)}
    print("machine:", json.dumps(report["machine"]))
    print(
        f"{f'{len(scenes)} images':30} {'boxes':>5} {'ours ms':>8} {'p95':>7} {'theirs ms':>10} {'p95':>7}  "
        "times faster [95 %]"
    )
    for name, setting in SETTINGS.items():
        row = report[name] = measure(scenes, args.pairs, setting)
        ours, theirs, ratio = row["ours_ms"], row["theirs_ms"], row["theirs_over_ours"]
        low, high = ratio["interval_95"]
        print(
            f"{name:30} {row['boxes']['median']:5.0f} {ours['median']:8.3f} {ours['p95']:7.3f} "
            f"{theirs['median']:10.3f} {theirs['p95']:7.3f}  {ratio['median']:.1f} [{low:.1f}, {high:.1f}]"
        )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(scenes, pairs: int, setting: dict) -> dict:
    """Per image the median time of either side, then statistics over the images."""
    ours, theirs, boxes = [], [], []
    for heads, specs, geometry in scenes:
        postprocessor = _core.Postprocessor(specs)
        boxes.append(len(postprocessor.run(heads, geometry, **setting)[0]))
        calls = [
            partial(postprocessor.run, heads, geometry, **setting),
            partial(numpy_boxes, heads, specs, geometry, **setting),
        ]
        times = timed_in_turn(calls, pairs, warmup=1)
        ours.append(statistics.median(times[0]))
        theirs.append(statistics.median(times[1]))
    return {
        "boxes": summary(boxes),
        "ours_ms": summary(ours),
        "theirs_ms": summary(theirs),
        "theirs_over_ours": paired_ratio(theirs, ours),
    }


def raw_heads(checkpoint: Path, image: Path):
    import torch

    from yolo_export.checkpoint import read_checkpoint

    model = read_checkpoint(checkpoint)
    pixels = cv2.imread(str(image))
    geometry = _core.letterbox_geometry(
        pixels.shape[:2], size_hw=(640, 640), stride=max(model.strides), mode="square"
    )
    tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
    _core.Letterbox().run(pixels, geometry, tensor)
    with torch.inference_mode():
        heads = [head.numpy() for head in model.network(torch.from_numpy(tensor))]
    specs = [
        (stride, [tuple(map(float, a)) for a in anchors])
        for stride, anchors in zip(model.strides, model.anchors_px)
    ]
    return heads, specs, geometry


def numpy_boxes(heads, specs, geometry, *, confidence, iou, multi_label):
    floor = np.float32(np.log(confidence / (1 - confidence)))
    parts = []
    for head, (stride, anchors) in zip(heads, specs):
        _, channels, ny, nx = head.shape
        rows = head.reshape(len(anchors), channels // len(anchors), ny * nx)
        a, cell = np.nonzero(rows[:, 4] > floor)
        p = 1 / (1 + np.exp(-rows[a, :, cell]))
        grid = np.stack([cell % nx, cell // nx], 1)
        xy = (p[:, :2] * 2 - 0.5 + grid) * stride
        wh = (p[:, 2:4] * 2) ** 2 * np.asarray(anchors, np.float32)[a]
        scores = p[:, 5:] * p[:, 4:5]
        if multi_label:
            row, class_id = np.nonzero(scores > confidence)
        else:
            class_id = scores.argmax(1)
            row = np.nonzero(scores.max(1) > confidence)[0]
            class_id = class_id[row]
        parts.append((xy[row], wh[row], scores[row, class_id], class_id))
    xy, wh, score, class_id = (np.concatenate(columns) for columns in zip(*parts))
    xywh = np.concatenate([xy - wh / 2, wh], 1)
    kept = cv2.dnn.NMSBoxesBatched(xywh.astype(np.float64), score, class_id.astype(np.int32), confidence, iou)
    kept = np.asarray(kept, int)[:300]
    xyxy = np.concatenate([xywh[kept, :2], xywh[kept, :2] + wh[kept]], 1)
    (tensor_h, tensor_w), (h, w) = geometry.tensor_hw, geometry.source_hw
    gain = min(tensor_h / h, tensor_w / w)
    pad = np.array([(tensor_w - w * gain) / 2, (tensor_h - h * gain) / 2] * 2)
    return np.clip((xyxy - pad) / gain, 0, [w, h, w, h]), score[kept], class_id[kept]


if __name__ == "__main__":
    main()
