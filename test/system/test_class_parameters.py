"""Parameters that depend on the tasks and classes of a checkpoint (node in this process)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from support.point_clouds import points_config, points_network
from support.process import node_arguments

from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask
from bev_semseg_ros.ros.node.perception import Perception
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.declaration import declare_by_class, undeclare_by_class

SUCCESS = TransitionCallbackReturn.SUCCESS
BOXES, KITTI = load_label_set("boxes_4").classes, load_label_set("kitti_boxes").classes


class LaneTask(SegmentationTask):
    """A custom task, for which the node has no topic."""

    name = "lanes"


@pytest.fixture(scope="module")
def kitti_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """A checkpoint whose boxes have the classes of KITTI."""
    return make_checkpoint(labels={"detection": "kitti_boxes", "segmentation": "driving_13"})


@pytest.fixture(scope="module")
def segmentation_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """A checkpoint that detects nothing."""
    return make_checkpoint(("segmentation",), labels={"segmentation": "driving_13"})


@pytest.fixture(scope="module")
def points_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that classifies points, and uses no images."""
    path = tmp_path_factory.mktemp("points") / "points.pt"
    checkpoint.save(path, points_network(), points_config(), {})
    return path


@pytest.fixture
def start(checkpoint_file, calibration_file):
    """start(name=value, ...) -> an unconfigured node that was given these parameters."""
    nodes: list[Perception] = []

    def make(**given: str) -> Perception:
        files = {"checkpoint": checkpoint_file, "calibration": calibration_file}
        rclpy.init(args=node_arguments("-r", "__ns:=/classes", **(files | given)))
        nodes.append(Perception())
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()
        node.destroy_node()
    rclpy.shutdown()


def names(node: Perception) -> set[str]:
    """Return the class parameters that the node has declared."""
    declared = node.list_parameters([], 0).names
    return {name for name in declared if name.startswith("score_threshold_") or name == "classes"}


def thresholds(classes: tuple[str, ...]) -> set[str]:
    return {f"score_threshold_{name}" for name in classes}


def change(node: Perception, name: str, value) -> SetParametersResult:
    return node.set_parameters_atomically([Parameter(name, value=value)])


def value(node: Perception, name: str) -> list:
    return list(node.get_parameter(name).value)


def use(node: Perception, checkpoint: Path) -> None:
    """Configure the node with another checkpoint."""
    node.trigger_cleanup()
    assert change(node, "checkpoint", str(checkpoint)).successful
    assert node.trigger_configure() == SUCCESS


def test_class_parameters_exist_while_the_node_is_configured(start):
    node = start()
    assert names(node) == set()
    assert node.trigger_configure() == SUCCESS
    assert names(node) == {"classes", *thresholds(BOXES)}
    assert value(node, "classes") == list(BOXES)
    assert value(node, "score_threshold_car") == [0.0]
    assert node.trigger_cleanup() == SUCCESS
    assert names(node) == set()


def test_class_parameters_follow_the_checkpoint_and_keep_values_of_classes_by_name(
    start, checkpoint_file, kitti_checkpoint
):
    node = start(score_threshold_Car="[0.6]", score_threshold_car="[0.5]")
    assert node.trigger_configure() == SUCCESS
    assert value(node, "score_threshold_car") == [0.5]
    assert change(node, "score_threshold_car", [0.4]).successful
    assert change(node, "classes", ["car", "truck"]).successful
    use(node, kitti_checkpoint)
    assert names(node) == {"classes", *thresholds(KITTI)}
    assert value(node, "score_threshold_Car") == [0.6]
    assert value(node, "classes") == list(KITTI)
    use(node, checkpoint_file)
    assert value(node, "score_threshold_car") == [0.4]
    assert node.parameters.box_filter.lowest == pytest.approx(0.3)


def test_a_checkpoint_with_other_classes_works(start, kitti_checkpoint):
    node = start(checkpoint=str(kitti_checkpoint))
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    assert change(node, "classes", ["Tram"]).successful
    assert change(node, "score_threshold_Tram", [0.7]).successful
    assert node.parameters.box_filter.lowest == 0.7
    assert node.trigger_deactivate() == SUCCESS


def test_a_checkpoint_without_detection_has_no_class_parameters_and_works(
    start, segmentation_checkpoint, capfd
):
    node = start(checkpoint=str(segmentation_checkpoint), score_threshold_car="[0.5]")
    assert node.trigger_configure() == SUCCESS
    assert names(node) == set()
    assert (
        "score_threshold_car is ignored: the checkpoint detects no boxes" in capfd.readouterr().err
    )
    refused = change(node, "score_threshold_car", [0.5])
    assert refused.reason == "parameter score_threshold_car: the checkpoint detects no boxes"
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_deactivate() == SUCCESS


def test_a_checkpoint_that_uses_no_images_leaves_the_cameras_out(
    start, checkpoint_file, points_checkpoint, capfd
):
    node = start(checkpoint=str(points_checkpoint))
    assert node.trigger_configure() == SUCCESS
    assert "uses no images: the cameras are left out" in capfd.readouterr().err
    assert node.trigger_activate() == SUCCESS
    assert set(node.session.subscriptions) == {"points"}
    # As `ros2 param load` does with what `ros2 param dump` wrote.
    again = change(node, "mode", node.get_parameter("mode").value)
    assert again.successful and node.parameters.mode == "lidar_only"
    assert node.trigger_deactivate() == SUCCESS
    use(node, checkpoint_file)
    assert node.parameters.mode == "fused"

    node.trigger_cleanup()
    assert change(node, "checkpoint", str(points_checkpoint)).successful
    assert change(node, "mode", "camera_only").successful
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "uses no images: set mode to lidar_only" in capfd.readouterr().err


def test_the_ready_line_names_tasks_whose_results_are_not_published(start, make_checkpoint, capfd):
    tasks = ("detection", "segmentation", f"{LaneTask.__module__}:{LaneTask.__name__}")
    labels = {"detection": "boxes_4", "segmentation": "driving_13", "lanes": "driving_13"}
    node = start(checkpoint=str(make_checkpoint(tasks, labels=labels)))
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ready = [line for line in capfd.readouterr().err.splitlines() if "READY" in line]
    assert len(ready) == 1
    assert "; no topic for the results of lanes" in ready[0]
    assert node.trigger_deactivate() == SUCCESS


def test_a_threshold_for_an_unknown_class_gives_a_warning_with_the_known_classes(start, capfd):
    node = start(score_threshold_tram="[0.5]")
    assert "unknown parameters" not in capfd.readouterr().err
    assert node.trigger_configure() == SUCCESS
    assert (
        "parameter score_threshold_tram is ignored: the checkpoint has no class 'tram'; its "
        "classes are car, truck, pedestrian, cyclist"
    ) in capfd.readouterr().err


def test_an_unknown_class_to_publish_makes_configure_fail_with_the_known_ones(start, capfd):
    node = start(classes="[car, tram]")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert names(node) == set()
    assert "classes: 'tram' is not one of car, truck, pedestrian, cyclist" in capfd.readouterr().err


def test_given_classes_that_another_checkpoint_does_not_have_make_configure_fail(
    start, kitti_checkpoint, capfd
):
    node = start(classes="[car]")
    assert node.trigger_configure() == SUCCESS
    node.trigger_cleanup()
    assert change(node, "checkpoint", str(kitti_checkpoint)).successful
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "classes: 'car' is not one of Car" in capfd.readouterr().err


def test_other_distance_bands_set_while_unconfigured_do_not_make_configure_fail(start, capfd):
    node = start()
    assert node.trigger_configure() == SUCCESS
    assert change(node, "score_threshold_car", [0.5, 0.4, 0.3]).successful
    node.trigger_cleanup()
    assert change(node, "distance_bands", [30.0]).successful
    assert node.trigger_configure() == SUCCESS
    assert "score_threshold_car: [0.5, 0.4, 0.3], set before, is not used" in capfd.readouterr().err
    assert value(node, "score_threshold_car") == [0.0]
    assert change(node, "score_threshold_car", [0.5, 0.4]).successful


def test_setting_a_parameter_that_does_not_exist_is_refused_with_the_reason(start):
    node = start()
    early = change(node, "score_threshold_car", [0.5])
    assert not early.successful
    assert "configure the node first" in early.reason
    assert node.trigger_configure() == SUCCESS
    unknown = change(node, "score_threshold_tram", [0.5])
    assert not unknown.successful
    assert "its classes are car, truck, pedestrian, cyclist" in unknown.reason
    assert change(node, "score_threshold_car", [0.5]).successful
    misspelt = change(node, "marker_livetime", 0.1)
    assert not misspelt.successful
    assert misspelt.reason == "unknown parameter marker_livetime (did you mean marker_lifetime?)"


def test_parameters_can_be_listed_while_another_thread_declares_them(start):
    node = start()
    parameters = ClassParameters.defaults(BOXES)

    def declare_and_undeclare() -> None:
        for _ in range(100):
            declare_by_class(node, parameters)
            undeclare_by_class(node, parameters)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads take turns within the loops of rclpy
    try:
        thread = threading.Thread(target=declare_and_undeclare)
        thread.start()
        while thread.is_alive():
            assert "slop" in node.list_parameters([], 0).names
    finally:
        thread.join()
        sys.setswitchinterval(interval)
    assert names(node) == set()
