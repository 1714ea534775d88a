"""The interface of tasks: everything about one kind of output, from its head to its metric.

The input of a head is one of two maps, P2 of the image ("image") or the features of the BEV
("bev"), or the features of single points ("points"), which a point encoder gives. The outputs of a
network are keyed by the names of its tasks. A frame trains the tasks whose `needs` it fulfils.
docs/extending.md shows step by step how to add a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.preprocessing import Sample

View = Literal["image", "bev", "points"]
# The part of the network that holds the heads of a view.
BRANCHES: Mapping[View, str] = {"image": "camera", "bev": "bev", "points": "points"}
# What a frame may have: key for `Task.needs` -> words for messages.
NEEDS: Mapping[str, str] = {
    "points": "a cloud",
    "image": "an image",
    "boxes": "boxes",
    "mask": "a mask",
    "point_classes": "classes of points or masks",
}
Outputs = Mapping[str, Tensor]  # of one task: name in its head's `outputs` -> tensor
Targets = Mapping[Any, Any]  # tensors, or further mappings of tensors


class Head(nn.Module):
    """Base class of heads: `forward(x: Tensor) -> tuple[Tensor, ...]`, x (B, C, H, W).

    For a task on points, x is (N, C). Outputs must be float32, whatever the precision: use a
    `layers.Float32Conv` as the last layer of each, or for points a `layers.Float32Linear`.

    Attributes:
        outputs: names of the tensors that `forward` returns, in order.
        class_layers: names of the layers whose channels are classes. With another label set they
            are newly initialised, whatever their shape.
    """

    outputs: ClassVar[tuple[str, ...]]
    class_layers: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for x."""
        raise NotImplementedError


class Metric:
    """Base class of metrics, which collect frames and return plain values."""

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame, as far as its ground truth and the prediction allow.

        Args:
            frame: data of the sensors.
            annotation: ground truth of the frame.
            prediction: prediction for the frame; None if it has no data for the mode.
            mode: the requested mode.
        """
        raise NotImplementedError

    def frame_counts(self) -> dict[str, np.ndarray]:
        """Return the confusion matrices of the frames, from which `result` computes mean IoUs.

        With them, the frames can be resampled together with those of another network.

        Returns:
            (F, C, C + 1) numbers of pixels, cells or points; rows are ground truth. The key is the
            path of the entry of `result` that contains the `miou`, such as "learned.in_view", or ""
            for the result itself. Empty if the metric has no mean IoU.
        """
        return {}

    def result(self) -> dict[str, Any]:
        """Return the task's part of a report: plain values, None without ground truth."""
        raise NotImplementedError

    @staticmethod
    def table(result: Mapping[str, Any]) -> list[str]:
        """Return a result as lines of text."""
        raise NotImplementedError

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the main scores, to log during training."""
        return {}


class Task:
    """Base class of tasks.

    Attributes:
        name: key of the task's outputs, of its part of a report, and of its label set.
        view: input of the head.
        needs: keys of `NEEDS`: what a frame must have to train the task. "point_classes" are
            classes of the points, or of the pixels that show them.
        labels: the task's classes, None for a task without classes.
    """

    name: ClassVar[str]
    view: ClassVar[View]
    needs: ClassVar[frozenset[str]]

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        """Store the configuration and the label set.

        Args:
            config: the whole configuration.
            labels: the label set that the configuration or the checkpoint names for this task.
        """
        self.config = config
        self.labels = labels

    def build_head(self, channels: int) -> Head:
        """Return a head whose input has `channels` channels."""
        raise NotImplementedError

    def encode(self, example: Example) -> Any:
        """Encode the ground truth of an augmented example for the loss, in numpy.

        Threads or processes of the loader call this, with the attributes that the task has at the
        start of the training. Return None for an example without ground truth. A task on images
        gets an example with one camera for each image. A task on points also gets frames without
        points. For frames without labels, its result must contain the number of points.
        """
        raise NotImplementedError

    def collate(self, encoded: Sequence[Any]) -> Targets | None:
        """Combine the encoded ground truth of a batch into tensors; None if no frame has any.

        Args:
            encoded: result of `encode`, possibly None, for each frame or each image of the batch.
        """
        raise NotImplementedError

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return the weighted losses of a batch by name. Their sum is minimised."""
        raise NotImplementedError

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> Any:
        """Turn the outputs for one frame into a result.

        Args:
            outputs: outputs for a batch of one frame, or of one image.
            sample: input of the network, for a task on images with one camera. For a task on
                points, the outputs are those of its points, and `sample.rays` has their indices in
                the clouds.
            score_threshold: lowest score of a detection; None: the configuration's.
        """
        raise NotImplementedError

    def join(self, ahead: Any, behind: Any) -> Any:
        """Join the results found ahead and behind, see `inference/around.py`.

        Args:
            ahead: result of `postprocess`.
            behind: the same in an ego frame rotated by 180 degrees about z.

        Raises:
            ValueError: the task cannot look behind.
        """
        raise ValueError(f"the task {self.name} looks ahead only; use grid forward")

    def picture(self, result: Any, sample: Sample) -> np.ndarray | None:
        """Draw a result of `postprocess` as (h, w, 3) uint8 RGB, in the geometry of the image.

        A task on points is called once for each camera, with its image, and once without an image.
        None draws nothing: `visualization` draws boxes and masks.
        """
        return None

    def metric(self) -> Metric | None:
        """Return a new metric, or None if the task is not scored."""
        return None

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Apply logit adjustment to the head, in place.

        Args:
            head: trained head of this task.
            info: `info` of the checkpoint.
            share: fraction of the effect of the class weights to undo, 0 to 1.

        Returns:
            False if the task has no class weights.

        Raises:
            ValueError: `info` lacks the class counts.
        """
        return False

    def observe(self, example: Example) -> None:
        """Collect statistics of an example before the training, such as class counts."""

    def statistics(self) -> dict[str, Any]:
        """Return statistics gathered by `observe`, to be stored in the checkpoint's `info`."""
        return {}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Take what the losses need from a checkpoint's `info`, such as class counts."""


def parts_of(example: Example, task: Task) -> list[Example]:
    """Return what a task encodes: the example, or for a task on images one for each camera."""
    if task.view == "image":
        return [example.of_camera(name) for name in example.sample.images]
    return [example]


def encode_batch(examples: Sequence[Example], task: Task) -> Targets | None:
    """Return the targets of a task for a batch of examples; None if no frame has any.

    Args:
        examples: examples of the batch; their images have one size.
        task: the task.
    """
    parts = [part for example in examples for part in parts_of(example, task)]
    return task.collate([task.encode(part) for part in parts])


def merged(known: Mapping[str, Any], further: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Merge named values of several tasks.

    Args:
        known: name -> value of earlier tasks.
        further: name -> value of `task`.
        task: task whose values are added.

    Raises:
        ValueError: a task uses a name that another one has taken.
    """
    if taken := sorted(set(known) & set(further)):
        raise ValueError(
            f"task {task.name}: another task has a value named {taken[0]!r}, too; give the losses, "
            "statistics and headline figures of each task names of their own"
        )
    return {**known, **further}


def stack(arrays: Sequence[np.ndarray]) -> Tensor:
    """Stack arrays of one shape into one tensor with a new first axis."""
    return torch.from_numpy(np.stack(arrays))


def to_device(targets: Targets, device: Any) -> Targets:
    """Move every tensor of targets to a device."""
    return {
        name: to_device(value, device)
        if isinstance(value, Mapping)
        else value.to(device, non_blocking=True)
        for name, value in targets.items()
    }
