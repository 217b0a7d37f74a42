"""A real browser plays what a run wrote; needs the Debian package chromium."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from yolo_edge.scene import draw_scene
from yolo_edge.sinks.video_pyav import ENCODERS, Encoder, PyAvWriter
from yolo_edge.sinks.video_writer import VideoOptions

_PAGE = """<!doctype html><title>waiting</title><video muted></video><script>
const video = document.querySelector("video");
const told = (text) => { document.body.dataset.told = text; };
const pixel = () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    return context.getImageData(8, 8, 1, 1).data.slice(0, 3).join(",");
};
video.onerror = () => told("error " + video.error.message);
video.onended = () => told(`ended ${video.currentTime} ${video.videoWidth} ${video.videoHeight} ${pixel()}`);
video.src = "data:video/mp4;base64,DATA";
video.play().catch((error) => told("refused " + error));
</script>"""

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--virtual-time-budget=60000", "--timeout=60000"),
)


@pytest.mark.long
@pytest.mark.parametrize("cut", [pytest.param(False, id="whole"), pytest.param(True, id="killed")])
@pytest.mark.parametrize("encoder", [pytest.param(each, id=each.codec) for each in ENCODERS])
def test_chromium_plays(tmp_path: Path, encoder: Encoder, cut: bool) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "apt install chromium"
    path = tmp_path / "o.mp4"
    # HD, where an untagged matrix would be taken for another one.
    writer = PyAvWriter(path, (721, 1281), 25.0, VideoOptions(), encoder)
    for index in range(60):
        picture = draw_scene((721, 1281), index)
        picture[:64, :64] = (36, 36, 242)
        writer.write(picture, index / 25)
    if not cut:
        writer.close()
    data = path.read_bytes()  # before close: what a killed run leaves
    writer.close()
    page = tmp_path / "page.html"
    page.write_text(_PAGE.replace("DATA", base64.b64encode(data).decode()))
    command = [chromium, *_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    told = re.search(r'data-told="([^"]*)"', done.stdout)
    assert told, done.stdout[-500:] + done.stderr[-2000:]
    state, seconds, width, height, colour = told[1].split(" ")
    assert (state, width, height) == ("ended", "1282", "722")
    assert float(seconds) == pytest.approx(2.0 if cut else 2.4, abs=0.1)
    assert np.abs(np.array(colour.split(","), int) - (242, 36, 36)).max() <= 8
