"""What light, lens and sensor do to a scene."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.scenes.settings import SceneSettings

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]

_DARKEST = 35
"""Least light, of 100: a code that nobody can see is no example."""
_MIDDLE = 105.0
"""Mean that the camera's automatic exposure aims at, half way."""
_NOISE_SIDE = 1024
_NOISE_SIGMA = 40.0


def light(random: np.random.Generator, settings: SceneSettings, picture: Picture) -> Picture:
    """Uneven light, shadows' edges and specular spots."""
    height, width = picture.shape[:2]
    small_w, small_h = 52, max(1, round(52 * height / width))
    x = np.linspace(-1, 1, small_w, dtype=np.float32)[None]
    y = np.linspace(-1, 1, small_h, dtype=np.float32)[:, None]
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, settings.light)
    gain = 1 + np.float32(strength / 2) * (x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle)))
    if random.random() < 0.4:  # a lamp, or the lens's own fall-off
        cx, cy, reach = random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(0.6, 1.8)
        distance = (x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2
        gain *= 1 - np.float32(strength * 0.7) * (1 - np.exp(-distance / np.float32(reach**2)))
    gain_8 = np.clip(gain * 100, 0, 255).astype(np.uint8)
    gain_8 = cv2.resize(gain_8, (width // 2, height // 2), interpolation=cv2.INTER_LINEAR)
    if random.random() < settings.shadows:
        corners = random.uniform(-0.3, 1.3, (int(random.integers(3, 6)), 2)) * (width // 2, height // 2)
        shadow = np.full_like(gain_8, 255)
        cv2.fillPoly(shadow, [corners.astype(np.int32)], int(255 * random.uniform(0.35, 0.8)))
        soft = int(random.integers(0, 8)) * 2 + 1
        gain_8 = cv2.multiply(gain_8, cv2.blur(shadow, (soft, soft)), scale=1 / 255)
    gain_8 = cv2.resize(cv2.max(gain_8, _DARKEST), (width, height), interpolation=cv2.INTER_LINEAR)
    lit: Picture = cv2.multiply(picture, cv2.merge([gain_8] * 3), scale=1 / 100)
    if random.random() < settings.glare:
        lit = _glare(random, lit)
    return lit


def _glare(random: np.random.Generator, picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    spot = np.zeros((height // 4, width // 4), np.uint8)
    for _ in range(int(random.integers(1, 3))):
        place = (int(random.integers(0, width // 4)), int(random.integers(0, height // 4)))
        axes = (int(random.integers(2, 14)), int(random.integers(1, 8)))
        cv2.ellipse(
            spot, place, axes, float(random.uniform(0, 180)), 0, 360, int(random.integers(80, 256)), -1
        )
    blur = int(random.integers(2, 7)) * 2 + 1
    spot = cv2.resize(cv2.blur(spot, (blur, blur)), (width, height), interpolation=cv2.INTER_LINEAR)
    bright: Picture = cv2.add(picture, cv2.merge([spot] * 3))
    return bright


def expose(random: np.random.Generator, settings: SceneSettings, picture: Picture) -> Picture:
    """Brightness, gamma, white balance and saturation of the camera."""
    low, high = settings.gain
    gain = (low + (high - low) * random.beta(2.2, 1.6)) * math.sqrt(
        _MIDDLE / max(20.0, float(cv2.mean(picture)[1]))
    )
    balance = random.uniform(0.88, 1.12, 3)
    gamma = random.uniform(0.75, 1.35)
    lift = random.uniform(0, 18)  # haze and black level
    ramp = np.arange(256, dtype=np.float64)[:, None] / 255
    table = np.clip(lift + (255 - lift) * gain * balance * ramp**gamma, 0, 255).astype(np.uint8)
    if random.random() < 0.08:
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = cv2.merge([gray, gray, gray])
        table = np.repeat(table[:, :1], 3, axis=1)
    exposed: Picture = cv2.LUT(picture, table[None])
    return exposed


def blur(random: np.random.Generator, settings: SceneSettings, picture: Picture) -> Picture:
    """Defocus, and motion along a line."""
    scale = max(picture.shape[:2]) / 416
    sigma = random.uniform(*settings.defocus_px) * scale
    if sigma > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if random.random() < settings.motion:
        length = random.uniform(*settings.motion_px) * scale
        angle = random.uniform(0, np.pi)
        side = int(length) // 2 * 2 + 3
        kernel = np.zeros((side, side), np.float32)
        middle = side / 2 - 0.5
        along = np.array([math.cos(angle), math.sin(angle)]) * length / 2
        start, end = np.array([middle, middle]) - along, np.array([middle, middle]) + along
        fixed = [tuple(round(part * 16) for part in point) for point in (start, end)]
        cv2.line(kernel, fixed[0], fixed[1], 1.0, 1, cv2.LINE_AA, 4)
        total = float(kernel.sum())
        if total > 0:
            picture = cv2.filter2D(picture, -1, kernel / total)
    return picture


def noise(random: np.random.Generator, settings: SceneSettings, picture: Picture) -> Picture:
    """The sensor's noise, as large as a pixel or, smoothed by a codec, as two."""
    sigma = random.uniform(*settings.noise)
    if sigma < 1:
        return picture
    height, width = picture.shape[:2]
    pool = _noise_pool()
    coarse = 2 if random.random() < 0.25 else 1
    rows, columns = -(-height // coarse), -(-width // coarse)
    y, x = (int(random.integers(0, _NOISE_SIDE - part)) for part in (rows, columns))
    grain = pool[y : y + rows, x : x + columns]
    if random.random() < 0.5:  # no colour in it
        one = np.ascontiguousarray(grain[..., 0])
        grain = cv2.merge([one, one, one])
    if coarse > 1:
        grain = cv2.resize(grain, (columns * 2, rows * 2), interpolation=cv2.INTER_LINEAR)[:height, :width]
        sigma *= 1.5
    weight = sigma / _NOISE_SIGMA
    noisy: Picture = cv2.addWeighted(picture, 1.0, np.ascontiguousarray(grain), weight, -128 * weight)
    return noisy


@cache
def _noise_pool() -> Picture:
    grain = np.random.default_rng(20).standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3), np.float32)
    pool: Picture = np.clip(grain * _NOISE_SIGMA + 128.5, 0, 255).astype(np.uint8)
    return pool
