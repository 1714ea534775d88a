"""The feature pyramid network (Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bev_semseg_ros.model.layers import ConvBlock
from bev_semseg_ros.model.necks.neck import Neck, resize_to


class Fpn(Neck):
    """Lateral 1x1 convolutions, bilinear upsampling and addition, one 3x3 convolution per level.

    The mean of C5 over the image is added at the top, as a context vector. It gives each cell
    information that is beyond the reach of the 3x3 convolutions.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__(in_channels, channels)
        self.context = nn.Conv2d(in_channels[-1], channels, 1)
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.smooth = nn.ModuleList(ConvBlock(channels, channels) for _ in in_channels[:-1])

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return P2 from C2..C5."""
        top = features[-1]
        x = self.laterals[-1](top) + self.context(top.mean((2, 3), keepdim=True))
        for level in range(len(self.smooth) - 1, -1, -1):
            lateral = self.laterals[level](features[level])
            x = self.smooth[level](resize_to(x, lateral) + lateral)
        return x
