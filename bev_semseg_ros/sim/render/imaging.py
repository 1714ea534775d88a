"""From radiance to a picture: what lens, exposure, sensor and tone curve of one camera do to the light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from bev_semseg_ros.sim.render.noise import hash_unit, kernel

_LUMINANCE = np.array([0.3, 0.6, 0.1], np.float32)
_BRIGHTEST = 8.0  # radiance above this is clipped before blurring: the sun's mirror image must not fill the picture
_CURVE_SIZE = 4096
_CURVE_END = 4.0  # exposed radiance at which every tone curve is white
_GRAIN = np.random.default_rng(3).standard_normal(1 << 18).astype(np.float32)


@dataclass(frozen=True)
class Imaging:
    """Settings of a camera that stay for a drive. Lengths in pixels are for an image 640 wide."""

    lens_blur: float  # pixels
    percentile: float  # of the brightness of what is not sky, exposed to `key`
    key: float
    veil: float  # light from the windscreen, share of the sky's
    veil_seed: int
    bloom: float
    bloom_radius: float  # pixels
    white_balance: tuple[float, float, float]
    vignette: float
    grain: float
    shoulder: float  # 0: highlights clip; else the exponential curve's strength
    gamma: float
    contrast: float
    saturation: float
    sharpening: float

    @classmethod
    def draw(cls, drive_seed: int) -> Imaging:
        """The camera of a drive. Ranges are those of automotive cameras and dash cameras."""
        rng = np.random.default_rng([drive_seed, 12])

        def sometimes(chance: float, low: float, high: float) -> float:
            value = rng.uniform(low, high)
            return value if rng.random() < chance else 0.0

        return cls(
            lens_blur=sometimes(0.5, 0.3, 0.7),
            percentile=rng.uniform(40, 75),
            key=math.exp(rng.uniform(math.log(0.07), math.log(0.34))),
            veil=sometimes(0.3, 0.005, 0.06),
            veil_seed=int(rng.integers(1 << 31)),
            bloom=sometimes(0.4, 0.0, 0.12),
            bloom_radius=rng.uniform(8, 33),
            white_balance=tuple(np.exp(rng.normal(0, 0.07, 3))),
            vignette=sometimes(0.5, 0.0, 0.45),
            grain=sometimes(0.6, 0.0, 0.018),
            shoulder=sometimes(0.5, 1.0, 1.6),
            gamma=rng.uniform(1.9, 2.5),
            contrast=rng.uniform(-0.25, 0.5),
            saturation=rng.uniform(0.7, 1.35),
            sharpening=sometimes(0.3, 0.2, 0.8),
        )

    def curve(self) -> np.ndarray:
        """(_CURVE_SIZE,) float32: display value 0..1 over the square root of exposed radiance from 0 to _CURVE_END."""
        exposed = np.linspace(0, math.sqrt(_CURVE_END), _CURVE_SIZE) ** 2
        if self.shoulder > 0:
            exposed = 1 - np.exp(-exposed * self.shoulder)
        display = np.clip(exposed, 0, 1) ** (1 / self.gamma)
        display += self.contrast * (display * display * (3 - 2 * display) - display)
        return display.astype(np.float32)


@kernel
def _develop(
    radiance,
    bloom,
    bloom_share,
    veil,
    veil_gain,
    gain,
    vignette,
    grain_share,
    grain,
    grain_seed,
    curve,
    curve_scale,
    saturation,
    picture,
):
    height, width = picture.shape[:2]
    last = len(curve) - 1
    mask = len(grain) - 1
    shot, read = 0.5 * grain_share * grain_share, 0.2 * grain_share
    for y in range(height):
        offset = int(hash_unit(y, grain_seed, 1) * len(grain))
        fy = y / height - 0.5
        for x in range(width):
            fx = x / width - 0.5
            shade = 1 - 2 * vignette * (fx * fx + fy * fy)
            mean = np.float32(0)
            for c in range(3):
                value = radiance[y, x, c] * gain[c]
                if bloom_share > 0:
                    value += bloom_share * (bloom[y, x, c] * gain[c] - value)
                if veil_gain[c] > 0:
                    value += veil[y, x, c] * veil_gain[c]
                value *= shade
                if grain_share > 0:
                    value += grain[(offset + 3 * x + c) & mask] * math.sqrt(
                        max(value, 0.0) * shot + read * read
                    )
                index = min(int(math.sqrt(max(value, 0.0)) * curve_scale + 0.5), last)
                radiance[y, x, c] = curve[index]
                mean += curve[index]
            mean /= 3
            for c in range(3):
                value = mean + (radiance[y, x, c] - mean) * saturation
                picture[y, x, c] = np.uint8(min(max(value, 0.0), 1.0) * 255 + 0.5)


def develop(
    radiance: np.ndarray, is_sky: np.ndarray, imaging: Imaging, veil_color: np.ndarray, seed: int
) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB of linear radiance (H, W, 3) float32, which is used up.

    is_sky (H, W) bool: left out of the exposure; veil_color (3,): light on the windscreen; seed: of the grain.
    """
    height, width = radiance.shape[:2]
    scale = width / 640
    np.minimum(radiance, np.float32(_BRIGHTEST), out=radiance)
    if imaging.lens_blur > 0:
        radiance = cv2.GaussianBlur(radiance, (0, 0), imaging.lens_blur * max(scale, 0.5))
    ground = (radiance[::4, ::4] @ _LUMINANCE)[~is_sky[::4, ::4]]
    key = np.percentile(ground, imaging.percentile) if len(ground) > 20 else 0.3
    exposure = imaging.key / max(float(key), 1e-3)
    gain = (exposure * np.asarray(imaging.white_balance)).astype(np.float32)
    nothing = np.zeros((1, 1, 3), np.float32)
    bloom = nothing
    if imaging.bloom > 0:
        small = cv2.resize(
            radiance, (max(width // 8, 1), max(height // 8, 1)), interpolation=cv2.INTER_AREA
        )
        small = cv2.GaussianBlur(small, (0, 0), imaging.bloom_radius * scale / 8)
        bloom = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    veil = nothing
    if imaging.veil > 0:
        rng = np.random.default_rng(imaging.veil_seed)
        field = (0.5 * rng.random((4, 6, 3)) + 0.5 * rng.random()).astype(np.float32)
        fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** np.float32(
            rng.uniform(0, 2)
        )
        veil = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) * fall
    picture = np.empty((height, width, 3), np.uint8)
    _develop(
        radiance,
        bloom,
        imaging.bloom,
        veil,
        (imaging.veil * veil_color).astype(np.float32),
        gain,
        imaging.vignette,
        imaging.grain,
        _GRAIN,
        seed & 0x7FFFFFFF,
        imaging.curve(),
        (_CURVE_SIZE - 1) / math.sqrt(_CURVE_END),
        imaging.saturation,
        picture,
    )
    if imaging.sharpening > 0:
        blurred = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = cv2.addWeighted(picture, 1 + imaging.sharpening, blurred, -imaging.sharpening, 0)
    return picture
