import dataclasses
from functools import cache

import numpy as np
import pytest
import yaml
from support.simple_scene import POSES_AROUND, street

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, rotation_z, transform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.classes import IGNORED_PIXEL
from bev_semseg_ros.sim.rigs.camera_effects import CameraEffects
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.record import describe
from bev_semseg_ros.sim.rigs.source import FixedRig, RandomRigs, rig_source
from bev_semseg_ros.sim.sensors.lidar import _beams, _inside_any_image, _rays_of, scan
from bev_semseg_ros.sim.sensors.sweep import seen_from
from bev_semseg_ros.sim.writers import WRITERS

RIG_COUNT = 300


@cache
def rigs():
    source = RandomRigs(3)
    return [source.rig_of(scene) for scene in range(RIG_COUNT)]


def vehicle_from_camera(rig):
    view = invert(rig.reference_camera.camera_from_ego) @ OPTICAL_FROM_VIEW
    return rig.vehicle_from_ego @ view


def test_a_rig_depends_only_on_seed_and_scene():
    first, again = (describe(RandomRigs(3).rig_of(7)) for _ in range(2))
    assert first == again
    assert first != describe(RandomRigs(3).rig_of(8)) != describe(RandomRigs(4).rig_of(7))


def test_lidars_are_within_the_bounds_that_the_docs_name():
    for rig in rigs():
        for lidar in rig.lidars:
            assert 16 <= len(lidar.elevations) <= 130
            assert len(lidar.heights) == len(lidar.elevations)
        main = rig.lidars[0].ego_from_lidar
        assert 1.2 <= main[2, 3] <= 2.8
        assert np.degrees(np.arccos(main[2, 2])) <= np.hypot(3, 3)
        assert 35 <= rig.max_range <= 200
    assert {len(rig.lidars) for rig in rigs()} >= {1, 2, 3}
    assert len({rig.lidars[0].model for rig in rigs()}) == 9


def test_no_lidar_is_inside_the_vehicle():
    for rig in rigs():
        for lidar in rig.lidars:
            place = apply(rig.vehicle_from_ego, lidar.ego_from_lidar[:3, 3])
            assert not any(part.contains(place) for part in rig.body)


def test_cameras_are_within_the_bounds_that_the_docs_name():
    for rig in rigs():
        camera = rig.reference_camera
        width, height = camera.size
        assert 44 <= np.degrees(2 * np.arctan(width / 2 / camera.matrix[0, 0])) <= 111
        assert 1.2 <= width / height <= 3.3 and 150_000 <= width * height <= 650_000
        pose = vehicle_from_camera(rig)
        assert 1.1 <= pose[2, 3] <= 2.2 and abs(pose[1, 3]) < 0.95
        # The ego frame is rotated so that the camera looks along x.
        looks = (invert(camera.camera_from_ego) @ OPTICAL_FROM_VIEW)[:3, 0]
        assert looks[0] > np.cos(np.radians(10))


def test_cameras_look_to_the_front_to_the_sides_and_to_the_rear():
    yaws = np.degrees([np.arctan2(*rig.vehicle_from_ego[[1, 0], 0]) for rig in rigs()])
    assert np.mean(yaws == 0) > 0.6
    assert np.any((yaws > 35) & (yaws < 105)) and np.any((yaws < -35) & (yaws > -105))
    assert np.any(np.abs(yaws) > 165)


def test_sweeps_offsets_and_conventions_all_occur():
    sweeps = [rig.sweep for rig in rigs()]
    assert None in sweeps
    assert {sweep.is_corrected for sweep in sweeps if sweep} == {True, False}
    assert {sweep.direction for sweep in sweeps if sweep} == {-1, 1}
    assert max(abs(rig.effects.delay) for rig in rigs()) > 0.04
    assert any(rig.intensity_gain == 0 for rig in rigs())
    assert any(np.isfinite(rig.fade_range) for rig in rigs())
    assert any(np.isfinite(rig.dark_range) for rig in rigs())
    assert 0.15 < np.mean([rig.bonnet is not None for rig in rigs()]) < 0.5


@pytest.mark.parametrize("name", ["kitti", "a2d2", 0, 1, 2, 3])
def test_the_quick_search_finds_all_rays_in_the_images(name):
    rig = RIGS[name] if isinstance(name, str) else RandomRigs(11).rig_of(name)
    rig = dataclasses.replace(rig, body=())
    whole, found = _rays_of(rig, True), _rays_of(rig, False)
    origins, directions = _beams(rig, whole, whole.azimuths, np.zeros(rig.beam_shape))
    inside = np.zeros(len(origins), bool)
    for distance in (2.0, 8.0, 1000.0):
        inside |= _inside_any_image(origins + distance * directions, rig, margin=0.03)

    def keys(rays, kept):
        return set(zip(rays.lidars[kept], rays.rings[kept], rays.azimuths[kept], strict=True))

    assert keys(whole, inside) <= keys(found, slice(None))


def test_rays_blocked_by_the_vehicle_do_not_depend_on_the_yaw_of_the_ego_frame():
    rig = RIGS["kitti"]
    turned = dataclasses.replace(
        rig,
        vehicle_from_ego=transform(rotation_z(np.pi / 2)),
        lidars=tuple(
            dataclasses.replace(
                lidar,
                ego_from_lidar=transform(rotation_z(-np.pi / 2)) @ lidar.ego_from_lidar,
                azimuth_step=np.radians(1),
            )
            for lidar in rig.lidars
        ),
    )
    straight = dataclasses.replace(
        rig,
        lidars=tuple(
            dataclasses.replace(lidar, azimuth_step=np.radians(1)) for lidar in rig.lidars
        ),
    )
    assert np.array_equal(_rays_of(straight, True).azimuths, _rays_of(turned, True).azimuths)


@pytest.mark.usefixtures("kernels")
def test_a_rotated_ego_frame_has_the_same_points_and_boxes_in_the_world():
    view = street(poses=POSES_AROUND)
    turned = seen_from(view, transform(rotation_z(np.pi / 2), (0, 0.2, 0)))
    back = transform(rotation_z(np.pi / 2), (0, 0.2, 0))
    assert np.allclose(apply(back, turned.boxes.centers), view.boxes.centers)
    rig = silent(RIGS["kitti"])
    points = scan(turned, rig, full_turn=True)
    assert np.abs(points.positions[points.positions[:, 2] < 0.3, 2]).max() < 0.31
    left = points.positions[points.objects == 2]
    assert len(left) and left[:, 0].mean() > 4  # the car to the left is ahead now


def silent(rig):
    return dataclasses.replace(rig, range_sigma=0.0, ring_sigma=0.0, beam_sigma=0.0)


def test_vignetting_darkens_the_corners_and_jpeg_changes_little():
    image = np.full((60, 90, 3), 200, np.uint8)
    dark = CameraEffects(vignette=0.8).apply(image)
    assert dark[30, 45].min() > 195 and dark[0, 0].max() < 120
    noisy = np.random.default_rng(0).integers(90, 160, (60, 90, 3)).astype(np.uint8)
    stored = CameraEffects(jpeg_quality=90).apply(noisy)
    assert not np.array_equal(stored, noisy)
    assert np.abs(stored.astype(float) - noisy).mean() < 15
    assert np.array_equal(CameraEffects().apply(noisy), noisy)


def test_a_bonnet_is_below_the_camera_and_has_no_class():
    with_bonnet = [rig for rig in rigs() if rig.bonnet is not None]
    for rig in with_bonnet[:40]:
        mesh = rig.bonnet.mesh(MaterialTable(np.random.default_rng(0)))
        assert set(mesh.labels) == {IGNORED_PIXEL}
        camera = invert(rig.reference_camera.camera_from_ego)[:3, 3]
        assert mesh.triangles[..., 2].max() < camera[2] - 0.05
        assert np.isfinite(mesh.normals).all()


def test_a_merged_cloud_is_written_levelled_and_read_as_one(tmp_path):
    rig = next(rig for rig in rigs() if len(rig.lidars) > 1)
    view = street()
    points = scan(view, rig)
    writer = WRITERS["kitti"](tmp_path, rig, 3, 1)
    writer.begin()
    camera = rig.reference_camera
    image = np.zeros((camera.size[1], camera.size[0], 3), np.uint8)
    writer.write(0, 0, view, points, {"image_02": image}, {"image_02": image[..., 0]})
    writer.write_rig(0)
    writer.finish([0])
    frame, annotation = open_dataset(tmp_path)[0]
    assert frame.missing == () and len(frame.lidars) == 1
    in_ego = apply(next(iter(frame.lidars.values())).ego_from_lidar, frame.points[:, :3])
    assert np.allclose(in_ego, points.positions, atol=1e-4)
    assert np.allclose(frame.camera.image_from_ego, camera.image_from_ego, atol=1e-6)
    seen = np.unique(points.objects[points.objects >= 0])
    drawn = rig.convention.apply(view.boxes[seen])
    assert np.allclose(annotation.boxes.centers, drawn.centers, atol=1e-3)
    assert np.allclose(np.sin(annotation.boxes.yaws - drawn.yaws), 0, atol=2e-3)
    assert np.allclose(annotation.boxes.sizes, drawn.sizes, atol=1e-3)
    record = yaml.safe_load((tmp_path / "training/rigs/scene_0000.yaml").read_text())
    assert [lidar["beams"] for lidar in record["lidars"]] == [
        len(lidar.elevations) for lidar in rig.lidars
    ]
    assert record["cameras"]["image_02"]["size"] == list(camera.size)


def test_rig_sources_are_made_from_names_and_rigs():
    assert rig_source("kitti", 1, (200, 100)).rig_of(5).reference_camera.size == (200, 100)
    own = rig_source(RIGS["kitti"], 1)
    other = rig_source(dataclasses.replace(RIGS["kitti"], max_range=70.0), 1)
    assert own.name == other.name == "kitti" and own.digest != other.digest != ""
    assert own.rig_of(0) is own.rig_of(1)
    source = FixedRig(RIGS["a2d2"])
    assert rig_source(source, 1) is source
    with pytest.raises(ValueError, match="random rigs have sizes of their own"):
        rig_source("random", 1, (200, 100))
    with pytest.raises(ValueError, match=r"unknown rig 'waymo', expected one of .*random"):
        rig_source("waymo", 1)
