"""Matches the messages of several sensors by their stamps."""

from bev_semseg_ros.ros.synchronizer.arrivals import SILENCE_NS, Arrivals
from bev_semseg_ros.ros.synchronizer.match import Match
from bev_semseg_ros.ros.synchronizer.synchronizer import MOST_WAITING, STREAMS, Synchronizer

__all__ = ["MOST_WAITING", "SILENCE_NS", "STREAMS", "Arrivals", "Match", "Synchronizer"]
