"""Boxes -> vision_msgs/Detection3DArray, class names -> vision_msgs/LabelInfo (vision_msgs 4).

vision_msgs need not be installed: it is imported only where a message is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.ros.convert.markers import quaternions


def encode_detections(boxes: Boxes, frame_from_ego: np.ndarray, header: Any) -> Any:
    """Convert boxes to detections in another frame, whatever its orientation.

    Args:
        boxes: In the ego frame.
        frame_from_ego: (4, 4) transform.
        header: The std_msgs/Header of the other frame.

    Returns:
        The Detection3DArray, in the order of the boxes. Each detection has one hypothesis:
        class_id is the class number as text, see `encode_label_info`, and the pose is that of the
        box's centre.
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
        detection = Detection3D(header=header)
        box, pose = detection.bbox, detection.bbox.center
        pose.position.x, pose.position.y, pose.position.z = position
        pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = rotation
        box.size.x, box.size.y, box.size.z = size
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = str(label)
        hypothesis.hypothesis.score = score
        hypothesis.pose.pose = pose
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message


def encode_label_info(classes: Sequence[str], threshold: float, header: Any) -> Any:
    """Name the class numbers of detections or of a segmentation.

    Args:
        classes: The names of the classes 0, 1, ...
        threshold: The score below which nothing is published.
        header: The std_msgs/Header of the message.

    Returns:
        The LabelInfo.
    """
    from vision_msgs.msg import LabelInfo, VisionClass

    class_map = []
    for number, name in enumerate(classes):
        class_map.append(VisionClass(class_id=number, class_name=name))
    return LabelInfo(header=header, threshold=float(threshold), class_map=class_map)
