"""Layers that several parts of the network use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _PlainWeightGradient(torch.autograd.Function):
    """A convolution that computes the gradient of its weights from tensors not in channels_last.

    On processors without AVX-512, this gradient takes oneDNN two to six times as long in
    channels_last. Everything else is faster in channels_last.
    """

    @staticmethod
    def forward(  # type: ignore[override]  # its arguments are ours to choose
        context: Any, x: Tensor, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...]
    ) -> Tensor:
        context.save_for_backward(x, weight)
        context.geometry = (list(stride), list(padding), [1, 1], False, [0, 0], 1)
        return F.conv2d(x, weight, None, stride, padding)

    @staticmethod
    def backward(  # type: ignore[override]
        context: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = context.saved_tensors
        of_x = of_weight = None
        if context.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, *context.geometry, [True, False, False]
            )[0]
        if context.needs_input_grad[1]:
            plain = (tensor.contiguous() for tensor in (gradient, x, weight))
            of_weight = torch.ops.aten.convolution_backward(
                *plain, None, *context.geometry, [False, True, False]
            )[1]
        return of_x, of_weight, None, None


class TrainedConv(nn.Conv2d):
    """A convolution without bias, with a fast backward pass on every processor."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, C, H, W)."""
        if self.training and self.kernel_size == (1, 1) and x.device.type == "cpu":
            # With a stride and few channels, oneDNN writes beyond its memory when it computes the
            # gradient of the weights: https://github.com/uxlfoundation/oneDNN/issues/6035
            rows, columns = self.stride
            return F.conv2d(x[:, :, ::rows, ::columns], self.weight)
        if (
            self.training
            and x.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and torch.backends.cpu.get_cpu_capability() == "AVX2"
        ):
            padding = self.kernel_size[0] // 2, self.kernel_size[1] // 2
            return _PlainWeightGradient.apply(x, self.weight, self.stride, padding)
        return super().forward(x)


class ConvBlock(nn.Sequential):
    """Convolution without bias, BatchNorm and ReLU, padded so that stride 1 keeps the size."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        """Build the layers.

        Args:
            inputs: number of input channels.
            outputs: number of output channels.
            kernel: side of the kernel.
            stride: stride of the convolution.
            relu: False leaves the ReLU out.
        """
        layers: list[nn.Module] = [
            TrainedConv(inputs, outputs, kernel, stride),
            nn.BatchNorm2d(outputs),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class GroupedConv(nn.Conv2d):
    """A convolution that may be depthwise, with a fast backward pass on every processor.

    On a CPU, the backward pass of a depthwise convolution takes 2 to 4 times as long in bfloat16.
    Therefore it is trained in float32 there.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, C, H, W)."""
        if (
            self.training
            and self.groups > 1
            and self.weight.requires_grad
            and x.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
        ):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float()).to(torch.get_autocast_dtype("cpu"))
        return super().forward(x)


class SeparableBlock(nn.Sequential):
    """A depthwise 3x3 convolution, then a 1x1 one, each with BatchNorm and ReLU; keeps the size."""

    def __init__(self, inputs: int, outputs: int, rate: int = 1) -> None:
        """Build the layers.

        Args:
            inputs: number of input channels.
            outputs: number of output channels.
            rate: dilation of the 3x3 convolution (atrous if above 1).
        """
        depthwise = GroupedConv(
            inputs, inputs, 3, padding=rate, dilation=rate, groups=inputs, bias=False
        )
        super().__init__(
            depthwise,
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            *ConvBlock(inputs, outputs, 1),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016): (B, C, H, W) -> ceil(size / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs, stride=stride)
        self.second = ConvBlock(outputs, outputs, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = ConvBlock(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, outputs, ceil(H / stride), ceil(W / stride))."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


def residual_stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Return a residual block of stride 2 and `blocks` - 1 of stride 1."""
    return nn.Sequential(
        ResidualBlock(inputs, outputs, 2),
        *[ResidualBlock(outputs, outputs) for _ in range(blocks - 1)],
    )


class PointNorm(nn.BatchNorm1d):
    """BatchNorm of the features of points. A single point is normalised as in evaluation.

    A single point has no variance, for which torch would raise an error during training.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised features of points (N, C)."""
        if len(x) > 1:
            return super().forward(x)
        statistics = self.running_mean, self.running_var
        return F.batch_norm(x, *statistics, self.weight, self.bias, eps=self.eps)


class Float32Linear(nn.Linear):
    """A linear layer that computes in float32, even under autocast. See `Float32Conv`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the product for x (N, C) in float32."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class Float32Conv(nn.Conv2d):
    """A 1x1 convolution that computes in float32, even under autocast.

    The last layer of a head is of this kind. bfloat16 has only eight bits of mantissa: neighbouring
    cells would get equal scores, and an object could have two peaks.
    """

    bias: Tensor  # it always has one

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, C, H, W) in float32."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())
