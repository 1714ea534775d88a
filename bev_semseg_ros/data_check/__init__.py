"""Checks labelled data before training, evaluation or conversion to a bag.

`check_data` reads each frame. `check_files` does not read frames, only the headers of a few images
and parts of a few clouds. Both return a `DataReport`. A *fault* would make
the training wrong. A *warning* is about frames that lack something, or about something unusual.
"""

from bev_semseg_ros.data_check.check import check_data, check_files
from bev_semseg_ros.data_check.report import DataReport

__all__ = ["DataReport", "check_data", "check_files"]
