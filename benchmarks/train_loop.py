"""What training brings and costs: the loop's own share of the time, and transfer against random weights.

    python benchmarks/train_loop.py overhead data.yaml [--cfg v5lite-e] [--imgsz 320] [--out FILE.json]
    python benchmarks/train_loop.py step [--cfg v5lite-e] [--imgsz 320] [--batch 16] [--out FILE.json]
    python benchmarks/train_loop.py transfer v5lite-e.pt coco-train64 coco-val64 --names coco.names

``overhead`` runs epochs without validation and takes the time apart: waiting for images, forward with loss
and backward, the optimiser with the moving average, and the rest, which is the loop's own.

``step`` compares forward, backward and optimiser in float32 and bfloat16, with tensors in PyTorch's default
order and with the channels of each pixel side by side (``channels_last``).

``transfer`` makes a data set of the ten most frequent classes of two YOLO folders, trains a checkpoint on it
with default settings, and the same network from random weights for as many epochs, and once more with the
backbone frozen; it compares AP50 and looks which tensors changed.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pairs import describe_machine, paired_ratio, timed_in_turn

from yolo_train.commands.train import wait_briefly

_CLASSES = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    overhead = commands.add_parser("overhead")
    overhead.add_argument("data", type=Path)
    overhead.add_argument("--cfg", default="v5lite-e")
    overhead.add_argument("--imgsz", type=int, default=320)
    overhead.add_argument("--batch", type=int, default=16)
    overhead.add_argument("--epochs", type=int, default=8)
    step = commands.add_parser("step")
    step.add_argument("--cfg", default="v5lite-e")
    step.add_argument("--imgsz", type=int, default=320)
    step.add_argument("--batch", type=int, default=16)
    step.add_argument("--pairs", type=int, default=30)
    transfer = commands.add_parser("transfer")
    transfer.add_argument("weights", type=Path)
    transfer.add_argument("train", type=Path)
    transfer.add_argument("val", type=Path)
    transfer.add_argument("--names", type=Path, required=True)
    transfer.add_argument("--cfg", default="v5lite-e")
    transfer.add_argument("--imgsz", type=int, default=320)
    transfer.add_argument("--epochs", type=int, default=30)
    transfer.add_argument("--frozen", type=int, default=7, help="layers of the backbone")
    for each in (overhead, step, transfer):
        each.add_argument("--out", type=Path)
    args = parser.parse_args()
    wait_briefly()  # as yolo-train does, before torch is imported
    measure = {"overhead": measure_overhead, "step": measure_step, "transfer": measure_transfer}
    made = measure[args.command](args)
    report = {"machine": describe_machine("torch", "numpy"), **made}
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure_overhead(args: argparse.Namespace) -> dict[str, object]:
    """Shares of the time of an epoch, the median of several after one that warms up."""
    from yolo_edge.progress import Progress
    from yolo_train.augment import Augmentation
    from yolo_train.datasets import open_training_dataset
    from yolo_train.loading import TrainingBatches
    from yolo_train.loss import DetectionLoss, LossOptions
    from yolo_train.report.log import TrainingLog
    from yolo_train.training.average import MovingAverage
    from yolo_train.training.determinism import available_cpus, deterministic
    from yolo_train.training.optimiser import Schedule, create_optimiser
    from yolo_train.training.optimiser_options import OptimiserOptions
    from yolo_train.training.state import TrainingState
    from yolo_train.training.trainer import Trainer
    from yolo_train.training.validation import Validator
    from yolo_train.transfer import starting_network

    dataset = open_training_dataset(args.data)
    start = starting_network(None, args.cfg, dataset.names, 0)
    cpus = available_cpus()
    batches = TrainingBatches(
        dataset.train,
        batch=args.batch,
        imgsz=args.imgsz,
        augmentation=Augmentation(),
        seed=0,
        workers=cpus,
        cache_mb=1000,
    )
    options = OptimiserOptions()
    optimiser = create_optimiser(start.network, "sgd", options, images_per_step=64)
    validator = Validator(
        dataset.val,
        dataset.names,
        batch=args.batch,
        imgsz=args.imgsz,
        workers=1,
        strides=start.strides,
        anchors_px=start.anchors_px,
    )
    loss = DetectionLoss(start.strides, start.anchors_px, len(dataset.names), LossOptions(), imgsz=args.imgsz)
    trainer = Trainer(
        TrainingState(start.network, MovingAverage(start.network), optimiser),
        batches,
        loss,
        validator,
        Schedule(options, args.epochs + 1, len(batches), args.batch, False),
        precision="fp32",
        frozen=0,
        log=TrainingLog(Progress(quiet=False), epochs=args.epochs + 1, first_epoch=0, batches=len(batches)),
    )
    rows = []
    with deterministic(cpus):
        for epoch in range(args.epochs + 1):
            trainer.train_epoch(epoch)
            times = trainer.times
            if epoch:
                rows.append(
                    {
                        "loading": times.loading_s / times.total_s,
                        "forward_loss_backward": times.compute_s / times.total_s,
                        "step_and_average": times.step_s / times.total_s,
                        "loop": times.overhead,
                        "ms_per_image": times.total_s * 1e3 / len(dataset.train),
                    }
                )
        loss_share = measure_loss(trainer, batches, loss)
    medians = {name: round(statistics.median(row[name] for row in rows), 5) for name in rows[0]}
    return {
        "network": args.cfg,
        "imgsz": args.imgsz,
        "batch": args.batch,
        "images": len(dataset.train),
        "epochs": len(rows),
        "share_median": medians,
        "of_which_loss_and_conversion": round(loss_share, 5),
        "loop_max": round(max(row["loop"] for row in rows), 5),
    }


def measure_loss(trainer: Any, batches: Any, loss: Any) -> float:
    """Share of a batch's forward and backward that is the loss itself, its gradient, and uint8 to float."""
    import torch

    batch = next(iter(batches.epoch(0)))
    targets = torch.from_numpy(batch.targets)
    with torch.no_grad():
        heads = trainer.state.network(torch.from_numpy(batch.images).float() / 255)

    def own() -> None:
        torch.from_numpy(batch.images).float().div_(255)
        loss([head.requires_grad_() for head in heads], targets).total.backward()

    def everything() -> None:
        images = torch.from_numpy(batch.images).float().div_(255)
        loss(trainer.state.network(images), targets).total.backward()

    own_ms, all_ms = timed_in_turn([own, everything], pairs=10, warmup=2)
    return statistics.median(own_ms) / statistics.median(all_ms)


def measure_step(args: argparse.Namespace) -> dict[str, object]:
    """Images per second of each way, and its time over that of float32 in the default order."""
    import torch

    from yolo_train.training.determinism import available_cpus, deterministic
    from yolo_train.training.precision import autocast
    from yolo_train.transfer import starting_network

    def way(precision: str, order: torch.memory_format) -> Callable[[], None]:
        network = starting_network(None, args.cfg, ["a", "b", "c"], 0).network.train()
        network.to(memory_format=order)  # type: ignore[call-overload]  # torch lacks the overload
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
        images = torch.rand(args.batch, 3, args.imgsz, args.imgsz).contiguous(memory_format=order)

        def run() -> None:
            with autocast(precision):
                heads = network(images)
            sum(head.float().square().mean() for head in heads).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        return run

    ways = {
        f"{precision}, {str(order).removeprefix('torch.')}": way(precision, order)
        for precision in ("fp32", "bf16")
        for order in (torch.contiguous_format, torch.channels_last)
    }
    with deterministic(available_cpus()):
        times = timed_in_turn(list(ways.values()), pairs=args.pairs, warmup=3)
    return {
        "network": args.cfg,
        "imgsz": args.imgsz,
        "batch": args.batch,
        "ways": {
            name: {
                "images_per_second": round(args.batch * 1e3 / statistics.median(taken), 1),
                "time_ratio": paired_ratio(taken, times[0]),
            }
            for name, taken in zip(ways, times)
        },
    }


def measure_transfer(args: argparse.Namespace) -> dict[str, object]:
    """AP50 of transfer, of random weights and of a frozen backbone after the same epochs."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data, names = make_subset(work, args)
        common = ["--epochs", args.epochs, "--imgsz", args.imgsz]
        runs = {
            "transfer": ["--weights", args.weights],
            "random": ["--cfg", args.cfg],
            "frozen": ["--weights", args.weights, "--freeze", args.frozen],
        }
        results = {}
        for name, words in runs.items():
            command = [sys.executable, "-m", "yolo_train.cli", data, *words, *common, "--out", work / name]
            subprocess.run([*map(str, command), "--no-plots"], check=True, stdout=subprocess.DEVNULL)
            rows = list(csv.DictReader((work / name / "results.csv").open()))
            results[name] = {
                "ap50_best": max(float(row["metrics/mAP_0.5"]) for row in rows),
                "ap50_by_epoch": [round(float(row["metrics/mAP_0.5"]), 4) for row in rows],
                "seconds": round(sum(float(row["seconds"]) for row in rows), 1),
                "backbone_tensors_changed": changed(args.weights, work / name / "best.pt", args.frozen)
                if name != "random"
                else None,
            }
    return {"classes": names, "epochs": args.epochs, "imgsz": args.imgsz, "runs": results}


def changed(weights: Path, best: Path, layers: int) -> str:
    """How many tensors of the first layers differ from the checkpoint's."""
    import torch

    from yolo_export.checkpoint import read_checkpoint

    old, new = (read_checkpoint(path).network.state_dict() for path in (weights, best))
    backbone = [
        name for name in old if int(name.split(".")[1]) < layers and not name.endswith("num_batches_tracked")
    ]
    return f"{sum(not torch.equal(old[name], new[name]) for name in backbone)} of {len(backbone)}"


def make_subset(work: Path, args: argparse.Namespace) -> tuple[Path, list[str]]:
    """A data set of the most frequent classes of both folders."""
    names = args.names.read_text().split("\n")
    counts: collections.Counter[int] = collections.Counter()
    for labels in sorted(args.train.glob("labels/*.txt")):
        counts.update(int(line.split()[0]) for line in labels.read_text().splitlines())
    chosen = sorted(class_id for class_id, _ in counts.most_common(_CLASSES))
    for split, folder in (("train", args.train), ("val", args.val)):
        images, labels = work / "images" / split, work / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for image in sorted((folder / "images").iterdir()):
            (images / image.name).symlink_to(image.resolve())
            source = folder / "labels" / f"{image.stem}.txt"
            rows = [line.split() for line in source.read_text().splitlines()] if source.exists() else []
            kept = [[str(chosen.index(int(row[0]))), *row[1:]] for row in rows if int(row[0]) in chosen]
            (labels / f"{image.stem}.txt").write_text("".join(" ".join(row) + "\n" for row in kept))
    data = work / "data.yaml"
    picked = [names[class_id] for class_id in chosen]
    data.write_text(
        json.dumps({"path": str(work), "train": "images/train", "val": "images/val", "names": picked})
    )
    return data, picked


if __name__ == "__main__":
    main()
