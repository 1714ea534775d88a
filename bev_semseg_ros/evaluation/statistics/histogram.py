"""A histogram filled array by array, for percentiles of more values than fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PERCENTILES = (5, 25, 50, 75, 95)


class Histogram:
    """Counts values in bins of equal width. Values beyond the ends count in the outer bins."""

    def __init__(self, low: float, high: float, num_bins: int) -> None:
        """Start empty.

        Args:
            low: Lower end of the first bin.
            high: Upper end of the last bin.
            num_bins: Number of bins.
        """
        self.low = low
        self.width = (high - low) / num_bins
        self.counts = np.zeros(num_bins, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count values (N,), which must be finite."""
        # Values with few decimals lie on the edges of bins, where rounding errors choose the bin.
        bins = np.floor((values - self.low) / self.width + 1e-4)
        last = len(self.counts) - 1
        clipped = np.clip(bins, 0, last).astype(np.int64)
        self.counts += np.bincount(clipped, minlength=len(self.counts))

    def shares(self, num_groups: int | None = None) -> list[float]:
        """Return the fraction of the values in each bin, or in groups of neighbouring bins.

        Args:
            num_groups: Number of groups, a divisor of the number of bins; default: one per bin.
        """
        counts = self.counts.reshape(num_groups or len(self.counts), -1).sum(1)
        return [round(float(share), 4) for share in counts / max(counts.sum(), 1)]

    def percentiles(self, wanted: Sequence[float] = PERCENTILES) -> dict[str, float] | None:
        """Return percentiles.

        Args:
            wanted: Percentages, such as 95.

        Returns:
            Percentage, such as "95" -> lower end of the bin that the percentile is in. None if
            there are no values.
        """
        total = self.counts.sum()
        if not total:
            return None
        below = np.cumsum(self.counts) / total
        found = {}
        for percent in wanted:
            index = int(np.searchsorted(below, percent / 100))  # the last of `below` is 1
            found[f"{percent:g}"] = round(self.low + index * self.width, 4)
        return found
