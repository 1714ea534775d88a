"""Decoders: C2..C5 of a camera encoder -> P2 (B, channels, H/4, W/4)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.layers import ConvBlock


class FpnDecoder(nn.Module):
    """Feature pyramid (Lin et al. 2017): 1x1 laterals, bilinear upsampling and addition, one 3x3 per level.

    The mean of C5 over the picture enters at the top as a context vector: what a 3x3 cannot see.
    """

    def __init__(self, inputs: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.context = nn.Conv2d(inputs[-1], channels, 1)
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in inputs)
        self.smooth = nn.ModuleList(ConvBlock(channels, channels) for _ in inputs[:-1])

    def forward(self, features: list[Tensor]) -> Tensor:
        top = features[-1]
        x = self.laterals[-1](top) + self.context(top.mean((2, 3), keepdim=True))
        for level in range(len(self.smooth) - 1, -1, -1):
            lateral = self.laterals[level](features[level])
            x = self.smooth[level](
                F.interpolate(x, size=lateral.shape[-2:], mode="bilinear") + lateral
            )
        return x


def build_decoder(name: str, inputs: tuple[int, ...], channels: int) -> nn.Module:
    """The decoder of `ModelConfig.decoder`. Raises ValueError for an unknown name."""
    decoders = {"fpn": FpnDecoder}
    if name not in decoders:
        raise ValueError(f"model.decoder: unknown {name!r}, expected one of {', '.join(decoders)}")
    return decoders[name](inputs, channels)
