"""All actors of a street, added in the order in which they occupy ground."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.site import Site
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.cross_traffic import CrossTraffic
from bev_semseg_ros.sim.scene.traffic.drive import Drive
from bev_semseg_ros.sim.scene.traffic.parking import Parking
from bev_semseg_ros.sim.scene.traffic.people import People
from bev_semseg_ros.sim.scene.traffic.placement import Placement
from bev_semseg_ros.sim.scene.traffic.riders import Riders
from bev_semseg_ros.sim.scene.traffic.vehicles import Vehicles


class Traffic:
    """Places actors on a street.

    No actor collides with another one, or with the ego vehicle, during the whole drive. Actors for
    which there is no room are left out.

    Attributes:
        busyness: How many people, riders and lorries the street has.
    """

    def __init__(self, site: Site, drive: Drive, times: np.ndarray) -> None:
        """Draw how busy the street is, and the colours of vehicles and clothes.

        Args:
            site: The street and what is shared by everything built on it.
            drive: How the ego vehicle moves.
            times: (K,) moments in seconds at which objects must not overlap.
        """
        self.busyness = Busyness.draw(site.rng, site.street.kind)
        people = self.busyness.people + self.busyness.riders
        self._placement = Placement(site, drive, times, people)
        self._vehicles = Vehicles(self._placement, self.busyness)
        self._parking = Parking(self._placement)

    @property
    def actors(self) -> list[Actor]:
        """All actors placed so far."""
        return self._placement.actors

    def add_moving_vehicles(self) -> None:
        """Reserve the path of the ego vehicle, then add moving traffic."""
        self._placement.reserve_ego_path()
        self._vehicles.add_moving()
        CrossTraffic(self._placement, self.busyness).add()

    def add_parked_vehicles(self, side: Side) -> None:
        """Fill the rows of parking places of a side."""
        self._parking.fill(side)

    def add_the_rest(self) -> None:
        """Add standing vehicles, riders and people on the ground that is still free."""
        self._vehicles.add_waiting()
        riders = Riders(self._placement, self.busyness)
        riders.add_parked()
        riders.add()
        People(self._placement, self.busyness).add()
        self._vehicles.add_scattered()
