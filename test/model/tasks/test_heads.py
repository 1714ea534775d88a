import torch

from bev_semseg_ros.model.tasks.detection.head import DetectionHead
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead


def test_the_segmentation_head_keeps_the_size():
    with torch.inference_mode():
        (logits,) = SegmentationHead(16, 16, 13).eval()(torch.rand(2, 16, 5, 7))
    assert logits.shape == (2, 13, 5, 7)


def test_the_detection_head_gives_a_heatmap_and_ten_numbers_per_cell():
    with torch.inference_mode():
        heatmap, regression = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
    assert heatmap.shape == (2, 4, 5, 7) and regression.shape == (2, 10, 5, 7)


def test_an_untrained_detection_head_predicts_empty_cells():
    with torch.inference_mode():
        heatmap, _ = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
    assert torch.sigmoid(heatmap).max() < 0.1


def test_last_layers_return_float32_under_autocast():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        heatmap, regression = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
        (logits,) = SegmentationHead(16, 16, 13).eval()(torch.rand(2, 16, 5, 7))
    assert {heatmap.dtype, regression.dtype, logits.dtype} == {torch.float32}


def test_heads_name_their_outputs_and_the_layers_whose_channels_are_classes():
    assert DetectionHead.outputs == ("heatmap", "regression")
    assert SegmentationHead.outputs == ("logits",)
    for head in (DetectionHead(16, 16, 4), SegmentationHead(16, 16, 4)):
        for layer in head.class_layers:
            assert getattr(head, layer).out_channels == 4
