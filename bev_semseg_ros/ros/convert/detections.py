"""Boxes -> vision_msgs/Detection3DArray, class names -> vision_msgs/LabelInfo (vision_msgs 4, ROS 2 Jazzy).

vision_msgs need not be installed: it is imported where a message is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.ros.convert.markers import quaternions


def encode_detections(boxes: Boxes, frame_from_ego: np.ndarray, header: Any) -> Any:
    """`boxes` (ego frame) as detections in another frame, whatever its orientation, in their order.

    Each has one hypothesis: class_id is the number LabelInfo gives a name to, as text; its pose is the box's centre.
    """
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

    message = Detection3DArray(header=header)
    rows = zip(
        apply(frame_from_ego, boxes.centers).tolist(),
        quaternions(frame_from_ego, boxes.yaws).tolist(),
        boxes.sizes.tolist(),
        boxes.labels.tolist(),
        boxes.scores.tolist(),
        strict=True,
    )
    for position, rotation, size, label, score in rows:
        detection, result = Detection3D(header=header), ObjectHypothesisWithPose()
        box, pose = detection.bbox, detection.bbox.center
        pose.position.x, pose.position.y, pose.position.z = position
        pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = rotation
        box.size.x, box.size.y, box.size.z = size
        result.hypothesis.class_id, result.hypothesis.score = str(label), score
        result.pose.pose = pose
        detection.results.append(result)
        message.detections.append(detection)
    return message


def encode_label_info(names: Sequence[str], threshold: float, header: Any) -> Any:
    """The names of the class numbers 0, 1, ... and the score below which nothing is published."""
    from vision_msgs.msg import LabelInfo, VisionClass

    return LabelInfo(
        header=header,
        threshold=float(threshold),
        class_map=[
            VisionClass(class_id=number, class_name=name) for number, name in enumerate(names)
        ],
    )
