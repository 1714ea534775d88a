"""What the lidar input reads from a cloud besides the coordinates, and its warnings."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import PointCloud2, PointField
from support.clouds import PLAIN, cloud

from bev_semseg_ros.frame import LidarScan
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensors

TIMES = (0.0, 0.02, 0.09)
UNITS = {2: np.eye(4), 5: transform(translation=(1, 0, 0))}


def cloud_with_times(times: tuple[float, ...] = TIMES) -> PointCloud2:
    """Return points as the Velodyne driver writes them."""
    names = ("x", "y", "z", "intensity", "time")
    points = np.array([(9, 0, 0, 0.5, time) for time in times], np.float32)
    return PointCloud2(
        height=1,
        width=len(points),
        fields=[
            PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
            for number, name in enumerate(names)
        ],
        point_step=4 * len(names),
        row_step=points.nbytes,
        data=points.tobytes(),
    )


@pytest.mark.parametrize("attributes", [(), ("time",)])
def test_points_that_are_moved_have_times_relative_to_the_time_of_the_frame(attributes):
    sensor = Sensors.named((), ()).lidars[0]
    lidar = LidarInput(sensor, Health(), attributes, moves_points=True)
    scan = lidar.decode(cloud_with_times(), np.eye(4), Parameters(), seconds=0.03)
    np.testing.assert_allclose(scan.times, np.add(TIMES, 0.03), atol=1e-6)


@pytest.mark.parametrize("missing", [np.nan, np.inf, 0.0])
def test_a_cloud_without_a_return_is_empty(missing):
    """Drivers write such clouds if the lidar is covered."""
    values = dict.fromkeys(PLAIN, np.full(3, missing, np.float32))
    lidar = LidarInput(Sensors.named((), ()).lidars[0], Health(), ())
    with pytest.raises(UnusableInput) as raised:
        lidar.decode(cloud(values, PLAIN), np.eye(4), Parameters())
    assert raised.value.cause == "empty_points"
    values = {**values, "x": np.array([missing, missing, 9], np.float32)}
    values |= {"y": np.zeros(3), "z": np.zeros(3)}
    assert len(lidar.decode(cloud(values, PLAIN), np.eye(4), Parameters()).points) == 3


def test_points_are_not_moved_by_times_that_cannot_be_of_one_sweep():
    health = Health()
    lidar = LidarInput(Sensors.named((), ()).lidars[0], health, (), moves_points=True)
    scan = lidar.decode(cloud_with_times((0.0, 8.0)), np.eye(4), Parameters(), seconds=0.03)
    assert scan.times == 0.03
    (warning,) = [each for each in health.take_warnings() if "from its stamp" in each]
    assert "up to 8 s" in warning and "the times of the points are ignored" in warning


def test_rings_and_units_are_read_despite_point_times_of_another_clock():
    """The points have GPS time, but the computer stamps the cloud: the two are 37 s apart."""
    kinds = {**PLAIN, "ring": "u2", "unit": "u1", "timestamp": "f8"}
    values = dict.fromkeys(PLAIN, np.ones(3)) | {"ring": np.arange(3), "unit": np.full(3, 2)}
    message = cloud(values | {"timestamp": np.full(3, 1.7e9 + 37)}, kinds)
    message.header.stamp.sec, message.header.frame_id = 1_700_000_000, "top"
    sensor, health = Sensors.named((), ()).lidars[0], Health()
    lidar = LidarInput(
        sensor, health, ("ring",), moves_points=True, lidar_from_unit=UNITS, needs_units=True
    )
    scan = lidar.decode(message, np.eye(4), Parameters())
    assert {name: list(each) for name, each in scan.attributes.items()} == {
        "ring": [0, 1, 2],
        "unit": [2, 2, 2],
    }
    (said,) = health.take_warnings()
    assert said.startswith("the cloud is used without the time of its points: field timestamp")


def test_times_that_nobody_uses_are_not_read():
    lidar = LidarInput(Sensors.named((), ()).lidars[0], Health(), ())
    scan = lidar.decode(cloud_with_times(), np.eye(4), Parameters())
    assert scan.attributes == {} and scan.times == 0.0


def units_read(numbers: list[int], poses: dict[int, np.ndarray], field: str = "unit"):
    """Return the scan of a cloud with these units, and the warnings after two such clouds."""
    kinds = {**PLAIN, field: "u1"}
    values = dict.fromkeys(PLAIN, np.ones(len(numbers))) | {field: np.array(numbers)}
    sensor, health = Sensors.named((), ()).lidars[0], Health()
    lidar = LidarInput(sensor, health, (), lidar_from_unit=poses, needs_units=True)
    message = cloud(values, kinds)
    message.header.frame_id = "top"
    scan = lidar.decode(message, np.eye(4), Parameters())
    warnings = health.take_warnings()
    lidar.decode(message, np.eye(4), Parameters())
    return scan, warnings + health.take_warnings()


def test_points_of_a_merged_cloud_have_their_unit_and_its_pose():
    scan, warnings = units_read([5, 2, 5], UNITS)
    assert scan.attributes["unit"].tolist() == [5, 2, 5] and not warnings
    assert scan.lidar_from_unit == UNITS


def test_units_without_a_known_pose_are_reported_once():
    _, (said,) = units_read([0, 3, 3], {})
    assert "combines several lidars, and no pose is known for its units 0, 3" in said
    assert "add lidar_from_unit to the lidar in the calibration" in said
    _, (said,) = units_read([2, 7, 5], UNITS, "lidar_id")
    assert "no pose is known for its units 7:" in said
    assert units_read([3, 3, 3], {})[1] == []  # a cloud of one lidar


def test_a_merged_cloud_without_a_field_for_the_unit_is_reported_once():
    scan, (said,) = units_read([2, 2, 5], UNITS, "number")
    assert "the cloud has no field unit or lidar_id or sensor_id, and the calibration has" in said
    assert scan.attributes == {} and units_read([2], {}, "number")[1] == []


def in_frame(frame: str) -> PointCloud2:
    cloud = cloud_with_times()
    cloud.header.frame_id = frame
    return cloud


def warnings_of(cloud: PointCloud2, expected_frame: str | None = None, **parameters) -> list[str]:
    health = Health()
    lidar = LidarInput(Sensors.named((), ()).lidars[0], health, (), expected_frame)
    lidar.decode(cloud, np.eye(4), Parameters(**parameters))
    return health.take_warnings()


def test_clouds_in_base_link_with_a_calibration_of_the_lidar_give_a_warning():
    """Filters and concatenation nodes publish such clouds. Boxes would miss their objects."""
    (said,) = warnings_of(in_frame("base_link"), "velodyne")
    assert "the points were transformed to the frame of the vehicle, and the calibration" in said
    assert "use the clouds of the lidar's driver, or make the calibration for an ego frame" in said


def test_clouds_of_another_frame_may_be_of_the_same_lidar():
    (said,) = warnings_of(in_frame("top"), "velodyne")
    assert "if it is the same sensor, set lidar.frame_id in the calibration to 'top'" in said


def test_a_driver_that_comes_back_with_the_clouds_of_another_lidar_is_noticed():
    """This happens after a restart with swapped addresses while the node runs."""
    health = Health()
    roof = LidarInput(Sensors.named(("roof", "rear"), ()).lidars[0], health, (), "roof")
    said = []
    for frame in ("roof", "rear", "rear", "", "roof"):
        roof.decode(in_frame(frame), np.eye(4), Parameters(lidars=("roof", "rear")))
        said.append(health.take_warnings())
    assert said == [[], said[1], [], [], []]
    (warning,) = said[1]
    assert "the clouds of roof are in frame 'rear', the calibration is of 'roof'" in warning


def test_clouds_in_base_link_with_a_lidar_pose_give_a_warning():
    pose = (1.0, 0.0, 1.8, 0.0, 0.0, 0.0)
    (said,) = warnings_of(in_frame("base_link"), extrinsics="parameters", lidar_pose=pose)
    assert said == (
        "the clouds are in 'base_link' already, and lidar_pose moves them a second time: set "
        "lidar_pose to zeros"
    )
    zeros = (0.0,) * 6  # the remedy
    assert warnings_of(in_frame("base_link"), extrinsics="parameters", lidar_pose=zeros) == []
    assert warnings_of(in_frame("top"), extrinsics="parameters", lidar_pose=pose) == []


def test_an_intensity_field_in_another_case_is_read_without_a_warning():
    cloud = in_frame("top")
    cloud.fields[3].name = "Intensity"
    health = Health()
    lidar = LidarInput(Sensors.named((), ()).lidars[0], health, ())
    scan = lidar.decode(cloud, np.eye(4), Parameters())
    assert scan.points[0, 3] == 0.5 and health.take_warnings() == []


def test_a_cloud_in_the_wrong_byte_order_is_refused_and_does_not_set_the_intensity_scale():
    """Nonsense values must not determine the scale of the intensity."""
    lidar = LidarInput(Sensors.named((), ()).lidars[0], Health(), ())
    points = np.random.default_rng(0).uniform((-50, -50, -2, 0, 0), (50, 50, 2, 1, 0), (500, 5))
    cloud = cloud_with_times((0.0,) * 500)
    cloud.data = points.astype(">f4").tobytes()
    with pytest.raises(UnusableInput, match="is_bigendian is False, but the bytes") as caught:
        lidar.decode(cloud, np.eye(4), Parameters())
    assert caught.value.cause == "bad_points" and lidar.intensity_factor == 1.0
    cloud.is_bigendian = True  # the remedy
    scan = lidar.decode(cloud, np.eye(4), Parameters())
    np.testing.assert_allclose(scan.points, points[:, :4], rtol=1e-6)


def with_intensity(values: list[float], field: str = "intensity") -> PointCloud2:
    """Return three points with these intensities."""
    xyz = {"x": np.full(3, 9.0), "y": np.arange(3.0), "z": np.zeros(3)}
    kinds = {**dict.fromkeys("xyz", "f4"), field: "f4"}
    message = cloud({**xyz, field: np.array(values)}, kinds)
    message.header.frame_id = "top"
    return message


def scans_and_warnings(
    messages: list[PointCloud2], lidars: tuple[str, ...] = (), **parameters
) -> tuple[list[LidarScan], list[str]]:
    health = Health()
    lidar = LidarInput(Sensors.named(lidars, ()).lidars[0], health, ())
    said, scans = [], []
    for message in messages:
        scans.append(lidar.decode(message, np.eye(4), Parameters(lidars=lidars, **parameters)))
        said += health.take_warnings()
    return scans, said


def test_intensities_that_are_not_finite_count_as_0_with_one_warning():
    """Such points were once left out without a word."""
    bad = with_intensity([np.nan, np.inf, 0.5], "reflectivity")
    scans, said = scans_and_warnings([bad, bad], ("roof",), intensity_field="reflectivity")
    assert [scan.points[:, 3].tolist() for scan in scans] == [[0, 0, 0.5]] * 2
    assert said == [
        "cloud of roof: field reflectivity is NaN or infinite in measured points: it counts as 0; "
        "let the driver correct the field, or set intensity_field to another one"
    ]


def test_nan_intensities_of_points_without_a_return_give_no_warning():
    message = with_intensity([np.nan, 0.25, 0.5])
    values = np.frombuffer(message.data, np.float32).reshape(3, 4).copy()
    values[0] = np.nan
    message.data = values.tobytes()
    scans, said = scans_and_warnings([message])
    assert said == [] and np.isnan(scans[0].points[0, :3]).all()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"datatype": 99}, "field intensity has the unknown datatype 99"),
        ({"offset": 2**32 - 1}, "field intensity at offset 4294967295 ends beyond point_step 16"),
    ],
)
def test_a_broken_intensity_field_leaves_the_points_with_intensity_0(change, problem):
    """The whole cloud was once refused, although a broken ring or time costs only itself."""
    message = with_intensity([0.25, 0.5, 1.0])
    for name, value in change.items():
        setattr(message.fields[3], name, value)
    scans, said = scans_and_warnings([message, message])
    assert [len(scan.points) for scan in scans] == [3, 3] and not scans[1].points[:, 3].any()
    assert said == [
        f"cloud: {problem}: the intensity counts as 0; let the driver correct the field, or set "
        "intensity_field to another one"
    ]
    message.fields[0].datatype = 99
    with pytest.raises(UnusableInput, match="bad cloud: field x has the unknown datatype 99"):
        scans_and_warnings([message])
