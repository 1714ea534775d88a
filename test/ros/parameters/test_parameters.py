"""The definition of the parameters: values, errors and documentation."""

from array import array

import pytest
from support.parameter_table import documented_parameters, markdown_table

from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS, Parameters

CLASSES = ("car", "truck", "pedestrian", "cyclist")


def configured(**values) -> Parameters:
    """Return the parameters of a node that is configured with a checkpoint of CLASSES."""
    parameters = Parameters(by_class=ClassParameters.defaults(CLASSES))
    return parameters.changed(values, configured=False)


def test_the_defaults_are_allowed():
    assert Parameters().slop == 0.05


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"slop": -0.1}, "slop: -0.1 is outside 0..10"),
        ({"slop": True}, "slop: expected float"),
        ({"score_threshold": 1.01}, "outside 0..1"),
        ({"mode": "both"}, "'both' is not one of fused"),
        ({"device": "cuda:x"}, "device"),
        ({"num_threads": -1}, "num_threads"),
        ({"autostart": 1}, "autostart"),
        ({"slop": float("nan")}, "slop"),
        ({"lidar_pose": [0.0] * 5}, "lidar_pose: expected array of 6 float"),
        ({"base_frame": ""}, "base_frame"),
        ({"camera_pose": ["0"] * 6}, "camera_pose: expected array of 6 float, got '0'"),
        ({"lidar_pose": [float("inf")] * 6}, "lidar_pose: inf is outside"),
        ({"lidar_pose": "0 0 0 0 0 0"}, "lidar_pose"),
        (
            {"intensity_field": "z"},
            "parameter intensity_field: the field 'z' is a coordinate; name",
        ),
        ({"intensity_field": "X"}, "intensity_field: the field 'X' is a coordinate"),
        (
            {"classes": ["car", "tram"]},
            "classes: 'tram' is not one of car, truck, pedestrian, cyclist",
        ),
        ({"classes": []}, "classes: expected array of str, at least one"),
        ({"classes": "car"}, "array of str"),
        ({"distance_bands": [40.0, 20.0]}, "parameter distance_bands: .* do not rise"),
        ({"score_threshold_car": [0.2, 1.1, 0.2]}, "score_threshold_car: 1.1 is outside 0..1"),
        (
            {"score_threshold_car": [0.2, 0.3]},
            "parameter score_threshold_car: 2 values, expected 1 .* or 3",
        ),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_the_parameter(values, reason):
    with pytest.raises(ValueError, match=reason):
        configured(**values)


def test_whole_numbers_are_taken_where_floating_point_is_expected():
    parameters = Parameters(slop=1, camera_pose=[0] * 6, distance_bands=[10, 20])
    assert isinstance(parameters.slop, float) and parameters.slop == 1.0
    assert all(isinstance(value, float) for value in parameters.camera_pose)
    assert parameters.distance_bands == (10.0, 20.0)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_devices_are_known(device):
    assert Parameters(device=device).device == device


def test_live_parameters_change_while_configured():
    assert Parameters().changed({"slop": 0.1}, configured=True).slop == 0.1


def test_other_parameters_need_a_new_configure():
    with pytest.raises(ValueError, match="checkpoint: read by configure only"):
        Parameters().changed({"checkpoint": "other.pt"}, configured=True)


def test_an_unchanged_value_needs_no_new_configure():
    parameters = Parameters(lidar_pose=(0.0,) * 6)
    assert (
        parameters.changed({"checkpoint": "", "lidar_pose": [0.0] * 6}, configured=True)
        == parameters
    )


def test_several_changes_are_all_made_or_none():
    parameters = Parameters()
    with pytest.raises(ValueError, match="score_threshold"):
        parameters.changed({"slop": 0.1, "score_threshold": 7.0}, configured=False)
    assert parameters == Parameters()


def test_bands_and_the_thresholds_for_them_change_together():
    parameters = configured(score_threshold_car=[0.5, 0.4, 0.3])
    with pytest.raises(ValueError, match=r"score_threshold_car: 3 values, expected 1 .* or 2"):
        parameters.changed({"distance_bands": [30.0]}, configured=True)
    changed = parameters.changed(
        {"distance_bands": [30.0], "score_threshold_car": [0.5, 0.4]}, configured=True
    )
    assert changed.box_filter.thresholds[0] == (0.5, 0.4)


def test_a_class_threshold_of_0_is_the_common_one():
    parameters = configured(score_threshold=0.4, score_threshold_truck=[0.0, 0.2, 0.1])
    assert parameters.box_filter.thresholds == ((0.4,), (0.4, 0.2, 0.1), (0.4,), (0.4,))


def test_arrays_come_as_ros_gives_them():
    assert Parameters(distance_bands=array("d", [10.0])).distance_bands == (10.0,)


def test_every_parameter_has_a_description():
    assert all(each.description.endswith(".") for each in documented_parameters())


def test_the_table_has_a_row_for_each_parameter_and_one_for_all_class_thresholds():
    names = [line.split("`")[1] for line in markdown_table().splitlines()[2:]]
    of_sensors = [name for name in names if name.startswith("NAME.")]
    assert names == [*SPECIFICATIONS, "score_threshold_CLASS", "classes", *of_sensors]
    assert "NAME.image_offset" in of_sensors and "NAME.intensity_scale" in of_sensors


# Sensors with names.


def test_a_named_sensor_has_parameters_of_its_own():
    parameters = Parameters(cameras=("front", "left"), image_offset=0.5)
    front, left = parameters.sensors.cameras
    changed = parameters.changed({"left.image_offset": 0.25}, configured=True)
    assert [changed.of(each, "image_offset") for each in (front, left)] == [0.5, 0.25]
    with pytest.raises(ValueError, match=r"left\.image_transport: read by configure only"):
        known = {name: each.default for name, each in parameters.sensor_specifications().items()}
        whole = parameters.changed(known, configured=False)
        whole.changed({"left.image_transport": "compressed"}, configured=True)
    with pytest.raises(ValueError, match=r"left\.image_transport: 'jpeg' is not one of"):
        parameters.changed({"left.image_transport": "jpeg"}, configured=False)


def test_a_coordinate_is_no_intensity_field_of_a_named_lidar_either():
    parameters = Parameters(lidars=("roof", "nose"))
    with pytest.raises(ValueError, match=r"nose\.intensity_field: the field 'y' is a coordinate"):
        parameters.changed({"nose.intensity_field": "y"}, configured=True)
    changed = parameters.changed({"nose.intensity_field": "xyz"}, configured=True)
    assert changed.of(parameters.sensors.lidars[1], "intensity_field") == "xyz"


def test_a_common_value_that_no_named_sensor_would_follow_is_refused_with_the_remedy():
    parameters = Parameters(cameras=("front", "left"))
    with pytest.raises(ValueError, match=r"image_offset: the sensors have names; set front\.image"):
        parameters.changed({"image_offset": 1.0}, configured=True)
    assert parameters.changed({"points_offset": 1.0}, configured=True).points_offset == 1.0


@pytest.mark.parametrize(
    "names", [("front-left",), ("1st",), ("_front",), ("",), ("front", "front")]
)
def test_invalid_or_repeated_sensor_names_are_refused(names):
    with pytest.raises(ValueError, match="parameter cameras: "):
        _ = Parameters(cameras=names).sensors


def test_frames_are_taken_with_the_leading_slash_of_ros_1():
    parameters = Parameters(base_frame="/base_link", output_frame="/map", odom_frame="/odom")
    names = (parameters.base_frame, parameters.output_frame, parameters.odom_frame)
    assert names == ("base_link", "map", "odom")
