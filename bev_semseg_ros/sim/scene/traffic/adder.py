"""What all classes that add actors to a street begin with."""

from __future__ import annotations

from bev_semseg_ros.sim.scene.traffic.placement import Placement


class Adder:
    """Adds actors of some sort to one street."""

    def __init__(self, placement: Placement) -> None:
        """Take what puts the actors into the street."""
        self._place = placement
        self._site = placement.site
        self._rng = placement.site.rng
        self._street = placement.site.street
        self._library = placement.site.library
