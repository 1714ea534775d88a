"""The interface of camera encoders: image -> C2..C5 at strides 4, 8, 16 and 32.

Each encoder normalises the image itself, because the normalisation belongs to its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

# Of pixel / 255, as in the training of EfficientNet-Lite.
IMAGE_MEAN, IMAGE_STD = 127 / 255, 128 / 255


class CameraEncoder(nn.Module):
    """Base class of camera encoders, whose first blocks can be frozen.

    `forward(image: Tensor) -> list[Tensor]` takes an image (B, H, W, 3) uint8 RGB and returns
    C2..C5, each (B, C, ceil(H / stride), ceil(W / stride)). Inference with the precision bf16 or
    fp16 converts the weights to this type, and the normalised image must have the same one.

    Attributes:
        channels: numbers of channels of C2..C5.
    """

    channels: ClassVar[tuple[int, int, int, int]]

    def __init__(self) -> None:
        super().__init__()
        self.frozen_blocks = 0

    def normalize(self, image: Tensor) -> Tensor:
        """Convert (B, H, W, 3) uint8 to (B, 3, H, W) of about -1..1, in the type of the weights.

        The result is in channels_last.
        """
        values = image.permute(0, 3, 1, 2).float()
        values = (values - 255 * IMAGE_MEAN) * (1 / (255 * IMAGE_STD))
        return values.to(next(self.parameters()).dtype)

    def front(self, blocks: int) -> list[nn.Module]:
        """Return the stem and the first `blocks` blocks.

        An encoder that does not override this method is never frozen.
        """
        return []

    def pretrained_file(self) -> str:
        """Return the path of the file with the ImageNet weights; empty if there are none.

        Raises:
            ValueError: the package that contains the file is not installed.
        """
        return ""

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Load ImageNet weights.

        Args:
            state: name -> weight, from the file `pretrained_file`.

        Raises:
            ValueError: names the first weight that is missing or of another shape.
        """
        raise NotImplementedError

    def freeze(self, blocks: int) -> None:
        """Stop training the stem and the first `blocks` blocks, BatchNorm statistics included.

        Args:
            blocks: number of blocks to freeze; 0 freezes nothing, not even the stem.
        """
        self.frozen_blocks = blocks
        for module in self.front(blocks) if blocks else []:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> CameraEncoder:
        """Set the training mode of the parts that are not frozen."""
        super().train(mode)
        for module in self.front(self.frozen_blocks) if self.frozen_blocks else []:
            module.eval()
        return self
