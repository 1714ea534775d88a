"""Spherical images: the points of each lidar unit, arranged by azimuth and elevation.

One fixed grid of angles serves lidars of 16 to 128 beams. An image with one row for each beam would
need the number of beams, which not every driver publishes, and an engine would have to compile the
network for each lidar. Rows are finest at the elevations of beams that hit the street. A column is
0.18 degrees wide, which is about the step between two firings of common lidars.

A unit that covers only a part of a turn gets an image of that part. Images have one of only four
widths, because an engine compiles the network for each. An image of a whole turn begins and ends
behind the unit. It repeats MARGIN columns at both ends, so that it shows objects there in one
piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bev_semseg_ros.model.batch import BatchRays

TURN = 2048  # columns of 360 degrees
MARGIN = 128
WHOLE = TURN + 2 * MARGIN
# Columns of images that show a part of a turn: up to 84, 129 and 219 degrees.
PARTS = (512, 768, 1280)
SLACK = 32  # least number of empty columns of a part, both ends together
WIDTHS = (*PARTS, WHOLE)
ROWS = 80
# Elevations in degrees and their rows, counted from above; linear in between. Points beyond are in
# the outermost rows.
_ELEVATIONS = (20.0, 4.0, -25.0, -45.0)
_EDGES = (0.0, 9.0, 76.0, 80.0)

NEAREST = 0.1  # metres: lower limit of ranges
# A neighbour of a pixel is at most this many pixels away. With 16 beams that are 2 degrees apart,
# four rows between them are empty. The azimuths of two firings may differ by up to 0.8 degrees.
NEIGHBOUR_ROWS, NEIGHBOUR_COLUMNS = 7, 5
_STEPS_PER_METRE = 1000  # resolution at which ranges are compared
_FARTHEST = 1e6  # metres: upper limit of ranges


@dataclass
class SphericalImages:
    """Positions of the points of a batch in the images of their units.

    Pixels are indexed throughout all images: image by image, and row by row in each image.

    Attributes:
        ranges: (N,) distance of each point from its unit, metres.
        slopes: (N,) height above the unit divided by the range.
        columns: (N,) float column in the unit's image; the first column reaches from 0 to 1.
        rows: (N,) float row, likewise.
        first: (N,) index of the first pixel of each point's image.
        widths: (N,) number of columns of each point's image.
        counts: number of images of each of WIDTHS; images are in this order.
        winners: (P,) int64 index of the nearest point of each pixel, -1 in empty ones.
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
        """Arrange points in the images of their units.

        Args:
            rays: rays of at least one point.
        """
        x, y, z = rays.points.unbind(1)
        flat = torch.hypot(x, y)
        ranges = torch.hypot(flat, z).clamp(NEAREST, _FARTHEST)
        turned = (0.5 - torch.atan2(y, x) / (2 * math.pi)) * TURN
        turned = turned.clamp(0, TURN * (1 - 1e-6))  # column TURN, at -180 degrees, is outside
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
        columns = torch.minimum(columns, widths - 1e-3)  # rounding may reach the edge of the image
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
        """Return (N,) index of each point's pixel."""
        return self.first + self.rows.long() * self.widths + self.columns.long()

    def neighbours(self) -> Tensor:
        """Return (4, P) the winners above, below, left and right of each pixel, -1 for none.

        They are those of the next pixel in this direction that has one, if it is near enough.
        Pixels without a winner have none.
        """
        found, start = [], 0
        for width, count in zip(WIDTHS, self.counts, strict=True):
            end = start + count * ROWS * width
            rows = self.winners[start:end].view(count, ROWS, width)
            columns = rows.transpose(1, 2).contiguous()
            vertical = (each.transpose(1, 2) for each in _adjacent(columns, NEIGHBOUR_ROWS))
            found.append(torch.stack([*vertical, *_adjacent(rows, NEIGHBOUR_COLUMNS)]).view(4, -1))
            start = end
        return torch.cat(found, 1)

    def corners(self) -> tuple[Tensor, Tensor]:
        """Return where to sample maps bilinearly that have one cell for every two columns.

        Returns:
            (4, N) indices of the cells around each point, and (4, N) their weights, which sum to
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
    """Return the float rows (N,) of elevations in radians, counted from above."""
    degrees = torch.rad2deg(elevation)
    rows = torch.zeros_like(degrees)
    for high, low, start, end in zip(
        _ELEVATIONS[:-1], _ELEVATIONS[1:], _EDGES[:-1], _EDGES[1:], strict=True
    ):
        rows += (end - start) * ((high - degrees) / (high - low)).clamp(0, 1)
    return rows.clamp_max(ROWS - 1e-3)


def _choose_parts(rays: BatchRays, turned: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first column of each unit's image within the turn (U,), and its width (U,).

    The width is an index into WIDTHS. The image is the narrowest one that shows all points of the
    unit. The points are in its centre.
    """
    cells = rays.units * TURN + turned.long()
    occupied = torch.bincount(cells, minlength=rays.num_units * TURN) > 0
    gap, end = _largest_gap(occupied.view(rays.num_units, TURN))
    arc = TURN - gap + 1  # columns from the first point to the last one
    kinds = torch.full_like(arc, len(PARTS))
    for kind in reversed(range(len(PARTS))):
        kinds = torch.where(arc + SLACK <= PARTS[kind], kind, kinds)
    width = torch.tensor(WIDTHS, device=turned.device)[kinds]
    starts = torch.where(kinds == len(PARTS), 0, end - (width - arc) // 2)
    return starts.to(turned.dtype), kinds


def _largest_gap(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Find the largest gap between successive occupied columns of a turn.

    Args:
        occupied: (U, TURN) bool.

    Returns:
        (U,) columns from the one before the gap to the one after it, TURN if at most one column is
        occupied; and (U,) the column after the gap, up to whole turns.
    """
    numbers = torch.arange(2 * TURN, device=occupied.device)
    twice = torch.cat([occupied, occupied], 1)
    latest = torch.where(twice, numbers, -1).cummax(1).values  # -1 before the first one
    before = torch.cat([latest.new_full((len(latest), 1), -1), latest[:, :-1]], 1)
    gap, end = torch.where(twice & (before >= 0), numbers - before, 0).max(1)
    return torch.where(gap == 0, TURN, gap), end


def _nearest(pixels: Tensor, ranges: Tensor, count: int) -> Tensor:
    """Return (count,) index of each pixel's nearest point, of equal ones the first; -1: empty."""
    steps = (ranges * _STEPS_PER_METRE).long()
    number = len(pixels)
    ranked = steps * number + torch.arange(number, device=pixels.device)
    none = torch.iinfo(torch.int64).max
    best = ranked.new_full((count,), none).scatter_reduce_(0, pixels, ranked, "amin")
    return torch.where(best == none, -1, best % number)


def _repeat_margins(winners: Tensor, counts: list[int]) -> None:
    """Fill in, in place, the columns that images of a whole turn repeat at both ends."""
    wholes = winners[len(winners) - counts[-1] * ROWS * WHOLE :].view(-1, WHOLE)
    wholes[:, :MARGIN] = wholes[:, TURN : TURN + MARGIN]
    wholes[:, TURN + MARGIN :] = wholes[:, MARGIN : 2 * MARGIN]


def _adjacent(winners: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Return for each winner the last one before it and the first one after it in its line.

    They are -1 for pixels without a winner, and if there is none within reach. A line is the last
    axis of `winners`.
    """
    flat = winners.view(-1)
    (places,) = (flat >= 0).nonzero(as_tuple=True)
    before, after = places[:-1], places[1:]
    length = winners.shape[-1]
    is_near = (after - before <= reach) & (after // length == before // length)
    previous, following = torch.full_like(flat, -1), torch.full_like(flat, -1)
    previous[after] = torch.where(is_near, flat[before], -1)
    following[before] = torch.where(is_near, flat[after], -1)
    return previous.view_as(winners), following.view_as(winners)
