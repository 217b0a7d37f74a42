"""What the fitting of anchors takes for granted; free of numpy, so that command lines can show it."""

ANCHOR_THRESHOLD = 4.0
"""YOLOv5's ``anchor_t``: an object's side may be this many times its anchor's, or as small a part of it."""

GENERATIONS = 1000
"""Attempts to better the anchors after k-means; with 10,000 objects they take a few seconds."""

WANTED_RECALL = 0.98
"""Anchors with at least this best possible recall are kept, as in YOLOv5."""
