import pytest
import torch

from bev_semseg_ros.config import ModelConfig
from bev_semseg_ros.model.bev_backbone import BevBackbone


@pytest.mark.parametrize("size", [(32, 32), (36, 52), (30, 34)])
def test_the_map_has_half_the_canvas_size(size):
    with torch.inference_mode():
        bev = BevBackbone(8, (12, 16, 20), (1, 2, 2), 10).eval()(torch.rand(1, 8, *size))
    assert bev.shape == (1, 10, size[0] // 2, size[1] // 2)


def test_widths_and_blocks_of_different_length_are_refused():
    with pytest.raises(ValueError, match="bev_blocks"):
        ModelConfig(bev_channels=(12, 16, 20), bev_blocks=(1, 2))
    with pytest.raises(ValueError):
        BevBackbone(8, (12, 16, 20), (1, 2), 10)
