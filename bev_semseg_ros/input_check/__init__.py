"""Compare live input with the training data, for the node and the doctor. Needs only NumPy.

`InputStatistics` summarises frames. The summary of the training data is part of a checkpoint's
`info`. `compare` compares the summary of other frames with it. Values that an older checkpoint
lacks are reported as unknown, which is never an error.
"""

from bev_semseg_ros.input_check.finding import LEVELS, Finding, Level
from bev_semseg_ros.input_check.intensity import (
    better_intensity_scale,
    expected_full_scale,
    full_scale,
    suited_intensity_scale,
    warn_of_raw_intensities,
)
from bev_semseg_ros.input_check.rules import compare
from bev_semseg_ros.input_check.statistics import (
    GROUND_RADIUS,
    INTENSITY_SHARE,
    InputStatistics,
    count_beams,
    highest_intensity,
)
from bev_semseg_ros.input_check.table import counted, findings_table

__all__ = [
    "GROUND_RADIUS",
    "INTENSITY_SHARE",
    "LEVELS",
    "Finding",
    "InputStatistics",
    "Level",
    "better_intensity_scale",
    "compare",
    "count_beams",
    "counted",
    "expected_full_scale",
    "findings_table",
    "full_scale",
    "highest_intensity",
    "suited_intensity_scale",
    "warn_of_raw_intensities",
]
