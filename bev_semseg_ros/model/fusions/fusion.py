"""The interface of fusions, which bring image features to points or to the bird's-eye view.

A fusion has up to three parts. The image part is dense and runs in the camera branch. The BEV part
is dense and runs in the BEV branch. Between them, outside the parts that an engine compiles,
`point_features` gives features to single points, or `bev_inputs` passes maps to the BEV part. For a
frame without images, the result is exactly that of the lidar alone. If several cameras see a point,
`choose_camera` takes the one that shows it closest to the centre of its image.

A fusion may use outputs of the image tasks: its image part gets the outputs that `image_outputs`
names, and the fusion is built with the tasks that these outputs belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config, ModelConfig
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.occlusion import is_hidden
from bev_semseg_ros.model.tasks.task import Task

NEAREST_DEPTH = 0.1  # metres: points closer to the camera are not projected


class Fusion(nn.Module):
    """Base class of fusions, and the fusion "none": the BEV uses the lidar alone.

    Attributes:
        uses_image: True if the fusion uses images, as one with an image part does.
        finds_boxes_in_images: True if BEV tasks have outputs for images without any point.
        image_outputs: (task, output) names of the image heads' outputs that the image part gets.
        class_layers: names of the layers and parameters, of the image part and outside the dense
            branches, whose channels are classes of the tasks in `image_outputs`. With another
            label set they are newly initialised, whatever their shape.
        extends: another fusion, from whose weights a training of this one can start.
        point_channels: number of features that the fusion adds to each point.
    """

    uses_image: ClassVar[bool] = False
    finds_boxes_in_images: ClassVar[bool] = False
    image_outputs: ClassVar[tuple[tuple[str, str], ...]] = ()
    class_layers: ClassVar[tuple[str, ...]] = ()
    extends: ClassVar[type[Fusion] | None] = None

    def __init__(
        self,
        config: Config,
        camera_channels: Sequence[int],
        tasks: Mapping[str, Task] | None = None,
    ) -> None:
        """Build the parts outside the dense branches.

        Args:
            config: the whole configuration.
            camera_channels: numbers of channels of C2..C5.
            tasks: name -> task, for the tasks in `image_outputs`. If it is empty, `tasks` is not
                passed.
        """
        super().__init__()
        self.point_channels = 0

    def image_part(self) -> nn.Module | None:
        """Build the dense part of the camera branch, or None if there is none.

        Its `forward(features: list[Tensor], p2: Tensor, *outputs: Tensor) -> Tensor` takes C2..C5,
        P2 and the `image_outputs`, and returns the map (B, h, w, C) that the methods below
        get.
        """
        return None

    def bev_part(self) -> nn.Module | None:
        """Build the dense part of the BEV branch, or None if there is none.

        Its `forward(bev: Tensor, *inputs: Tensor) -> Tensor` takes the backbone's coarsest map
        (B, C, X, Y) and what `bev_inputs` returned, and returns a map like `bev`.
        """
        return None

    def point_features(self, image_maps: Sequence[Tensor], batch: Batch) -> Tensor | None:
        """Return (N, point_channels) features of the points; None if the fusion adds none.

        Args:
            image_maps: maps of the image part, one for each of `batch.images`; may be empty.
            batch: the frames.
        """
        return None

    def bev_inputs(self, image_maps: Sequence[Tensor], batch: Batch) -> tuple[Tensor, ...]:
        """Return further inputs of the BEV part; empty if no frame of the batch has an image."""
        return ()

    def shared_point_channels(self, there: ModelConfig) -> int:
        """Return the number of the first point features that do not depend on the classes.

        Args:
            there: settings of a checkpoint with this fusion or the one that it extends. Features
                that differ there are not counted.
        """
        return 0


def project(image_from_ego: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Project points into images.

    Args:
        image_from_ego: one matrix (3, 4), or one per point (N, 3, 4).
        points: (N, 3) in the ego frame.

    Returns:
        Pixels (N, 2) and depth (N,), metres. Pixels are invalid where the depth is not positive.
    """
    if image_from_ego.dim() == 2:
        homogeneous = points @ image_from_ego[:, :3].T + image_from_ego[:, 3]
    else:
        rotated = (image_from_ego[:, :, :3] @ points[:, :, None])[:, :, 0]
        homogeneous = rotated + image_from_ego[:, :, 3]
    depth = homogeneous[:, 2]
    return homogeneous[:, :2] / depth.clamp_min(1e-3)[:, None], depth


class NarrowedMap(nn.Module):
    """One of C2..C5 or P2, narrowed by a 1x1 convolution: (B, C, h, w) -> (B, h, w, outputs).

    The convolution runs on the map, where it is cheap. Points gather rows of the result later.
    """

    def __init__(self, inputs: int, outputs: int, level: int | None) -> None:
        """Build the layer.

        Args:
            inputs: channels of the map.
            outputs: channels of the narrowed map.
            level: index into C2..C5; None takes P2.
        """
        super().__init__()
        self.level = level
        self.narrow = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: list[Tensor], p2: Tensor) -> Tensor:
        """Return the narrowed map (B, h, w, outputs)."""
        chosen = p2 if self.level is None else features[self.level]
        return self.narrow(chosen).permute(0, 2, 3, 1)


class Sight(NamedTuple):
    """The image that shows each point best.

    Attributes:
        image: (N,) int64 index of the image, 0 for points that are not seen.
        pixel: (N, 2) pixel of the point there, 0 for points that are not seen.
        seen: (N,) bool: points that are seen.
    """

    image: Tensor
    pixel: Tensor
    seen: Tensor


def choose_camera(
    batch: Batch,
    points: Tensor,
    frames: Tensor,
    margin: tuple[float, float] = (0.0, 0.0),
    occlusion: bool = False,
) -> Sight:
    """Choose for each point the image of its frame that shows it closest to the image's centre.

    Args:
        batch: batch with images.
        points: (N, 3) points in the ego frame, metres.
        frames: (N,) int64 index of each point's frame.
        margin: how far outside an image a point may be, as fractions of its width and height.
        occlusion: True: a camera does not see points that other points hide from it.
    """
    sizes = points.new_tensor([(width, height) for height, width in batch.image_sizes])
    sight = None
    nearest = points.new_zeros(0)
    for slots in batch.image_slots.T:
        if len(batch) == 1:  # one matrix for all points, as in the node
            image = slots[0].expand(len(points))
            pixel, depth = project(batch.image_from_ego[slots[0]], points)
            size = sizes[slots[0]]
        else:
            image = slots[frames]
            pixel, depth = project(batch.image_from_ego[image.clamp_min(0)], points)
            size = sizes[image.clamp_min(0)]
        reach = size * size.new_tensor(margin)
        inside = (depth > NEAREST_DEPTH) & (image >= 0)
        inside &= ((pixel >= -0.5 - reach) & (pixel < size - 0.5 + reach)).all(1)
        if occlusion:
            inside &= ~is_hidden(batch, image, pixel, depth, inside)
        found = Sight(torch.where(inside, image, 0), torch.where(inside[:, None], pixel, 0), inside)
        if batch.image_slots.shape[1] == 1:
            return found
        distance = (((pixel + 0.5) / size - 0.5) ** 2).sum(1)
        distance = torch.where(inside, distance, torch.inf)
        if sight is None:
            sight, nearest = found, distance
            continue
        better = distance < nearest
        sight = Sight(
            torch.where(better, found.image, sight.image),
            torch.where(better[:, None], found.pixel, sight.pixel),
            sight.seen | inside,
        )
        nearest = torch.minimum(nearest, distance)
    assert sight is not None, "a batch with images has a slot"
    return sight
