"""What a training sample costs: CPU time of loading with mosaic, warp, colours and flips, and of its parts.

    python benchmarks/train_loading.py IMAGES [--imgsz 320] [--out benchmarks/results/train_loading.json]

IMAGES is a YOLO folder (images/ and labels/) of JPEG files. CPU time is that of the whole process. Each epoch
is one measurement of every configuration, in turn. The processes that threads are compared with make the same
batches, each a share of them, and write into shared memory, where the caller reads them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pairs import describe_machine, paired_ratio, summary

from yolo_edge.datasets import LabelledImage
from yolo_edge.datasets.labels import Findings
from yolo_edge.datasets.yolo_format import images_of_folder, read_labels
from yolo_edge.sources.images import read_image
from yolo_train.augment import Augmentation
from yolo_train.loading import TrainingBatches

BATCH = 16
CLASSES = 1000
"""Class ids that labels may have; their names do not matter here."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument(
        "--epochs", type=int, default=12, help="measurements of each configuration's CPU time"
    )
    parser.add_argument("--pairs", type=int, default=30, help="measurements of threads and processes")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    samples = read_samples(args.images)
    report: dict[str, object] = {
        "machine": describe_machine("numpy", "opencv-python-headless"),
        "images": len(samples),
        "file_kb": round(float(np.mean([sample.path.stat().st_size for sample in samples])) / 1e3, 1),
        "imgsz": args.imgsz,
        "batch": BATCH,
    }
    print("machine:", json.dumps(report["machine"]))
    print(
        f"{len(samples)} images of {report['file_kb']} kB on average, {args.imgsz} px, batches of {BATCH}\n"
    )
    report["cpu_ms_per_sample"] = measure_cpu(samples, args.imgsz, args.epochs)
    report["workers"] = measure_workers(samples, args.imgsz, args.pairs)
    report["cache"] = measure_memory(samples, args.imgsz)
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure_cpu(samples: tuple[LabelledImage, ...], imgsz: int, epochs: int) -> dict[str, object]:
    """One worker-less thread: CPU time is wall time, so each epoch's is divided by its samples."""
    turned = Augmentation(degrees=10, shear=2, perspective=0.0005, mixup=0.1)
    plain = Augmentation(mosaic=0)
    configurations = {
        "mosaic, all images in memory": (samples, Augmentation(), 1000.0),
        "mosaic, 64 MB for 8 times the images": (samples * 8, Augmentation(), 64.0),
        "mosaic, none in memory": (samples, Augmentation(), 0.0),
        "letterboxed, all in memory": (samples, plain, 1000.0),
        "letterboxed, none in memory": (samples, plain, 0.0),
        "mosaic turned, mixup 0.1, all": (samples, turned, 1000.0),
    }
    calls: dict[str, Callable[[int], int]] = {
        name: epoch_of(batches_of(images, imgsz, augmentation, cache_mb))
        for name, (images, augmentation, cache_mb) in configurations.items()
    }
    for shrink in (1, 2):
        calls[f"decoding one file, 1/{shrink} of its sides"] = decoding(samples, shrink)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for epoch in range(-1, epochs):
        for name, call in calls.items():
            started = time.process_time()
            made = call(epoch + 1)
            if epoch >= 0:
                times[name].append((time.process_time() - started) * 1e3 / made)
    print(f"{'CPU ms a sample':38} {'median':>8} {'p95':>8}")
    rows = {name: summary(values) for name, values in times.items()}
    for name, row in rows.items():
        print(f"{name:38} {row['median']:8.2f} {row['p95']:8.2f}")
    return rows


def measure_workers(samples: tuple[LabelledImage, ...], imgsz: int, pairs: int) -> dict[str, object]:
    """Two threads with two processes, both without anything in memory and with everything."""
    rows: dict[str, object] = {}
    print(f"\n{'2 workers, ms a sample':38} {'threads':>8} {'processes':>10}  processes / threads [95 %]")
    for name, cache_mb in (("none in memory", 0.0), ("all in memory", 1000.0)):
        threads = epoch_of(batches_of(samples, imgsz, Augmentation(), cache_mb, workers=2))
        with Processes(samples, imgsz, cache_mb) as processes:
            a, b = [], []
            for epoch in range(-2, pairs):
                took = [timed(call, epoch + 2) / len(samples) for call in (threads, processes.epoch)]
                if epoch >= 0:
                    a.append(took[0])
                    b.append(took[1])
        ratio = paired_ratio(b, a)
        rows[name] = {"threads_ms": summary(a), "processes_ms": summary(b), "ratio": ratio}
        low, high = ratio["interval_95"]  # type: ignore[misc]  # two numbers
        print(
            f"{name:38} {summary(a)['median']:8.2f} {summary(b)['median']:10.2f}  "
            f"{ratio['median']:.2f} [{low:.2f}, {high:.2f}]"
        )
    return rows


def measure_memory(samples: tuple[LabelledImage, ...], imgsz: int) -> dict[str, object]:
    """Growth of the peak resident memory with a cache of 64 MB and many more images than it holds."""
    repeated = samples * 16
    read, write = multiprocessing.Pipe(duplex=False)
    rows = {}
    for limit_mb in (0, 64):
        # Spawned: a forked one would begin at the peak of what was measured before.
        process = multiprocessing.get_context("spawn").Process(
            target=_peak, args=(repeated, imgsz, limit_mb, write)
        )
        process.start()
        rows[limit_mb] = read.recv()
        process.join()
    more = rows[64]["peak_mb"] - rows[0]["peak_mb"]
    print(
        f"\n{len(repeated)} samples: with a cache of 64 MB {rows[64]['used_mb']:.1f} MB of images were kept; "
        f"peak resident memory {more:.1f} MB above that without a cache"
    )
    return {"limit_mb": 64, "used_mb": rows[64]["used_mb"], "more_resident_mb": more}


def _peak(samples: tuple[LabelledImage, ...], imgsz: int, limit_mb: float, write) -> None:
    batches = batches_of(samples, imgsz, Augmentation(), limit_mb)
    used = 0
    for batch in batches.epoch(0):
        del batch
        used = max(used, batches.cache.used_bytes)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write.send({"peak_mb": peak_kb / 1e3 * 1.024, "used_mb": used / 1e6})


class Processes:
    """Two forked workers, each of which makes every second batch into memory that is shared."""

    def __init__(self, samples: tuple[LabelledImage, ...], imgsz: int, cache_mb: float) -> None:
        context = multiprocessing.get_context("fork")
        count = -(-len(samples) // BATCH)
        self._memory = context.RawArray("B", count * BATCH * 3 * imgsz * imgsz)
        self._images = np.frombuffer(self._memory, np.uint8).reshape(count, BATCH, 3, imgsz, imgsz)
        self._pipes, self._workers = [], []
        for first in range(2):
            ours, theirs = context.Pipe()
            arguments = (samples, imgsz, cache_mb, self._images, first, theirs)
            worker = context.Process(target=_work, args=arguments, daemon=True)
            worker.start()
            self._pipes.append(ours)
            self._workers.append(worker)

    def epoch(self, number: int) -> None:
        for pipe in self._pipes:
            pipe.send(number)
        for place in range(len(self._images)):
            index, targets, count = self._pipes[place % 2].recv()
            assert index == place and len(targets) and self._images[place, :count].any()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe, worker in zip(self._pipes, self._workers):
            pipe.send(None)
            worker.join()


def _work(samples, imgsz, cache_mb, images, first, pipe) -> None:
    batches = batches_of(samples, imgsz, Augmentation(), cache_mb)
    while (epoch := pipe.recv()) is not None:
        # Its own batches only: the others' work is skipped.
        for index, work in enumerate(batches._works(epoch, batches._order(epoch, None), 1.0)):
            if index % 2 == first:
                batch = work.finish([job() for job in work.jobs])
                images[index, : len(batch)] = batch.images
                pipe.send((index, batch.targets, len(batch)))


def batches_of(samples, imgsz, augmentation, cache_mb, workers=0) -> TrainingBatches:
    return TrainingBatches(
        samples,
        batch=BATCH,
        imgsz=imgsz,
        augmentation=augmentation,
        seed=0,
        workers=workers,
        cache_mb=cache_mb,
    )


def decoding(samples: tuple[LabelledImage, ...], shrink: Literal[1, 2]) -> Callable[[int], int]:
    def run(_: int) -> int:
        return len([read_image(sample.path, shrink=shrink) for sample in samples])

    return run


def epoch_of(batches: TrainingBatches) -> Callable[[int], int]:
    def run(epoch: int) -> int:
        return sum(len(batch) for batch in batches.epoch(epoch))

    return run


def timed(call: Callable[[int], object], epoch: int) -> float:
    started = time.perf_counter()
    call(epoch)
    return (time.perf_counter() - started) * 1e3


def read_samples(folder: Path) -> tuple[LabelledImage, ...]:
    names = {index: str(index) for index in range(CLASSES)}
    read = read_labels(images_of_folder(folder, None), names, "nobody", Findings())
    return tuple(dataclasses.replace(sample, size_hw=read_image(sample.path).shape[:2]) for sample in read)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
