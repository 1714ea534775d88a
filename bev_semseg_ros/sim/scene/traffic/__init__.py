"""What moves or parks in a street: vehicles, people, riders, and the vehicle itself."""

from bev_semseg_ros.sim.scene.traffic.drive import Drive
from bev_semseg_ros.sim.scene.traffic.traffic import Traffic

__all__ = ["Drive", "Traffic"]
