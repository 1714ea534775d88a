"""Base class of everything that adds actors to a street."""

from __future__ import annotations

from bev_semseg_ros.sim.scene.traffic.placement import Placement


class Adder:
    """Adds actors of one sort to one street."""

    def __init__(self, placement: Placement) -> None:
        """Take the object that places actors on the street."""
        self._place = placement
        self._site = placement.site
        self._rng = placement.site.rng
        self._street = placement.site.street
        self._library = placement.site.library
