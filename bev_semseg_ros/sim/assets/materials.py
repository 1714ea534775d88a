"""What surfaces are made of, for the camera and for the lidar alike."""

from __future__ import annotations

import numpy as np

# Columns of the camera's table. `albedo` and `albedo2` are blended by value noise; `albedo3` is the pattern's colour.
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
    "noise_frequency",  # 1/m of the blend between the two albedos
    "noise_contrast",
    "fine_contrast",  # speckle
    "fine_frequency",  # 1/m
    "stain_contrast",  # large-scale brightness
    "anisotropy",  # uv scale along u; 1: noise in space instead of uv (grooves, tyre tracks)
    "crack",  # 0..1, dark cracks
    "pattern",  # PATTERNS
    "pattern_u",
    "pattern_v",  # metres of one brick, slab, stripe, window bay ...
    "pattern_line",  # joint width (m) or share
    "pattern_contrast",
    "pattern_extra",  # facade: height of the shop floor
    "specular",  # 0..1 weight of the mirror reflection
    "fresnel",  # reflectance at normal incidence
    "emission",
    "cutout",  # CUTOUTS: parts of the surface that are not there
    "cutout_frequency",
    "cutout_threshold",
    "translucency",  # leaves
    "depth_bias",  # share of the depth by which a decal on a surface wins against it (road markings)
    "seed",
)
CAMERA_COLUMN = {name: index for index, name in enumerate(CAMERA_COLUMNS)}
PATTERNS = ("none", "bricks", "facade", "slabs", "panels", "stripes", "blocks")
CUTOUTS = ("none", "leaves", "twigs", "bars", "mesh", "slats")

# Columns of the lidar's table (SIM_TO_REAL's return model): signal = reflectance * cos(incidence) ** exponent.
LIDAR_COLUMNS = ("reflectance", "log_sigma", "drop", "exponent", "transmission", "range_sigma")
LIDAR_COLUMN = {name: index for index, name in enumerate(LIDAR_COLUMNS)}
LIDAR_MATERIALS: dict[str, tuple[float, float, float, float, float, float]] = {
    # reflectance, log-sigma per scene, drop-out, exponent of the incidence, share of rays let through, range noise (m)
    "road": (0.22, 0.25, 0.02, 0.3, 0, 0),
    "pavement": (0.30, 0.25, 0.02, 0.3, 0, 0),
    "grass": (0.35, 0.25, 0.03, 0.3, 0, 0.02),
    "wall": (0.35, 0.30, 0.02, 0.4, 0, 0),
    "window": (0.30, 0.30, 0.60, 0.4, 0, 0),
    "leaves": (0.35, 0.30, 0.06, 0.4, 0, 0.04),
    "pole": (0.35, 0.40, 0.02, 0.4, 0, 0),
    "paint": (0.30, 0.80, 0.06, 0.6, 0, 0),
    "car_glass": (0.30, 0.30, 0.62, 0.4, 0.45, 0),
    "tyre": (0.06, 0.30, 0.15, 0.4, 0, 0),
    "plastic": (0.12, 0.40, 0.08, 0.4, 0, 0),
    "cloth": (0.30, 0.60, 0.03, 0.4, 0, 0),
    "retro": (0.90, 0.10, 0.00, 0.4, 0, 0),
    "trunk": (0.30, 0.30, 0.02, 0.4, 0, 0),
    "metal": (0.40, 0.50, 0.06, 0.4, 0, 0),
    "marking": (0.55, 0.30, 0.02, 0.3, 0, 0),
}


class MaterialTable:
    """The materials of one scene. `add` returns the row that a Mesh's `materials` name."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._camera: list[np.ndarray] = []
        self._lidar: list[np.ndarray] = []

    def add(
        self,
        lidar: str,
        albedo,
        albedo2=None,
        albedo3=None,
        *,
        pattern: str = "none",
        cutout: str = "none",
        **columns: float,
    ) -> int:
        """A material: `lidar` names a row of LIDAR_MATERIALS, albedos are linear RGB in 0..1, `columns` the camera's.

        What is not named: albedo2 near albedo, albedo3 darker, gentle noise, and the scene's random variation of both.
        """
        rng = self._rng
        albedo = np.asarray(albedo, np.float64)
        row = np.zeros(len(CAMERA_COLUMNS), np.float32)
        row[0:3] = albedo
        row[3:6] = albedo * rng.uniform(0.6, 1.3) if albedo2 is None else albedo2
        row[6:9] = albedo * 0.6 if albedo3 is None else albedo3
        defaults = {
            "noise_frequency": 2.0,
            "noise_contrast": 0.6,
            "fine_contrast": 0.1,
            "fine_frequency": 25.0,
            "stain_contrast": 0.15,
            "anisotropy": 1.0,
            "seed": rng.integers(0, 500),
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
            row[CAMERA_COLUMN[name]] *= np.exp(rng.normal(0, 0.4))
        row[CAMERA_COLUMN["pattern"]] = PATTERNS.index(pattern)
        row[CAMERA_COLUMN["cutout"]] = CUTOUTS.index(cutout)
        reflectance, log_sigma, drop, exponent, transmission, range_sigma = LIDAR_MATERIALS[lidar]
        tint = np.clip(np.exp(rng.normal(0, log_sigma)), 0.12, 2.2)
        self._camera.append(row)
        self._lidar.append(
            np.array(
                [
                    reflectance * tint,
                    log_sigma,
                    drop,
                    exponent,
                    transmission * rng.uniform(0.45, 1.65),
                    range_sigma,
                ],
                np.float32,
            )
        )
        return len(self._camera) - 1

    @property
    def camera(self) -> np.ndarray:
        """(K, len(CAMERA_COLUMNS)) float32."""
        return np.stack(self._camera)

    @property
    def lidar(self) -> np.ndarray:
        """(K, len(LIDAR_COLUMNS)) float32."""
        return np.stack(self._lidar)
