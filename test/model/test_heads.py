import torch
from bev_semseg_ros.model.heads import DetectionHead, SegmentationHead


def test_the_segmentation_head_keeps_the_size():
    with torch.inference_mode():
        assert SegmentationHead(16, 16, 13).eval()(torch.rand(2, 16, 5, 7)).shape == (2, 13, 5, 7)


def test_the_detection_head_gives_a_heatmap_and_ten_numbers_per_cell():
    with torch.inference_mode():
        heatmap, regression = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
    assert heatmap.shape == (2, 4, 5, 7) and regression.shape == (2, 10, 5, 7)


def test_an_untrained_head_expects_empty_cells():
    with torch.inference_mode():
        heatmap, _ = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
    assert torch.sigmoid(heatmap).max() < 0.1


def test_last_layers_answer_in_float32_under_autocast():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        heatmap, regression = DetectionHead(16, 16, 4).eval()(torch.rand(2, 16, 5, 7))
        logits = SegmentationHead(16, 16, 13).eval()(torch.rand(2, 16, 5, 7))
    assert {heatmap.dtype, regression.dtype, logits.dtype} == {torch.float32}
