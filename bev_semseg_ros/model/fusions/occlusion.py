"""Which points a camera does not see, because nearer ones are in front of them.

The lidar sits elsewhere than the camera: it looks over the roof of a car at a wall, of which the
camera sees nothing. Such a point must not take the pixel that shows the car.

The points themselves tell: the nearest of each cell of the image hides what is far behind it (a
z-buffer). (`lifting` is stricter: labels must be right, and may be few.)

Measured on 11 frames of KITTI and 3 of A2D2, with the network of version 0.1: the points that get
the class of the object at their pixel, without and with this step.

- More than 0.5 m behind its box: 63 and 8 % (KITTI), 90 and 46 % (A2D2, which has few points).
- On cars: 90 and 89 % (KITTI), 95 and 93 % (A2D2).
- On people: 62 and 61 % (KITTI; A2D2 has no labels).

Of the points on the ground, 0.5 % are taken for hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bev_semseg_ros.model.batch import Batch

# Pixels. Smaller cells have gaps between the beams of the lidar; in larger ones objects hide the
# points beside them.
CELL = 8
# Metres behind the nearest point that are never hidden, so that an object does not hide itself.
DEPTH_MARGIN = 1.0
# Metres from the camera to a surface along which it looks. The ground fills a cell with many
# depths. For every such surface the reciprocal of the depth changes by the same amount from one
# row of the image to the next. No surface hides its own points if it is at least so far away.
SURFACE_DISTANCE = 1.0


def is_hidden(batch: Batch, image: Tensor, pixel: Tensor, depth: Tensor, inside: Tensor) -> Tensor:
    """Return (N,) bool: points that other points hide from the camera of an image.

    Args:
        batch: the images.
        image: (N,) int64 number of the image that each point is projected to.
        pixel: (N, 2) its place there.
        depth: (N,) metres.
        inside: (N,) bool: it lies in the image. Others neither hide nor are hidden.
    """
    heights, widths = zip(*batch.image_sizes, strict=True)
    rows = -(-max(heights) // CELL) + 1  # the first row of each image stays empty
    columns = -(-max(widths) // CELL)
    place = ((pixel + 0.5) / CELL).long()
    index = (image * rows + place[:, 1] + 1) * columns + place[:, 0]
    index = torch.where(inside, index, 0)
    distance = torch.where(inside, depth, torch.inf)
    buffer = depth.new_full((len(heights) * rows * columns,), torch.inf)
    buffer = buffer.scatter_reduce(0, index, distance, "amin")
    # What hides a point also reaches above it, where the ground is never nearer. That closes gaps
    # between beams.
    nearest = torch.minimum(buffer[index], buffer[(index - columns).clamp_min(0)])
    step = CELL / (_focal_lengths(batch.image_from_ego) * SURFACE_DISTANCE)
    is_behind = depth > nearest + DEPTH_MARGIN
    return inside & is_behind & (1 / nearest - 1 / depth > step[image.clamp_min(0)])


def _focal_lengths(image_from_ego: Tensor) -> Tensor:
    """Return (I,) vertical focal lengths of images in pixels.

    Args:
        image_from_ego: (I, 3, 4) projections, K (R | t).
    """
    row, axis = image_from_ego[:, 1, :3], image_from_ego[:, 2, :3]
    return (row - (row * axis).sum(1, keepdim=True) * axis).norm(dim=1)
