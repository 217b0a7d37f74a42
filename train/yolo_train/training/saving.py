"""Writes and reads ``best.pt`` and ``last.pt``: tensors and plain data only, whole or not at all.

Weights are kept in float32: half of the size is not worth that the exported model differs from the one whose
average precision was measured, and export can still store fp16.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from yolo_edge.file_replacement import replace_file
from yolo_edge.regular_file import require_regular_file
from yolo_export.checkpoint.trained import FORMAT, FORMAT_VERSION, WEIGHTS_PREFIX
from yolo_export.models import Network, describe_network
from yolo_train.errors import TrainingError

__all__ = ["checkpoint_content", "plain_state", "read_resume", "restore_state", "write_checkpoint"]

_NETWORK_PREFIX = "layers."
_RESUME_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("weights", "average", "optimiser", "options", "hyperparameters"), (dict,)),
    **dict.fromkeys(("history", "class_ap"), (list,)),
    **dict.fromkeys(("architecture", "dataset"), (str,)),
    "average_steps": (int,),
    "random": (torch.Tensor,),
    "best": (int, type(None)),
}
"""What ``resume`` of a ``last.pt`` holds."""


def checkpoint_content(
    network: Network,
    *,
    names: Sequence[str],
    strides: Sequence[int],
    anchors_px: Sequence[Sequence[tuple[float, float]]],
    epoch: int,
    best_fitness: float,
    steps: int,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """What ``yolo-export`` needs, see `yolo_export.checkpoint.trained`.

    Args:
        network: The moving average.
        names: Class names.
        strides: Of each head in px.
        anchors_px: Width and height of the anchors of each head.
        epoch: The last finished one, from 0; -1 before the first.
        best_fitness: Of all epochs.
        steps: Of the optimiser.
        facts: Plain values, such as ``imgsz``.
    """
    weights = {name: tensor for name, tensor in plain_state(network).items() if tensor.is_floating_point()}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": describe_network(network),
        "weights": weights,
        "names": list(names),
        "strides": list(strides),
        "anchors_px": [[[float(side) for side in pair] for pair in head] for head in anchors_px],
        "epoch": epoch,
        "best_fitness": best_fitness,
        "updates": steps,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "opt": dict(facts),
    }


def plain_state(network: Network) -> dict[str, torch.Tensor]:
    """The tensors by the names of YOLOv5's state dicts."""
    return {
        WEIGHTS_PREFIX + name[len(_NETWORK_PREFIX) :]: tensor.contiguous()
        for name, tensor in network.state_dict().items()
    }


def restore_state(network: Network, state: Mapping[str, torch.Tensor]) -> None:
    """The inverse of `plain_state`.

    Raises:
        RuntimeError: The tensors are not those of the network.
    """
    network.load_state_dict(
        {_NETWORK_PREFIX + name[len(WEIGHTS_PREFIX) :]: tensor for name, tensor in state.items()}
    )


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a checkpoint; the old one stays whole until the new one is.

    Raises:
        TrainingError: It cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    try:
        replace_file(path, buffer.getvalue())
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written: {error.strerror}; what was there is whole. Once there is room, "
            f"`yolo-train --resume {path.parent}` goes on from the last epoch that was kept"
        ) from error


def read_resume(path: Path) -> dict[str, Any]:
    """Reads a ``last.pt``, with what it has for resuming, without running anything in it.

    Raises:
        TrainingError: It is missing, damaged, or no ``last.pt``.
    """
    try:
        size = require_regular_file(path).st_size
        file = path.open("rb")
    except FileNotFoundError:
        raise TrainingError(f"{path}: does not exist; --resume takes the folder of a run") from None
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from None
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that no torch wrote
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # there is no telling what junk makes torch raise
            raise TrainingError(
                f"{path}: is damaged or cut short ({size:,} bytes), or holds other things than tensors and "
                f"plain data; nothing of it was run"
            ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TrainingError(f"{path}: is not a checkpoint of yolo-train; --weights starts from others")
    if not isinstance(content.get("resume"), dict):
        raise TrainingError(
            f"{path}: holds a finished network only; last.pt is what a training goes on from, "
            "--weights is for a new one that starts from these numbers"
        )
    _check_resume(path, content)
    return content


def _check_resume(path: Path, content: Mapping[str, Any]) -> None:
    """Compares what there is for resuming with what `write_checkpoint` was given, before work begins.

    Raises:
        TrainingError: A part is missing, or of another kind.
    """
    resume = content["resume"]
    wrong = [name for name, kinds in _RESUME_KINDS.items() if not isinstance(resume.get(name), kinds)]
    if not isinstance(content.get("names"), list):
        wrong.append("names")
    if "history" not in wrong and "best" not in wrong:
        best, epochs = resume["best"], len(resume["history"])
        if best is not None and not 0 <= best < epochs:
            wrong.append("best")
    if wrong:
        raise TrainingError(
            f"{path}: has no usable {', '.join(wrong)}: it is damaged or of another version of yolo-train; "
            f"--weights {path} begins anew with its network"
        )
