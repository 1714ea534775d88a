"""Class numbers that the simulator gives to surfaces and objects.

Everything the simulator needs to know about classes is in this module. The rest of the package
refers to a class by its name.
"""

from __future__ import annotations

from bev_semseg_ros.taxonomy import DETECTION_CLASSES, IGNORE, SEGMENTATION_CLASSES

# Value of pixels without a class in a mask.
IGNORED_PIXEL = IGNORE

# Class name -> value in the simulated masks.
MASK_LABEL = {name: index for index, name in enumerate(SEGMENTATION_CLASSES)}

# Names of the classes that have boxes, and class name -> label of a box.
BOX_CLASSES = DETECTION_CLASSES
BOX_LABEL = {name: index for index, name in enumerate(BOX_CLASSES)}

# Class name -> entry of A2D2's class_list.json whose colour the simulator writes for it. Where the
# class list counts instances ("Car 1", "Car 2", ...), it is the first one.
A2D2_CATEGORY = {
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
