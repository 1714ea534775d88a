"""The predictor with several lidars and cameras, any of which may be missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.inference import THRESHOLD, new_predictor, rig_frame, shared_predictor

from bev_semseg_ros.frame import LidarScan
from bev_semseg_ros.preprocessing import prepare

pytestmark = pytest.mark.slow


def test_each_camera_of_a_rig_has_the_same_mask_as_alone(simple):
    rig = rig_frame()
    together = simple.predict(rig)
    assert list(together.masks) == list(together.cameras) == list(rig.cameras)
    for name, seen in rig.cameras.items():
        alone = simple.predict(replace(rig, cameras={name: seen}))
        assert np.array_equal(together.masks[name], alone.masks[name]), name
        assert together.cameras[name].size == together.masks[name].shape[::-1]


def test_points_of_several_lidars_give_the_same_boxes_as_those_of_one(simple):
    rig = rig_frame()
    one = replace(rig, lidars={"lidar": LidarScan(prepare(rig, simple.config).points, np.eye(4))})
    found, expected = (simple.predict(each, "fused", THRESHOLD).boxes for each in (rig, one))
    assert len(expected) > 0
    np.testing.assert_allclose(found.centers, expected.centers, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_engines_agree_on_a_rig_and_any_camera_may_be_missing(simple):
    pytest.importorskip("openvino")
    ready = shared_predictor("openvino", "fp32")
    rig = rig_frame()
    for missing in (None, *rig.cameras):
        cameras = dict(rig.cameras)
        if missing is not None:
            cameras[missing] = replace(cameras[missing], image=None)
        seen = replace(rig, cameras=cameras)
        found, expected = (each.predict(seen, "fused", THRESHOLD) for each in (ready, simple))
        assert list(found.masks) == [name for name in rig.cameras if name != missing]
        assert len(found.boxes) == len(expected.boxes) > 0
        np.testing.assert_allclose(found.boxes.centers, expected.boxes.centers, atol=1e-3)


def test_a_lost_camera_costs_no_compilation():
    ready = new_predictor("torch", "fp32")
    rig = rig_frame()
    one_size = {name: rig.cameras[name] for name in ("front", "left")}
    ready.predict(replace(rig, cameras=one_size))
    compiled = []
    compile_module = ready._network.camera._compile
    ready._network.camera._compile = lambda *given: compiled.append(1) or compile_module(*given)
    for cameras in ({"left": rig.cameras["left"]}, one_size, {"front": rig.cameras["front"]}):
        ready.predict(replace(rig, cameras=cameras))
    assert compiled == []


@pytest.mark.parametrize("names", [("front", "left"), ("front", "small")])
def test_after_warming_up_neither_all_cameras_nor_fewer_cost_a_compilation(names):
    ready = new_predictor("torch", "fp32", "cross_attention")
    rig = rig_frame()
    cameras = {name: rig.cameras[name] for name in names}
    ready.warm_up([seen.camera.size for seen in cameras.values()])
    compiled = dict(ready._network.bev._compiled)
    for seen in (cameras, *({name: each} for name, each in cameras.items()), {}):
        ready.predict(replace(rig, cameras=seen))
    assert ready._network.bev._compiled.keys() == compiled.keys()


def test_after_warming_up_three_cameras_of_two_sizes_cost_no_compilation():
    ready = new_predictor("torch", "fp32", "cross_attention")
    rig = rig_frame()
    ready.warm_up([seen.camera.size for seen in rig.cameras.values()])
    compiled = dict(ready._network.bev._compiled)
    ready.predict(rig)
    assert ready._network.bev._compiled.keys() == compiled.keys()
