"""Which anchors of which cells are responsible for an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Matches", "match_targets"]


@dataclass(frozen=True)
class Matches:
    """The responsible anchors of one head, one row for each anchor, cell and object.

    Attributes:
        image: int64 (n,): index in the batch.
        anchor: int64 (n,).
        row: int64 (n,) of the cell.
        column: int64 (n,) of the cell.
        boxes: float32 (n, 4): centre relative to the cell's corner, width and height; in cells.
        class_id: int64 (n,).
    """

    image: torch.Tensor
    anchor: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    boxes: torch.Tensor
    class_id: torch.Tensor

    def __len__(self) -> int:
        return len(self.image)


def match_targets(
    targets: torch.Tensor, anchors: torch.Tensor, grid_hw: tuple[int, int], threshold: float
) -> Matches:
    """Finds the responsible anchors as YOLOv5 does.

    An anchor fits an object when neither side is ``threshold`` times that of the other, or more. Responsible
    are the cell that holds the centre, and the two neighbours that the centre is nearest to, where the grid
    has them: offsets reach from -0.5 to 1.5 cells, so each of the three can predict it.

    Args:
        targets: float32 (m, 6): index of the image, class id, centre, width and height as fractions of the
            network's input.
        anchors: float32 (na, 2): widths and heights in cells.
        grid_hw: Cells of the head, vertical and horizontal.
        threshold: ``anchor_t``.

    Example:
        >>> found = match_targets(torch.tensor([[0, 2, 0.6, 0.6, 0.5, 0.5]]), torch.ones(1, 2), (2, 2), 4.0)
        >>> sorted(zip(found.column.tolist(), found.row.tolist()))
        [(0, 1), (1, 0), (1, 1)]
    """
    height, width = grid_hw
    size = targets.new_tensor([width, height])
    boxes = targets[:, 2:] * size.repeat(2)
    ratio = boxes[None, :, 2:] / anchors[:, None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < threshold
    anchor, target = fits.nonzero(as_tuple=True)
    centre = boxes[target, :2]
    from_end = size - centre
    # The centre's own cell, then the neighbours to the left, above, to the right and below.
    steps = torch.tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]])
    responsible = torch.cat(
        [
            torch.ones(1, len(target), dtype=torch.bool),
            ((centre % 1 < 0.5) & (centre > 1)).T,
            ((from_end % 1 < 0.5) & (from_end > 1)).T,
        ]
    )
    step, chosen = responsible.nonzero(as_tuple=True)
    # A centre on the far edge belongs to the last cell.
    cell = torch.minimum(centre[chosen].long() + steps[step], size.long() - 1)
    object_of = target[chosen]
    return Matches(
        image=targets[object_of, 0].long(),
        anchor=anchor[chosen],
        row=cell[:, 1],
        column=cell[:, 0],
        boxes=torch.cat([centre[chosen] - cell, boxes[object_of, 2:]], 1),
        class_id=targets[object_of, 1].long(),
    )
