"""Sun, sky and haze of a drive."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bev_semseg_ros.sim.render.noise import NOISE, fractal_noise, inline, kernel, pasted
from bev_semseg_ros.sim.scene.weather import FAIR, Weather


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
    skyline: np.ndarray  # of the houses and trees below the sky in reflections
    cloud_cover: float  # 0 to 1
    cloud_frequency: float
    cloud_contrast: float
    cloud_seed: float
    glow: float  # strength of the sun's halo
    haze_exponent: float  # of the elevation, for the change from horizon to zenith
    fog_length: float  # metres over which the contrast falls to 1/e
    shadow_blur: float  # metres of penumbra
    skyline_height: float  # tangent of the skyline's elevation
    sun_disc: float  # radiance of the sun's disc relative to `sun`; 0 if it is not visible

    @property
    def has_shadows(self) -> bool:
        """Whether the sun is strong enough for visible shadows."""
        return float(self.sun.max()) > 0.12


_SKIES = ("sun", "haze", "overcast", "dusk")
_SKY_PROBABILITIES = (0.45, 0.17, 0.30, 0.08)
_WET_SKY_PROBABILITIES = (0.15, 0.15, 0.62, 0.08)


def random_light(drive_seed: int, season: str, weather: Weather = FAIR) -> Light:
    """Draw the light of a drive.

    In fair weather, the sun is 8 to 68 degrees high (at most 30 in winter). The strength of its
    light ranges from 5 on a clear day to 0 under clouds. A low sun is 1.5 to 8 degrees high and
    mostly ahead. At night, only lamps and a weak glow of the sky light the scene.

    Args:
        drive_seed: The same seed gives the same light.
        season: One of `surfaces.SEASONS`.
        weather: Weather and time of day. If the ground is wetter than 0.3, overcast skies are more
            frequent.
    """
    rng = np.random.default_rng([drive_seed, 11])
    light = _by_day(rng, season, weather.wet)
    if weather.kind == "low_sun":
        light = _low_sun(rng, light)
    if weather.kind in ("rain", "fog") and not weather.is_night:
        light = _veiled(rng, light, weather)
    if weather.is_night:
        light = _night(rng, light, weather)
    if weather.fog_length > 0:
        light = light._replace(fog_length=weather.fog_length)
    return light


def _by_day(rng: np.random.Generator, season: str, wet: float) -> Light:
    """Draw the light of a day without rain or dense fog."""
    sky_kind = str(
        rng.choice(_SKIES, p=_WET_SKY_PROBABILITIES if wet > 0.3 else _SKY_PROBABILITIES)
    )
    highest = 30 if season == "winter" else 68
    elevation, azimuth = math.radians(rng.uniform(8, highest)), rng.uniform(-math.pi, math.pi)
    if sky_kind == "dusk":
        elevation = min(elevation, math.radians(12))
    sun_tint = np.array([1.1, 1.0, 0.82]) if elevation < 0.5 else np.array([1.03, 1.0, 0.95])
    if sky_kind == "sun":
        sun = rng.uniform(1.6, 5.0) * sun_tint
        sky = np.array([0.75, 0.9, 1.15]) * rng.uniform(0.6, 1.1)
        horizon = np.array([0.9, 1.0, 1.1]) * rng.uniform(1.0, 2.2)
        zenith = np.array([rng.uniform(0.12, 0.5), rng.uniform(0.35, 0.65), 1.0]) * rng.uniform(
            0.5, 1.3
        )
        cloud, cover = np.full(3, rng.uniform(1.4, 3.0)), rng.uniform(0, 0.7)
    elif sky_kind == "haze":
        sun = rng.uniform(0.5, 1.6) * sun_tint
        sky = np.array([0.95, 1.0, 1.05])
        horizon = np.full(3, rng.uniform(1.0, 1.6))
        zenith = np.array([rng.uniform(0.5, 0.9), rng.uniform(0.7, 0.95), 1.0]) * rng.uniform(
            0.7, 1.2
        )
        cloud, cover = np.full(3, rng.uniform(1.0, 1.6)), rng.uniform(0.3, 1)
    elif sky_kind == "overcast":
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
        sun_direction=_direction(elevation, azimuth),
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
        sun_disc=0.0,
    )


def _direction(elevation: float, azimuth: float) -> np.ndarray:
    """Return the unit vector (3,) of an elevation and an azimuth in radians."""
    return np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )


def _low_sun(rng: np.random.Generator, light: Light) -> Light:
    """Return a light with a glaring sun just above the horizon."""
    u = rng.uniform
    # At its start, the road follows the world's x axis.
    azimuth = rng.normal(0, 0.45) if rng.random() < 0.6 else u(-math.pi, math.pi)
    elevation = math.radians(u(1.5, 8))
    tint = np.array([1.15, u(0.72, 0.95), u(0.4, 0.75)])
    sky = np.array([0.55, 0.62, 0.82]) * u(0.35, 0.8)
    return light._replace(
        sun_direction=_direction(elevation, azimuth),
        sun=u(1.5, 4.5) * tint,
        sky_ambient=sky,
        ground_ambient=sky * u(0.25, 0.5),
        horizon=np.array([1.25, u(0.85, 1.05), u(0.55, 0.9)]) * u(0.7, 1.6),
        zenith=np.array([u(0.15, 0.4), u(0.35, 0.55), 0.8]) * u(0.4, 0.9),
        cloud=np.array([1.2, 0.9, 0.75]) * u(0.5, 1.4),
        cloud_cover=u(0, 0.6),
        glow=u(0.4, 1.1),
        sun_disc=60.0,
        fog_length=math.exp(u(math.log(250), math.log(4000))),
        shadow_blur=u(0, 0.5),
    )


def _veiled(rng: np.random.Generator, light: Light, weather: Weather) -> Light:
    """Return the diffuse light of a day with rain or fog."""
    u = rng.uniform
    horizon = u(0.45, 1.15) * (1 + rng.normal(0, 0.03, 3))
    dense = weather.kind == "fog"
    zenith = horizon * (u(0.9, 1.25) if dense else u(0.55, 1.1))
    sky = horizon * u(0.85, 1.05)
    return light._replace(
        sun=np.full(3, u(0, 0.08)),
        sky_ambient=sky,
        ground_ambient=sky * u(0.25, 0.5),
        horizon=horizon,
        zenith=zenith,
        cloud=horizon * (u(0.97, 1.03) if dense else u(0.7, 1.1)),
        cloud_cover=u(0.5, 1),
        cloud_contrast=0.0 if dense else u(0, 0.5),
        skyline=light.skyline * 0.6,
        glow=0.0,
    )


def _night(rng: np.random.Generator, light: Light, weather: Weather) -> Light:
    """Return the light of a night: the glow of a town, or almost none."""
    u = rng.uniform
    glow = math.exp(u(math.log(0.0015), math.log(0.025)))
    tint = np.array([1.0, u(0.75, 0.95), u(0.55, 1.0)])
    horizon = glow * u(0.6, 2.0) * tint
    if weather.fog_length > 0:  # lamps light the fog or the rain itself
        horizon = horizon + u(0.008, 0.03) * tint
    return light._replace(
        sun=np.zeros(3),
        sky_ambient=glow * u(0.6, 1.2) * np.array([0.85, 0.9, 1.0]),
        ground_ambient=glow * u(0.2, 0.6) * tint,
        horizon=horizon,
        zenith=horizon * u(0.15, 0.7) * np.array([0.7, 0.8, 1.0]),
        cloud=horizon * u(0.5, 1.2),
        skyline=horizon * u(0.2, 1.0) * tint,
        glow=0.0,
    )


def _draw_fog_length(rng: np.random.Generator, is_foggy: bool) -> float:
    """Draw the metres over which the contrast falls to 1/e."""
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
        if light.sun_disc > 0 and toward_sun > 0.99993:
            halo += light.sun_disc
    for c in range(3):
        clear = light.horizon[c] + (light.zenith[c] - light.horizon[c]) * toward_zenith
        radiance[c] = clear + (light.cloud[c] * shade - clear) * cloudy + halo * light.sun[c]


# Side in pixels of the sky map, which holds the radiance for reflections.
DOME_SIZE = 96


@inline
def dome_pixel(dx, dy, dz):
    """Return the row and the column in the sky map of a unit direction above the horizon."""
    # Half of the map shows elevations below 42 degrees, where the sky changes most.
    scale = 0.5 * (DOME_SIZE - 1) / (1 + dz)
    return int(0.5 * DOME_SIZE + scale * dy), int(0.5 * DOME_SIZE + scale * dx)


@kernel
def _paint_dome(noise, light, dome):
    """Write the radiance of every direction into the sky map."""
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
