"""Writes ONNX and ncnn files as the export tools of YOLOv5, YOLOv5-Lite and Ultralytics do, without them."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.lower import lower


class Exported(nn.Module):
    """A network with what an export tool puts behind its detection convolutions.

    Args:
        checkpoint: What `read_checkpoint` gives.
        form: ``raw4`` (1, na*no, h, w); ``raw5`` (1, na, h, w, no); ``flat`` (na, h*w, no);
            ``concat`` (1, n, no), sigmoided; ``decoded`` (1, n, no); ``v6.0`` decoded and raw5; ``rawrows``
            (1, n, no), raw. ``+sigmoid`` behind a form of single heads sigmoids it.
        order: Heads in another order.
    """

    def __init__(self, checkpoint: Any, form: str, order: Sequence[int] | None = None) -> None:
        super().__init__()
        self.network = lower(checkpoint.network, "onnx")
        self.form, _, self.activation = form.partition("+")
        self.order = list(order or range(len(checkpoint.strides)))
        self.strides, self.anchors = checkpoint.strides, checkpoint.anchors_px
        self.no = 5 + len(checkpoint.names)

    def forward(self, image: torch.Tensor) -> Any:
        heads = self.network(image)
        outputs, cells = [], []
        for i in self.order:
            na = len(self.anchors[i])
            head = heads[i].sigmoid() if self.activation else heads[i]
            ny, nx = head.shape[2:]
            cell = head.view(1, na, self.no, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
            cells.append(cell)
            if self.form == "flat":
                outputs.append(head.view(na, self.no, ny * nx).permute(0, 2, 1))
            else:
                outputs.append(head if self.form == "raw4" else cell)
        if self.form in ("raw4", "raw5", "flat"):
            return tuple(outputs)
        rows = torch.cat([self._rows(i, cell) for i, cell in zip(self.order, cells)], 1)
        return (rows, *cells) if self.form == "v6.0" else rows

    def _rows(self, i: int, cell: torch.Tensor) -> torch.Tensor:
        if self.form == "rawrows":
            return cell.view(1, -1, self.no)
        y = cell.sigmoid()
        if self.form == "concat":
            return y.view(1, -1, self.no)
        ny, nx = cell.shape[2:4]
        grid_y, grid_x = torch.meshgrid(torch.arange(ny), torch.arange(nx), indexing="ij")
        grid = torch.stack((grid_x, grid_y), 2).view(1, 1, ny, nx, 2).float() - 0.5
        anchors = torch.tensor(self.anchors[i]).view(1, -1, 1, 1, 2)
        xy = (y[..., 0:2] * 2 + grid) * self.strides[i]
        wh = (y[..., 2:4] * 2) ** 2 * anchors
        return torch.cat((xy, wh, y[..., 4:]), -1).view(1, -1, self.no)


def write_onnx(
    path: Path,
    checkpoint: Path,
    form: str,
    *,
    static: tuple[int, int] | None = None,
    order: Sequence[int] | None = None,
    metadata: dict[str, Any] | None = None,
    module: nn.Module | None = None,
) -> Path:
    """Exports a form; ``static`` names the only image size, None leaves it open."""
    model = module or Exported(read_checkpoint(checkpoint), form, order)
    return write_module(path, model, static=static, metadata=metadata)


def write_module(
    path: Path,
    module: nn.Module,
    *,
    static: tuple[int, int] | None = None,
    metadata: dict[str, Any] | None = None,
    image: torch.Tensor | None = None,
) -> Path:
    """Exports any module that takes an image."""
    import onnx

    image = image if image is not None else torch.zeros(1, 3, *(static or (128, 192)))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = module(image)
        names = [f"output{i}" for i in range(len(count) if isinstance(count, tuple) else 1)]
        axes = {} if static else {"images": {2: "height", 3: "width"}}
        torch.onnx.export(
            module.eval(), (image,), str(path), dynamo=False, opset_version=17, input_names=["images"],
            output_names=names, dynamic_axes=axes,
        )  # fmt: skip
    if metadata:
        model = onnx.load(str(path))
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, str(value)
        onnx.save(model, str(path))
    return path


def write_ncnn(
    path: Path,
    checkpoint: Path,
    form: str,
    *,
    static: tuple[int, int] | None = None,
    names: Sequence[str] = ("output", "1111", "2222"),
) -> Path:
    """Exports a form and converts it with pnnx; blobs get other names, as in YOLOv5-Lite's demos."""
    import pnnx

    workshop = path.parent / f"{path.stem}-pnnx"
    workshop.mkdir()
    write_onnx(workshop / "m.onnx", checkpoint, form, static=static)
    height, width = static or (128, 192)
    shapes = [f"inputshape=[1,3,{height},{width}]"]
    if static is None:
        shapes.append("inputshape2=[1,3,192,256]")
    subprocess.run(
        [pnnx.EXEC_PATH, "m.onnx", *shapes, "fp16=0"],
        cwd=workshop,
        check=True,
        capture_output=True,
        timeout=600,
    )
    text = (workshop / "m.ncnn.param").read_text()
    lines = [line.split() for line in text.splitlines()]
    blobs = {"in0": "data", **{f"out{i}": name for i, name in enumerate(names)}}
    for words in lines[2:]:
        last = 4 + int(words[2]) + int(words[3])
        words[4:last] = [blobs.get(word, word) for word in words[4:last]]
    path.write_text("\n".join(" ".join(words) for words in lines) + "\n")
    path.with_suffix(".bin").write_bytes((workshop / "m.ncnn.bin").read_bytes())
    return path
