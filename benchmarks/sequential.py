"""The stages of detection as most programs write them, one after the other: a peer for benchmarks/peers.py.

    python benchmarks/sequential.py BUNDLE VIDEO [--engine onnxruntime|ncnn] [--threads 2] [--imgsz 640]

OpenCV reads a frame; ``cv2.resize``, ``copyMakeBorder`` and numpy make the tensor; the engine's own Python
package runs the network of the bundle; numpy and ``cv2.dnn.NMSBoxesBatched`` make the boxes. Of yolo-edge
only the reader of the bundle and the letterbox's geometry take part. Prints each stage's time of a frame.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from postprocess import numpy_boxes

from yolo_edge import _core
from yolo_edge.bundle import Bundle, load_bundle

Run = Callable[[np.ndarray], list[np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="onnxruntime")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--letterbox", choices=("rect", "square"), default="square")
    args = parser.parse_args()

    bundle = load_bundle(args.bundle)
    run = ENGINES[args.engine](bundle, args.threads)
    specs = [(head.stride, list(head.anchors_px)) for head in bundle.heads]
    capture = cv2.VideoCapture(str(args.video))
    clock = StageClock()
    frames = boxes = 0
    while True:
        with clock.stage("capture"):
            read, image = capture.read()
        if not read:
            break
        with clock.stage("letterbox"):
            geometry = _core.letterbox_geometry(
                image.shape[:2],
                size_hw=(args.imgsz, args.imgsz),
                stride=bundle.input.stride,
                mode=args.letterbox,
            )
            tensor = letterbox(image, geometry)
        with clock.stage("inference"):
            heads = run(tensor)
        with clock.stage("postprocess"):
            found = numpy_boxes(heads, specs, geometry, confidence=0.25, iou=0.45, multi_label=False)
        frames += 1
        boxes += len(found[0])
    stages = {name: total / max(1, frames) * 1e3 for name, total in clock.seconds.items()}
    print(json.dumps({"frames": frames, "boxes": boxes, "ms_per_frame": stages}))


class StageClock:
    """Sums the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def letterbox(image: np.ndarray, geometry: _core.LetterboxGeometry) -> np.ndarray:
    """uint8 (h, w, 3) BGR to float32 (1, 3, H, W) RGB, 0..1."""
    resized = cv2.resize(image, geometry.resized_hw[::-1], interpolation=cv2.INTER_LINEAR)
    top, left, bottom, right = geometry.padding
    canvas = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114,) * 3)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[::-1])[None].astype(np.float32) / 255


def onnxruntime_run(bundle: Bundle, threads: int) -> Run:
    import onnxruntime as ort

    target, files = target_of(bundle, "onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(files["model"]), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in target.outputs_by_head]
    return lambda tensor: session.run(names, {target.input.name: tensor})


def ncnn_run(bundle: Bundle, threads: int) -> Run:
    import ncnn

    target, files = target_of(bundle, "ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.load_param(str(files["param"]))
    net.load_model(str(files["bin"]))

    def run(tensor: np.ndarray) -> list[np.ndarray]:
        extractor = net.create_extractor()
        extractor.input(target.input.name, ncnn.Mat(tensor[0]).clone())
        return [np.array(extractor.extract(output.name)[1])[None] for output in target.outputs_by_head]

    return run


def target_of(bundle: Bundle, engine: str):
    target = next(target for target in bundle.targets if target.engine == engine)
    return target, bundle.open_files(target)


ENGINES = {"onnxruntime": onnxruntime_run, "ncnn": ncnn_run}


if __name__ == "__main__":
    main()
