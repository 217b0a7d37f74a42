"""Figures of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from yolo_edge.detections import Detections
from yolo_edge.pipeline.ages import AgeHistogram

_MOST_LINES = 16
"""Sources that ``describe`` gives a line each."""


@dataclass
class SourceStatistics:
    """Figures of one source."""

    frames: int = 0
    failures: int = 0
    dropped: int = 0
    """Frames of a live source that a newer one overtook."""
    damaged: int = 0
    """Frames of a live source that arrived damaged, or build on one that did."""
    detections: int = 0
    ages: AgeHistogram = field(default_factory=AgeHistogram)
    """From capture to result, milliseconds."""

    def describe(self, elapsed_s: float) -> str:
        """One line for people."""
        parts = [f"{self.frames} frames ({_per_second(self.frames, elapsed_s):.1f} per second)"]
        return "; ".join(parts + self._rest())

    def to_dict(self, elapsed_s: float) -> dict[str, Any]:
        """Plain data for JSON, see docs/run.md."""
        return {
            "frames": self.frames,
            "fps": round(_per_second(self.frames, elapsed_s), 3),
            "failures": self.failures,
            "dropped": self.dropped,
            "damaged": self.damaged,
            "detections": self.detections,
            "age_ms": self.ages.to_dict(),
        }

    def _rest(self) -> list[str]:
        parts = [f"{self.detections} detections"]
        if self.ages.count:
            ages = self.ages
            parts.append(
                f"frame age median {ages.percentile(50):.0f} ms, p95 {ages.percentile(95):.0f} ms, "
                f"max {ages.max_ms:.0f} ms"
            )
        if self.dropped:
            parts.append(f"{self.dropped} frames dropped")
        if self.damaged:
            parts.append(f"{self.damaged} damaged")
        if self.failures:
            parts.append(f"{self.failures} failed")
        return parts


@dataclass
class RunStatistics(SourceStatistics):
    """Figures of a run, in all and by source; they take the same memory after a minute and after a month."""

    elapsed_s: float = 0.0
    """From the start of the run to the last result."""
    stage_ms: dict[str, float] = field(
        default_factory=lambda: {"letterbox": 0.0, "inference": 0.0, "postprocess": 0.0}
    )
    """Sum over all frames, by stage."""
    sources: dict[str, SourceStatistics] = field(default_factory=dict)
    """By the name that the source has in results, in the order of the sources."""

    @property
    def fps(self) -> float:
        """Frames per second from the start to the last result."""
        return _per_second(self.frames, self.elapsed_s)

    def add(self, source: SourceStatistics, detections: Detections, age_ms: float, elapsed_s: float) -> None:
        """Counts a frame of a source."""
        found = len(detections)
        for figures in (self, source):
            figures.frames += 1
            figures.detections += found
            figures.ages.add(age_ms)
        self.elapsed_s = elapsed_s
        if times := detections.times:
            self.stage_ms["letterbox"] += times.letterbox_ms
            self.stage_ms["inference"] += times.inference_ms
            self.stage_ms["postprocess"] += times.postprocess_ms

    def add_failure(self, source: SourceStatistics) -> None:
        """Counts a frame, or the rest of a source, that could not be read."""
        self.failures += 1
        source.failures += 1

    def describe(self, elapsed_s: float | None = None) -> str:
        """A line for people, and one more for each source when there are several."""
        elapsed_s = self.elapsed_s if elapsed_s is None else elapsed_s
        stages = ", ".join(
            f"{name} {total / max(1, self.frames):.1f} ms" for name, total in self.stage_ms.items()
        )
        total = f"{self.frames} frames in {elapsed_s:.1f} s ({self.fps:.1f} per second): {stages}"
        lines = ["; ".join([total, *self._rest()])]
        if len(self.sources) > 1:
            named = list(self.sources.items())
            lines += [f"  {name}: {source.describe(elapsed_s)}" for name, source in named[:_MOST_LINES]]
            if len(named) > _MOST_LINES:
                lines.append(f"  and {len(named) - _MOST_LINES} more sources")
        return "\n".join(lines)

    def to_dict(self, elapsed_s: float | None = None) -> dict[str, Any]:
        """Plain data for JSON, see docs/run.md; stages are means for a frame."""
        elapsed_s = self.elapsed_s if elapsed_s is None else elapsed_s
        frames = max(1, self.frames)
        return {
            "elapsed_s": round(elapsed_s, 3),
            **super().to_dict(elapsed_s),
            "stage_ms": {name: round(total / frames, 3) for name, total in self.stage_ms.items()},
            "sources": {name: source.to_dict(elapsed_s) for name, source in self.sources.items()},
        }


def _per_second(frames: int, elapsed_s: float) -> float:
    return frames / elapsed_s if elapsed_s > 0 else 0.0
