"""Materials of partly random appearance, so that a network does not rely on colour and texture."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, PATTERNS, MaterialTable

# Fraction of the drives whose materials are randomized.
RANDOMIZED_SHARE = 0.25


class RandomizedMaterials(MaterialTable):
    """A MaterialTable whose camera columns are mixed with random colours, noise and patterns.

    The lidar columns are unchanged.

    Attributes:
        weight: Weight of the random appearance, 0 to 1.
    """

    def __init__(self, rng: np.random.Generator, weight: float | None = None) -> None:
        """Create an empty table.

        Args:
            rng: Source of randomness.
            weight: Weight of the random appearance, 0 to 1; None to draw it (0 in most drives).
        """
        super().__init__(rng)
        if weight is None:
            weight = float(rng.uniform(0.1, 0.5)) if rng.random() < RANDOMIZED_SHARE else 0.0
        self.weight = weight
        self._seed = int(rng.integers(2**31))
        self._mixed = np.zeros((0, len(CAMERA_COLUMN)), np.float32)

    @property
    def camera(self) -> np.ndarray:
        """(K, len(CAMERA_COLUMNS)) float32; adding a material leaves the earlier rows unchanged."""
        table = super().camera
        if len(table) != len(self._mixed):
            self._mixed = self._mix(table) if self.weight > 0 else table
        return self._mixed

    def _mix(self, table: np.ndarray) -> np.ndarray:
        """Return a table (K, columns) mixed with random values."""
        weight, count = self.weight, len(table)
        chance = np.random.default_rng(self._seed).random((count, 24))
        spread = np.random.default_rng(self._seed + 1).normal(0, weight, (count, 2))
        mixed = table.copy()
        for index, first in enumerate((0, 3, 6)):
            share = weight * chance[:, index : index + 1]
            color = chance[:, 3 * index + 3 : 3 * index + 6] ** 1.5
            mixed[:, first : first + 3] = (1 - share) * table[:, first : first + 3] + share * color

        def column(name: str) -> np.ndarray:
            """Return a view of a column of the mixed table, to be changed in place."""
            return mixed[:, CAMERA_COLUMN[name]]

        column("noise_frequency")[:] *= np.exp(0.8 * spread[:, 0])
        column("noise_contrast")[:] *= np.exp(0.5 * spread[:, 1])
        fine, stain = column("fine_contrast"), column("stain_contrast")
        np.maximum(fine, weight * 0.5 * chance[:, 12], out=fine)
        np.maximum(stain, weight * 0.6 * chance[:, 13], out=stain)
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
