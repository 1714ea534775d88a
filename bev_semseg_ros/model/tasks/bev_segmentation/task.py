"""The task BEV segmentation: a class for every cell of the bird's-eye view.

The task needs no labels of cells. It learns from the classes of points, which come from the data or
from masks.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.model.tasks.bev_segmentation.metric import BevSegmentationMetric
from bev_semseg_ros.model.tasks.bev_segmentation.postprocess import decode_map, join_maps
from bev_semseg_ros.model.tasks.bev_segmentation.targets import encode_cells
from bev_semseg_ros.model.tasks.classification import ClassificationTask
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead
from bev_semseg_ros.model.tasks.segmentation.targets import EncodedMask, collate_masks
from bev_semseg_ros.model.tasks.task import Outputs, Targets
from bev_semseg_ros.preprocessing import Sample, points_in_grid


class BevSegmentationTask(ClassificationTask):
    """A class for each cell, learned where there are labelled points."""

    name = "bev_segmentation"
    view = "bev"
    needs = frozenset({"points", "point_classes"})
    counts_key = "bev_class_cells"

    def build_head(self, channels: int) -> SegmentationHead:
        """Return the head for the BEV."""
        return SegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedMask | None:
        """Return the classes of the cells that have labelled points, see `encode_cells`."""
        labelled = example.labelled_points
        if labelled is None:
            return None
        points, classes = labelled
        # In a whole cloud, reflections below the ground would be taken for the ground.
        inside = points_in_grid(points, self.config.grid)
        points, classes = points[inside], classes[inside]
        grid, fill = self.config.grid, self.config.training.bev_fill
        return encode_cells(points, classes, example.mask_labels, self.labels, grid, fill)

    def collate(self, encoded: Sequence[EncodedMask | None]) -> Targets | None:
        """Return the cells of a batch by their label set, see `collate_masks`."""
        return collate_masks(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `bev_segmentation`: the weighted mean cross entropy of the labelled cells."""
        logits = outputs["logits"].float()
        mean = self.mean_loss(
            (labels, logits[cells["frames"]], cells["mask"]) for labels, cells in targets.items()
        )
        return {"bev_segmentation": self.config.loss.bev_segmentation_weight * mean}

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> BevMap:
        """Return the best class of every cell, even if its `BevMap.confidence` is low.

        In cells far from any point, the network has learned nothing. `BevMap.above` removes cells
        with a low confidence.
        """
        return decode_map(outputs["logits"][0], self.config.grid, self.labels)

    def join(self, ahead: BevMap, behind: BevMap) -> BevMap:
        """Join the maps of the passes ahead and behind, see `join_maps`."""
        return join_maps(ahead, behind, self.config.grid)

    def metric(self) -> BevSegmentationMetric:
        """Return a new metric."""
        return BevSegmentationMetric(self.labels, self.config)

    def observe(self, example: Example) -> None:
        """Count the labelled cells of each class."""
        cells = self.encode(example)
        if cells is not None:
            self.class_weights.count(cells.mask, cells.labels)
