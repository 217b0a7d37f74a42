"""What a form of the graph saves: each target exported in it and in the plain form, and its engine timed.

    python benchmarks/shuffle.py CHECKPOINT... [--imgsz 320] [--threads 1] [--pairs 40] [--out FILE]

Forms are those of `yolo_export.onnx_lower`. A sample is the bare network on one random tensor of 16:9; the
plain form and another are run in turn.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from pairs import describe_machine, paired_ratio, summary, timed_in_turn

from yolo_edge import Detector, _core
from yolo_export import targets
from yolo_export.checkpoint import read_checkpoint
from yolo_export.export import export_bundle
from yolo_export.onnx_lower import FORMS
from yolo_export.targets.base import Target

PLAIN = "plain"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument(
        "--imgsz", type=int, default=320, help="width; the height is 9/16 of it, padded to 32"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--to", default="onnx,ncnn,openvino", help="targets, separated by commas")
    parser.add_argument("--forms", default=",".join(form for form in FORMS if form != PLAIN))
    parser.add_argument("--bundles", type=Path, help="folder that keeps the exports for the next run")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    packages = ("onnxruntime", "ncnn", "openvino", "torch", "pnnx")
    report: dict = {"machine": describe_machine(*packages), "threads": args.threads, "rows": []}
    size_hw = (-(-args.imgsz * 9 // 16 // 32) * 32, args.imgsz)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.bundles or Path(temporary)
        for checkpoint in args.checkpoints:
            forms = [PLAIN, *args.forms.split(",")]
            bundles = {form: export(checkpoint, args.to.split(","), form, folder) for form in forms}
            for form in forms[1:]:
                for engine, native in ways(args.to.split(",")):
                    row = compare(bundles[PLAIN], bundles[form], engine, native, size_hw, args)
                    row = {"model": checkpoint.stem, "size_hw": size_hw, "form": form, **row}
                    report["rows"].append(row)
                    low, high = row["ratio"]["interval_95"]
                    before, after = row["plain_ms"]["median"], row["form_ms"]["median"]
                    print(
                        f"{checkpoint.stem} {size_hw[1]}x{size_hw[0]}, {row['engine']}, "
                        f"threads {args.threads}: "
                        f"plain {before:.2f} ms, {form} {after:.2f} ms, "
                        f"ratio {row['ratio']['median']:.3f} [{low:.3f}, {high:.3f}]",
                        flush=True,
                    )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def export(checkpoint: Path, names: list[str], form: str, folder: Path) -> Path:
    """A bundle whose targets all have one form; one that is there already is taken."""
    place = folder / f"{checkpoint.stem}-{form}.edge"
    if not place.exists():
        source = read_checkpoint(checkpoint)
        before: dict[type[Target], str] = {}
        for name in names:
            kind = type(targets.create_target(name))
            before[kind], kind.form = kind.form, form
        export_bundle(source, names, out=place)
        for kind, own in before.items():
            kind.form = own
    return place


def ways(names: list[str]) -> list[tuple[str, bool]]:
    """Every engine of the targets, native where it is built in, and as a package."""
    engines = [targets.create_target(name).engine for name in names]
    return [
        (engine, native)
        for engine in engines
        for native in (True, False)
        if not native or engine in _core.native_engines
    ]


def compare(
    plain: Path, other: Path, engine: str, native: bool, size_hw: tuple[int, int], args: argparse.Namespace
) -> dict:
    tensor = np.random.default_rng(0).random((1, 3, *size_hw), dtype=np.float32)
    detectors = [
        Detector(path, engine=engine, native=native, threads=args.threads, precision="fp32")
        for path in (plain, other)
    ]
    times = timed_in_turn([lambda each=each: each.compute_heads(tensor) for each in detectors], args.pairs)
    for detector in detectors:
        detector.close()
    return {
        "engine": f"{engine} {'native' if native else 'package'}",
        "plain_ms": summary(times[0]),
        "form_ms": summary(times[1]),
        "ratio": paired_ratio(times[1], times[0]),
    }


if __name__ == "__main__":
    main()
