"""A user-defined lidar encoder, named by `module:Class`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.samples import lidar_sample, run, small_config

from bev_semseg_ros.config import to_dict
from bev_semseg_ros.frame import Frame
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.encoders.lidar import LidarEncoder
from bev_semseg_ros.preprocessing import Sample


def network(config=None, seed=0):
    torch.manual_seed(seed)
    return build_network(config or small_config()).eval()


class RingEncoder(LidarEncoder):
    """Writes the ring of each point, and the height of its lidar, into the point's pillar."""

    attributes = ("ring",)

    def __init__(self, grid, point_channels, channels):
        super().__init__(grid, point_channels, 2)

    def forward(self, batch, point_features):
        canvas = batch.points.new_zeros(len(batch), *self.grid.shape, self.channels)
        low = batch.points.new_tensor([self.grid.x_min, self.grid.y_min])
        x, y = ((batch.points[:, :2] - low) / self.grid.cell).long().unbind(1)
        height = batch.ego_from_lidar[batch.point_lidar, 2, 3]
        canvas[batch.point_batch, x, y] = torch.stack([batch.point_attributes["ring"], height], 1)
        return canvas


OWN_ENCODER = "ring_encoder_of_a_test:RingEncoder"


@pytest.fixture
def own_encoder(monkeypatch):
    """Make RingEncoder importable as `OWN_ENCODER`, and return this name."""
    import sys
    import types

    module = types.ModuleType("ring_encoder_of_a_test")
    module.RingEncoder = RingEncoder
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return OWN_ENCODER


def test_attributes_and_pose_reach_a_lidar_encoder_that_requests_them(own_encoder):
    model = network(small_config(lidar_encoder=own_encoder))
    pose = np.eye(4)
    pose[2, 3] = 1.7
    point = np.array([[5.1, 0.3, 0.5, 0.2]], np.float32)
    known = Sample.of(point, None, None, pose, {"ring": np.array([7.0])})
    unknown = Sample.of(point, None, None, np.eye(4))
    batch = Batch.from_samples([known, unknown], model.lidar_encoder.attributes)
    canvas, *_ = model.bev_inputs(batch, [])
    assert canvas[0, 25, 65].tolist() == pytest.approx([7.0, 1.7])
    assert canvas[1, 25, 65].isnan().tolist() == [True, False]


def test_attributes_and_pose_reach_a_lidar_encoder_through_a_predictor(own_encoder, monkeypatch):
    config = small_config(lidar_encoder=own_encoder)
    pose = np.eye(4)
    pose[2, 3] = 1.7
    points = np.array([[5.1, 0.3, -1.2, 0.2], [500, 0, 0, 0], [9.1, 0.3, -1.2, 0.2]], np.float32)
    frame = Frame.of(0, points, pose, None, None, point_attributes={"ring": np.array([3, 4, 5])})
    seen = []
    forward = RingEncoder.forward

    def watched(self, batch, point_features):
        seen.append((batch.point_attributes["ring"].tolist(), batch.ego_from_lidar[0, 2, 3].item()))
        return forward(self, batch, point_features)

    monkeypatch.setattr(RingEncoder, "forward", watched)
    predictor = Predictor.from_network(network(config), config)
    assert predictor.point_attributes == ("ring",)
    predictor.predict(frame, "lidar_only")
    assert seen == [([3.0, 5.0], pytest.approx(1.7))]


@pytest.mark.slow
def test_a_checkpoint_with_a_user_defined_class_can_be_loaded(own_encoder, tmp_path):
    config = small_config(lidar_encoder=own_encoder)
    model = network(config)
    path = tmp_path / "own.pt"
    checkpoint.save(path, model, config, {})
    again = checkpoint.load(path).build().eval()
    assert type(again.lidar_encoder) is RingEncoder
    assert to_dict(checkpoint.load(path).config) == to_dict(config)
    seen = replace(lidar_sample(), point_attributes={"ring": np.zeros(400)})
    assert torch.equal(*(run(each, seen)["detection"]["heatmap"] for each in (model, again)))
