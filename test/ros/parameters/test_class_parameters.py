"""The parameters for the classes of a checkpoint: which exist, and which values apply."""

from __future__ import annotations

import pytest

from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters, check_given, for_classes

BOXES = ("car", "truck", "pedestrian", "cyclist")
OTHERS = ("car", "tram")
BANDS = 3


def test_each_class_has_a_threshold_and_is_published_by_default():
    parameters, warnings = for_classes(BOXES, {}, {}, BANDS)
    assert parameters.values() == {
        "score_threshold_car": (0.0,),
        "score_threshold_truck": (0.0,),
        "score_threshold_pedestrian": (0.0,),
        "score_threshold_cyclist": (0.0,),
        "classes": BOXES,
    }
    assert warnings == []


def test_without_a_detection_task_there_are_no_class_parameters_and_given_ones_warn():
    parameters, warnings = for_classes((), {"score_threshold_car": [0.5]}, {}, BANDS)
    assert parameters.values() == parameters.specifications() == {}
    assert warnings == ["parameter score_threshold_car is ignored: the checkpoint detects no boxes"]


def test_given_values_apply():
    parameters, _ = for_classes(
        BOXES, {"score_threshold_car": [0.5], "classes": ["car"]}, {}, BANDS
    )
    assert parameters.threshold_of("car") == (0.5,)
    assert parameters.classes == ("car",)


def test_a_threshold_of_an_unknown_class_is_ignored_with_a_warning():
    parameters, warnings = for_classes(OTHERS, {"score_threshold_truck": [0.5]}, {}, BANDS)
    assert "score_threshold_truck" not in parameters.values()
    assert warnings == [
        "parameter score_threshold_truck is ignored: the checkpoint has no class 'truck'; its "
        "classes are car, tram"
    ]


def test_an_unknown_class_to_publish_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="classes: 'truck' is not one of car, tram"):
        for_classes(OTHERS, {"classes": ["car", "truck"]}, {}, BANDS)


def test_remembered_values_take_precedence_over_given_ones_for_the_same_class():
    given = {"score_threshold_car": [0.5]}
    first, _ = for_classes(BOXES, given, {}, BANDS)
    before = first.changed({"score_threshold_car": [0.0], "score_threshold_truck": [0.7]})
    parameters, warnings = for_classes(OTHERS, given, before.to_remember(), BANDS)
    assert parameters.threshold_of("car") == (0.0,)
    assert parameters.classes == OTHERS  # all were published before, so all are now
    assert warnings == []


def test_remembered_classes_apply_as_far_as_they_exist():
    before = ClassParameters.defaults(BOXES).changed({"classes": ["car", "truck"]})
    parameters, (warning,) = for_classes(OTHERS, {}, before.to_remember(), BANDS)
    assert parameters.classes == ("car",)
    assert "'truck'" in warning
    assert "car, tram" in warning


def test_if_no_remembered_class_exists_all_are_published():
    before = ClassParameters.defaults(BOXES).changed({"classes": ["truck"]})
    parameters, (warning,) = for_classes(OTHERS, {}, before.to_remember(), BANDS)
    assert parameters.classes == OTHERS
    assert "All classes are published" in warning


def test_only_values_that_were_set_are_remembered_not_those_that_were_given():
    given = {"classes": ["truck"], "score_threshold_car": [0.5]}
    parameters, _ = for_classes(BOXES, given, {}, BANDS)
    assert parameters.to_remember() == {}
    changed = parameters.changed({"score_threshold_truck": [0.7]})
    assert changed.to_remember() == {"score_threshold_truck": (0.7,)}


def test_given_classes_that_the_next_checkpoint_lacks_are_refused():
    given = {"classes": ["truck"]}
    first, _ = for_classes(BOXES, given, {}, BANDS)
    with pytest.raises(ValueError, match="classes: 'truck' is not one of car, tram"):
        for_classes(OTHERS, given, first.to_remember(), BANDS)


def test_classes_set_to_all_known_ones_mean_all_classes_of_the_next_checkpoint():
    given = {"classes": ["car"]}
    first, _ = for_classes(BOXES, given, {}, BANDS)
    parameters, _ = for_classes(
        OTHERS, given, first.changed({"classes": BOXES}).to_remember(), BANDS
    )
    assert parameters.classes == OTHERS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"score_threshold_car": 0.5}, "score_threshold_car: expected array of float"),
        ({"score_threshold_tram": [1.5]}, "score_threshold_tram: 1.5 is outside 0..1"),
        ({"classes": "car"}, "classes: expected array of str"),
        ({"classes": []}, "classes: expected array of str, at least one"),
    ],
)
def test_types_and_ranges_are_checked_before_the_classes_are_known(given, reason):
    with pytest.raises(ValueError, match=reason):
        check_given(given)


def test_a_parameter_that_does_not_exist_is_explained():
    parameters = ClassParameters.defaults(OTHERS)
    assert "no class 'truck'; its classes are car, tram" in str(
        parameters.why_unknown("score_threshold_truck")
    )
    assert "configure the node first" in str(ClassParameters().why_unknown("classes"))
    assert parameters.why_unknown("score_threshold_car") is None
    assert parameters.why_unknown("slop") is None


def test_a_threshold_set_for_other_distance_bands_is_left_out_with_a_warning():
    before = ClassParameters.defaults(BOXES).changed(
        {"score_threshold_car": [0.5, 0.4, 0.3], "score_threshold_truck": [0.7]}
    )
    parameters, (warning,) = for_classes(
        BOXES, {"score_threshold_car": [0.6]}, before.to_remember(), bands=2
    )
    assert parameters.threshold_of("car") == (0.6,)
    assert parameters.threshold_of("truck") == (0.7,)
    assert warning == (
        "parameter score_threshold_car: [0.5, 0.4, 0.3], set before, is not used: distance_bands "
        "makes 2 bands now. Set it again"
    )


def test_a_configured_checkpoint_without_detection_says_that_it_detects_no_boxes():
    parameters, _ = for_classes((), {}, {}, BANDS)
    assert parameters.why_unknown("classes") == "the checkpoint detects no boxes"
    assert parameters.why_unknown("score_threshold_car") == "the checkpoint detects no boxes"


def test_two_classes_whose_thresholds_would_have_the_same_name_are_refused():
    with pytest.raises(ValueError, match=r"'a b' and 'a_b' .* parameter score_threshold_a_b: "):
        for_classes(("a b", "car", "a_b"), {}, {}, BANDS)
