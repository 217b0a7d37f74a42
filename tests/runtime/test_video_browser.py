"""A real browser plays what a run wrote; needs the Debian package chromium."""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from yolo_edge.scene import draw_scene
from yolo_edge.sinks.video_pyav import ENCODERS, Encoder, PyAvWriter
from yolo_edge.sinks.video_writer import VideoOptions

_PAGE = """<!doctype html><title>waiting</title><video muted></video><script>
const video = document.querySelector("video");
const told = (text) => fetch("/told", {method: "POST", body: text});
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
video.src = "/video.mp4";
video.play().catch((error) => told("refused " + error));
</script>"""

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--no-proxy-server"),
)


@contextmanager
def _served(video: bytes) -> Iterator[tuple[str, queue.Queue[str]]]:
    """The page and the video on loopback: its address, and what the page tells."""
    told: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"/": (_PAGE.encode(), "text/html"), "/video.mp4": (video, "video/mp4")}.get(self.path)
            self.send_response(200 if found else 404)
            body, kind = found or (b"", "text/plain")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", told
    finally:
        server.shutdown()
        server.server_close()


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
    with _served(data) as (address, told):
        command = [chromium, *_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", address]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            text = told.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(timeout=60)
    assert text.startswith("ended "), text
    state, seconds, width, height, colour = text.split(" ")
    assert (state, width, height) == ("ended", "1282", "722")
    assert float(seconds) == pytest.approx(2.0 if cut else 2.4, abs=0.1)
    assert np.abs(np.array(colour.split(","), int) - (242, 36, 36)).max() <= 8
