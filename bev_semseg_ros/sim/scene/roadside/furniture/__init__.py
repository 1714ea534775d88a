"""Street furniture, one module for each type. No furniture has a box."""

from bev_semseg_ros.sim.scene.roadside.furniture.furniture import Furniture

__all__ = ["Furniture"]
