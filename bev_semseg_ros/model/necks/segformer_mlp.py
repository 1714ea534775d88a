"""The all-MLP decoder of SegFormer (Xie et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.necks.neck import Neck, resize_to


class SegformerMlp(Neck):
    """A linear layer per level, upsampling to C2, concatenation, and a linear layer that fuses.

    A linear layer on a concatenation is the sum of one linear layer per level, and bilinear
    upsampling can come before or after a linear layer. So each level is fused on its own small map.
    This gives the values of the paper's order in half the time.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__(in_channels, channels)
        self.linears = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.fuse = nn.ModuleList(nn.Conv2d(channels, channels, 1, bias=False) for _ in in_channels)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return P2 from C2..C5."""
        parts = zip(self.linears, self.fuse, features, strict=True)
        fused, *coarser = [fuse(linear(level)) for linear, fuse, level in parts]
        for level in coarser:
            fused = fused + resize_to(level, fused)
        return F.relu(self.norm(fused))
