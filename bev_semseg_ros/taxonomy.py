"""Class sets, palettes and the mappings of data sets to them: each stands here and nowhere else."""

from __future__ import annotations

import re

import numpy as np

DETECTION_CLASSES = ("car", "truck", "pedestrian", "cyclist")
IGNORED_VEHICLE = (
    -1
)  # truth only: a vehicle of no class (tram, trailer, ...), neither found nor missed
DETECTION_COLORS = np.array([[40, 120, 255], [255, 140, 0], [230, 30, 90], [0, 190, 140]], np.uint8)

SEGMENTATION_CLASSES = (
    "road",
    "lane_marking",
    "sidewalk",
    "building",
    "barrier",
    "pole",
    "sign",
    "vegetation",
    "sky",
    "car",
    "truck",
    "pedestrian",
    "two_wheeler",
)
IGNORE = 255
SEGMENTATION_COLORS = np.array(
    [
        [128, 64, 128],
        [255, 255, 255],
        [244, 35, 232],
        [110, 80, 80],
        [190, 153, 153],
        [220, 220, 0],
        [255, 120, 0],
        [60, 160, 40],
        [70, 130, 180],
        [0, 0, 200],
        [0, 80, 100],
        [220, 20, 60],
        [0, 220, 220],
    ],
    np.uint8,
)

GROUPS = ("road", "vehicle", "vegetation", "sky", "building", "other")
GROUP_OF_CLASS = {
    "road": "road",
    "lane_marking": "road",
    "sidewalk": "other",
    "building": "building",
    "barrier": "other",
    "pole": "other",
    "sign": "other",
    "vegetation": "vegetation",
    "sky": "sky",
    "car": "vehicle",
    "truck": "vehicle",
    "pedestrian": "other",
    "two_wheeler": "other",
}

# A2D2's class_list.json after stripping the instance number: category -> (class, group); None is ignored.
A2D2_CATEGORIES: dict[str, tuple[str, str] | None] = {
    "RD normal street": ("road", "road"),
    "Drivable cobblestone": ("road", "road"),
    "Slow drive area": ("road", "road"),
    "Parking area": ("road", "road"),
    "RD restricted area": ("road", "road"),
    "Non-drivable street": ("road", "road"),
    "Speed bumper": ("road", "road"),
    "Solid line": ("lane_marking", "road"),
    "Dashed line": ("lane_marking", "road"),
    "Zebra crossing": ("lane_marking", "road"),
    "Painted driv. instr.": ("lane_marking", "road"),
    "Sidewalk": ("sidewalk", "other"),
    "Curbstone": ("sidewalk", "other"),
    "Buildings": ("building", "building"),
    "Sidebars": ("barrier", "other"),
    "Grid structure": ("barrier", "other"),
    "Road blocks": ("barrier", "other"),
    "Obstacles / trash": ("barrier", "other"),
    "Animals": ("barrier", "other"),
    "Poles": ("pole", "other"),
    "Traffic guide obj.": ("pole", "other"),
    "Traffic signal": ("sign", "other"),
    "Traffic sign": ("sign", "other"),
    "Irrelevant signs": ("sign", "other"),
    "Signal corpus": ("sign", "other"),
    "Electronic traffic": ("sign", "other"),
    "Nature object": ("vegetation", "vegetation"),
    "Sky": ("sky", "sky"),
    "Car": ("car", "vehicle"),
    "Truck": ("truck", "vehicle"),
    "Utility vehicle": ("truck", "vehicle"),
    "Tractor": ("truck", "vehicle"),
    "Pedestrian": ("pedestrian", "other"),
    "Bicycle": ("two_wheeler", "other"),
    "Small vehicles": ("two_wheeler", "vehicle"),
    "Ego car": None,
    "Blurred area": None,
    "Rain dirt": None,
}

# The category the simulator writes for a class, in A2D2's spelling (first instance where there are several).
A2D2_CATEGORY_OF_CLASS = {
    "road": "RD normal street",
    "lane_marking": "Solid line",
    "sidewalk": "Sidewalk",
    "building": "Buildings",
    "barrier": "Sidebars",
    "pole": "Poles",
    "sign": "Traffic sign 1",
    "vegetation": "Nature object",
    "sky": "Sky",
    "car": "Car 1",
    "truck": "Truck 1",
    "pedestrian": "Pedestrian 1",
    "two_wheeler": "Bicycle 1",
}

# Box classes of the data sets -> detection class; IGNORED_VEHICLE for vehicles of no class, None for no object.
A2D2_BOX_CLASSES: dict[str, str | int | None] = {
    "Car": "car",
    "VanSUV": "car",
    "Truck": "truck",
    "Bus": "truck",
    "Pedestrian": "pedestrian",
    "Cyclist": "cyclist",
    "MotorBiker": "cyclist",
    "Bicycle": None,
    "Motorcycle": None,
    "Animal": None,
    "UtilityVehicle": IGNORED_VEHICLE,
    "CaravanTransporter": IGNORED_VEHICLE,
    "Trailer": IGNORED_VEHICLE,
    "EmergencyVehicle": IGNORED_VEHICLE,
}
KITTI_BOX_CLASSES: dict[str, str | int | None] = {
    "Car": "car",
    "Van": "car",
    "Truck": "truck",
    "Pedestrian": "pedestrian",
    "Cyclist": "cyclist",
    "Person_sitting": "pedestrian",
    "Tram": IGNORED_VEHICLE,
    "Misc": IGNORED_VEHICLE,
    "DontCare": None,
}
KITTI_IGNORED = frozenset({"Person_sitting"})  # boxed, but neither found nor missed


def detection_label(name: str, classes: dict[str, str | int | None]) -> int | None:
    """Label of a data set's box class: an index of DETECTION_CLASSES, IGNORED_VEHICLE, or None for no object.

    Raises ValueError for a class the mapping does not know.
    """
    if name not in classes:
        raise ValueError(f"unknown box class {name!r}, expected one of {', '.join(classes)}")
    target = classes[name]
    return DETECTION_CLASSES.index(target) if isinstance(target, str) else target


def a2d2_category(name: str) -> str:
    """The category of an entry of class_list.json: a trailing number counts instances."""
    return re.sub(r" [1-9]$", "", name)


def a2d2_ids(name: str) -> tuple[int, int]:
    """(class id, group id) of an entry of class_list.json; IGNORE for both where the category is ignored.

    Raises ValueError for a category that is not in A2D2_CATEGORIES.
    """
    category = a2d2_category(name)
    if category not in A2D2_CATEGORIES:
        raise ValueError(f"unknown A2D2 category {name!r}")
    target = A2D2_CATEGORIES[category]
    if target is None:
        return IGNORE, IGNORE
    return SEGMENTATION_CLASSES.index(target[0]), GROUPS.index(target[1])


def group_of_class_table() -> np.ndarray:
    """(256,) uint8: class id -> group id, IGNORE stays IGNORE."""
    table = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(SEGMENTATION_CLASSES):
        table[index] = GROUPS.index(GROUP_OF_CLASS[name])
    return table


def colorize(mask: np.ndarray) -> np.ndarray:
    """(h, w) class ids -> (h, w, 3) uint8 RGB; ignored pixels are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(SEGMENTATION_COLORS)] = SEGMENTATION_COLORS
    return table.take(mask, 0)
