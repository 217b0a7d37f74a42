"""A small HTTP service: POST an image, get its boxes as JSON. Needs ``pip install flask``.

    python examples/http_service.py best.edge --port 8000
    curl --data-binary @street.jpg http://127.0.0.1:8000/detect?conf=0.4

The server answers in several threads; they share one detector, whose calls queue.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from flask import Flask, jsonify, request

from yolo_edge import Detector

MAX_BYTES = 20_000_000


def create_app(detector: Detector) -> Flask:
    """The service around a loaded detector."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES

    @app.post("/detect")
    def detect():
        data = np.frombuffer(request.get_data(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            return jsonify(error="the body is not an image"), 400
        try:
            detections = detector.detect(image, conf=request.args.get("conf", type=float))
        except ValueError as error:
            return jsonify(error=str(error)), 400
        return jsonify(width=image.shape[1], height=image.shape[0], **detections.to_dict())

    return app


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    with Detector(args.bundle) as detector:
        create_app(detector).run(port=args.port, threaded=True)


if __name__ == "__main__":
    main()
