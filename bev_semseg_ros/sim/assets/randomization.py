"""Materials whose look is mixed with chance, so that a network does not trust colours and textures."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, PATTERNS, MaterialTable

SHARE = 0.25  # of the drives


class RandomizedMaterials(MaterialTable):
    """A MaterialTable whose camera's side is mixed with random colours, noise and patterns; the lidar's is as it was.

    weight: 0..1, how far; drawn if None, 0 in most drives.
    """

    def __init__(self, rng: np.random.Generator, weight: float | None = None) -> None:
        super().__init__(rng)
        if weight is None:
            weight = float(rng.uniform(0.1, 0.5)) if rng.random() < SHARE else 0.0
        self.weight = weight
        self._seed = int(rng.integers(2**31))
        self._mixed = np.zeros((0, len(CAMERA_COLUMN)), np.float32)

    @property
    def camera(self) -> np.ndarray:
        """(K, len(CAMERA_COLUMNS)) float32; what is added later leaves earlier rows as they are."""
        table = super().camera
        if len(table) != len(self._mixed):
            self._mixed = self._mix(table) if self.weight > 0 else table
        return self._mixed

    def _mix(self, table: np.ndarray) -> np.ndarray:
        weight, count = self.weight, len(table)
        chance = np.random.default_rng(self._seed).random((count, 24))
        spread = np.random.default_rng(self._seed + 1).normal(0, weight, (count, 2))
        mixed = table.copy()
        for index, first in enumerate((0, 3, 6)):
            share, color = (
                weight * chance[:, index : index + 1],
                chance[:, 3 * index + 3 : 3 * index + 6] ** 1.5,
            )
            mixed[:, first : first + 3] = (1 - share) * table[:, first : first + 3] + share * color

        def column(name: str) -> np.ndarray:
            return mixed[:, CAMERA_COLUMN[name]]

        column("noise_frequency")[:] *= np.exp(0.8 * spread[:, 0])
        column("noise_contrast")[:] *= np.exp(0.5 * spread[:, 1])
        np.maximum(
            column("fine_contrast"), weight * 0.5 * chance[:, 12], out=column("fine_contrast")
        )
        np.maximum(
            column("stain_contrast"), weight * 0.6 * chance[:, 13], out=column("stain_contrast")
        )
        plain = (column("pattern") == PATTERNS.index("none")) & (column("anisotropy") == 1)
        plain &= chance[:, 14] < 0.35 * weight
        choices = np.array([PATTERNS.index(name) for name in ("bricks", "panels", "stripes")])
        for name, value in (
            ("pattern", choices[(3 * chance[:, 15]).astype(int)]),
            ("pattern_u", 0.2 + 1.3 * chance[:, 16]),
            ("pattern_v", 0.1 + 0.7 * chance[:, 17]),
            ("pattern_line", 0.02 + 0.08 * chance[:, 18]),
            ("pattern_contrast", 0.1 + 0.7 * chance[:, 19]),
        ):
            column(name)[plain] = value[plain]
        return mixed
