"""Which boxes are kept: classes, thresholds by class and distance, suppression by overlap."""

import numpy as np
import pytest

from bev_semseg_ros.filtering import BoxFilter, suppress, threshold_name
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import bev_iou

CAR, TRUCK, PEDESTRIAN = 0, 1, 2
CLASSES = ("car", "truck", "pedestrian", "cyclist")
ALL = ((0.3,),) * 4


def boxes(*rows: tuple[float, float, int, float]) -> Boxes:
    """Return boxes of 4 m x 2 m along x, from rows of x, y, label and score."""
    x, y, labels, scores = np.array(rows, float).T
    count = len(rows)
    return Boxes(
        np.stack([x, y, np.zeros(count)], 1),
        np.tile([4.0, 2.0, 1.5], (count, 1)),
        np.zeros(count),
        labels.astype(int),
        scores,
    )


def turned(
    yaw: float, center: tuple[float, float] = (0, 0), size: tuple[float, float] = (4, 2)
) -> Boxes:
    return Boxes([[*center, 0]], [[*size, 1.5]], [yaw], [CAR], [1.0])


def test_a_threshold_applies_to_its_class():
    kept = BoxFilter(CLASSES, ((0.5,), (0.3,), (0.3,), (0.3,)))(
        boxes((5, 0, CAR, 0.4), (15, 0, TRUCK, 0.4), (25, 0, CAR, 0.5))
    )
    assert kept.scores.tolist() == [0.4, 0.5] and kept.labels.tolist() == [TRUCK, CAR]


def test_a_threshold_applies_to_its_band():
    keep = BoxFilter(CLASSES, ((0.6, 0.4, 0.2), (0.9,), (0.9,), (0.9,)), (20.0, 40.0))
    found = boxes(
        *(
            (x, y, CAR, score)
            for x, y in ((12, 16), (-19, 0), (39, 0), (40, 0))
            for score in (0.5, 0.3)
        )
    )
    assert [
        (x, score) for (x, _, _), score in zip(keep(found).centers, keep(found).scores, strict=True)
    ] == [
        (12, 0.5),
        (39, 0.5),
        (40, 0.5),
        (40, 0.3),
    ]  # (12, 16) is 20 m away, where the second band begins


def test_other_classes_are_not_kept():
    kept = BoxFilter(CLASSES, ALL, classes=("pedestrian", "car"))(
        boxes(*((9 * k, 0, k, 0.9) for k in range(4)))
    )
    assert kept.labels.tolist() == [CAR, PEDESTRIAN]


def test_the_lowest_threshold_is_that_of_the_kept_classes():
    thresholds = ((0.5,), (0.05,), (0.4, 0.2), (0.6,))
    assert BoxFilter(CLASSES, thresholds, (20.0,)).lowest == 0.05
    assert BoxFilter(CLASSES, thresholds, (20.0,), classes=("car", "pedestrian")).lowest == 0.2


def test_of_two_overlapping_boxes_the_better_is_kept_whatever_their_classes():
    found = boxes((10, 0, CAR, 0.6), (11, 0, TRUCK, 0.9), (20, 0, CAR, 0.5))
    assert BoxFilter(CLASSES, ALL, nms_iou_threshold=0.5)(found).scores.tolist() == [0.9, 0.5]
    assert (
        len(BoxFilter(CLASSES, ALL, nms_iou_threshold=0.7)(found))
        == len(BoxFilter(CLASSES, ALL)(found))
        == 3
    )


def test_a_box_that_is_not_kept_suppresses_none():
    found = boxes((10, 0, TRUCK, 0.9), (10, 0, CAR, 0.8))
    assert BoxFilter(CLASSES, ALL, classes=("car",), nms_iou_threshold=0.1)(
        found
    ).labels.tolist() == [CAR]


def test_a_suppressed_box_suppresses_none():
    assert suppress(
        boxes((0, 0, CAR, 0.9), (2, 0, CAR, 0.8), (4, 0, CAR, 0.7)), 0.3
    ).scores.tolist() == [0.9, 0.7]


def test_a_label_set_without_classes_has_a_filter_that_keeps_nothing():
    keep = BoxFilter((), ())
    assert keep.lowest == 1.0 and len(keep(Boxes.empty())) == 0


def test_no_boxes_give_no_boxes():
    assert len(BoxFilter(CLASSES, ALL, (20.0,), nms_iou_threshold=0.1)(Boxes.empty())) == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"classes": ("car", "tram")}, "'tram' is not one of car, truck, pedestrian, cyclist"),
        ({"classes": ()}, "classes: none is left"),
        ({"distance_bands": (40.0, 20.0)}, "distance_bands: .* do not rise"),
        ({"distance_bands": (0.0,)}, "distance_bands"),
        (
            {"thresholds": ((0.3,), (0.3, 0.4), (0.3,), (0.3,))},
            "score_threshold_truck: 2 values, expected 1 .* or 3",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, reason):
    with pytest.raises(ValueError, match=reason):
        BoxFilter(CLASSES, **{"thresholds": ALL, "distance_bands": (20.0, 40.0), **settings})


def test_errors_use_the_parameter_name_of_a_class_with_a_space():
    assert threshold_name("Utility vehicle") == "score_threshold_Utility_vehicle"
    with pytest.raises(ValueError, match=r"^score_threshold_Utility_vehicle: 2 values"):
        BoxFilter(("Utility vehicle",), ((0.3, 0.4),), (20.0, 40.0))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (turned(0), 1),
        (turned(np.pi), 1),
        (turned(np.pi / 2), 4 / 12),
        (turned(0, (2, 0)), 4 / 12),
        (turned(0, (1, 1)), 3 / 13),
        (turned(0, (4.1, 0)), 0),
        (turned(0.3, size=(1, 0.5)), 0.5 / 8),
        (turned(np.pi / 4, (0, 0), (2 * 2**0.5, 2 * 2**0.5)), 6 / 10),
    ],
)
def test_bev_iou_of_rectangles_is_exact(other, expected):
    assert bev_iou(turned(0), other)[0] == pytest.approx(expected)
    assert bev_iou(other, turned(0))[0] == pytest.approx(expected)


def test_bev_iou_is_the_fraction_of_points_that_lie_in_both_boxes():
    rng = np.random.default_rng(3)
    first = turned(0.7)
    others = Boxes.concatenate(
        [turned(rng.uniform(-4, 4), rng.uniform(-2, 2, 2)) for _ in range(20)]
    )
    points = np.stack(np.meshgrid(np.linspace(-5, 5, 400), np.linspace(-5, 5, 400)), -1).reshape(
        -1, 2
    )

    def within(box: Boxes) -> np.ndarray:
        c, s = np.cos(box.yaws[0]), np.sin(box.yaws[0])
        local = np.abs((points - box.centers[0, :2]) @ [[c, -s], [s, c]])
        return (local <= box.sizes[0, :2] / 2).all(1)

    for index, iou in enumerate(bev_iou(Boxes.concatenate([first] * 20), others)):
        a, b = within(first), within(others[index : index + 1])
        assert iou == pytest.approx((a & b).sum() / (a | b).sum(), abs=0.01)


def test_long_boxes_behind_each_other_suppress_each_other_where_their_ends_overlap():
    trucks = Boxes([[20, 0, 1], [26, 0, 1]], [[10, 3, 3]] * 2, [0, 0], [TRUCK] * 2, [0.9, 0.5])
    assert suppress(trucks, 0.2).scores.tolist() == [0.9]  # their IoU is 0.25
    assert len(suppress(trucks, 0.3)) == 2


def test_a_small_box_in_a_large_one_is_kept():
    """The IoU of a pedestrian inside the box of a truck is small."""
    truck = Boxes([[20, 0, 1]], [[10, 3, 3]], [0.2], [TRUCK], [0.9])
    pedestrian = Boxes([[21, 0.5, 1]], [[0.6, 0.6, 1.8]], [0.0], [PEDESTRIAN], [0.5])
    assert len(suppress(Boxes.concatenate([truck, pedestrian]), 0.1)) == 2


@pytest.mark.parametrize("yaw", [0, np.pi])
def test_of_boxes_at_the_same_position_the_best_is_kept(yaw):
    same = Boxes.concatenate([turned(0.3), turned(0.3 + yaw), turned(0.3)])
    scored = Boxes(same.centers, same.sizes, same.yaws, same.labels, np.array([0.4, 0.8, 0.6]))
    assert suppress(scored, 0.9).scores.tolist() == [0.8]
