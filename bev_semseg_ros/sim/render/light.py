"""Sun, sky and haze of a drive."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bev_semseg_ros.sim.render.noise import NOISE, fractal_noise, inline, kernel, pasted


class Light(NamedTuple):
    """The light of one drive.

    Radiances are linear RGB (3,) float64, relative to a white surface under an overcast sky.
    """

    sun_direction: np.ndarray  # (3,) unit vector towards the sun, world frame
    sun: np.ndarray
    sky_ambient: np.ndarray  # on surfaces that face up
    ground_ambient: np.ndarray  # on surfaces that face down
    horizon: np.ndarray
    zenith: np.ndarray
    cloud: np.ndarray
    skyline: np.ndarray  # of the houses and trees that mirrors show below the sky
    cloud_cover: float  # 0 to 1
    cloud_frequency: float
    cloud_contrast: float
    cloud_seed: float
    glow: float  # strength of the sun's halo
    haze_exponent: float  # of the elevation, for the change from horizon to zenith
    fog_length: float  # metres after which 1/e of the contrast remains
    shadow_blur: float  # metres of penumbra
    skyline_height: float  # tangent of the skyline's elevation

    @property
    def has_shadows(self) -> bool:
        """Whether the sun is strong enough for visible shadows."""
        return float(self.sun.max()) > 0.12


_WEATHERS = ("sun", "haze", "overcast", "dusk")
_WEATHER_PROBABILITIES = (0.45, 0.17, 0.30, 0.08)
_WET_WEATHER_PROBABILITIES = (0.15, 0.15, 0.62, 0.08)


def random_light(drive_seed: int, season: str, wet: float) -> Light:
    """Draw the light of a drive.

    The sun is 8 to 68 degrees high (at most 30 in winter). The ratio of sun to sky goes from 5 on a
    clear day to 0 under clouds.

    Args:
        drive_seed: The same seed gives the same light.
        season: One of `surfaces.SEASONS`.
        wet: Wetness of the ground, 0 to 1. Overcast skies are more frequent if it is above 0.3.
    """
    rng = np.random.default_rng([drive_seed, 11])
    weather = str(
        rng.choice(_WEATHERS, p=_WET_WEATHER_PROBABILITIES if wet > 0.3 else _WEATHER_PROBABILITIES)
    )
    highest = 30 if season == "winter" else 68
    elevation, azimuth = math.radians(rng.uniform(8, highest)), rng.uniform(-math.pi, math.pi)
    if weather == "dusk":
        elevation = min(elevation, math.radians(12))
    direction = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    sun_tint = np.array([1.1, 1.0, 0.82]) if elevation < 0.5 else np.array([1.03, 1.0, 0.95])
    if weather == "sun":
        sun = rng.uniform(1.6, 5.0) * sun_tint
        sky = np.array([0.75, 0.9, 1.15]) * rng.uniform(0.6, 1.1)
        horizon = np.array([0.9, 1.0, 1.1]) * rng.uniform(1.0, 2.2)
        zenith = np.array([rng.uniform(0.12, 0.5), rng.uniform(0.35, 0.65), 1.0]) * rng.uniform(
            0.5, 1.3
        )
        cloud, cover = np.full(3, rng.uniform(1.4, 3.0)), rng.uniform(0, 0.7)
    elif weather == "haze":
        sun = rng.uniform(0.5, 1.6) * sun_tint
        sky = np.array([0.95, 1.0, 1.05])
        horizon = np.full(3, rng.uniform(1.0, 1.6))
        zenith = np.array([rng.uniform(0.5, 0.9), rng.uniform(0.7, 0.95), 1.0]) * rng.uniform(
            0.7, 1.2
        )
        cloud, cover = np.full(3, rng.uniform(1.0, 1.6)), rng.uniform(0.3, 1)
    elif weather == "overcast":
        sun = np.full(3, rng.uniform(0, 0.25))
        sky = rng.uniform(0.85, 1.1) * (1 + rng.normal(0, 0.04, 3))
        horizon = rng.uniform(0.8, 1.25) * (1 + rng.normal(0, 0.04, 3))
        zenith = horizon * rng.uniform(0.6, 1.2)
        cloud, cover = horizon * rng.uniform(0.7, 1.3), rng.uniform(0.5, 1)
    else:
        sun = np.array([1.2, 0.6, 0.3]) * rng.uniform(0.3, 1.5)
        sky = np.array([0.5, 0.55, 0.8]) * rng.uniform(0.6, 1)
        horizon = np.array([1.3, 0.9, 0.6]) * rng.uniform(0.5, 1.2)
        zenith = np.array([0.25, 0.35, 0.6]) * rng.uniform(0.5, 1.3)
        cloud, cover = np.array([1.0, 0.7, 0.6]) * rng.uniform(0.4, 1.2), rng.uniform(0.1, 0.8)
    is_foggy = rng.random() < 0.08
    ground = sky * rng.uniform(0.2, 0.55) * np.array([1.05, 1.0, 0.92]) + 0.08 * sun
    return Light(
        sun_direction=direction,
        sun=sun,
        sky_ambient=sky,
        ground_ambient=ground,
        horizon=horizon,
        zenith=zenith,
        cloud=cloud,
        skyline=rng.uniform(0.04, 0.45) * np.array([1.0, 1.0, 0.9]),
        cloud_cover=cover,
        cloud_frequency=rng.uniform(0.4, 2.2),
        cloud_contrast=rng.uniform(0, 0.5),
        cloud_seed=rng.uniform(0, 200),
        glow=rng.uniform(0, 0.6),
        haze_exponent=rng.uniform(0.35, 1.0),
        fog_length=_draw_fog_length(rng, is_foggy),
        shadow_blur=rng.uniform(0, 0.4),
        skyline_height=rng.uniform(0.02, 0.6),
    )


def _draw_fog_length(rng: np.random.Generator, is_foggy: bool) -> float:
    """Draw the metres after which 1/e of the contrast remains."""
    if is_foggy:
        return rng.uniform(100, 300)
    return math.exp(rng.uniform(math.log(600), math.log(12000)))


@pasted
def sky_radiance(noise, light, dx, dy, dz, radiance):
    """Write the radiance (3,) of the sky in the unit direction dx, dy, dz."""
    elevation = max(dz, 0.0)
    toward_zenith = elevation**light.haze_exponent
    # Where the direction meets a plane of clouds; the offset keeps it finite at the horizon.
    stretch = 1 / (elevation + 0.12)
    x, y = dx * stretch, dy * stretch
    density = 0.5 + 0.8 * fractal_noise(
        noise, x, y, 0.0, light.cloud_frequency, 0.0, light.cloud_seed, 3
    )
    cloudy = min(max((density - 1 + light.cloud_cover) * 3, 0.0), 1.0) * min(
        1.0, 0.25 + 4 * elevation
    )
    shade = 1.0
    if cloudy > 0:
        shade += light.cloud_contrast * fractal_noise(
            noise, x, y, 3.0, 1.7 * light.cloud_frequency, 0.0, light.cloud_seed + 4, 3
        )
    toward_sun = (
        dx * light.sun_direction[0] + dy * light.sun_direction[1] + dz * light.sun_direction[2]
    )
    halo = 0.0
    if toward_sun > 0:
        power6 = (toward_sun * toward_sun * toward_sun) ** 2
        power12 = power6 * power6
        halo = light.glow * (1.2 * power12 * power12 * power12 + 0.25 * power6)
    for c in range(3):
        clear = light.horizon[c] + (light.zenith[c] - light.horizon[c]) * toward_zenith
        radiance[c] = clear + (light.cloud[c] * shade - clear) * cloudy + halo * light.sun[c]


# Side in pixels of the map of the sky that reflections are looked up in.
DOME_SIZE = 96


@inline
def dome_pixel(dx, dy, dz):
    """Return row and column of a direction above the horizon in the map of the sky."""
    # Half of the map shows elevations below 42 degrees, where the sky changes most.
    scale = 0.5 * (DOME_SIZE - 1) / (1 + dz)
    return int(0.5 * DOME_SIZE + scale * dy), int(0.5 * DOME_SIZE + scale * dx)


@kernel
def _paint_dome(noise, light, dome):
    """Write the radiance of every direction into the map of the sky."""
    for row in range(DOME_SIZE):
        for column in range(DOME_SIZE):
            # The inverse of dome_pixel, a stereographic projection.
            px = (column + 0.5 - 0.5 * DOME_SIZE) / (0.5 * (DOME_SIZE - 1))
            py = (row + 0.5 - 0.5 * DOME_SIZE) / (0.5 * (DOME_SIZE - 1))
            square = min(px * px + py * py, 1.0)
            sky_radiance(
                noise,
                light,
                2 * px / (1 + square),
                2 * py / (1 + square),
                (1 - square) / (1 + square),
                dome[row, column],
            )


def sky_dome(light: Light) -> np.ndarray:
    """Return the sky of a drive as a stereographic map (DOME_SIZE, DOME_SIZE, 3) float32."""
    dome = np.empty((DOME_SIZE, DOME_SIZE, 3), np.float32)
    _paint_dome(NOISE, light, dome)
    return dome
