"""What int8 costs and saves: average precision, bytes and time against float32, for each method and engine.

    python benchmarks/quantize.py CHECKPOINT... --calib DIR --data DATASET [--imgsz 640]
        [--engines onnxruntime,openvino] [--methods percentile,mse] [--pairs 40] [--threads 1]
        [--bundles FOLDER] [--out FILE]

Average precision is measured through the engine by yolo_edge.val. A timed sample is the bare network on one
tensor of 16:9; float32 and int8 are run in turn. `--pairs 0` leaves the times out, `--data ""` the precision.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from pairs import describe_machine, paired_ratio, summary, timed_in_turn

from yolo_edge import Detector
from yolo_edge.bundle import load_bundle, sha256_of, write_manifest
from yolo_edge.datasets import open_dataset
from yolo_edge.packages import require_openvino
from yolo_edge.val import evaluate
from yolo_export.export import export_bundle
from yolo_export.openvino_ir import save_network
from yolo_export.quantize import Calibration, open_calibration, quantize_onnx, quantize_openvino


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--data", default="", help="labelled images for average precision")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--engines", default="onnxruntime,openvino")
    parser.add_argument("--methods", default="percentile", help="of onnxruntime; NNCF has its own")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bundles", type=Path, help="folder that keeps the exports for the next run")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    packages = ("onnxruntime", "openvino", "nncf", "torch")
    report: dict = {"machine": describe_machine(*packages), "threads": args.threads, "rows": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.bundles or Path(temporary)
        for checkpoint in args.checkpoints:
            plain = export(checkpoint, args.imgsz, folder)
            for engine in args.engines.split(","):
                for method in args.methods.split(",") if engine == "onnxruntime" else ["nncf"]:
                    other = quantized(plain, engine, method, args.calib, folder)
                    row = {"model": checkpoint.stem, "imgsz": args.imgsz, "engine": engine, "method": method}
                    row["size_ratio"] = size_of(other, engine) / size_of(plain, engine)
                    if args.data:
                        row["fp32"] = average_precision(plain, engine, "fp32", args.data)
                        row["int8"] = average_precision(other, engine, "int8", args.data)
                    if args.pairs:
                        row |= compare(plain, other, engine, args)
                    report["rows"].append(row)
                    print(shown(row), flush=True)
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def export(checkpoint: Path, size: int, folder: Path) -> Path:
    place = folder / f"{checkpoint.stem}-{size}.edge"
    if not place.exists():
        export_bundle(checkpoint, ["onnx", "openvino"], out=place, size_hw=(size, size))
    return place


def quantized(plain: Path, engine: str, method: str, calib: Path, folder: Path) -> Path:
    """A copy of a bundle with the int8 files of one engine alone."""
    place = folder / f"{plain.stem}-{engine}-{method}.edge"
    if place.exists():
        return place
    bundle = load_bundle(plain)
    calibration = open_calibration(calib, bundle.input)
    shutil.copytree(plain, place)
    files = write_int8(place, engine, method, calibration)
    manifest = json.loads((plain / "bundle.json").read_text())
    (entry,) = manifest["targets"] = [each for each in manifest["targets"] if each["engine"] == engine]
    entry |= {"weights": "int8", "compute": ["int8"], "files": files}
    entry["sha256"] = {name: sha256_of(place / name) for name in files.values()}
    manifest["verification"] = []
    write_manifest(place, manifest)
    return place


def write_int8(place: Path, engine: str, method: str, calibration: Calibration) -> dict[str, str]:
    """Write the int8 files; their names by role."""
    # The graph that OpenVINO's target starts from is the one that onnxruntime's target writes.
    plain = (place / "model.onnx").read_bytes()
    if engine == "onnxruntime":
        data = quantize_onnx(plain, calibration, method)
        (place / "model.int8.onnx").write_bytes(data)
        return {"model": "model.int8.onnx"}
    model = quantize_openvino(plain, calibration)
    save_network(require_openvino("the benchmark", ""), model, place / "model.int8.xml", half=False)
    return {"model": "model.int8.xml", "weights": "model.int8.bin"}


def size_of(place: Path, engine: str) -> int:
    (target,) = (each for each in load_bundle(place).targets if each.engine == engine)
    return sum((place / name).stat().st_size for name in target.files.values())


def average_precision(place: Path, engine: str, precision: str, data: str) -> dict[str, float]:
    with Detector(place, engine=engine, precision=precision) as detector:
        figures = evaluate(detector, open_dataset(data, detector.bundle.names)).figures
    return {"ap": figures.ap, "ap50": figures.ap50}


def compare(plain: Path, other: Path, engine: str, args: argparse.Namespace) -> dict:
    size_hw = (-(-args.imgsz * 9 // 16 // 32) * 32, args.imgsz)
    tensor = np.random.default_rng(0).random((1, 3, *size_hw), dtype=np.float32)
    detectors = [
        Detector(place, engine=engine, threads=args.threads, precision=precision)
        for place, precision in ((plain, "fp32"), (other, "int8"))
    ]
    times = timed_in_turn([lambda each=each: each.compute_heads(tensor) for each in detectors], args.pairs)
    for detector in detectors:
        detector.close()
    return {
        "size_hw": size_hw,
        "fp32_ms": summary(times[0]),
        "int8_ms": summary(times[1]),
        "ratio": paired_ratio(times[1], times[0]),
    }


def shown(row: dict) -> str:
    text = f"{row['model']} {row['imgsz']}, {row['engine']}, {row['method']}: size {row['size_ratio']:.3f}"
    if "int8" in row:
        for key in ("ap", "ap50"):
            text += f", {key} {row['fp32'][key]:.4f} -> {row['int8'][key]:.4f}"
    if "ratio" in row:
        low, high = row["ratio"]["interval_95"]
        before, after = row["fp32_ms"]["median"], row["int8_ms"]["median"]
        text += (
            f", {before:.1f} -> {after:.1f} ms, ratio {row['ratio']['median']:.3f} [{low:.3f}, {high:.3f}]"
        )
    return text


if __name__ == "__main__":
    main()
