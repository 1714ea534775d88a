"""A small camera encoder for training without pretrained weights."""

from __future__ import annotations

from torch import Tensor, nn

from bev_semseg_ros.model.encoders.camera import CameraEncoder
from bev_semseg_ros.model.layers import ConvBlock, residual_stage

STEM_CHANNELS = 16
BLOCKS = (1, 2, 2, 2)


class ResidualEncoder(CameraEncoder):
    """A stem of 16 channels, then stages of 1, 2, 2 and 2 residual blocks (He et al. 2016)."""

    channels = (32, 64, 128, 192)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBlock(3, STEM_CHANNELS, stride=2)
        widths = (STEM_CHANNELS, *self.channels)
        self.stages = nn.ModuleList(
            residual_stage(before, after, count)
            for before, after, count in zip(widths, self.channels, BLOCKS, strict=False)
        )

    def front(self, blocks: int) -> list[nn.Module]:
        """Return the stem and the first `blocks` residual blocks."""
        every_block = [block for stage in self.stages for block in stage.children()]
        return [self.stem, *every_block[:blocks]]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return C2..C5 for images (B, H, W, 3) uint8."""
        x = self.stem(self.normalize(image))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
