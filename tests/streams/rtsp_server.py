"""An RTSP server whose pictures carry their own clock; a program of its own, for Debian's Python.

    /usr/bin/python3 tests/runtime/rtsp_server.py --port 8554 --streams 4

serves ``/0`` to ``/3`` with H.264 until it is killed. Prints ``ready`` when it listens.
Debian packages: python3-gst-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly python3-numpy.
"""

from __future__ import annotations

import argparse
import threading
import time

import gi
import numpy as np
from pixel_clock import stamp

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - after the versions are chosen


class Camera:
    """Pushes stamped pictures into the pipeline of each new medium."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        rng = np.random.default_rng(0)
        shape = (args.height, args.width)
        # Noise that changes gives the stream its bitrate.
        self._noise = [rng.integers(64, 192, shape, np.uint8) for _ in range(8)]
        self._number = 0

    def configure(self, _: object, media: object) -> None:
        source = media.get_element().get_child_by_name("source")  # type: ignore[attr-defined]
        threading.Thread(target=self._push, args=(source,), daemon=True).start()

    def _push(self, source: object) -> None:
        height, width = self._args.height, self._args.width
        next_clock = time.monotonic()
        while True:
            luma = self._noise[self._number % len(self._noise)].copy()
            luma[80:] = np.where(np.arange(width) < width * self._args.noise, luma[80:], 96)
            stamp(luma, self._number)
            chroma = np.full(height * width // 2, 128, np.uint8)
            data = Gst.Buffer.new_wrapped(luma.tobytes() + chroma.tobytes())
            if source.emit("push-buffer", data) != Gst.FlowReturn.OK:  # type: ignore[attr-defined]
                return
            self._number += 1
            next_clock += 1 / self._args.fps
            time.sleep(max(0.0, next_clock - time.monotonic()))  # the camera's frame rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=288)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--bitrate", type=int, default=500, help="kbit/s")
    parser.add_argument("--noise", type=float, default=0.3, help="part of the picture that is noise")
    parser.add_argument("--key-frames", type=int, default=15, help="frames from one key frame to the next")
    parser.add_argument("--user", help="NAME:PASSWORD that a client must give")
    args = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(args.port))
    if args.user:
        name, password = args.user.split(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
        server.set_auth(auth)
    caps = f"video/x-raw,format=I420,width={args.width},height={args.height},framerate={args.fps}/1"
    for index in range(args.streams):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            f"( appsrc name=source is-live=true do-timestamp=true format=time caps={caps} "
            f"! x264enc tune=zerolatency speed-preset=ultrafast threads=1 bitrate={args.bitrate} "
            f"key-int-max={args.key_frames} ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        factory.set_shared(True)
        if args.user:
            permissions = GstRtspServer.RTSPPermissions()
            for permission in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role("viewer", permission, True)
            factory.set_permissions(permissions)
        camera = Camera(args)
        factory.connect("media-configure", camera.configure)
        server.get_mount_points().add_factory(f"/{index}", factory)
    if server.attach(None) == 0:
        raise SystemExit(f"port {args.port} cannot be used")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
