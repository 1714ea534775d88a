"""Check labelled data before it is trained on, scored or written as a bag.

`check_data` reads every frame; `check_files` opens no image and no cloud. Both use the same checks
and return a `DataReport`. A *fault* is what would train wrongly. A *warning* is a frame that lacks
something, or what is worth a look.
"""

from bev_semseg_ros.data_check.check import check_data, check_files
from bev_semseg_ros.data_check.report import DataReport

__all__ = ["DataReport", "check_data", "check_files"]
