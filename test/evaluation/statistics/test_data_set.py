"""Statistics of frames with known contents and of every supported layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import RigDataset, TinyDataset

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation.statistics.data_set import DataSetStatistics, measure
from bev_semseg_ros.frame import Annotation, Boxes, Frame, LidarScan
from bev_semseg_ros.labels import load_label_set


def of_one(frame: Frame, annotation: Annotation) -> dict:
    statistics = DataSetStatistics()
    statistics.add(frame, annotation)
    return statistics.summary()


def test_points_are_counted_by_range_and_by_whether_they_are_in_view():
    summary = measure(TinyDataset(3)).summary()
    points = summary["points"]
    assert summary["frames"] == points["frames"] == 3 and summary["scenes"] == 2
    assert points["per_frame"] == 500
    assert sum(points["by_range"].values()) == pytest.approx(points["in_view_per_frame"], abs=1)
    assert 200 < points["in_view_per_frame"] < 500  # ground beside the image is not in view
    assert points["by_range"]["40-50"] == 0


def test_points_without_a_camera_are_all_in_view():
    frame, annotation = TinyDataset()[0]
    points = of_one(replace(frame, cameras={}), Annotation(annotation.boxes))["points"]
    assert points["in_view_per_frame"] == points["per_frame"] == 500


def test_points_count_by_their_horizontal_range_whatever_their_height():
    places = [[3, 25, 20], [-15, 0, 0], [50, 50, 0], [300, 0, 0]]
    points = np.column_stack([places, np.zeros(4)]).astype(np.float32)
    summary = of_one(Frame(0, {"roof": LidarScan(points, np.eye(4))}), Annotation())["points"]
    counts = {name: count for name, count in summary["by_range"].items() if count}
    assert counts == {"20-30": 1, "10-20": 1, "70+": 2}


def test_points_of_every_lidar_are_in_view_if_any_image_shows_them():
    frame, _ = RigDataset()[0]
    alone, _ = TinyDataset()[0]

    def points(frame: Frame, *cameras: str) -> dict:
        seen = {name: frame.cameras[name] for name in cameras}
        return of_one(replace(frame, cameras=seen), Annotation())["points"]

    ahead, left = points(frame, "camera"), points(frame, "left")
    # The two lidars together have the points of the single one.
    assert ahead["by_range"] == points(alone, "camera")["by_range"]
    both = points(frame, "camera", "left")["in_view_per_frame"]
    assert (
        both == ahead["in_view_per_frame"] + left["in_view_per_frame"] > left["in_view_per_frame"]
    )


def test_intensities_are_those_of_the_points_in_view():
    frame, _ = TinyDataset()[0]
    points = np.array([[10, 0, 1, 0.5], [-10, 0, 1, 0], [-12, 0, 1, 0]], np.float32)
    lidars = {"lidar": replace(frame.lidars["lidar"], points=points)}
    intensity = of_one(replace(frame, lidars=lidars), Annotation())["points"]["intensity"]
    assert intensity["zero_share"] == 0 and intensity["percentiles"]["5"] == 0.5
    points[0, 3] = 0
    intensity = of_one(replace(frame, lidars=lidars), Annotation())["points"]["intensity"]
    assert intensity["zero_share"] == 1


def test_intensities_have_a_histogram_and_percentiles():
    frame, annotation = TinyDataset()[0]
    assert frame.points is not None and frame.lidar is not None
    points = frame.points.copy()
    points[:, 3] = 0.5
    points[::2, 3] = 0
    scan = replace(frame.lidar, points=points)
    everywhere = replace(frame, lidars={"lidar": scan}, cameras={})
    intensity = of_one(everywhere, annotation)["points"]["intensity"]
    assert intensity["zero_share"] == 0.5
    assert intensity["percentiles"]["95"] == pytest.approx(0.5, abs=0.001)
    assert sum(intensity["histogram"]) == pytest.approx(1)


def test_points_that_are_not_finite_are_left_out():
    frame, annotation = TinyDataset()[0]
    assert frame.points is not None
    frame.points[:100, 0] = np.nan
    assert of_one(frame, annotation)["points"]["per_frame"] == 400


def test_a_sweep_without_a_finite_point_is_measured():
    frame, annotation = TinyDataset()[0]
    assert frame.points is not None
    frame.points[:, 0] = np.nan
    points = of_one(frame, annotation)["points"]
    assert points["per_frame"] == 0 and points["lidars"]["lidar"]["beams_seen"] is None


def test_the_beams_of_a_lidar_are_described():
    elevations, azimuths = np.meshgrid(
        np.radians([-15, -5, 5, 10]), np.radians(np.linspace(-45, 45, 361))
    )
    directions = [
        np.cos(elevations) * np.cos(azimuths),
        np.cos(elevations) * np.sin(azimuths),
        np.sin(elevations),
    ]
    points = np.column_stack([*(20 * axis.ravel() for axis in directions), np.ones(4 * 361)])
    rings = np.tile(np.arange(4, dtype=np.float32), 361)
    units = np.repeat(np.arange(2, dtype=np.float32), 2 * 361)
    scan = LidarScan(points.astype(np.float32), np.eye(4), {"ring": rings, "unit": units})
    lidar = of_one(Frame(0, {"roof": scan}), Annotation())["points"]["lidars"]["roof"]
    assert (lidar["rings"], lidar["units"], lidar["beams_seen"]) == (4, 2, 4)
    assert lidar["azimuth"] == pytest.approx(90, abs=1)
    assert lidar["elevation"] == pytest.approx([-15, 10], abs=0.2)


def test_objects_are_described_with_their_sizes_and_points():
    objects = measure(TinyDataset(4)).summary()["objects"]
    car = objects["classes"]["car"]
    assert (car["count"], car["per_frame"], car["counted"]) == (4, 1, 4)
    assert car["size"]["length"] == [4.2, 0]
    by_range = car["points"]["10-20"]
    assert by_range["objects"] == 4
    assert 200 <= by_range["10"] <= by_range["50"] <= by_range["90"] < 230
    # The points of the car fill it evenly, those of the ground below it lie lowest.
    assert car["height_profile"][-1] == pytest.approx(0.1, abs=0.04)
    assert sum(car["height_profile"]) == pytest.approx(1, abs=0.001)
    assert objects["classes"]["truck"]["count"] == 0
    assert objects["classes"]["truck"]["size"] is None


def test_a_box_with_few_points_is_an_object_but_not_counted():
    frame, _ = TinyDataset()[0]
    far = Boxes([[24.0, 11.0, 5.0]], [[1, 1, 1]], [0], [0], [1])
    car = of_one(frame, Annotation(far))["objects"]["classes"]["car"]
    assert (car["count"], car["counted"], car["points"]) == (1, 0, {})


def test_the_points_of_a_box_outside_the_image_do_not_count_for_its_class():
    frame, annotation = TinyDataset()[0]
    assert frame.points is not None and annotation.boxes is not None
    shift = np.array([-25, 0, 0])
    frame.points[:, :3] += shift
    behind = replace(annotation.boxes, centers=annotation.boxes.centers + shift)
    car = of_one(frame, Annotation(behind))["objects"]["classes"]["car"]
    assert (car["count"], car["counted"], car["points"]) == (1, 0, {})


def test_a_box_with_few_points_has_no_profile():
    frame, annotation = TinyDataset()[0]
    assert frame.points is not None
    few = replace(frame.lidars["lidar"], points=frame.points[:5])
    car = of_one(replace(frame, lidars={"lidar": few}), annotation)["objects"]["classes"]["car"]
    assert car["points"]["10-20"]["50"] == 5
    assert sum(car["height_profile"]) == 0 and car["intensity"] is None


def people(*names: str, num_points: int = 10) -> tuple[Frame, Annotation]:
    """Return a frame of objects of these classes in a row across the road, with points."""
    labels = [load_label_set("boxes_4").index(name) for name in names]
    count = len(labels)
    centers = np.column_stack([np.full(count, 20.0), np.arange(count), np.ones(count)])
    boxes = Boxes(centers, np.full((count, 3), 0.5), np.zeros(count), labels, np.ones(count))
    points = np.column_stack([np.repeat(centers, num_points, 0), np.zeros(count * num_points)])
    return Frame.of(0, points.astype(np.float32), np.eye(4)), Annotation(boxes)


def test_only_pedestrians_with_enough_points_count_as_people():
    statistics = DataSetStatistics()
    for names, num_points in (
        (["pedestrian"] * 12, 10),
        (["pedestrian"], 9),
        (["cyclist"], 10),
        (["car"], 10),
    ):
        statistics.add(*people(*names, num_points=num_points))
    objects = statistics.summary()["objects"]
    assert objects["people"] == [0.75, *[0] * 9, 0.25]
    assert objects["without_people_and_riders"] == 0.5


def test_frames_without_people_are_counted_among_frames_with_boxes():
    frame, annotation = TinyDataset()[0]
    assert annotation.boxes is not None
    pedestrian = load_label_set("boxes_4").index("pedestrian")
    person = replace(annotation.boxes, labels=np.array([pedestrian]))
    statistics = DataSetStatistics()
    statistics.add(frame, annotation)
    statistics.add(frame, Annotation(person))
    statistics.add(frame, Annotation(person))
    statistics.add(frame, Annotation())  # has no box labels
    objects = statistics.summary()["objects"]
    assert objects["frames"] == 3
    assert objects["people"][:2] == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_ignored_boxes_do_not_count_as_objects():
    frame, annotation = TinyDataset()[0]
    ignored = replace(annotation, ignored=np.ones(1, bool))
    assert of_one(frame, ignored)["objects"]["classes"]["car"]["count"] == 0


def test_masks_are_counted_in_their_own_classes_and_in_coarser_ones():
    images = measure(TinyDataset(2)).summary()["images"]
    assert images["masks"] == 2 and images["without_people"] == 1
    assert images["pixels"]["driving_13"]["road"] == 0.5
    assert images["pixels"]["groups_6"] == {
        "road": 0.5,
        "vehicle": 0,
        "vegetation": 0,
        "sky": 0.5,
        "building": 0,
        "other": 0,
    }
    assert images["cameras"]["camera"]["sizes"] == [[128, 64, 2]]
    assert images["cameras"]["camera"]["field_of_view"][0] == pytest.approx(53.1, abs=0.1)


def test_only_masks_with_a_class_for_people_show_whether_there_are_any():
    frame, annotation = TinyDataset()[0]
    driving, groups = load_label_set("driving_13"), load_label_set("groups_6")
    with_person = {name: mask.copy() for name, mask in annotation.masks.items()}
    for mask in with_person.values():
        mask[:2] = driving.index("pedestrian")
    statistics = DataSetStatistics()
    statistics.add(frame, annotation)
    statistics.add(frame, replace(annotation, masks=with_person))
    road = {name: np.zeros_like(mask) for name, mask in annotation.masks.items()}
    statistics.add(frame, replace(annotation, masks=road, mask_labels=groups))
    images = statistics.summary()["images"]
    assert (images["masks"], images["without_people"]) == (3, 0.5)
    # The coarser set holds the pixels of all three.
    assert images["pixels"]["groups_6"]["road"] == pytest.approx(2 / 3, abs=1e-4)


def test_every_sensor_of_a_rig_is_described():
    summary = measure(RigDataset(2)).summary()
    assert set(summary["points"]["lidars"]) == {"front", "rear"}
    assert set(summary["images"]["cameras"]) == {"camera", "left"}
    assert summary["images"]["masks"] == 4


@pytest.mark.parametrize("missing", ["points", "image", "boxes", "mask"])
def test_frames_that_lack_something_count_in_all_other_statistics(missing: str):
    summary = measure(TinyDataset(4, missing)).summary()
    assert summary["frames"] == 4
    assert summary["points"]["frames"] == (2 if missing == "points" else 4)
    assert summary["objects"]["frames"] == (2 if missing == "boxes" else 4)
    assert summary["images"]["masks"] == (2 if missing in ("image", "mask") else 4)


def test_an_empty_frame_has_no_fractions():
    summary = of_one(Frame(0), Annotation())
    assert summary["points"]["frames"] == summary["objects"]["frames"] == 0
    assert summary["objects"]["without_people_and_riders"] is None
    assert summary["images"]["without_people"] is None
    assert summary["points"]["intensity"]["percentiles"] is None


def test_a_limit_selects_evenly_spaced_frames():
    seen: list[str] = []
    summary = measure(TinyDataset(6), 3, lambda _, frame, __: seen.append(frame.name)).summary()
    assert summary["frames"] == 3
    assert seen == ["frame0", "frame2", "frame4"]


def _a2d2(root: Path) -> None:
    tiny_data.write_a2d2_rig(root)
    tiny_data.write_a2d2_frame(root)


@pytest.mark.parametrize(
    "write",
    [_a2d2, tiny_data.write_kitti_drive, tiny_data.write_kitti_raw],
    ids=lambda function: function.__name__,
)
def test_every_layout_can_be_measured(write, tmp_path: Path):
    write(tmp_path)
    summary = measure(open_dataset(tmp_path)).summary()
    assert summary["frames"] == summary["points"]["frames"] > 0
    assert summary["objects"]["classes"]["car"]["count"] > 0
    assert json.loads(json.dumps(summary)) == summary
