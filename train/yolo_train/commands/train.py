"""Train a detection network on labelled images, from random weights or from a trained checkpoint.

DATASET is a YAML file with train, val and names, as YOLOv5 has it. best.pt, the epoch with the best average
precision, goes straight into yolo-export.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from yolo_edge.options import DEFAULT_SIZE
from yolo_edge.packages import require
from yolo_edge.progress import Progress
from yolo_train.training.options import OPTIMISERS, PRECISIONS, TrainOptions

__all__ = ["add_arguments", "run", "wait_briefly"]

_INSTALL = "pip install torch==2.13.0, then pip install 'yolo-edge[train]'"
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainOptions)}
_PROJECT, _NAME = Path("runs/train"), "exp"
_CHANGEABLE = ("threads", "workers", "cache_mb")
"""What a resumed training may be told anew: it changes the speed, and threads perhaps last digits."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of training."""
    parser.add_argument("data", metavar="DATASET", type=Path, nargs="?", help="dataset YAML")
    start = parser.add_argument_group("what it starts from")
    _add(
        start,
        "--weights",
        metavar="CHECKPOINT",
        type=Path,
        help="a trained network: YOLOv5's, YOLOv5-Lite's or best.pt of ours; tensors that fit are taken",
    )
    _add(
        start,
        "--cfg",
        metavar="NAME",
        help="a network by name (such as v5lite-e) or YAML file; alone: random weights",
    )
    start.add_argument(
        "--resume",
        metavar="FOLDER",
        type=Path,
        help="go on with an interrupted training, exactly where its last.pt was written",
    )
    _add(start, "--freeze", metavar="N", type=int, help="the first N layers keep their weights")
    how = parser.add_argument_group("training")
    _add(how, "--epochs", metavar="N", type=int, help="how often every image is seen")
    _add(
        how,
        "--batch",
        metavar="N",
        type=int,
        help="images at once",
    )
    _add(
        how,
        "--nominal-batch",
        metavar="N",
        type=int,
        help="images that a step is made of: gradients are gathered until so many have been seen",
    )
    _add(
        how,
        "--imgsz",
        metavar="PX",
        type=int,
        help=f"side of the network's input (default: as the weights were trained, else {DEFAULT_SIZE})",
    )
    _add(
        how,
        "--optimiser",
        choices=OPTIMISERS,
        help="sgd, or adamw with --set lr0=0.001 --set warmup_bias_lr=0",
    )
    _add(how, "--cos-lr", action="store_true", help="the learning rate falls along a cosine, not a line")
    _add(how, "--patience", metavar="N", type=int, help="stop after N epochs without a better one; 0: never")
    _add(
        how,
        "--multi-scale",
        action="store_true",
        help="batches of sizes from half to one and a half of --imgsz",
    )
    _add(how, "--rect", action="store_true", help="batches of images of like shape, without mosaic")
    _add(how, "--single-cls", action="store_true", help="all objects are of one class")
    _add(how, "--image-weights", action="store_true", help="images of badly found classes come up more often")
    _add(how, "--class-weights", action="store_true", help="rare classes count more in the loss")
    _add(how, "--noautoanchor", action="store_true", help="keep the anchors however badly they fit")
    how.add_argument(
        "--hyp", metavar="FILE", type=Path, help="hyper-parameters as YAML, under YOLOv5's names"
    )
    how.add_argument(
        "--set",
        metavar="NAME=NUMBER",
        dest="settings",
        action="append",
        default=[],
        help="one hyper-parameter; may be repeated",
    )
    _add(how, "--seed", metavar="N", type=int, help="the same seed gives the same network")
    speed = parser.add_argument_group("speed")
    _add(speed, "--threads", metavar="N", type=int, help="threads of torch (default: all CPUs)")
    _add(speed, "--workers", metavar="N", type=int, help="threads that load images (default: as many)")
    _add(speed, "--cache-mb", metavar="MB", type=float, help="memory for decoded images")
    _add(speed, "--precision", choices=PRECISIONS, help="auto tries bf16 where the CPU has it")
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "--project",
        metavar="DIR",
        type=Path,
        help=f"where the folder of this training is made (default: {_PROJECT})",
    )
    outputs.add_argument(
        "--name",
        metavar="NAME",
        help=f"its name; a number is added to one that is taken (default: {_NAME})",
    )
    outputs.add_argument(
        "--out", metavar="DIR", type=Path, help="the folder itself, instead of --project and --name"
    )
    outputs.add_argument("--no-plots", action="store_true", help="no charts and pictures")
    outputs.add_argument("--quiet", action="store_true", help="no progress, only the result and errors")


def _add(group: Any, flag: str, *, help: str, **rest: Any) -> None:  # noqa: A002  (argparse's word)
    """Adds a flag of an option of the same name; None tells later that it was not given."""
    default = _DEFAULTS.get(flag[2:].replace("-", "_"))
    if default not in (None, False):
        help = f"{help} (default: {default})"  # noqa: A001
    group.add_argument(flag, default=None, help=help, **rest)


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code.

    Raises:
        ValueError: A bad argument.
        TrainingError: The training cannot start or go on.
        DatasetError: The dataset has faults.
        MissingExtraError: A package is missing.
    """
    given = {
        field.name: value
        for field in dataclasses.fields(TrainOptions)
        if (value := getattr(args, field.name)) is not None
    }
    if args.resume is not None:
        changed = sorted(set(given) - set(_CHANGEABLE))
        changed += [name for name in ("hyp", "project", "name", "out") if getattr(args, name) is not None]
        if changed or args.settings:
            raise ValueError(
                f"--resume goes on as the training began; it cannot change "
                f"{', '.join(changed + ['set'] * bool(args.settings))}"
            )
    elif args.data is None:
        raise ValueError("give a DATASET, the YAML file with train, val and names, or --resume FOLDER")
    options = None if args.resume is not None else _resolved(TrainOptions(**given))
    plots = not args.no_plots
    _require_packages(plots=plots)
    wait_briefly()
    # Only now: torch takes seconds to import, and a wrong argument should not.
    from yolo_train.commands.train_session import begin, resume

    progress = Progress(quiet=args.quiet)
    if options is None:
        return resume(args.resume, given, progress, plots=plots)
    place = (args.project or _PROJECT, args.name or _NAME, args.out)
    return begin(options, args.hyp, args.settings, place, progress, plots=plots)


def wait_briefly() -> None:
    """Lets threads of torch sleep soon when they wait for each other, unless the environment says otherwise.

    Where another program wants a CPU, they would spin for nothing. GNU OpenMP has no call for it and reads
    the environment when it is loaded, so this goes before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _resolved(options: TrainOptions) -> TrainOptions:
    """With paths that hold from every folder, for a later --resume."""
    cfg = options.cfg
    if cfg is not None and (Path(cfg).suffix in (".yaml", ".yml") or len(Path(cfg).parts) > 1):
        cfg = str(Path(cfg).resolve())
    weights = None if options.weights is None else options.weights.resolve()
    return dataclasses.replace(options, data=options.data.resolve(), weights=weights, cfg=cfg)


def _require_packages(*, plots: bool) -> None:
    """What training needs, all of it, before it takes hours."""
    require("torch", "yolo-train", _INSTALL)
    require("pycocotools", "average precision", "pip install 'yolo-edge[train]'")
    if plots:
        require("matplotlib", "charts of the training", "pip install 'yolo-edge[plot]', or give --no-plots")
