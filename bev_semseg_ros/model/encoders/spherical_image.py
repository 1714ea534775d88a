"""Spherical images: the points of each lidar unit as that unit sees them.

One fixed grid of angles serves lidars of 16 to 128 beams. An image that followed the beams would
need their number, which not every driver tells, and an engine would compile the network anew for
each lidar. Rows are finest where beams look at the street. Columns are 0.35 degrees.

A unit that sees only a part of the turn gets an image of that part, of one of three widths. The
widths are few because an engine compiles the network for each. An image of the whole turn repeats
MARGIN columns at both ends, so that what lies across the rear is whole in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bev_semseg_ros.model.batch import BatchRays

TURN = 1024  # columns of 360 degrees
MARGIN = 64
WHOLE = TURN + 2 * MARGIN
PARTS = (320, 640)  # columns of images that show a part of the turn
SLACK = 16  # columns of a part that stay empty at its ends together, at least
WIDTHS = (*PARTS, WHOLE)
ROWS = 64
# Degrees of elevation and the rows where they lie, counted from above; linear between them. What is
# beyond lies in the outermost rows.
_ELEVATIONS = (20.0, 4.0, -25.0, -45.0)
_EDGES = (0.0, 8.0, 60.0, 64.0)

NEAREST = 0.1  # metres: ranges are at least this
_STEPS_PER_METRE = 1000  # of the ranges that are compared
_FARTHEST = 1e6  # metres; a range beyond counts as this one


@dataclass
class SphericalImages:
    """Where the points of a batch lie in the images of their units.

    The pixels of all images are numbered one after the other, row by row, image by image.

    Attributes:
        ranges: (N,) metres from the unit.
        slopes: (N,) height above the unit divided by the range.
        columns: (N,) place in the unit's image, in columns; the first one reaches from 0 to 1.
        rows: (N,) the same in rows.
        first: (N,) number of the first pixel of each point's image.
        widths: (N,) columns of each point's image.
        counts: number of images of each of WIDTHS; images are in this order.
        winners: (P,) int64 the nearest point of each pixel, -1 in empty ones.
    """

    ranges: Tensor
    slopes: Tensor
    columns: Tensor
    rows: Tensor
    first: Tensor
    widths: Tensor
    counts: tuple[int, ...]
    winners: Tensor

    @classmethod
    def of(cls, rays: BatchRays) -> SphericalImages:
        """Place points in the images of their units.

        Args:
            rays: at least one.
        """
        x, y, z = rays.points.unbind(1)
        flat = torch.hypot(x, y)
        ranges = torch.hypot(flat, z).clamp(NEAREST, _FARTHEST)
        turned = (0.5 - torch.atan2(y, x) / (2 * math.pi)) * TURN
        turned = turned.clamp(0, TURN * (1 - 1e-6))  # -180 degrees is the first column's edge, too
        rows = _rows_of(torch.atan2(z, flat))
        starts, kinds = _choose_parts(rays, turned)
        order = torch.argsort(kinds, stable=True)
        counts = torch.bincount(kinds, minlength=len(WIDTHS)).tolist()
        width_of = torch.tensor(WIDTHS, device=turned.device)[kinds]
        sizes = ROWS * width_of[order]
        first_of = torch.empty_like(sizes)
        first_of[order] = sizes.cumsum(0) - sizes
        widths, first = width_of[rays.units], first_of[rays.units]
        columns = torch.remainder(turned - starts[rays.units], TURN)
        columns = torch.where(widths == WHOLE, turned + MARGIN, columns)
        columns = torch.minimum(columns, widths - 1e-3)  # rounding may reach the image's edge
        pixels = first + rows.long() * widths + columns.long()
        winners = _nearest(pixels, ranges, int(sizes.sum()))
        _repeat_margins(winners, counts)
        return cls(
            ranges,
            (z / ranges).clamp(-1, 1),
            columns,
            rows,
            first,
            widths,
            tuple(map(int, counts)),
            winners,
        )

    def pixels(self) -> Tensor:
        """Return (N,) number of the pixel of each point."""
        return self.first + self.rows.long() * self.widths + self.columns.long()

    def corners(self) -> tuple[Tensor, Tensor]:
        """Return where to sample maps that have one cell for two columns, bilinearly.

        Returns:
            (4, N) numbers of the cells around each point, and (4, N) their shares, which add up to
            one.
        """
        column = (self.columns / 2 - 0.5).clamp_min(0)
        column = torch.minimum(column, self.widths / 2 - 1)
        row = (self.rows - 0.5).clamp(0, ROWS - 1)
        left, above = column.floor(), row.floor()
        to_right, to_below = column - left, row - above
        half = self.widths // 2
        left_cell, above_cell = left.long(), above.long()
        right_cell = torch.minimum(left_cell + 1, half - 1)
        below_cell = (above_cell + 1).clamp_max(ROWS - 1)
        first = self.first // 2
        cells = [
            first + r * half + c for r in (above_cell, below_cell) for c in (left_cell, right_cell)
        ]
        shares = [
            (1 - to_below) * (1 - to_right),
            (1 - to_below) * to_right,
            to_below * (1 - to_right),
            to_below * to_right,
        ]
        return torch.stack(cells), torch.stack(shares)


def _rows_of(elevation: Tensor) -> Tensor:
    """Return the place (N,) of elevations in radians, in rows from above."""
    degrees = torch.rad2deg(elevation)
    rows = torch.zeros_like(degrees)
    for high, low, start, end in zip(
        _ELEVATIONS[:-1], _ELEVATIONS[1:], _EDGES[:-1], _EDGES[1:], strict=True
    ):
        rows += (end - start) * ((high - degrees) / (high - low)).clamp(0, 1)
    return rows.clamp_max(ROWS - 1e-3)


def _choose_parts(rays: BatchRays, turned: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the image of each unit begins (U,), in columns of the turn, and its width.

    The width (U,) is an index of WIDTHS. The image is the narrowest one that shows all points of
    the unit, which lie in its middle.
    """
    cells = rays.units * TURN + turned.long()
    occupied = torch.bincount(cells, minlength=rays.num_units * TURN) > 0
    occupied = occupied.view(rays.num_units, TURN)
    # Over two turns the last occupied column before each column; what lies between is a gap.
    numbers = torch.arange(2 * TURN, device=turned.device)
    twice = torch.cat([occupied, occupied], 1)
    latest = torch.where(twice, numbers, -1).cummax(1).values
    before = torch.cat([latest.new_full((rays.num_units, 1), -1), latest[:, :-1]], 1)
    is_end = twice & (before >= 0)
    gap, end = torch.where(is_end, numbers - before, 0).max(1)
    gap = torch.where(gap == 0, TURN, gap)  # a unit without a point
    arc = TURN - gap + 1  # columns from the first point to the last one
    kinds = torch.full_like(arc, len(PARTS))
    for kind in reversed(range(len(PARTS))):
        kinds = torch.where(arc + SLACK <= PARTS[kind], kind, kinds)
    width = torch.tensor(WIDTHS, device=turned.device)[kinds]
    starts = torch.where(kinds == len(PARTS), 0, end - (width - arc) // 2)
    return starts.to(turned.dtype), kinds


def _nearest(pixels: Tensor, ranges: Tensor, count: int) -> Tensor:
    """Return (count,) the nearest point of each pixel, of equals the first; -1 in empty ones."""
    steps = (ranges * _STEPS_PER_METRE).long()
    number = len(pixels)
    ranked = steps * number + torch.arange(number, device=pixels.device)
    none = torch.iinfo(torch.int64).max
    best = ranked.new_full((count,), none).scatter_reduce_(0, pixels, ranked, "amin")
    return torch.where(best == none, -1, best % number)


def _repeat_margins(winners: Tensor, counts: list[int]) -> None:
    """Write, in place, what both ends of images of the whole turn repeat."""
    wholes = winners[len(winners) - counts[-1] * ROWS * WHOLE :].view(-1, WHOLE)
    wholes[:, :MARGIN] = wholes[:, TURN : TURN + MARGIN]
    wholes[:, TURN + MARGIN :] = wholes[:, MARGIN : 2 * MARGIN]
