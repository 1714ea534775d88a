import torch

from bev_semseg_ros.model.necks.fpn import Fpn

CHANNELS = (24, 40, 112, 320)


def features(height=25, width=40):
    sizes = [(-(-height * 4 // stride), -(-width * 4 // stride)) for stride in (4, 8, 16, 32)]
    return [torch.rand(1, channels, *size) for channels, size in zip(CHANNELS, sizes, strict=True)]


def test_p2_has_the_size_of_c2_whatever_the_coarser_levels_round_to():
    neck = Fpn(CHANNELS, 64).eval()
    with torch.inference_mode():
        assert neck(features()).shape == (1, 64, 25, 40)
    assert neck.channels == 64


def test_what_is_far_away_in_the_image_reaches_every_place():
    torch.manual_seed(0)
    neck, changed = Fpn(CHANNELS, 64).eval(), features(100, 160)
    with torch.inference_mode():
        before = neck(changed)[..., -1, -1]
        changed[3][..., 0, 0] += 100
        assert (neck(changed)[..., -1, -1] - before).abs().max() > 1e-3
