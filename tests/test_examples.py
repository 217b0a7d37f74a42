"""The example programs and the examples in docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import yolo_edge
from yolo_edge import Detector

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_camera_loop(tiny_bundle: Path, clip: Path) -> None:
    program = [sys.executable, EXAMPLES / "camera_loop.py", tiny_bundle, clip]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.match(r".*clip\.avi 0\.0 s: \d+ people\n", done.stdout)


def test_http_service(tiny_bundle: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from werkzeug.serving import make_server

    monkeypatch.syspath_prepend(str(EXAMPLES))
    service = importlib.import_module("http_service")
    with Detector(tiny_bundle) as detector:
        server = make_server("127.0.0.1", 0, service.create_app(detector), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/detect"
            body = (scenes / "a.png").read_bytes()
            text = urllib.request.urlopen(f"{url}?conf=0.3", body, timeout=60).read().decode()
            assert '"width":160' in text
            assert '"xyxy"' in text
            for address, data in ((url, b"no image"), (f"{url}?conf=7", body)):
                with pytest.raises(urllib.error.HTTPError, match="400"):
                    urllib.request.urlopen(address, data, timeout=60)
        finally:
            server.shutdown()
            thread.join(30)


def _modules() -> list[str]:
    names = [found.name for found in pkgutil.walk_packages(yolo_edge.__path__, "yolo_edge.")]
    return ["yolo_edge", *(name for name in names if "._core" not in name)]


def test_docstrings(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "best.edge").symlink_to(tiny_bundle)
    monkeypatch.chdir(tmp_path)
    tried = 0
    for name in [*_modules(), "yolo_edge._core"]:
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
        assert result.failed == 0, name
        tried += result.attempted
    assert tried >= 5


def test_detection_without_opencv(tiny_bundle: Path) -> None:
    code = (
        "import sys\nsys.modules['cv2'] = None\nimport numpy as np\nfrom yolo_edge import Detector, watch\n"
        f"with Detector({str(tiny_bundle)!r}) as detector:\n"
        "    image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)\n"
        "    print(watch(detector, [image] * 3, lambda frame, found: None).frames)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "3\n", done.stderr
