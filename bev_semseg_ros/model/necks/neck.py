"""The interface of necks: C2..C5 of a camera encoder -> a map at 1/4 of the image's size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """Resize a map x bilinearly to the height and width of another one."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear")


class Neck(nn.Module):
    """Base class of necks.

    `forward(features: list[Tensor]) -> Tensor` takes C2..C5, each (B, C, H, W), and returns P2
    (B, channels, H/4, W/4).

    Attributes:
        channels: number of channels of P2.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        """Store the number of channels.

        Args:
            in_channels: numbers of channels of C2..C5.
            channels: number of channels of P2.
        """
        super().__init__()
        self.channels = channels

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return P2 from C2..C5."""
        raise NotImplementedError
