"""What a camera encoder is: image (B, H, W, 3) uint8 RGB -> C2..C5 at strides 4, 8, 16 and 32.

Each encoder normalises the image itself, because the normalisation belongs to its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

IMAGE_MEAN, IMAGE_STD = 127 / 255, 128 / 255  # of pixel / 255: EfficientNet-Lite's training


def normalize(image: Tensor) -> Tensor:
    """Return (B, H, W, 3) uint8 as (B, 3, H, W) float32 of about -1..1, channels last in memory."""
    return (image.permute(0, 3, 1, 2).float() - 255 * IMAGE_MEAN) * (1 / (255 * IMAGE_STD))


class CameraEncoder(nn.Module):
    """The interface of camera encoders, and a front that can be frozen.

    `forward(image: Tensor) -> list[Tensor]` returns C2..C5, each (B, C, H, W) with sizes by ceil
    division of the image's.

    Attributes:
        channels: of C2..C5.
        pretrained_package: on the package index, which carries ImageNet weights; empty: none do.
    """

    channels: ClassVar[tuple[int, int, int, int]]
    pretrained_package: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_blocks = 0

    def front(self, blocks: int) -> list[nn.Module]:
        """Return the stem and the first `blocks` blocks.

        An encoder that does not say where its blocks are cannot be frozen and is trained whole.
        """
        return []

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Begin from the weights that the package `pretrained_package` carries.

        Raises:
            ValueError: names the first weight that is missing or of another shape.
        """
        raise NotImplementedError

    def freeze(self, blocks: int) -> None:
        """Stop training the stem and the first `blocks` blocks, BatchNorm statistics included.

        Args:
            blocks: 0 freezes nothing, the stem included.
        """
        self.frozen_blocks = blocks
        for module in self.front(blocks) if blocks else []:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> CameraEncoder:
        """Set the training mode of what is not frozen."""
        super().train(mode)
        for module in self.front(self.frozen_blocks) if self.frozen_blocks else []:
            module.eval()
        return self
