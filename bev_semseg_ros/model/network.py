"""The network: dense branches that an engine may compile, and the sparse part between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.bev_backbone import BevBackbone
from bev_semseg_ros.model.encoders.camera import CameraEncoder
from bev_semseg_ros.model.encoders.lidar import LidarEncoder
from bev_semseg_ros.model.encoders.points import PointEncoder
from bev_semseg_ros.model.fusions.fusion import Fusion
from bev_semseg_ros.model.necks.neck import Neck
from bev_semseg_ros.model.tasks.task import BRANCHES, Head, Task, View

TaskOutputs = dict[str, dict[str, Tensor]]  # task -> its head's outputs


@dataclass
class NetworkOutputs:
    """The outputs of the tasks that have any.

    Attributes:
        bev: outputs of the BEV tasks, (B, ...).
        images: outputs of the image tasks, (I', ...), for each of `Batch.images`.
        points: outputs of the tasks on points, (N, ...).
    """

    bev: TaskOutputs = field(default_factory=dict)
    images: list[TaskOutputs] = field(default_factory=list)
    points: TaskOutputs = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the tasks that have outputs."""
        yield from self.bev
        yield from self.images[0] if self.images else ()
        yield from self.points

    def __contains__(self, task: str) -> bool:
        return task in list(self)

    def __getitem__(self, task: str) -> dict[str, Tensor]:
        """Return the outputs of a task in a batch whose images have one size.

        Raises:
            KeyError: the task has no outputs.
            ValueError: the images differ in size.
        """
        for outputs in (self.bev, self.points):
            if task in outputs:
                return outputs[task]
        if len(self.images) > 1:
            raise ValueError("images of one batch must have one size")
        if not self.images:
            raise KeyError(task)
        return self.images[0][task]

    def of_image(self, task: str, number: int) -> dict[str, Tensor]:
        """Return the outputs of an image task for one image of the batch, (1, ...)."""
        for outputs in self.images:
            count = len(next(iter(outputs[task].values())))
            if number < count:
                return {name: part[number : number + 1] for name, part in outputs[task].items()}
            number -= count
        raise IndexError(f"{task}: no such image")


def run_heads(heads: nn.ModuleDict, x: Tensor) -> list[Tensor]:
    """Return the outputs of all heads in one list.

    Args:
        heads: task -> its head.
        x: input of the heads.

    Raises:
        ValueError: a head does not return as many outputs as it names.
    """
    outputs: list[Tensor] = []
    for task, head in heads.items():
        assert isinstance(head, Head)
        returned = head(x)
        if not isinstance(returned, tuple) or len(returned) != len(head.outputs):
            count = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else "no tuple"
            raise ValueError(
                f"task {task}: {type(head).__name__}.forward returns {count}, expected a tuple of "
                f"the {len(head.outputs)} that its `outputs` name: {', '.join(head.outputs)}"
            )
        outputs += returned
    return outputs


def _check_maps(
    setting: str, maps: Sequence[Tensor], channels: Sequence[int], image: Tensor
) -> None:
    """Check the shapes of the maps that a part of the network returned.

    Args:
        setting: setting that chooses the part.
        maps: maps that the part returned, at strides 4, 8 and so on.
        channels: expected number of channels of each map.
        image: (B, h, w, 3) input of the camera branch.

    Raises:
        ValueError: other shapes than expected.
    """
    found = [tuple(each.shape) for each in maps]
    expected = [
        (len(image), count, *(-(-side // stride) for side in image.shape[1:3]))
        for count, stride in zip(channels, (4, 8, 16, 32), strict=False)
    ]
    if found != expected:
        raise ValueError(
            f"{setting}: the class returns maps of the shapes {found}, expected {expected} for "
            f"{len(image)} images of {image.shape[2]} x {image.shape[1]} pixels"
        )


class CameraBranch(nn.Module):
    """Image (B, h, w, 3) uint8 -> the outputs of the image tasks, then the fusion's map, if any."""

    def __init__(
        self,
        encoder: CameraEncoder,
        neck: Neck,
        heads: dict[str, Head],
        fusion: nn.Module | None,
        fusion_outputs: Sequence[int] = (),
    ) -> None:
        """Assemble the branch.

        Args:
            encoder: camera encoder.
            neck: neck, which makes P2.
            heads: image task -> its head.
            fusion: image part of the fusion, if it has one.
            fusion_outputs: indices of the heads' outputs that the image part of the fusion gets.
        """
        super().__init__()
        self.encoder = encoder
        self.neck = neck
        self.heads = nn.ModuleDict(heads)
        self.fusion = fusion
        self._fusion_outputs = tuple(fusion_outputs)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of all heads, then the fusion's map (B, h', w', C), if any.

        Raises:
            ValueError: a user-defined part returns maps of unexpected shapes.
        """
        features = self.encoder(image)
        if not torch.jit.is_tracing():
            _check_maps("model.camera_encoder", features, self.encoder.channels, image)
        p2 = self.neck(features)
        if not torch.jit.is_tracing():
            _check_maps("model.neck", [p2], [self.neck.channels], image)
        outputs = run_heads(self.heads, p2)
        if self.fusion is not None:
            asked = [outputs[index] for index in self._fusion_outputs]
            outputs.append(self.fusion(features, p2, *asked))
        return tuple(outputs)


class BevBranch(nn.Module):
    """Canvas (B, X, Y, C) and inputs from the fusion -> the outputs of the BEV tasks."""

    def __init__(
        self, backbone: BevBackbone, heads: dict[str, Head], fusion: nn.Module | None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads)
        self.fusion = fusion

    def forward(self, canvas: Tensor, *fusion_inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of all heads."""
        canvas = canvas.permute(0, 3, 1, 2).to(self.backbone.dtype)
        features = self.backbone.bottom_up(canvas)
        if self.fusion is not None and fusion_inputs:
            features[-1] = self.fusion(features[-1], *fusion_inputs)
        bev = self.backbone.top_down(features)
        return tuple(run_heads(self.heads, bev))


class PointBranch(nn.Module):
    """Features of points (N, C) -> the outputs of the tasks on points."""

    def __init__(self, heads: dict[str, Head]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of all heads."""
        return tuple(run_heads(self.heads, features))


class Network(nn.Module):
    """The whole network: takes a batch and returns the outputs of every task.

    `camera`, `bev` and `point_encoder.dense` are dense: an engine may replace them by compiled
    modules of the same signature (see `inference/engine.py`). `model/build.py` assembles a network.

    Attributes:
        tasks: tasks of the network, in the order of `model.tasks`.
        fusion: module that brings image features to points or to the BEV.
        point_encoder: module that gives features to single points.
    """

    def __init__(
        self,
        camera_encoder: CameraEncoder,
        neck: Neck,
        fusion: Fusion,
        lidar_encoder: LidarEncoder,
        bev_backbone: BevBackbone,
        tasks: Sequence[Task],
        point_encoder: PointEncoder,
        point_features_to_bev: bool = False,
    ) -> None:
        super().__init__()
        self.tasks = list(tasks)
        channels: dict[View, int] = {
            "image": neck.channels,
            "bev": bev_backbone.channels,
            "points": point_encoder.channels,
        }
        heads: dict[View, dict[str, Head]] = {view: {} for view in BRANCHES}
        for task in tasks:
            heads[task.view][task.name] = task.build_head(channels[task.view])
        self._outputs = {
            view: [(task, output) for task, head in of_view.items() for output in head.outputs]
            for view, of_view in heads.items()
        }
        image_part = fusion.image_part()
        if image_part is not None and not fusion.uses_image:
            raise ValueError(
                f"model.fusion: {type(fusion).__name__} has an image part and says that it uses no "
                "image: set its class attribute uses_image to True"
            )
        self.camera = CameraBranch(
            camera_encoder, neck, heads["image"], image_part, self._positions(fusion)
        )
        self.lidar_encoder = lidar_encoder
        self.fusion = fusion
        self.bev = BevBranch(bev_backbone, heads["bev"], fusion.bev_part())
        self.point_encoder = point_encoder
        self.points = PointBranch(heads["points"])
        self.point_features_to_bev = point_features_to_bev
        # torch's stubs lack this argument.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _positions(self, fusion: Fusion) -> list[int]:
        """Return the indices of the image heads' outputs that a fusion uses.

        Raises:
            ValueError: no head has one of these outputs.
        """
        given = self._outputs["image"]
        for output in fusion.image_outputs:
            if output not in given:
                raise ValueError(
                    f"model.fusion: {type(fusion).__name__} uses the output {output[1]!r} of the "
                    f"task {output[0]}, and the heads give "
                    f"{', '.join('.'.join(each) for each in given)}; choose another fusion or task"
                )
        return [given.index(output) for output in fusion.image_outputs]

    @property
    def uses_images(self) -> bool:
        """True if a task uses images, a BEV task through the fusion.

        Otherwise the camera branch never runs.
        """
        return bool(self._outputs["image"] or (self._outputs["bev"] and self.fusion.uses_image))

    def used_weights(self) -> dict[str, Tensor]:
        """Return the state dictionary without the parts that never run.

        These are the camera branch if nothing uses images, and the lidar encoder, the fusion and
        the BEV branch if there is no BEV task.
        """
        unused: tuple[str, ...] = () if self.uses_images else ("camera.",)
        if not self._outputs["bev"]:
            unused += ("lidar_encoder.", "fusion.", "bev.")
        return {
            key: value for key, value in self.state_dict().items() if not key.startswith(unused)
        }

    def head(self, task: Task) -> Head:
        """Return the head of a task."""
        head = getattr(self, BRANCHES[task.view]).heads[task.name]
        assert isinstance(head, Head)
        return head

    def forward(self, batch: Batch, views: Collection[View] = tuple(BRANCHES)) -> NetworkOutputs:
        """Return the outputs of the tasks that have any.

        Image tasks have outputs for every image, tasks on points for every point. BEV tasks have
        outputs if a frame has points, or if there are images and the fusion finds boxes in them.

        Args:
            batch: the frames.
            views: views of the tasks to run. The point and BEV branches run only if one of these
                tasks needs them, so that training leaves the BatchNorm statistics of the others
                unchanged. The camera branch runs if the batch has images.
        """
        outputs = NetworkOutputs()
        outputs.images, image_maps = self.run_camera(batch)
        if "points" in views or self.point_features_to_bev:
            batch, outputs.points = self.run_points(batch)
        if "bev" in views:
            outputs.bev = self.run_bev(batch, image_maps)
        return outputs

    def run_points(self, batch: Batch) -> tuple[Batch, TaskOutputs]:
        """Return the batch with the features of its points, and the outputs of tasks on points.

        There are none of either if nothing uses the features, or if no frame has points.
        """
        uses_features = bool(self._outputs["points"]) or self.point_features_to_bev
        if not uses_features or not batch.has_points.any():
            return batch, {}
        features = self.point_encoder(batch)
        batch = replace(batch, point_features=features)
        if not self._outputs["points"]:
            return batch, {}
        return batch, self._by_task("points", self.points(features))

    def run_camera(self, batch: Batch) -> tuple[list[TaskOutputs], list[Tensor]]:
        """Return the image tasks' outputs and the fusion's map, for each of `batch.images`."""
        outputs: list[TaskOutputs] = []
        image_maps: list[Tensor] = []
        if not self.uses_images:
            return outputs, image_maps
        count = len(self._outputs["image"])
        for images in batch.images:
            results = list(self.camera(images))
            outputs.append(self._by_task("image", results[:count]))
            image_maps += results[count:]
        return outputs, image_maps

    def run_bev(self, batch: Batch, image_maps: Sequence[Tensor]) -> TaskOutputs:
        """Return the outputs of the BEV tasks; empty if they have none."""
        sees_boxes = bool(image_maps) and self.fusion.finds_boxes_in_images
        if not self._outputs["bev"] or not (batch.has_points.any() or sees_boxes):
            return {}
        return self._by_task("bev", self.bev(*self.bev_inputs(batch, image_maps)))

    def bev_inputs(self, batch: Batch, image_maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the inputs of the BEV branch: the canvas and those from the fusion.

        They are computed in float32, even under autocast. In bfloat16, a point would be displaced
        by up to a decimetre, and by up to three pixels in the image.
        """
        if self.point_encoder.whole_clouds:
            batch = batch.inside(self.lidar_encoder.grid)
        with torch.autocast(batch.points.device.type, enabled=False):
            point_features = self.fusion.point_features(image_maps, batch)
            if self.point_features_to_bev:
                point_features = self._with_own_features(point_features, batch)
            canvas = self.lidar_encoder(batch, point_features)
            return (canvas, *self.fusion.bev_inputs(image_maps, batch))

    def _with_own_features(self, of_fusion: Tensor | None, batch: Batch) -> Tensor:
        """Return the features of the points: those of the fusion, then their own."""
        own = batch.point_features
        if own is None:  # no frame of the batch has points
            own = batch.points.new_zeros(len(batch.points), self.point_encoder.channels)
        return own if of_fusion is None else torch.cat([of_fusion, own], 1)

    def _by_task(self, view: View, results: Sequence[Tensor]) -> TaskOutputs:
        outputs: TaskOutputs = {}
        for (task, name), result in zip(self._outputs[view], results, strict=True):
            outputs.setdefault(task, {})[name] = result
        return outputs
