"""Masks in the form that the segmentation loss needs, grouped by label set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.task import Targets, stack


@dataclass(frozen=True, eq=False)
class EncodedMask:
    """The mask of one frame.

    Attributes:
        labels: label set of the mask, to which the network's set maps.
        mask: (h/2, w/2) uint8 classes, of which `labels.MASK_IGNORED` is ignored.
    """

    labels: LabelSet
    mask: np.ndarray


def encode_mask(mask: np.ndarray, mask_labels: LabelSet, labels: LabelSet) -> EncodedMask:
    """Return a mask (h, w) at half size, in the label set shared with the network.

    Args:
        mask: (h, w) uint8 classes of `mask_labels`.
        mask_labels: label set of the mask.
        labels: label set of the network.

    Raises:
        ValueError: the label sets do not map to a shared one.
    """
    view = view_of(labels, mask_labels)
    half = subsample(mask)
    if mask_labels != view.shared:
        half = mask_labels.mask_table(view.shared)[half]
    return EncodedMask(view.shared, half)


def collate_masks(encoded: Sequence[EncodedMask | None]) -> Targets | None:
    """Return the masks of a batch: label set -> its frames (B',) and masks (B', h/2, w/2).

    Raises:
        ValueError: the masks differ in size.
    """
    frames_of: dict[LabelSet, list[int]] = {}
    masks: dict[int, np.ndarray] = {}
    for index, each in enumerate(encoded):
        if each is not None:
            frames_of.setdefault(each.labels, []).append(index)
            masks[index] = each.mask
    if not masks:
        return None
    sizes = {mask.shape for mask in masks.values()}
    if len(sizes) > 1:
        raise ValueError(f"masks of one batch must have one size, got {sorted(sizes)}")
    return {
        labels: {
            "frames": torch.tensor(frames),
            "mask": stack([masks[frame] for frame in frames]).long(),
        }
        for labels, frames in frames_of.items()
    }


def subsample(mask: np.ndarray) -> np.ndarray:
    """Subsample a mask (h, w) to (h/2, w/2).

    The position of the pixel that is taken from each 2x2 pixels alternates, so that edges stay in
    place on average.
    """
    rows = np.arange(mask.shape[0] // 2)[:, None]
    columns = np.arange(mask.shape[1] // 2)[None]
    return mask[2 * rows + columns % 2, 2 * columns + rows % 2]
