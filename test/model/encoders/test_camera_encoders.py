import pytest
import torch

from bev_semseg_ros.inference.engine import lower_precision
from bev_semseg_ros.model.encoders.camera import CameraEncoder
from bev_semseg_ros.model.encoders.efficientnet import EfficientNetLite0
from bev_semseg_ros.model.encoders.residual import ResidualEncoder


def image(height, width, count=1):
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)


@pytest.mark.parametrize("kind", [EfficientNetLite0, ResidualEncoder])
@pytest.mark.parametrize("size", [(400, 640), (80, 96), (67, 97)])
def test_features_have_the_promised_channels_and_sizes_rounded_up(kind, size):
    encoder = kind().eval()
    with torch.inference_mode():
        shapes = [tuple(feature.shape) for feature in encoder(image(*size))]
    assert shapes == [
        (1, channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip(encoder.channels, (4, 8, 16, 32), strict=True)
    ]


def test_pixels_are_normalized_to_minus_one_to_one():
    pixel = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    values = ResidualEncoder().normalize(pixel).flatten()
    assert values.tolist() == pytest.approx([-127 / 128, 0, 1])


def test_a_user_defined_encoder_runs_in_bfloat16():
    class Own(CameraEncoder):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 1)

        def forward(self, image):
            return [self.layer(self.normalize(image))]

    encoder = Own()
    lower_precision(encoder, torch.bfloat16)
    assert encoder(image(8, 8))[0].dtype == torch.bfloat16


def test_a_stride_of_two_pads_even_sizes_at_the_end_as_tensorflow_does():
    encoder = EfficientNetLite0()
    with torch.no_grad():
        encoder.conv_stem.weight.zero_()
        encoder.conv_stem.weight[0, 0, 0, 0] = 1  # passes on the first pixel of its window
        picture = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 3, 1, 1)
        assert encoder.conv_stem(picture)[0, 0].tolist() == [[0, 2], [8, 10]]


def imagenet_state():
    """Return weights named as in EfficientNet-PyTorch, with a classifier at the end."""
    state = {}
    for key, value in EfficientNetLite0().state_dict().items():
        parts = key.split(".")
        names = [
            part
            if part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            or part.isdigit()
            else f"_{part}"
            for part in parts
        ]
        state[".".join(names)] = torch.rand(value.shape) if value.is_floating_point() else value
    return state | {"_fc.weight": torch.rand(1000, 1280)}


def test_imagenet_weights_with_other_names_are_loaded():
    encoder, state = EfficientNetLite0(), imagenet_state()
    encoder.load_pretrained(state)
    assert torch.equal(
        encoder.blocks[3].depthwise_conv.weight, state["_blocks.3._depthwise_conv.weight"]
    )


def test_incomplete_imagenet_weights_are_refused_with_the_missing_name():
    state = imagenet_state()
    del state["_blocks.2._bn1.weight"]
    with pytest.raises(ValueError, match=r"blocks\.2\.bn1\.weight"):
        EfficientNetLite0().load_pretrained(state)


@pytest.mark.parametrize("kind", [EfficientNetLite0, ResidualEncoder])
def test_frozen_blocks_update_neither_their_weights_nor_their_statistics(kind):
    encoder = kind()
    encoder.freeze(2)
    encoder.train()
    front = torch.nn.ModuleList(encoder.front(2))
    before = {key: value.clone() for key, value in front.state_dict().items()}
    sum(feature.mean() for feature in encoder(image(64, 64, 2))).backward()
    assert all(torch.equal(before[key], value) for key, value in front.state_dict().items())
    assert all(parameter.grad is None for parameter in front.parameters())
    assert any(parameter.grad is not None for parameter in encoder.parameters())


def test_a_user_defined_encoder_that_lists_no_blocks_is_never_frozen():
    class Own(CameraEncoder):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 1)

    encoder = Own()
    encoder.freeze(2)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder.train().layer.training


def test_training_under_autocast_gives_bfloat16_features():
    encoder = EfficientNetLite0().train()
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(image(64, 64, 2))
    assert {feature.dtype for feature in features} == {torch.bfloat16}
