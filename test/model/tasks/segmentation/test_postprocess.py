import numpy as np
import pytest
import torch
from support.samples import sample, small_config
from torch.nn import functional as F

from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.segmentation.postprocess import decode_mask
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask
from bev_semseg_ros.preprocessing import Sample


@pytest.mark.parametrize("smoothness", [1, 3, 50])
@pytest.mark.parametrize("classes", [6, 13, 38])
def test_the_mask_is_the_arg_max_of_the_upsampled_logits(smoothness, classes):
    torch.manual_seed(1)
    coarse = torch.randn(1, classes, max(24 // smoothness, 2), max(40 // smoothness, 2))
    logits = F.interpolate(coarse, size=(24, 40), mode="bicubic")
    expected = F.interpolate(logits, scale_factor=4, mode="bilinear").argmax(1)[0].numpy()
    assert (decode_mask(logits[0]) == expected).mean() > 0.9999


def test_logits_of_one_class_give_a_mask_of_this_class():
    logits = torch.zeros(13, 3, 5)
    logits[7] = 1
    mask = decode_mask(logits)
    assert (mask == 7).all()
    assert mask.shape == (12, 20)


def test_the_task_returns_a_mask_of_the_size_of_the_image():
    task = SegmentationTask(small_config(), load_label_set("driving_13"))
    seen = sample(size=(96, 64))
    cut = Sample.of(seen.points, np.ascontiguousarray(seen.image[:61, :93]), seen.camera)
    logits = torch.randn(1, 13, 16, 24)
    assert task.postprocess({"logits": logits}, seen).shape == (64, 96)
    assert task.postprocess({"logits": logits}, cut).shape == (61, 93)
