"""Class numbers of simulated surfaces and objects.

Everything the simulator needs to know about classes is in this module. The rest of the package
refers to a class by its name.
"""

from __future__ import annotations

from bev_semseg_ros.labels import MASK_IGNORED, load_label_set

# The label set of the simulated masks.
MASK_LABEL_SET = "driving_13"
_MASK_CLASSES = load_label_set(MASK_LABEL_SET).classes

# Value of pixels without a class in a simulated mask.
IGNORED_PIXEL = MASK_IGNORED

# Class name -> value in the simulated masks: the label set "driving_13".
MASK_LABEL = {name: number for number, name in enumerate(_MASK_CLASSES)}
# The same values by name.
ROAD = MASK_LABEL["road"]
LANE_MARKING = MASK_LABEL["lane_marking"]
SIDEWALK = MASK_LABEL["sidewalk"]
BUILDING = MASK_LABEL["building"]
BARRIER = MASK_LABEL["barrier"]
POLE = MASK_LABEL["pole"]
SIGN = MASK_LABEL["sign"]
VEGETATION = MASK_LABEL["vegetation"]
SKY = MASK_LABEL["sky"]
CAR = MASK_LABEL["car"]
TRUCK = MASK_LABEL["truck"]
PEDESTRIAN = MASK_LABEL["pedestrian"]
TWO_WHEELER = MASK_LABEL["two_wheeler"]

# Names of the classes that have boxes, and class name -> class number: the label set "boxes_4".
BOX_CLASSES = load_label_set("boxes_4").classes
BOX_LABEL = {name: number for number, name in enumerate(BOX_CLASSES)}

# Class name -> category of A2D2 in whose colour the simulator writes the class.
A2D2_CATEGORY = {
    "road": "RD normal street",
    "lane_marking": "Solid line",
    "sidewalk": "Sidewalk",
    "building": "Buildings",
    "barrier": "Sidebars",
    "pole": "Poles",
    "sign": "Traffic sign",
    "vegetation": "Nature object",
    "sky": "Sky",
    "car": "Car",
    "truck": "Truck",
    "pedestrian": "Pedestrian",
    "two_wheeler": "Bicycle",
}
