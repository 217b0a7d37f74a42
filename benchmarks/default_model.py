"""The figures of the default model: how well it finds drawn codes, and what it takes for one in photographs.

    python benchmarks/default_model.py [BUNDLE] --images ../shared/data/coco-val64 --photographs DIR
        [--out NAME.json] [--card runtime/yolo_edge/models/README.md]

Draws scenes of a seed that no training used, in both settings, and runs the bundle over them:

- average precision on the setting it was trained on,
- of the codes in the harder setting the share that is found, a box of the right class with an IoU of at least
  0.5, at the default confidence,
- false boxes on a folder of ordinary photographs that show no code, at the default confidence.

Exit code 1 when a figure is below its target.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from pairs import describe_machine

from yolo_edge import Detector
from yolo_edge.datasets import open_dataset
from yolo_edge.file_replacement import replace_text
from yolo_edge.model_selection import default_model
from yolo_edge.options import DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.sources import FailedFrame, open_sources
from yolo_edge.val import ConfusionThresholds, evaluate
from yolo_train.scenes.dataset import write_scenes
from yolo_train.scenes.options import SceneOptions

UNSEEN_SEED = 20260
"""scripts/train-default-model draws with other seeds."""
TARGETS = {"ap50": 0.97, "ap": 0.80, "found_harder": 0.90}
MOST_FALSE_PER_IMAGE = 1 / 50
FIGURES = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, nargs="?", default=default_model())
    parser.add_argument("--images", type=Path, required=True, help="photographs without codes: a folder")
    parser.add_argument("--photographs", type=Path, help="backgrounds, of scripts/photographs")
    parser.add_argument("--count", type=int, default=500, help="scenes of each setting (%(default)s)")
    parser.add_argument("--seed", type=int, default=UNSEEN_SEED)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw the scenes")
    parser.add_argument("--out", type=Path, help="where the JSON goes; the text beside it, as .txt")
    parser.add_argument("--card", type=Path, help="a model card, whose table of figures is replaced")
    args = parser.parse_args()
    if args.bundle is None:
        parser.error("this installation has no default model: name a bundle")
    with Detector(args.bundle, engine=args.engine, imgsz=args.imgsz) as detector:
        report = measure(detector, args)
    report["missed_targets"] = _missed(report)
    text = _text(report)
    print(text)
    if args.out:
        replace_text(args.out, json.dumps(report, indent=1) + "\n")
        replace_text(args.out.with_suffix(".txt"), text + "\n")
    if args.card:
        _update_card(args.card, report)
    return 1 if report["missed_targets"] else 0


def measure(detector: Detector, args: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        training, harder = (_scenes(args, setting, Path(folder)) for setting in ("training", "harder"))
        return {
            "machine": describe_machine("onnxruntime", "ncnn", "numpy", "opencv-python-headless"),
            "bundle": args.bundle.name,
            "engine": detector.describe().split("), ", 1)[1],  # without the path
            "imgsz": args.imgsz,
            "seed": args.seed,
            "photographs": args.photographs is not None,
            "training": _precision(detector, training),
            "harder": _found(detector, harder),
            "photographs_without_codes": _false_boxes(detector, args.images),
        }


def _scenes(args: argparse.Namespace, setting: str, folder: Path) -> Path:
    options = SceneOptions(train=0, val=args.count, seed=args.seed, setting=setting)
    return write_scenes(
        folder / setting, options, photographs=args.photographs, workers=args.workers, progress=Progress()
    )


def _precision(detector: Detector, data: Path) -> dict:
    figures = evaluate(detector, open_dataset(data, detector.bundle.names)).figures
    return {
        "ap50": figures.ap50,
        "ap75": figures.ap75,
        "ap": figures.ap,
        "objects": figures.objects,
        "classes": {
            each.name: {"ap50": each.ap50, "ap": each.ap, "objects": each.objects} for each in figures.classes
        },
    }


def _found(detector: Detector, data: Path) -> dict:
    """Shares of the codes that have a box of their class, one each, with the defaults of ``run``."""
    options = DetectOptions()
    thresholds = ConfusionThresholds(conf=options.conf, iou=0.5)
    result = evaluate(
        detector, open_dataset(data, detector.bundle.names), options=options, confusion=thresholds
    )
    counts = result.confusion.counts
    codes = counts[:, :-1].sum(axis=0)
    right = counts.diagonal()[:-1]
    classes = {
        name: {"found": int(right[number]), "objects": int(codes[number])}
        for number, name in enumerate(detector.bundle.names)
    }
    boxes = int(counts[:-1].sum())
    return {
        "found": float(right.sum() / codes.sum()),
        "objects": int(codes.sum()),
        "precision": float(right.sum() / boxes) if boxes else None,
        "classes": classes,
    }


def _false_boxes(detector: Detector, images: Path) -> dict:
    """Every box is wrong: the photographs show no code."""
    folder = images / "images" if (images / "images").is_dir() else images
    count, boxes = 0, []
    for source in open_sources([str(folder)]):
        with source:
            for frame in source:
                if isinstance(frame, FailedFrame):
                    raise RuntimeError(f"{frame.source}: {frame.error}")
                count += 1
                found = detector.detect(frame.image)
                for class_id, confidence, box in zip(found.class_id, found.confidence, found.xyxy):
                    boxes.append(
                        {
                            "image": Path(frame.source).name,
                            "class": detector.bundle.names[class_id],
                            "confidence": round(float(confidence), 3),
                            "xyxy": [round(float(edge), 1) for edge in box],
                        }
                    )
    return {"images": count, "false_boxes": len(boxes), "per_image": len(boxes) / count, "boxes": boxes}


def _missed(report: dict) -> list[str]:
    figures = report["training"]
    reached = {"ap50": figures["ap50"], "ap": figures["ap"], "found_harder": report["harder"]["found"]}
    missed = [
        f"{name} is {reached[name] or 0:.3f}, below {least}"
        for name, least in TARGETS.items()
        if (reached[name] or 0) < least
    ]
    false = report["photographs_without_codes"]
    if false["per_image"] > MOST_FALSE_PER_IMAGE:
        missed.append(
            f"{false['false_boxes']} false boxes on {false['images']} photographs, more than 1 in 50"
        )
    return missed


def _rows(report: dict) -> list[tuple[str, str, str]]:
    training, harder, false = (report[key] for key in ("training", "harder", "photographs_without_codes"))
    rows = [
        ("AP50, scenes of an unseen seed", f"{training['ap50']:.3f}", f"≥ {TARGETS['ap50']}"),
        ("AP, same", f"{training['ap']:.3f}", f"≥ {TARGETS['ap']}"),
    ]
    rows += [
        (f"AP50 / AP of {name}, same", f"{each['ap50']:.3f} / {each['ap']:.3f}", "")
        for name, each in training["classes"].items()
    ]
    rows.append(
        ("codes found in the harder setting", f"{harder['found']:.1%}", f"≥ {TARGETS['found_harder']:.0%}")
    )
    rows += [
        (f"{name}s found, same", f"{each['found'] / each['objects']:.1%}", "")
        for name, each in harder["classes"].items()
        if each["objects"]
    ]
    rows.append(
        (
            f"false boxes on {false['images']} photographs without codes",
            str(false["false_boxes"]),
            "≤ 1 in 50 images",
        )
    )
    return rows


def _text(report: dict) -> str:
    lines = [
        f"machine: {json.dumps(report['machine'])}",
        f"{report['bundle']} at {report['imgsz']}: {report['engine']}",
        "",
        *(f"{what:45} {figure:>15}   {target}" for what, figure, target in _rows(report)),
    ]
    lines += [
        f"  {box['image']}: {box['class']} {box['confidence']} at {box['xyxy']}"
        for box in report["photographs_without_codes"]["boxes"]
    ]
    lines += [f"missed: {text}" for text in report["missed_targets"]]
    return "\n".join(lines)


def _update_card(path: Path, report: dict) -> None:
    """Puts the figures between the card's two marks."""
    text = path.read_text(encoding="utf-8")
    rows = "\n".join(f"| {what} | {figure} | {target} |" for what, figure, target in _rows(report))
    table = f"| figure | reached | wanted |\n|---|---|---|\n{rows}\n"
    updated, count = FIGURES.subn(lambda marks: marks[1] + table + marks[2], text)
    if count != 1:
        raise ValueError(f"{path}: has no place for figures, <!-- figures --> to <!-- end of figures -->")
    replace_text(path, updated)


if __name__ == "__main__":
    sys.exit(main())
