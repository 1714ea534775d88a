"""Parameters from the command line and parameter files that the node does not declare."""

from types import SimpleNamespace

from bev_semseg_ros.ros.parameters.declaration import unknown_parameters
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS, Parameters


def unknown(*given: str, **sensors: tuple[str, ...]) -> str:
    parameters = Parameters(**sensors)
    declared = {*SPECIFICATIONS, *parameters.sensor_specifications()}
    node = SimpleNamespace(
        _parameter_overrides={name: SimpleNamespace(value=None) for name in given},
        has_parameter=declared.__contains__,
    )
    return unknown_parameters(node, parameters)


def test_misspelt_parameters_are_named_with_a_suggestion():
    assert unknown("scor_threshold", "slop", "use_simtime", "qqq", "score_threshold_car") == (
        "qqq, scor_threshold (did you mean score_threshold?), "
        "use_simtime (did you mean use_sim_time?)"
    )


def test_parameters_of_a_sensor_are_compared_with_those_of_the_existing_sensors():
    """As if a camera was removed from `cameras`, but its parameters stayed in the file."""
    said = unknown(
        "left.image_transport", "front.image_transprot", "front.rectified", cameras=("front",)
    )
    assert said == (
        "front.image_transprot (did you mean front.image_transport?), "
        "left.image_transport (lidars and cameras have no left)"
    )
