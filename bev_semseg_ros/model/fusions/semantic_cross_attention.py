"""The cross-attention fusion with tokens that also contain class probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.fusions.cross_attention import C4, TOKEN_STRIDE, CrossAttentionFusion
from bev_semseg_ros.model.fusions.fusion import NarrowedMap
from bev_semseg_ros.model.fusions.projective import P2_STRIDE
from bev_semseg_ros.model.fusions.semantics import (
    SEGMENTATION_LOGITS,
    class_probabilities,
    count_classes,
)
from bev_semseg_ros.model.tasks.task import Task


class SemanticCrossAttentionFusion(CrossAttentionFusion):
    """BEV queries attend to tokens made from C4 and from class probabilities."""

    image_outputs = (SEGMENTATION_LOGITS,)
    class_layers = ("classes",)
    extends = CrossAttentionFusion

    def __init__(
        self, config: Config, camera_channels: Sequence[int], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, camera_channels)
        self._classes = count_classes(tasks)

    def image_part(self) -> nn.Module:
        """Build the layers that make tokens from C4 and from the probabilities."""
        return SemanticTokens(self._c4_channels, self._channels, self._classes)


class SemanticTokens(NarrowedMap):
    """C4 and the class probabilities, both projected to the tokens' channels and added.

    Keys and values are linear in the tokens. So adding is as expressive as concatenating, and the
    attention costs as much as without classes.
    """

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        """Build the layers.

        Args:
            inputs: channels of C4.
            outputs: channels of the tokens.
            classes: number of classes.
        """
        super().__init__(inputs, outputs, level=C4)
        self.classes = nn.Conv2d(classes, outputs, 1, bias=False)
        # Initially, the tokens are those of the fusion that this one extends.
        nn.init.zeros_(self.classes.weight)

    def forward(self, features: list[Tensor], p2: Tensor, *outputs: Tensor) -> Tensor:
        """Return the tokens (B, h, w, outputs)."""
        tokens = super().forward(features, p2)
        side = TOKEN_STRIDE // P2_STRIDE
        # The last cells of an image may be cut off. Their mean is that of the part that exists.
        shares = F.avg_pool2d(
            class_probabilities(*outputs), side, ceil_mode=True, count_include_pad=False
        )
        return tokens + self.classes(shares.to(self.classes.weight.dtype)).permute(0, 2, 3, 1)
