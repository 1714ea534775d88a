"""Camera encoders: an image (B, H, W, 3) uint8 RGB -> C2..C5 at strides 4, 8, 16, 32; sizes by ceil division.

Each encoder normalises the picture itself, because the normalisation belongs to the weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.layers import ConvBlock, residual_stage

IMAGE_MEAN, IMAGE_STD = (
    127 / 255,
    128 / 255,
)  # of the pixel / 255: what EfficientNet-Lite was trained with


def normalize(image: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32, about -1..1, channels last in memory."""
    return (image.permute(0, 3, 1, 2).float() - 255 * IMAGE_MEAN) * (1 / (255 * IMAGE_STD))


class CameraEncoder(nn.Module):
    """What both encoders share: `channels` of C2..C5 and a front that can be frozen."""

    channels: tuple[int, int, int, int]

    def __init__(self) -> None:
        super().__init__()
        self.frozen_blocks = 0

    def front(self, blocks: int) -> list[nn.Module]:
        """The stem and the first `blocks` blocks."""
        raise NotImplementedError

    def freeze(self, blocks: int) -> None:
        """Stop training the stem and the first `blocks` blocks, BatchNorm statistics included; 0 stops nothing."""
        self.frozen_blocks = blocks
        for module in self.front(blocks) if blocks else []:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> CameraEncoder:
        super().train(mode)
        for module in self.front(self.frozen_blocks) if self.frozen_blocks else []:
            module.eval()
        return self


class ResidualEncoder(CameraEncoder):
    """For a start without pretrained weights: a stem of 16, stages 32/64/128/192 of 1/2/2/2 residual blocks."""

    channels = (32, 64, 128, 192)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBlock(3, 16, stride=2)
        widths = (16, *self.channels)
        self.stages = nn.ModuleList(
            residual_stage(widths[i], widths[i + 1], n) for i, n in enumerate((1, 2, 2, 2))
        )

    def front(self, blocks: int) -> list[nn.Module]:
        return [self.stem, *[block for stage in self.stages for block in stage][:blocks]]

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(normalize(image).to(self.stem[0].weight.dtype))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": at stride 2 the extra column and row lie behind, not before.

    Even sizes are padded by (k - 2) // 2 before and (k - 1) // 2 after, odd ones by (k - 1) / 2 on both sides.
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
        if self.stride[0] == 2:
            height, width = (self.kernel_size[0] - 2 + int(size) % 2 for size in x.shape[-2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        if (
            self.training
            and self.groups > 1
            and self.weight.requires_grad
            and x.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
        ):
            # The backward pass of a depthwise convolution in bfloat16 takes 2 to 4 times as long as in float32.
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float()).to(torch.get_autocast_dtype("cpu"))
        return super().forward(x)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excite (Tan & Le 2019, the Lite variant): expand 1x1, depthwise, project 1x1."""

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
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.has_shortcut else y


class EfficientNetLite0(CameraEncoder):
    """EfficientNet-Lite0 up to its last stage; C2..C5 are the outputs of stages 2, 3, 5 and 7."""

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
        return [self.conv_stem, self.bn0, *self.blocks[:blocks]]

    def forward(self, image: Tensor) -> list[Tensor]:
        x = F.relu6(self.bn0(self.conv_stem(normalize(image).to(self.conv_stem.weight.dtype))))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taps:
                features.append(x)
        return features


def load_imagenet_weights(encoder: EfficientNetLite0, state: Mapping[str, Tensor]) -> None:
    """Begin from ImageNet: `state` as the EfficientNet-PyTorch family names it (`_blocks.0._bn1.weight`, ...).

    Its classifier is left aside. Raises ValueError naming what is missing or of another shape.
    """
    wanted = encoder.state_dict()
    found = {re.sub(r"(^|\.)_", r"\1", key): value for key, value in state.items()}
    # Older files lack the counters of BatchNorm, which nothing but a cumulative average needs.
    wrong = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked")
        and (key not in found or found[key].shape != value.shape)
    ]
    if wrong:
        raise ValueError(
            f"these are no EfficientNet-Lite0 weights: {len(wrong)} of {len(wanted)} entries are missing "
            f"or of another shape, the first is {wrong[0]}"
        )
    encoder.load_state_dict({key: found.get(key, value) for key, value in wanted.items()})


def build_camera_encoder(name: str) -> CameraEncoder:
    """The encoder of `ModelConfig.camera_encoder`. Raises ValueError for an unknown name."""
    encoders = {"efficientnet_lite0": EfficientNetLite0, "residual": ResidualEncoder}
    if name not in encoders:
        raise ValueError(
            f"model.camera_encoder: unknown {name!r}, expected one of {', '.join(encoders)}"
        )
    return encoders[name]()
