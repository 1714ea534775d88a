"""Traffic in a street: vehicles, people, riders, and the drive of the ego vehicle."""

from bev_semseg_ros.sim.scene.traffic.drive import Drive
from bev_semseg_ros.sim.scene.traffic.traffic import Traffic

__all__ = ["Drive", "Traffic"]
