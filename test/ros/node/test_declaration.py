"""What the command line and parameter files set, and what a node declares."""

from types import SimpleNamespace

from bev_semseg_ros.ros.node.declaration import unknown_parameters
from bev_semseg_ros.ros.node.parameters import SPECIFICATIONS


def test_misspelt_names_are_named_with_what_was_meant():
    given = dict.fromkeys(("scor_threshold", "slop", "use_simtime", "qqq", "score_threshold_car"))
    node = SimpleNamespace(
        _parameter_overrides=given, has_parameter=lambda name: name in SPECIFICATIONS
    )
    assert unknown_parameters(node) == (
        "qqq, scor_threshold (did you mean score_threshold?), "
        "use_simtime (did you mean use_sim_time?)"
    )
