"""The furniture of a street: which kinds it has, how many of each, and where."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.furniture_materials import FurnitureMaterials
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.advertising import Advertising
from bev_semseg_ros.sim.scene.roadside.furniture.bins import Bins
from bev_semseg_ros.sim.scene.roadside.furniture.bollards import Bollards
from bev_semseg_ros.sim.scene.roadside.furniture.gardens import Gardens
from bev_semseg_ros.sim.scene.roadside.furniture.islands import Islands
from bev_semseg_ros.sim.scene.roadside.furniture.lamps import Lamps
from bev_semseg_ros.sim.scene.roadside.furniture.machines import Machines
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind
from bev_semseg_ros.sim.scene.roadside.furniture.roadworks import (
    SITE_PROBABILITIES,
    SITE_PROBABILITY,
    RoadWorks,
)
from bev_semseg_ros.sim.scene.roadside.furniture.seats import Seats
from bev_semseg_ros.sim.scene.roadside.furniture.shops import Shops
from bev_semseg_ros.sim.scene.roadside.furniture.signs import Signs
from bev_semseg_ros.sim.scene.site import Site

# Kinds of streets with furniture like that of a town centre.
TOWN_KINDS = ("city", "avenue", "lot")
# Probability that a residential street has such furniture, too.
TOWN_SHARE = 0.6
# Bounds of a factor on the numbers of objects: some streets are nearly empty, others are full.
CROWDEDNESS = (0.3, 2.4)
# Probability of street lamps on a side, by kind of street; 0.75 for the other kinds.
LAMP_PROBABILITIES = {"rural": 0.2, "motorway": 0.3}
# Mean number of road signs on a side, by kind of street; 1.8 for the other kinds.
SIGN_COUNTS = {"rural": 0.8, "motorway": 0.8}
# Metres beyond the boundary of public ground within which the front of a building is searched for.
FRONT_REACH = 9.0


class Furniture:
    """Adds street furniture along one street.

    Furniture has no boxes: a detector must learn to tell it from people. Objects for which there is
    no room are left out.

    Attributes:
        kinds: Kinds of objects that are scattered along the street, with mean numbers.
        materials: Materials of all furniture of the street.
    """

    def __init__(self, site: Site) -> None:
        rng = site.rng
        self._site = site
        self._rng = rng
        self._street = site.street
        self.materials = materials = FurnitureMaterials.draw(rng, site.table)
        self._signs = Signs(site)
        self._lamps = Lamps(site, materials)
        self._islands = Islands(site, materials)
        self._works = RoadWorks(site, materials)
        self._shops = Shops(site, materials)
        self._seats = Seats(site, materials)
        placers = (
            Bollards(site, materials),
            Bins(site, materials),
            Machines(site, materials),
            Advertising(site, materials),
            Gardens(site, materials),
            self._works,
            self._shops,
            self._seats,
        )
        kinds = [kind for placer in placers for kind in placer.kinds]
        self.kinds = (*kinds, *self._sign_kinds())
        low, high = CROWDEDNESS
        self._crowdedness = float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def _sign_kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of signs that are low, temporary or on two legs."""
        signs = self._signs
        return (
            Kind(lambda side, s, t: signs.add_low_sign(s, t), 0.6, "kerb", 0.3),
            Kind(lambda side, s, t: signs.add_board_on_legs(s, t), 0.3, "wall", 0.2),
            Kind(lambda side, s, t: signs.add_temporary_sign(s, t), 0.2, "kerb", 0.08),
        )

    def populate(self, side: Side, style: str) -> None:
        """Add everything along one side.

        Args:
            side: Side of the street.
            style: What stands behind the pavement; see `Buildings.populate`.
        """
        rng, u, street = self._rng, self._rng.uniform, self._street
        has_guard_rail = street.kind in ("rural", "motorway")
        inner = side.walkway.start + (0.7 if has_guard_rail else 0.0)
        outer = max(side.boundary, inner + 0.6)
        if side is street.sides[0]:
            self._islands.populate()
        self._poles(side, inner, outer)
        for _ in range(rng.poisson(SIGN_COUNTS.get(street.kind, 1.8))):
            distance = min(inner + u(0.25, 0.9), outer)
            self._signs.add_sign(self._draw_station(), side.sign * distance)
        if rng.random() < SITE_PROBABILITIES.get(street.kind, SITE_PROBABILITY):
            self._works.add_site(side, self._signs)
        if street.kind == "motorway":
            if side.sign < 0 and rng.random() < 0.4:
                self._signs.add_gantry(side, u(25, 110))
            return
        self._traffic_light(side, inner)
        is_town = street.kind in TOWN_KINDS
        is_town = is_town or (street.kind == "residential" and rng.random() < TOWN_SHARE)
        if style == "city":
            self._fronts(side)
        self._strew(side, inner, outer, is_town)
        if style == "city" and rng.random() < 0.4 and outer - inner > 1.6:
            for _ in range(rng.integers(2, 9)):
                self._seats.add_table(side, u(5, 45), side.sign * u(inner + 0.8, outer - 0.3))

    def _draw_station(self) -> float:
        """Draw a station in metres, more often near the ego vehicle."""
        return 4 + 60 * self._rng.random() ** 1.3

    def _poles(self, side: Side, inner: float, outer: float) -> None:
        """Add the rows of poles of a side; arguments as in `_strew`."""
        rng, u, kind = self._rng, self._rng.uniform, self._street.kind
        if rng.random() < LAMP_PROBABILITIES.get(kind, 0.75):
            self._lamps.add_lamps(side, inner + u(0.25, 0.8))
        if kind in ("rural", "motorway") and rng.random() < 0.7:
            self._lamps.add_reflector_posts(side, inner + u(0.2, 0.6))
        if kind in ("rural", "residential") and rng.random() < 0.2:
            self._lamps.add_utility_poles(side, outer + u(0.2, 1.5))

    def _traffic_light(self, side: Side, inner: float) -> None:
        """Add a traffic light on some streets, usually before a side road."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        crossing = street.crossing
        is_wanted = rng.random() < 0.1 if crossing is None else crossing.has_signals
        if not is_wanted or street.kind == "rural":
            return
        s = u(10, 50) if crossing is None else crossing.signal_station(side, u(0.5, 2))
        self._signs.add_traffic_light(s, side.sign * (inner + u(0.3, 0.8)))

    def _strew(self, side: Side, inner: float, outer: float, is_town: bool) -> None:
        """Scatter objects of all kinds.

        Args:
            side: Side of the street.
            inner: Least distance from the centre line in metres.
            outer: Largest distance of public ground from the centre line in metres.
            is_town: Whether to use the mean numbers of a town instead of those of the country.
        """
        means = np.array([kind.town if is_town else kind.country for kind in self.kinds])
        counts = self._rng.poisson(means * self._crowdedness)
        drawn = np.repeat(np.arange(len(counts)), counts)
        self._rng.shuffle(drawn)
        for index in drawn:
            kind = self.kinds[index]
            distance = self._draw_distance(side, kind.zone, inner, outer)
            kind.add(side, self._draw_station(), side.sign * distance)

    def _draw_distance(self, side: Side, zone: str, inner: float, outer: float) -> float:
        """Draw a distance from the centre line within a zone of `Kind`.

        Most objects stand at the kerb or at the houses, so that people can pass between them. In
        car parks, they also stand at the heads of the parking places.
        """
        u = self._rng.uniform
        bays = [strip for strip in side.strips if strip.use == "parking"]
        if self._street.kind == "lot" and bays and self._rng.random() < 0.6:
            return bays[self._rng.integers(len(bays))].end + u(-0.4, 0.2)
        if zone == "yard":
            return outer + u(0.6, 5.0)
        if zone == "kerb":
            return min(inner + u(0.2, 0.7), outer)
        if zone == "wall":
            return max(outer - u(0.15, 0.6), inner + 0.3)
        return u(inner + 0.25, outer)

    def _fronts(self, side: Side) -> None:
        """Add objects close to the fronts of houses: shop windows and scaffolds."""
        rng, u = self._rng, self._rng.uniform
        for _ in range(rng.poisson(0.9 * self._crowdedness)):
            s = self._draw_station()
            distance = self._find_front(side, s)
            if distance is not None:
                self._shops.add_show_window(side, s, distance)
        if rng.random() < 0.15:
            s = u(5, 45)
            distance = self._find_front(side, s + 2.5)
            if distance is not None:
                self._works.add_scaffold(side, s, distance)

    def _find_front(self, side: Side, s: float) -> float | None:
        """Return the distance from the centre line to the building at a station, or None."""
        occupancy = self._site.occupancy
        step = 0.25
        for distance in np.arange(side.boundary, side.boundary + FRONT_REACH, step):
            pose = self._site.pose(s, side.sign * (distance + step / 2))
            if not occupancy.is_free(pose, 0.1, step, margin=0.0):
                return float(distance)
        return None
