"""What a task is: one thing the network predicts, from its head to its metric.

A task sits on one of two maps, P2 of the image ("image") or the features of the BEV ("bev"), or on
the features of single points ("points"), which a point encoder gives. The
network holds the tasks of its configuration and keys its outputs by their names. A frame trains the
tasks whose `needs` it has. docs/extending.md adds a task step by step.
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
# What a frame may have, in the words of messages; the keys are for `Task.needs`.
NEEDS: Mapping[str, str] = {
    "points": "a cloud",
    "image": "an image",
    "boxes": "boxes",
    "mask": "a mask",
    "point_classes": "classes of points or masks",
}
Outputs = Mapping[str, Tensor]  # of one task, by the names of its head's `outputs`
Targets = Mapping[Any, Any]  # tensors, or further mappings of tensors


class Head(nn.Module):
    """The interface of heads: `forward(x: Tensor) -> tuple[Tensor, ...]`, x (B, C, H, W).

    For a task on points x is (N, C). End each output in a `layers.Float32Conv`, for points in a
    `layers.Float32Linear`: outputs must be float32 whatever the precision.

    Attributes:
        outputs: names of what `forward` returns, in order.
        class_layers: names of the layers whose channels are classes. With another label set they
            begin anew, whatever their shape.
    """

    outputs: ClassVar[tuple[str, ...]]
    class_layers: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for a map x (B, C, H, W)."""
        raise NotImplementedError


class Metric:
    """The interface of metrics: gathers frames and returns plain figures."""

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame, as far as its ground truth and the prediction allow.

        Args:
            frame: what the sensors saw.
            annotation: its ground truth.
            prediction: None for a frame that has nothing the mode could look at.
            mode: the mode that was asked for.
        """
        raise NotImplementedError

    def frame_counts(self) -> dict[str, np.ndarray]:
        """Return the confusions of the frames from which `result` has its mean IoU.

        Frames can so be resampled together with those of another network.

        Returns:
            (F, C, C + 1) pixels, cells or points, ground truth by rows. The key is the path of the
            entry of `result` that has the figure `miou`, such as "learned.in_view"; the result
            itself has the key "". Empty without such figures.
        """
        return {}

    def result(self) -> dict[str, Any]:
        """Return the task's part of a report: plain values, None where there is no truth."""
        raise NotImplementedError

    @staticmethod
    def table(result: Mapping[str, Any]) -> list[str]:
        """Return the lines that show a result."""
        raise NotImplementedError

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the few figures to log during training."""
        return {}


class Task:
    """The interface of tasks.

    Attributes:
        name: key of the task's outputs, of its part of a report, and of its label set.
        view: what the head sits on.
        needs: of `NEEDS`: what a frame must have to train the task. "point_classes" are those of
            the points, or of the pixels that show them.
        labels: the task's classes, None for a task without classes.
    """

    name: ClassVar[str]
    view: ClassVar[View]
    needs: ClassVar[frozenset[str]]

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        """Keep the configuration and the label set.

        Args:
            config: the whole configuration.
            labels: the label set that the configuration or the checkpoint names for this task.
        """
        self.config = config
        self.labels = labels

    def build_head(self, channels: int) -> Head:
        """Return the head for a map of `channels` channels."""
        raise NotImplementedError

    def encode(self, example: Example) -> Any:
        """Return the ground truth of an augmented example as the loss wants it, in numpy.

        Loader threads call this. None for an example that has none. A task on images gets an
        example with one camera for each image. One on points also gets frames without points, and
        of frames without labels must say how many points they have.
        """
        raise NotImplementedError

    def collate(self, encoded: Sequence[Any]) -> Targets | None:
        """Return what `encode` gave for the frames of a batch as tensors; None if no frame has any.

        Args:
            encoded: one item, which may be None, for each frame of the batch, or for each image.
        """
        raise NotImplementedError

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return the weighted losses of a batch by name. Their sum is minimised."""
        raise NotImplementedError

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> Any:
        """Return what one frame's outputs mean.

        Args:
            outputs: of a batch of this frame alone, or of this image alone.
            sample: what the network saw; for a task on images with one camera. For a task on points
                outputs are of its points, and `sample.rays` says which points of the clouds they
                are.
            score_threshold: lowest score of a detection; None: the configuration's.
        """
        raise NotImplementedError

    def join(self, ahead: Any, behind: Any) -> Any:
        """Return one result of what was found ahead and behind, see `inference/around.py`.

        Args:
            ahead: what `postprocess` gave.
            behind: the same in an ego frame turned by 180 degrees about z.

        Raises:
            ValueError: the task cannot look behind.
        """
        raise ValueError(f"the task {self.name} looks ahead only; use grid forward")

    def picture(self, result: Any, sample: Sample) -> np.ndarray | None:
        """Return (h, w, 3) uint8 RGB of what `postprocess` gave, in the geometry of the image.

        A task on points is asked once for each camera, with its image, and once without an image.
        Boxes and masks are drawn by `visualization`; None leaves the task out.
        """
        return None

    def metric(self) -> Metric | None:
        """Return a new metric, or None if the task is not scored."""
        return None

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Apply logit adjustment to the head, in place.

        Args:
            head: of this task, trained.
            info: of the checkpoint.
            share: fraction of the class weights' effect to take back, 0 to 1.

        Returns:
            False if the task has no class weights.

        Raises:
            ValueError: the `info` does not say which weights there were.
        """
        return False

    def observe(self, example: Example) -> None:
        """Look at an example before the training, say to count classes; like `encode`."""

    def statistics(self) -> dict[str, Any]:
        """Return statistics gathered by `observe`, to be stored in the checkpoint's `info`."""
        return {}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Take from a checkpoint's `info` what the losses need, say the weights of classes."""


def parts_of(example: Example, task: Task) -> list[Example]:
    """Return what a task encodes: the example, or for a task on images one of each camera."""
    if task.view == "image":
        return [example.of_camera(name) for name in example.sample.images]
    return [example]


def encode_batch(examples: Sequence[Example], task: Task) -> Targets | None:
    """Return the targets of a task for a batch of examples; None if no frame has any.

    Args:
        examples: of a `Batch`, whose images have one size.
        task: encodes them.
    """
    parts = [part for example in examples for part in parts_of(example, task)]
    return task.collate([task.encode(part) for part in parts])


def merged(known: Mapping[str, Any], further: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Return the values of several tasks by name.

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
    """Return arrays of one shape as one tensor with a new first axis."""
    return torch.from_numpy(np.stack(arrays))


def to_device(targets: Targets, device: Any) -> Targets:
    """Return targets with every tensor on a device."""
    return {
        name: to_device(value, device)
        if isinstance(value, Mapping)
        else value.to(device, non_blocking=True)
        for name, value in targets.items()
    }
