"""Properties of surface materials for camera and lidar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# Columns of the camera's table. `albedo` and `albedo2` are blended by value noise; `albedo3` is the
# colour of the pattern.
CAMERA_COLUMNS = (
    "albedo_r",
    "albedo_g",
    "albedo_b",
    "albedo2_r",
    "albedo2_g",
    "albedo2_b",
    "albedo3_r",
    "albedo3_g",
    "albedo3_b",
    "noise_frequency",  # of the blend between the two albedos, 1/m
    "noise_contrast",
    "fine_contrast",  # of the speckle
    "fine_frequency",  # of the speckle, 1/m
    "stain_contrast",  # of large-scale brightness
    "anisotropy",  # factor on u for noise in uv (grooves, tracks); 1: noise in space
    "crack",  # strength of dark cracks, 0 to 1
    "pattern",  # index in PATTERNS
    "pattern_u",  # width of a brick, slab, stripe or window bay in metres
    "pattern_v",  # its height in metres
    "pattern_line",  # width of a joint in metres, or a fraction of the pattern
    "pattern_contrast",
    "pattern_extra",  # of a facade: height of the shop floor in metres
    "specular",  # weight of the mirror reflection, 0 to 1
    "fresnel",  # reflectance at normal incidence
    "emission",
    "cutout",  # index in CUTOUTS: holes in the surface
    "cutout_frequency",  # 1/m
    "cutout_threshold",  # noise level, or fraction of the surface that remains
    "translucency",  # of leaves, 0 to 1
    "depth_bias",  # fraction of the depth by which a decal is drawn in front of its surface
    "seed",  # of all noise
)
CAMERA_COLUMN = {name: index for index, name in enumerate(CAMERA_COLUMNS)}
PATTERNS = ("none", "bricks", "facade", "slabs", "panels", "stripes", "blocks")
CUTOUTS = ("none", "leaves", "twigs", "bars", "mesh", "slats")

# Columns of the lidar's table. The signal of a return is reflectance * cos(incidence) ** exponent.
LIDAR_COLUMNS = ("reflectance", "log_sigma", "drop", "exponent", "transmission", "range_sigma")
LIDAR_COLUMN = {name: index for index, name in enumerate(LIDAR_COLUMNS)}
LIDAR_MATERIALS: dict[str, tuple[float, float, float, float, float, float]] = {
    # The values were compared with real clouds: dry, flat ground returns every ray within 18 m
    # (A2D2) or 30 m (KITTI), and the body of a bright car returns 95 % of them. Paint reflects
    # specularly, so it is dark at oblique incidence.
    #
    # Reflectance, standard deviation of its logarithm from scene to scene, probability that a
    # return is lost, exponent of the cosine of incidence, fraction of rays transmitted, range
    # noise in metres.
    "road": (0.22, 0.25, 0.00, 0.3, 0, 0),
    "pavement": (0.30, 0.25, 0.00, 0.3, 0, 0),
    "grass": (0.35, 0.25, 0.01, 0.3, 0, 0.02),
    "wall": (0.40, 0.30, 0.01, 0.4, 0, 0),
    "window": (0.30, 0.30, 0.60, 0.4, 0, 0),
    "leaves": (0.28, 0.30, 0.08, 0.4, 0, 0.04),
    "pole": (0.35, 0.40, 0.02, 0.4, 0, 0),
    "paint": (0.15, 0.80, 0.03, 1.0, 0, 0),
    "car_glass": (0.08, 0.30, 0.62, 0.4, 0.45, 0),
    "tyre": (0.06, 0.30, 0.15, 0.4, 0, 0),
    "plastic": (0.06, 0.40, 0.05, 0.4, 0, 0),
    "cloth": (0.30, 0.60, 0.01, 0.4, 0, 0),
    "retro": (0.90, 0.10, 0.00, 0.4, 0, 0),
    "trunk": (0.30, 0.30, 0.02, 0.4, 0, 0),
    "metal": (0.40, 0.50, 0.06, 0.4, 0, 0),
    "marking": (0.55, 0.30, 0.00, 0.3, 0, 0),
    "mist": (0.03, 0.50, 0.05, 0.0, 0, 0.05),
}


# Linear RGB.
Color = np.ndarray | Sequence[float]


class MaterialTable:
    """The materials of one scene.

    Both tables have K rows, one for each material.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._camera: list[list[float]] = []
        self._lidar: list[list[float]] = []

    def add(
        self,
        lidar: str,
        albedo: Color,
        albedo2: Color | None = None,
        albedo3: Color | None = None,
        *,
        pattern: str = "none",
        cutout: str = "none",
        **columns: float,
    ) -> int:
        """Add a material.

        Args:
            lidar: Key of LIDAR_MATERIALS.
            albedo: (3,) linear RGB, 0 to 1.
            albedo2: (3,) second colour of the noise; by default similar to `albedo`.
            albedo3: (3,) colour of the pattern; by default darker than `albedo`.
            pattern: One of PATTERNS.
            cutout: One of CUTOUTS.
            **columns: Values of CAMERA_COLUMNS; gentle noise by default. Contrasts and frequencies
                are varied randomly.

        Returns:
            The row of the material, for `Mesh.materials`.
        """
        rng = self._rng
        albedo = np.asarray(albedo, np.float64)
        row = [0.0] * len(CAMERA_COLUMNS)
        row[0:3] = albedo
        row[3:6] = albedo * rng.uniform(0.6, 1.3) if albedo2 is None else albedo2
        row[6:9] = albedo * 0.6 if albedo3 is None else albedo3
        defaults: dict[str, float] = {
            "noise_frequency": 2.0,
            "noise_contrast": 0.6,
            "fine_contrast": 0.1,
            "fine_frequency": 25.0,
            "stain_contrast": 0.15,
            "anisotropy": 1.0,
            "seed": float(rng.integers(0, 500)),
        }
        for name, value in {**defaults, **columns}.items():
            row[CAMERA_COLUMN[name]] = value
        for name, low, high in (
            ("noise_contrast", 0.5, 1.5),
            ("fine_contrast", 0.3, 1.8),
            ("stain_contrast", 0.2, 1.8),
        ):
            row[CAMERA_COLUMN[name]] *= rng.uniform(low, high)
        for name in ("noise_frequency", "fine_frequency"):
            row[CAMERA_COLUMN[name]] *= math.exp(rng.normal(0, 0.4))
        row[CAMERA_COLUMN["pattern"]] = PATTERNS.index(pattern)
        row[CAMERA_COLUMN["cutout"]] = CUTOUTS.index(cutout)
        reflectance, log_sigma, drop, exponent, transmission, range_sigma = LIDAR_MATERIALS[lidar]
        tint = min(max(math.exp(rng.normal(0, log_sigma)), 0.12), 2.2)
        transmission *= rng.uniform(0.45, 1.65)
        lidar_row = [reflectance * tint, log_sigma, drop, exponent, transmission, range_sigma]
        self._camera.append(row)
        self._lidar.append(lidar_row)
        return len(self._camera) - 1

    def change(self, row: int, **columns: float) -> None:
        """Change columns of an existing material.

        Args:
            row: Row of the material.
            **columns: New values of CAMERA_COLUMNS.
        """
        for name, value in columns.items():
            self._camera[row][CAMERA_COLUMN[name]] = value

    @property
    def camera(self) -> np.ndarray:
        """(K, len(CAMERA_COLUMNS)) float32, properties of each material for the camera."""
        return np.array(self._camera, np.float32)

    @property
    def lidar(self) -> np.ndarray:
        """(K, len(LIDAR_COLUMNS)) float32, properties of each material for the lidar."""
        return np.array(self._lidar, np.float32)
