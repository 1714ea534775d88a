"""Class probabilities in each cell of P2, from the segmentation head, for use in a fusion."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bev_semseg_ros.model.tasks.task import Task

SEGMENTATION_LOGITS = (
    "segmentation",
    "logits",
)  # task and output, as in `Fusion.image_outputs`


def count_classes(tasks: Mapping[str, Task]) -> int:
    """Return the number of classes of the segmentation.

    Args:
        tasks: tasks that a fusion is built with.
    """
    labels = tasks[SEGMENTATION_LOGITS[0]].labels
    assert labels is not None, "a segmentation has classes"
    return len(labels)


def class_probabilities(logits: Tensor) -> Tensor:
    """Return (B, classes, h, w) probabilities that sum to one in each cell.

    Args:
        logits: (B, classes, h, w) of the segmentation head, on P2.
    """
    return logits.softmax(1)
