"""From radiance to an image: lens, exposure, sensor and tone curve of a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bev_semseg_ros.sim.render.noise import hash_unit, kernel
from bev_semseg_ros.sim.scene.weather import FAIR, Weather

_LUMINANCE = np.array([0.3, 0.6, 0.1], np.float32)
# Radiance is clipped to this value before it is blurred. Otherwise a reflection of the sun would
# fill the image.
_BRIGHTEST = 8.0
_CURVE_SIZE = 4096
# Exposed radiance at which the tone curves end.
_CURVE_END = 4.0
# Normally distributed numbers, from which the grain of all images is taken.
_GRAIN = np.random.default_rng(3).standard_normal(1 << 18).astype(np.float32)


@dataclass(frozen=True)
class Imaging:
    """Settings of a camera for a whole drive.

    Lengths in pixels are for an image 640 pixels wide.
    """

    lens_blur: float  # standard deviation in pixels
    percentile: float  # of the brightness without the sky; this brightness is exposed to `key`
    key: float
    veil: float  # stray light on the windscreen, as a fraction of the light of the sky
    veil_seed: int
    bloom: float
    bloom_radius: float  # standard deviation in pixels
    white_balance: tuple[float, float, float]
    vignette: float
    grain: float
    shoulder: float  # strength of an exponential curve; 0 clips highlights
    gamma: float
    contrast: float
    saturation: float
    sharpening: float
    darkest: float = 1e-3  # lowest radiance that is exposed to `key`

    @classmethod
    def draw(cls, drive_seed: int, weather: Weather = FAIR) -> Imaging:
        """Draw the camera of a drive, in the ranges of automotive cameras and dash cameras.

        At night, the exposure is limited, images are grainy, and lamps bloom. A low sun causes
        bloom and stray light.
        """
        rng = np.random.default_rng([drive_seed, 12])

        def sometimes(chance: float, low: float, high: float) -> float:
            """Return a number between `low` and `high` with probability `chance`, otherwise 0."""
            value = rng.uniform(low, high)
            return value if rng.random() < chance else 0.0

        camera = cls(
            lens_blur=sometimes(0.5, 0.3, 0.7),
            percentile=rng.uniform(40, 75),
            key=math.exp(rng.uniform(math.log(0.07), math.log(0.34))),
            veil=sometimes(0.3, 0.005, 0.06),
            veil_seed=int(rng.integers(1 << 31)),
            bloom=sometimes(0.4, 0.0, 0.12),
            bloom_radius=rng.uniform(8, 33),
            white_balance=_triple(np.exp(rng.normal(0, 0.07, 3))),
            vignette=sometimes(0.5, 0.0, 0.45),
            grain=sometimes(0.6, 0.0, 0.018),
            shoulder=sometimes(0.5, 1.0, 1.6),
            gamma=rng.uniform(1.9, 2.5),
            contrast=rng.uniform(-0.25, 0.5),
            saturation=rng.uniform(0.7, 1.35),
            sharpening=sometimes(0.3, 0.2, 0.8),
        )
        u = rng.uniform
        if weather.is_night:
            camera = replace(
                camera,
                percentile=u(75, 93),
                key=math.exp(u(math.log(0.05), math.log(0.22))),
                bloom=u(0.03, 0.16),
                bloom_radius=u(4, 14),
                grain=u(0.008, 0.045),
                saturation=camera.saturation * u(0.6, 1.0),
                contrast=u(-0.25, 0.2),
                veil=0.0,
                darkest=math.exp(u(math.log(0.004), math.log(0.025))),
            )
        elif weather.kind == "low_sun":
            camera = replace(
                camera,
                bloom=u(0.06, 0.22),
                bloom_radius=u(15, 60),
                veil=u(0.0, 0.12),
            )
        return camera

    def curve(self) -> np.ndarray:
        """Return the tone curve.

        Returns:
            (_CURVE_SIZE,) float32, display values from 0 to 1, sampled evenly over the square root
            of the exposed radiance, which ranges from 0 to _CURVE_END.
        """
        exposed = np.linspace(0, math.sqrt(_CURVE_END), _CURVE_SIZE) ** 2
        if self.shoulder > 0:
            exposed = 1 - np.exp(-exposed * self.shoulder)
        display = np.clip(exposed, 0, 1) ** (1 / self.gamma)
        display += self.contrast * (display * display * (3 - 2 * display) - display)
        return display.astype(np.float32)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    """Return an array (3,) as a tuple."""
    first, second, third = values
    return first, second, third


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
    """Expose `radiance`, which is overwritten, and write the 8-bit image into `picture`."""
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
    """Turn radiance into the image that a camera records.

    Args:
        radiance: (H, W, 3) float32, linear RGB; it is overwritten.
        is_sky: (H, W) bool, pixels of the sky, which the exposure ignores.
        imaging: Settings of the camera.
        veil_color: (3,) linear RGB of the light on the windscreen.
        seed: Seed of the grain.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = radiance.shape[:2]
    scale = width / 640
    np.minimum(radiance, np.float32(_BRIGHTEST), out=radiance)
    exposed: np.ndarray = radiance
    if imaging.lens_blur > 0:
        exposed = cv2.GaussianBlur(radiance, (0, 0), imaging.lens_blur * max(scale, 0.5))
    ground = (exposed[::4, ::4] @ _LUMINANCE)[~is_sky[::4, ::4]]
    key = np.percentile(ground, imaging.percentile) if len(ground) > 20 else 0.3
    exposure = imaging.key / max(float(key), imaging.darkest)
    gain = (exposure * np.asarray(imaging.white_balance)).astype(np.float32)
    picture: np.ndarray = np.empty((height, width, 3), np.uint8)
    _develop(
        exposed,
        _bloom(exposed, imaging, scale),
        imaging.bloom,
        _veil(imaging, height, width),
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


def _bloom(exposed: np.ndarray, imaging: Imaging, scale: float) -> np.ndarray:
    """Return the light (H, W, 3) scattered in the lens; a single black pixel without bloom."""
    if imaging.bloom <= 0:
        return np.zeros((1, 1, 3), np.float32)
    height, width = exposed.shape[:2]
    small_size = (max(width // 8, 1), max(height // 8, 1))
    small = cv2.resize(exposed, small_size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), imaging.bloom_radius * scale / 8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _veil(imaging: Imaging, height: int, width: int) -> np.ndarray:
    """Return the stray light (H, W, 3) on the windscreen; a single black pixel without it."""
    if imaging.veil <= 0:
        return np.zeros((1, 1, 3), np.float32)
    rng = np.random.default_rng(imaging.veil_seed)
    field = (0.5 * rng.random((4, 6, 3)) + 0.5 * rng.random()).astype(np.float32)
    falloff = np.float32(rng.uniform(0, 2))
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** falloff
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) * fall
