"""What AP50 a v5lite-e reaches from random weights in some minutes on the CPU, on the generated scenes.

    python benchmarks/train_from_random.py WORK [--photographs FOLDER] [--out JSON]

Draws 12,000 scenes, and 500 others to validate by, into WORK/scenes (not timed; kept for the next run), and
trains in three commands of ``yolo-train``, timed as a user would: small pictures first, because they teach as
much in less time, then larger ones. AP50 is what the last command reports, at its size.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from pairs import describe_machine

SCENES, VALIDATION, SEED = 12_000, 500, 4


class Stage(NamedTuple):
    """One command of ``yolo-train``: pixels, epochs, arithmetic and hyper-parameters."""

    imgsz: int
    epochs: int
    precision: str
    settings: tuple[str, ...]


STAGES = (
    Stage(160, 3, "fp32", ("lr0=0.002", "lrf=0.3", "warmup_epochs=0.15")),
    Stage(224, 1, "fp32", ("lr0=0.001", "lrf=0.5", "warmup_epochs=0.03")),
    Stage(320, 1, "auto", ("lr0=0.0008", "warmup_epochs=0.03")),
)
"""The learning rate falls to nothing in the last one only; bfloat16 pays for large pictures only."""
HYPERPARAMETERS = Path(__file__).resolve().parent.parent / "scripts" / "default-model.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for scenes and weights")
    parser.add_argument("--photographs", type=Path, help="folder of pictures for backgrounds")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    data = draw(args.work, args.photographs)
    weights = ["--cfg", "v5lite-e"]
    report: dict[str, object] = {
        "machine": describe_machine("torch", "numpy", "opencv-python-headless"),
        "scenes": SCENES,
        "seed": SEED,
    }
    stages = []
    for number, chosen in enumerate(STAGES):
        out = args.work / f"stage-{number + 1}"
        stage = train(data, weights, chosen, out)
        stages.append(stage)
        print(json.dumps(stage), flush=True)
        weights = ["--weights", str(out / "best.pt")]
    report["stages"] = stages
    report["minutes"] = round(sum(stage["seconds"] for stage in stages) / 60, 2)
    report["ap50"] = stages[-1]["ap50"]
    print(f"AP50 {report['ap50']} after {report['minutes']} minutes")
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def draw(work: Path, photographs: Path | None) -> Path:
    """The scenes, as ``yolo-train scenes`` draws them; the dataset YAML."""
    data = work / "scenes" / "data.yaml"
    if not data.is_file():
        command = ["scenes", str(data.parent), "--count", str(SCENES), "--val", str(VALIDATION)]
        command += ["--seed", str(SEED), "--force"]
        if photographs is not None:
            command += ["--photographs", str(photographs)]
        subprocess.run([sys.executable, "-m", "yolo_train.cli", *command], check=True)
    return data


def train(data: Path, weights: list[str], stage: Stage, out: Path) -> dict[str, Any]:
    """One command, from start to end: seconds, and AP50 after each epoch."""
    command = [
        str(data),
        *weights,
        "--imgsz",
        str(stage.imgsz),
        "--epochs",
        str(stage.epochs),
        "--hyp",
        str(HYPERPARAMETERS),
    ]
    for setting in (*stage.settings, "obj=2.5", "mosaic=0"):
        command += ["--set", setting]
    command += ["--optimiser", "adamw", "--cos-lr", "--batch", "16", "--nominal-batch", "16", "--seed", "1"]
    command += ["--workers", "1", "--cache-mb", "2500", "--precision", stage.precision, "--out", str(out)]
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "yolo_train.cli", *command], check=True)
    seconds = time.perf_counter() - started
    with (out / "results.csv").open() as table:
        curve = [round(float(row["metrics/mAP_0.5"]), 4) for row in csv.DictReader(table)]
    return {**stage._asdict(), "seconds": round(seconds, 1), "ap50": curve[-1], "curve": curve}


if __name__ == "__main__":
    main()
