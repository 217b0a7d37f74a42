"""Flags of a small training on one thread."""

SMALL = [
    *("--cfg", "v5lite-e", "--imgsz", "64", "--batch", "4", "--precision", "fp32", "--no-plots", "--quiet"),
    *("--threads", "1", "--workers", "1", "--noautoanchor"),
]
