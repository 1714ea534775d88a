"""Traffic islands, with low round blue signs, lit bollards, beacons and marker posts."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import POLE, SIDEWALK, SIGN
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Placer, Spot

# Height in metres of an island above the road.
KERB = 0.11
# Probability that a street without a median has islands, by kind of street.
ISLAND_PROBABILITIES = {"city": 0.3, "avenue": 0.35, "residential": 0.2, "rural": 0.08}
# Least distance in metres between an island and the paths of vehicles.
MARGIN = 0.05


class Islands(Placer):
    """Adds islands between lanes and at the mouths of side roads."""

    def populate(self) -> None:
        """Add all islands of the street."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        if street.median > 0.2:
            for _ in range(rng.poisson(2.5)):
                spot = self._place(u(4, 60), 0.0, 0.35, turn=self._heading())
                if spot is not None:
                    self._furnish(spot)
        elif rng.random() < ISLAND_PROBABILITIES.get(street.kind, 0.0):
            middle = self._between_directions()
            if middle is not None:
                for _ in range(rng.integers(1, 4)):
                    self.add_island(u(7, 55), middle, u(2, 9), u(0.4, 1.4))
        if rng.random() < 0.25:
            self._kerb_extension()
        crossing = street.crossing
        if crossing is not None and rng.random() < 0.5:
            sign = self._pick(crossing.signs)
            t = sign * (street.half_width + u(1.5, 3.5))
            self._mouth(crossing.station, t)

    def _heading(self) -> float:
        """Return a heading along the road, for one direction of traffic or the other."""
        return float(self._pick((0.0, np.pi))) + self._rng.normal(0, 0.06)

    def _between_directions(self) -> float | None:
        """Return the offset between the lanes of the two directions; None if there is only one."""
        ahead = [lane for lane in self._street.lanes if lane.direction > 0]
        back = [lane for lane in self._street.lanes if lane.direction < 0]
        if not ahead or not back:
            return None
        leftmost = max(ahead, key=lambda lane: lane.offset)
        return leftmost.offset + leftmost.width / 2

    def add_island(self, s: float, t: float, length: float, width: float) -> None:
        """Add a raised island with a sign at one end or both, and posts in between."""
        rng, surfaces = self._rng, self._site.surfaces
        spot = self._place(s, t, length, width, margin=MARGIN)
        if spot is None:
            spot = self._place(s, t, min(length, 2.5), 0.35, margin=MARGIN)
            length, width = min(length, 2.5), 0.35
        if spot is None:
            return
        top = self._pick((surfaces.kerb, *surfaces.pavements))
        self._box(spot, (length, width, KERB + 0.1), SIDEWALK, surfaces.kerb, up=-0.1, top=top)
        reach = length / 2 - 0.3
        for along, turn in ((-reach, 0.0), (reach, np.pi)):
            if rng.random() < 0.85:
                self._furnish(spot.moved(along, 0, KERB, turn))
        for along in np.arange(-reach + 1.0, reach - 0.9, 1.2):
            if rng.random() < 0.3:
                self._marker(spot.moved(float(along), 0, KERB))

    def _mouth(self, s: float, t: float) -> None:
        """Add the island in the mouth of a side road."""
        pose = self._site.pose(s, t)
        size = (self._rng.uniform(0.5, 1.2), self._rng.uniform(1.5, 4))
        if not self._site.occupancy.claim(pose, *size, MARGIN):
            return
        spot = self._spot(s, t)
        self._box(spot, (*size, KERB), SIDEWALK, self._site.surfaces.kerb)
        towards = np.pi / 2 if t > 0 else -np.pi / 2
        self._furnish(spot.moved(0, -np.sign(t) * (size[1] / 2 - 0.3), KERB, towards))

    def _kerb_extension(self) -> None:
        """Add a kerb that juts out into the parking places, with posts at its corners."""
        side = self._pick(self._street.sides)
        s, width = self._rng.uniform(5, 50), self._rng.uniform(0.8, 2.0)
        length, t = self._rng.uniform(1.0, 4), side.sign * (self._street.half_width + width / 2)
        spot = self._place(s, t, length, width)
        if spot is None:
            return
        surfaces = self._site.surfaces
        self._box(spot, (length, width, KERB), SIDEWALK, surfaces.kerb, top=surfaces.soil)
        for along in (-length / 2 + 0.2, length / 2 - 0.2):
            corner = spot.moved(along, -side.sign * (width / 2 - 0.2), KERB)
            if self._rng.random() < 0.5:
                self._furnish(corner)
            else:
                self._marker(corner)

    def _furnish(self, spot: Spot) -> None:
        """Add a sign or a post that shows traffic along the heading of a spot where to pass."""
        kind = self._rng.random()
        if kind < 0.5:
            self._round_sign(spot)
        elif kind < 0.65:
            self._lit_box(spot)
        elif kind < 0.85:
            self._beacon(spot)
        else:
            self._marker(spot)

    def _round_sign(self, spot: Spot) -> None:
        """Add a low round blue sign with an arrow on a pole, sometimes above a striped board."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        radius, middle = u(0.17, 0.32), u(0.55, 1.3)
        if rng.random() < 0.25:
            middle = u(1.3, 2.4)
        pole = self._pick((self._site.surfaces.metal, *materials.paints))
        self._rod(spot, (0, 0, -0.1), (0, 0, middle + 0.6 * radius), u(0.025, 0.06), POLE, pole)
        self._arrow_sign(spot, radius, middle)
        if rng.random() < 0.35 and middle > 0.8:
            height = middle - radius - 0.2
            striped = self._pick((*materials.striped, materials.yellow_black))
            self._slanted_stripes(spot.moved(-0.06), u(0.2, 0.4), height, 0.15, POLE, striped)
        if rng.random() < 0.15:
            self._disc(spot, radius * 0.6, middle + 1.7 * radius, SIGN, materials.white, -0.06)

    def _arrow_sign(self, spot: Spot, radius: float, middle: float) -> None:
        """Add a blue plate with a white arrow; its centre is `middle` metres above the spot."""
        materials = self._materials
        self._disc(spot, radius, middle, SIGN, materials.white, -0.060)
        self._disc(spot, 0.94 * radius, middle, SIGN, materials.blue, -0.068)
        self._disc(spot.moved(0, turn=np.pi), radius, middle, SIGN, materials.paints[0], 0.050)
        angle = self._pick((-0.8, -0.8, -2.35, -np.pi / 2, 0.0, np.pi))
        along = np.array([np.cos(angle), np.sin(angle)])
        side = np.array([-along[1], along[0]])
        r = radius
        shaft = [
            -0.6 * r * along - 0.1 * r * side,
            0.2 * r * along - 0.1 * r * side,
            0.2 * r * along + 0.1 * r * side,
            -0.6 * r * along + 0.1 * r * side,
        ]
        head = [
            0.1 * r * along - 0.38 * r * side,
            0.7 * r * along,
            0.1 * r * along + 0.38 * r * side,
        ]
        for corners in (shaft, head):
            # A viewer in front looks along the heading, so right is opposite to the spot's left.
            points = [spot.at(-0.076, -right, middle + up) for right, up in corners]
            self._out.polygon(np.array(points), SIGN, materials.white)

    def _lit_box(self, spot: Spot) -> None:
        """Add a bollard with a light inside and an arrow on it."""
        u, materials = self._rng.uniform, self._materials
        width, height = u(0.28, 0.5), u(0.85, 1.3)
        body = self._pick((materials.white, materials.yellow_black, *materials.plastics))
        self._box(spot, (0.22, width, height), SIGN, body)
        self._box(spot, (0.24, width + 0.02, 0.25), SIGN, self._materials.rubber)
        self._arrow_sign(spot.moved(-0.08), 0.42 * width, 0.68 * height)

    def _beacon(self, spot: Spot) -> None:
        """Add a striped board on a post, sometimes with a round sign on top."""
        u, materials = self._rng.uniform, self._materials
        striped = self._pick((*materials.striped, materials.yellow_black))
        height = u(0.6, 1.1)
        self._slanted_stripes(spot, u(0.2, 0.4), height, 0.1, POLE, striped)
        self._rod(spot, (0, 0, -0.1), (0, 0, height + 0.1), 0.03, POLE, materials.paints[0])
        if self._rng.random() < 0.4:
            radius = u(0.17, 0.3)
            top = height + 0.15 + radius
            self._rod(spot, (0, 0, height), (0, 0, top), 0.03, POLE, materials.paints[0])
            self._arrow_sign(spot, radius, top)

    def _marker(self, spot: Spot) -> None:
        """Add a post with white bands."""
        u, materials = self._rng.uniform, self._materials
        r, h = u(0.035, 0.09), u(0.6, 1.1)
        body = self._pick((materials.orange, materials.red, *materials.plastics))
        rings = [(0.0, 1.5 * r), (0.05, r), (0.55 * h, r), (0.7 * h, r), (0.8 * h, r), (h, r)]
        self._lathe(spot, rings, POLE, [body, body, materials.white, body, materials.white, body])
