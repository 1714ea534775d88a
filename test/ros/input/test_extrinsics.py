"""The poses of the sensors from each source.

tf2_ros is used if it is installed. Otherwise a substitute for its Buffer is, which tests our
geometry and not that of tf2.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TransformStamped
from rclpy.time import Time
from std_msgs.msg import Header

from bev_semseg_ros.data.calibration import Calibration, CameraMount, LidarMount
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, quaternion_from_rotation
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input import extrinsics
from bev_semseg_ros.ros.input.extrinsics import (
    MissingTransform,
    TfExtrinsics,
    ego_below,
    open_extrinsics,
    pose_matrix,
)
from bev_semseg_ros.ros.node.parameters import Parameters

S = 1_000_000_000
GROUND = -0.4
LIDAR_POSE = [1.2, -0.3, 1.6, 3.1, 0.4, -2.0]  # hangs upside down and looks back
CAMERA_POSE = [1.9, 0.1, 1.1, 0.02, 0.1, -0.3]
POINTS = np.array([[10.0, 2, 0.5], [25, -4, 1.7], [3, 0, 0]])  # in the vehicle's frame


class StandInError(Exception):
    pass


class StandInBuffer:
    """Looks up what was set as tf2_ros.Buffer would, without interpolation."""

    def __init__(self, *_) -> None:
        self._known: dict[str, tuple[str, dict[int, np.ndarray]]] = {}
        self._static: set[str] = set()

    def set_transform(self, message: TransformStamped, authority: str) -> None:
        where, turn = message.transform.translation, message.transform.rotation
        matrix = np.eye(4)
        matrix[:3, :3] = extrinsics.rotation_from_quaternion((turn.x, turn.y, turn.z, turn.w))
        matrix[:3, 3] = where.x, where.y, where.z
        stamps = self._known.setdefault(message.child_frame_id, (message.header.frame_id, {}))[1]
        if not stamps or stamp_ns(message.header.stamp) > max(stamps) - 10 * S:
            stamps[stamp_ns(message.header.stamp)] = matrix

    def set_transform_static(self, message: TransformStamped, authority: str) -> None:
        self.set_transform(message, authority)
        self._static.add(message.child_frame_id)

    def clear(self) -> None:
        self._known = {
            frame: found for frame, found in self._known.items() if frame in self._static
        }

    def lookup_transform(self, target: str, source: str, time: Time, timeout) -> TransformStamped:
        return transform_message(
            target,
            source,
            invert(self._from_root(target, time.nanoseconds))
            @ self._from_root(source, time.nanoseconds),
        )

    def _from_root(self, frame: str, stamp: int) -> np.ndarray:
        if frame not in self._known:
            if frame != "base_link":
                raise StandInError(f'"{frame}" does not exist.')
            return np.eye(4)
        parent, stamps = self._known[frame]
        if frame not in self._static and stamp and stamp not in stamps:
            raise StandInError(f"Lookup would require extrapolation at {stamp}")
        key = max(stamps) if frame in self._static or not stamp else stamp
        return self._from_root(parent, stamp) @ stamps[key]


def at(source, cloud: Header, image: Header | None = None):
    """The poses of one lidar and one camera."""
    return source.at({LIDAR: cloud}, {} if image is None else {CAMERA: image})


def header(frame: str, stamp: int = S) -> Header:
    made = Header(frame_id=frame)
    made.stamp.sec, made.stamp.nanosec = divmod(stamp, S)
    return made


def transform_message(
    parent: str, child: str, matrix: np.ndarray, stamp: int = S
) -> TransformStamped:
    message = TransformStamped(header=header(parent, stamp), child_frame_id=child)
    where, turn = message.transform.translation, message.transform.rotation
    where.x, where.y, where.z = matrix[:3, 3].tolist()
    turn.x, turn.y, turn.z, turn.w = quaternion_from_rotation(matrix[:3, :3]).tolist()
    return message


@pytest.fixture
def buffer(monkeypatch):
    """A Buffer that knows base_link -> mast -> lidar and base_link -> camera (optical)."""
    if extrinsics.tf2_ros is None:
        monkeypatch.setattr(
            extrinsics,
            "tf2_ros",
            SimpleNamespace(TransformException=StandInError, Buffer=StandInBuffer),
        )
    buffer, mast = extrinsics.tf2_ros.Buffer(), pose_matrix([0.5, 0, 1, 0, 0, 0.7])
    for parent, child, matrix in (
        ("base_link", "mast", mast),
        ("mast", "lidar", invert(mast) @ pose_matrix(LIDAR_POSE)),
        ("base_link", "camera", pose_matrix(CAMERA_POSE) @ invert(OPTICAL_FROM_VIEW)),
    ):
        buffer.set_transform_static(transform_message(parent, child, matrix), "test")
    return buffer


def from_parameters(**changes):
    return open_extrinsics(
        None,
        Parameters(
            **{
                "extrinsics": "parameters",
                "lidar_pose": LIDAR_POSE,
                "camera_pose": CAMERA_POSE,
                "ground_height": GROUND,
                **changes,
            }
        ),
        None,
    )


def from_file(**changes):
    """The same rig as a calibration of our own YAML would hold it."""
    ego_from_base = ego_below(pose_matrix(LIDAR_POSE), GROUND)
    camera = Camera(
        np.diag([100.0, 100, 1]),
        (64, 32),
        OPTICAL_FROM_VIEW @ invert(ego_from_base @ pose_matrix(CAMERA_POSE)),
    )
    return open_extrinsics(
        None,
        Parameters(**changes),
        Calibration.of(ego_from_base @ pose_matrix(LIDAR_POSE), camera),
        names_frames=True,
    )


def poses(source, stamp: int = S, with_image: bool = True):
    return at(source, header("lidar", stamp), header("camera", stamp) if with_image else None)


@pytest.fixture(params=["file", "parameters", "tf", "stamped"])
def source(request, buffer):
    """The extrinsics of the same rig from each source."""
    if request.param in ("file", "parameters"):
        return from_file() if request.param == "file" else from_parameters()
    return TfExtrinsics(buffer, "base_link", GROUND, is_stamped=request.param == "stamped")


def test_points_of_a_lidar_in_any_orientation_come_to_stand_on_the_ground_below_it(source):
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    np.testing.assert_allclose(
        apply(poses(source).ego_from_lidar[LIDAR], seen), POINTS - (1.2, -0.3, GROUND), atol=1e-9
    )


def test_the_camera_looks_along_the_z_axis_of_its_optical_frame(source):
    ahead = apply(pose_matrix(CAMERA_POSE), np.array([[7.0, 0, 0], [7, 1, 0], [7, 0, 1]])) - (
        1.2,
        -0.3,
        GROUND,
    )
    np.testing.assert_allclose(
        apply(poses(source).camera_from_ego[CAMERA], ahead),
        [(0, 0, 7), (-1, 0, 7), (0, -1, 7)],
        atol=1e-9,
    )


def test_boxes_come_out_in_the_clouds_frame_by_default(source):
    found = poses(source)
    assert found.output_frame == "lidar"
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar[LIDAR], np.eye(4), atol=1e-9
    )


def test_without_an_image_no_camera_is_asked_for(source):
    assert poses(source, with_image=False).camera_from_ego == {}


def test_boxes_come_out_in_the_vehicles_frame(buffer):
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    for source in (
        from_parameters(output_frame="base_link"),
        TfExtrinsics(buffer, "base_link", GROUND, "base_link"),
    ):
        found = poses(source)
        assert found.output_frame == "base_link"
        np.testing.assert_allclose(
            apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen), POINTS, atol=1e-9
        )


def test_a_file_knows_the_model_frame_and_its_sensors_frames():
    model, camera = (poses(from_file(output_frame=frame)) for frame in ("base_link", "camera"))
    np.testing.assert_array_equal(model.output_from_ego, np.eye(4))
    np.testing.assert_allclose(camera.output_from_ego, camera.camera_from_ego[CAMERA], atol=1e-12)
    assert (model.output_frame, camera.output_frame) == ("base_link", "camera")


@pytest.mark.parametrize("make", [from_file, from_parameters])
def test_an_unknown_output_frame_is_refused_by_name(make):
    with pytest.raises(ValueError, match="output_frame: 'map' is not known here, only base_link"):
        make(output_frame="map")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lidar_pose": []}, "lidar_pose is empty"),
        ({"camera_pose": []}, "camera_pose is empty"),
        ({"extrinsics": "calibration"}, "calibration is empty"),
    ],
)
def test_what_a_source_lacks_is_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        from_parameters(**changes)


def test_a_vehicle_without_a_camera_needs_no_pose_of_one():
    assert at(from_parameters(camera_pose=[], mode="lidar_only"), header("x")).camera_from_ego == {}


@pytest.mark.skipif(extrinsics.tf2_ros is not None, reason="tf2_ros is installed")
def test_tf_without_tf2_ros_is_refused():
    with pytest.raises(ValueError, match="extrinsics is tf and tf2_ros is not installed"):
        from_parameters(extrinsics="tf")


def test_any_frame_of_tf_can_be_the_output_frame(buffer):
    found = poses(TfExtrinsics(buffer, "base_link", GROUND, "mast"))
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    np.testing.assert_allclose(
        apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen),
        apply(invert(pose_matrix([0.5, 0, 1, 0, 0, 0.7])), POINTS),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("lidar", "camera", "output", "missing"),
    [
        ("radar", "camera", "", "radar"),
        ("lidar", "left", "", "left"),
        ("lidar", "camera", "map", "map"),
    ],
)
def test_a_missing_transform_is_an_error_that_names_both_frames(
    buffer, lidar, camera, output, missing
):
    with pytest.raises(MissingTransform, match=f"no transform from '{missing}' to 'base_link'"):
        at(TfExtrinsics(buffer, "base_link", GROUND, output), header(lidar), header(camera))


def test_a_cloud_without_frame_has_no_transform(buffer):
    with pytest.raises(MissingTransform, match="no frame_id"):
        at(TfExtrinsics(buffer, "base_link", GROUND), header(""))


def moved(height: float) -> np.ndarray:
    return pose_matrix([0, 0, height, 0, 0, 0])


def test_a_static_transform_is_looked_up_once_and_a_stamped_one_at_every_stamp(buffer):
    static, stamped = (
        TfExtrinsics(buffer, "base_link", 0.0, is_stamped=flag) for flag in (False, True)
    )
    heights: list[tuple[float, float]] = []
    for stamp, height in ((S, 1.5), (2 * S, 1.7)):
        buffer.set_transform(transform_message("base_link", "lift", moved(height), stamp), "test")
        heights.append(
            tuple(
                at(source, header("lift", stamp)).ego_from_lidar[LIDAR][2, 3]
                for source in (static, stamped)
            )
        )
    np.testing.assert_allclose(heights, [(1.5, 1.5), (1.5, 1.7)])


@pytest.mark.parametrize("is_stamped", [False, True])
def test_boxes_in_an_output_frame_that_moves_are_placed_where_it_is_at_the_clouds_stamp(
    buffer, is_stamped
):
    source = TfExtrinsics(buffer, "base_link", GROUND, "odom", is_stamped)
    driven = {
        S: pose_matrix([0, 0, 0, 0, 0, 0.2]),
        2 * S: pose_matrix([7, 1, 0, 0, 0, 0.9]),
    }  # odom_from_base
    for stamp, odom_from_base in driven.items():
        buffer.set_transform(
            transform_message("base_link", "odom", invert(odom_from_base), stamp), "test"
        )
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    for stamp, odom_from_base in driven.items():
        found = poses(source, stamp)
        np.testing.assert_allclose(
            apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen),
            apply(odom_from_base, POINTS),
            atol=1e-9,
        )
    with pytest.raises(MissingTransform, match="'odom'"):
        poses(source, 9 * S)


def test_an_output_frame_that_moves_is_waited_for_and_a_static_sensor_is_not(buffer, monkeypatch):
    waits = {}
    look_up = buffer.lookup_transform

    def listen(target, source, time, timeout):
        waits[source] = timeout.nanoseconds
        return look_up(target, source, time, timeout)

    monkeypatch.setattr(buffer, "lookup_transform", listen)
    poses(TfExtrinsics(buffer, "base_link", GROUND, "mast"))
    assert waits == {"lidar": 0, "camera": 0, "mast": S // 10}


def test_an_output_frame_begins_again_with_the_bag(buffer):
    source = TfExtrinsics(buffer, "base_link", GROUND, "odom")

    def play(stamp: int):
        buffer.set_transform(transform_message("base_link", "odom", moved(1.5), stamp), "test")
        return poses(source, stamp)

    play(100 * S)
    with pytest.raises(MissingTransform, match="'odom'"):
        play(S)  # as a sensor's
    assert play(2 * S).output_frame == "odom"


def test_a_stamp_of_which_tf_knows_nothing_is_missing(buffer):
    buffer.set_transform(transform_message("base_link", "lift", moved(1.5), S), "test")
    with pytest.raises(MissingTransform, match="'lift'"):
        at(TfExtrinsics(buffer, "base_link", 0.0, is_stamped=True), header("lift", 9 * S))


def test_a_bag_that_begins_again_finds_its_transforms_again(buffer):
    source = TfExtrinsics(buffer, "base_link", 0.0, is_stamped=True)

    def play(stamp: int):
        buffer.set_transform(transform_message("base_link", "lift", moved(1.5), stamp), "test")
        return at(source, header("lift", stamp))

    play(100 * S)
    with pytest.raises(MissingTransform):
        play(S)  # the buffer refuses what is so old, and forgets when it is asked
    assert play(2 * S).ego_from_lidar[LIDAR][2, 3] == 1.5


def test_until_a_cloud_has_come_the_origin_is_below_the_vehicles(buffer):
    source = TfExtrinsics(buffer, "base_link", GROUND)
    found = at(source, header(source.lidar_frame), header("camera"))
    np.testing.assert_allclose(
        apply(found.output_from_ego, np.zeros((1, 3))), [(0, 0, GROUND)], atol=1e-12
    )
    assert found.output_frame == "base_link"


# --- several lidars and cameras

REAR_POSE = [-1.0, 0.2, 1.9, 0, 0.1, 3.1]
LEFT_POSE = [1.0, 0.9, 1.3, 0, 0, 1.5]
LIDARS = {"roof": LIDAR_POSE, "rear": REAR_POSE}  # the ego frame is below "roof"
CAMERAS = {"front": CAMERA_POSE, "left": LEFT_POSE}
RIG = {"lidars": tuple(LIDARS), "cameras": tuple(CAMERAS)}
EGO_FROM_BASE = ego_below(pose_matrix(LIDAR_POSE), GROUND)


def rig_calibration() -> Calibration:
    return Calibration(
        {
            name: LidarMount(EGO_FROM_BASE @ pose_matrix(pose), f"{name}_lidar")
            for name, pose in LIDARS.items()
        },
        {
            name: CameraMount(
                Camera(
                    np.diag([100.0, 100, 1]),
                    (64, 32),
                    OPTICAL_FROM_VIEW @ invert(EGO_FROM_BASE @ pose_matrix(pose)),
                ),
                f"{name}_camera",
            )
            for name, pose in CAMERAS.items()
        },
    )


def rig_from_file(calibration: Calibration | None = None, sensors=RIG, **changes):
    parameters = Parameters(calibration="rig.yaml", **changes)
    return open_extrinsics(None, parameters, calibration or rig_calibration(), True, **sensors)


@pytest.fixture
def rig_buffer(buffer):
    for name, pose in LIDARS.items():
        buffer.set_transform_static(
            transform_message("base_link", f"{name}_lidar", pose_matrix(pose)), "test"
        )
    for name, pose in CAMERAS.items():
        optical = pose_matrix(pose) @ invert(OPTICAL_FROM_VIEW)
        buffer.set_transform_static(
            transform_message("base_link", f"{name}_camera", optical), "test"
        )
    return buffer


def rig_from_tf(buffer, output_frame: str = "", is_stamped: bool = False) -> TfExtrinsics:
    return TfExtrinsics(
        buffer,
        "base_link",
        GROUND,
        output_frame,
        is_stamped,
        reference_lidar="roof",
        reference_camera="front",
    )


def clouds(**frames: str) -> dict[str, Header]:
    """Headers of both lidars, some of them with another frame."""
    named = {name: f"{name}_lidar" for name in LIDARS} | frames
    return {name: header(frame) for name, frame in named.items()}


def images(**frames: str) -> dict[str, Header]:
    """Headers of both cameras, some of them with another frame."""
    named = {name: f"{name}_camera" for name in CAMERAS} | frames
    return {name: header(frame) for name, frame in named.items()}


@pytest.fixture(params=["file", "tf", "stamped"])
def rig_source(request, rig_buffer):
    if request.param == "file":
        return rig_from_file()
    return rig_from_tf(rig_buffer, is_stamped=request.param == "stamped")


def test_every_sensor_of_a_rig_has_its_pose_in_the_ego_frame_below_the_reference_lidar(rig_source):
    found = rig_source.at(clouds(), images())
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (
        ["roof", "rear"],
        ["front", "left"],
    )
    for name, pose in LIDARS.items():
        np.testing.assert_allclose(
            found.ego_from_lidar[name], EGO_FROM_BASE @ pose_matrix(pose), atol=1e-9
        )
    for name, pose in CAMERAS.items():
        expected = OPTICAL_FROM_VIEW @ invert(EGO_FROM_BASE @ pose_matrix(pose))
        np.testing.assert_allclose(found.camera_from_ego[name], expected, atol=1e-9)
    assert found.missing == ()


def test_boxes_of_a_rig_come_out_in_the_frame_of_the_reference_lidars_cloud(rig_source):
    found = rig_source.at(dict(reversed(clouds().items())), images())
    assert found.output_frame == "roof_lidar"
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar["roof"], np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("frame", ["rear_lidar", "left_camera"])
def test_boxes_of_a_rig_come_out_in_the_frame_of_any_sensor(rig_buffer, frame):
    by_file = rig_from_file(output_frame=frame).at(clouds(), images())
    by_tf = rig_from_tf(rig_buffer, frame).at(clouds(), images())
    assert by_file.output_frame == by_tf.output_frame == frame
    np.testing.assert_allclose(by_file.output_from_ego, by_tf.output_from_ego, atol=1e-9)


def test_only_sensors_with_a_message_are_asked_for(rig_source):
    found = rig_source.at({"roof": header("roof_lidar")}, {"left": header("left_camera")})
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (["roof"], ["left"])


@pytest.mark.parametrize("is_stamped", [False, True])
def test_sensors_without_a_transform_are_left_out_and_named(rig_buffer, is_stamped):
    source = rig_from_tf(rig_buffer, is_stamped=is_stamped)
    found = source.at(clouds(rear="lost"), images(left=""))
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (["roof"], ["front"])
    lidar, camera = found.missing
    assert lidar.startswith("lidar 'rear': no transform from 'lost' to 'base_link'")
    assert camera.startswith("camera 'left': a message's header has no frame_id")


@pytest.mark.parametrize(
    ("headers", "missing"),
    [((clouds(roof="lost"), images()), "lost"), ((clouds(), images(front="gone")), "gone")],
)
def test_a_reference_sensor_without_a_transform_is_an_error(rig_buffer, headers, missing):
    with pytest.raises(MissingTransform, match=f"no transform from '{missing}'"):
        rig_from_tf(rig_buffer).at(*headers)


def test_several_missing_transforms_are_waited_for_as_long_as_one(rig_buffer, monkeypatch):
    waits = {}
    look_up = rig_buffer.lookup_transform

    def listen(target, source, time, timeout):
        waits[source] = timeout.nanoseconds
        return look_up(target, source, time, timeout)

    monkeypatch.setattr(rig_buffer, "lookup_transform", listen)
    source = rig_from_tf(rig_buffer, is_stamped=True)
    source.at(clouds(rear="lost"), {"left": header("gone")})
    assert waits == {"roof_lidar": S // 10, "lost": S // 10, "gone": 0}


@pytest.mark.parametrize(
    ("sensors", "reason"),
    [
        (
            {"lidars": ("roof", "nose"), "cameras": ("front",)},
            "rig.yaml: no lidar 'nose' in it, only roof, rear",
        ),
        (
            {"lidars": ("roof",), "cameras": ("front", "back")},
            "rig.yaml: no camera 'back' in it, only front, left; call the camera to use 'back'",
        ),
        ({}, "rig.yaml: no lidar 'lidar' in it, only roof, rear; call the lidar to use 'lidar'"),
    ],
)
def test_a_sensor_that_is_not_in_the_file_is_named(sensors, reason):
    with pytest.raises(ValueError, match=reason):
        rig_from_file(sensors=sensors)


def test_a_rig_without_cameras_needs_none_in_the_file():
    lidars = Calibration(rig_calibration().lidars)
    assert list(rig_from_file(lidars, mode="lidar_only").at(clouds(), {}).ego_from_lidar) == [
        "roof",
        "rear",
    ]
    with pytest.raises(ValueError, match=r"rig.yaml: no camera in it; add one or set mode"):
        rig_from_file(lidars)


def test_one_lidar_and_one_camera_of_a_rigs_file_can_be_used():
    source = rig_from_file(sensors={"lidars": ("rear",), "cameras": ("left",)})
    found = source.at({"rear": header("rear_lidar")}, {"left": header("left_camera")})
    assert (source.lidar_frame, found.output_frame) == ("rear_lidar", "rear_lidar")
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar["rear"], np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("sensors", [RIG, {"cameras": ("front", "left")}])
def test_parameters_hold_the_poses_of_one_lidar_and_one_camera_only(sensors):
    parameters = Parameters(extrinsics="parameters", lidar_pose=LIDAR_POSE, camera_pose=CAMERA_POSE)
    with pytest.raises(
        ValueError, match=r"several sensors \(.*front, left\): set extrinsics to calibration .* tf"
    ):
        open_extrinsics(None, parameters, None, **sensors)
