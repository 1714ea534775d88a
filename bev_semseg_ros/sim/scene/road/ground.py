"""The ground of a street as a mesh: carriageway, strips, side road, and the plain below them."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import ROAD, SIDEWALK, VEGETATION
from bev_semseg_ros.sim.scene.road.cross_section import Side, Strip
from bev_semseg_ros.sim.scene.road.crossing import Crossing
from bev_semseg_ros.sim.scene.road.street import MEDIAN_KERB, Street

# A rough strip is a grid of cells of this size in metres, between these stations.
ROUGH_CELL = 0.8
ROUGH_START, ROUGH_END = -8.0, 55.0
# Radii in metres of the rings of the plain.
PLAIN_RADII = np.array([1.0, 30, 60, 100, 150, 220, 320, 450])


def build_ground(
    street: Street, rng: np.random.Generator, builder: MeshBuilder, surfaces: Surfaces
) -> None:
    """Add the ground of a street to a mesh.

    Args:
        street: The street.
        rng: Source of randomness.
        builder: Receives the triangles.
        surfaces: Materials.
    """
    _Ground(street, rng, builder, surfaces).build()


class _Ground:
    """Builds the ground of one street; arguments as in `build_ground`."""

    def __init__(
        self, street: Street, rng: np.random.Generator, builder: MeshBuilder, surfaces: Surfaces
    ) -> None:
        self._street = street
        self._alignment = street.alignment
        self._rng = rng
        self._builder = builder
        self._surfaces = surfaces

    def build(self) -> None:
        """Add everything."""
        street = self._street
        stations, half_width = self._alignment.stations, street.half_width
        self._band(stations, (-half_width, half_width), (0, 0), ROAD, self._surfaces.road)
        if street.median:
            self._add_island()
        for side in street.sides:
            crossing, corner, beyond = street.crossing, 0.0, 0.0
            if crossing is not None:
                corner, beyond = crossing.corner_radius(side), crossing.pavement
            for strip in side.strips:
                is_public = strip.end <= side.boundary + 1e-9
                for run in street.runs(side.sign, corner if is_public else beyond):
                    if strip.roughness > 0:
                        self._add_rough_strip(run, side.sign, strip)
                    else:
                        self._add_strip(run, side.sign, strip)
            if street.crossing is not None and side.sign in street.crossing.signs:
                self._add_side_road(side, street.crossing)
        self._add_plain()

    def _band(
        self,
        stations: np.ndarray,
        offsets: tuple[float, float],
        heights: tuple[float, float],
        label: int,
        material: int,
    ) -> None:
        """Add a flat band along the road.

        Args:
            stations: (S,) metres.
            offsets: Offsets of its edges in metres.
            heights: Heights of its edges above the centre line in metres.
            label: Class of the surface.
            material: Row index in the MaterialTable.
        """
        (t0, t1), (z0, z1) = offsets, heights
        if t0 > t1:  # so that the surface faces up
            t0, t1, z0, z1 = t1, t0, z1, z0
        t = np.array([t0, t1])
        uvs = np.stack(np.broadcast_arrays(stations[:, None], [t0, t1 + abs(z1 - z0)]), -1)
        points = self._alignment.points(stations[:, None], t, np.array([z0, z1]))
        self._builder.grid(points, label, material, uvs, smooth=False)

    def _add_strip(self, stations: np.ndarray, sign: int, strip: Strip) -> None:
        """Add a flat strip of a side."""
        offsets = (sign * strip.start, sign * strip.end)
        self._band(stations, offsets, (strip.low, strip.high), strip.label, strip.material)

    def _add_island(self) -> None:
        """Add the median: kerbs around grass or paving."""
        rng, surfaces, median = self._rng, self._surfaces, self._street.median
        inner = median - 0.15
        is_planted = median > 0.6 and rng.random() < 0.7
        if is_planted:
            label, material = VEGETATION, surfaces.verges[rng.integers(len(surfaces.verges))]
        else:
            label, material = SIDEWALK, surfaces.pavements[0]
        edge = median - 0.01
        crossing = self._street.crossing
        sign_of_gap = 1 if crossing is None else crossing.signs[0]
        for stations in self._street.runs(sign_of_gap, margin=1.0):
            self._band(stations, (-inner, inner), (MEDIAN_KERB, MEDIAN_KERB), label, material)
            for sign in (1, -1):
                for start, end, low in ((inner, edge, MEDIAN_KERB), (edge, median, 0.0)):
                    offsets = (sign * start, sign * end)
                    self._band(stations, offsets, (MEDIAN_KERB, low), SIDEWALK, surfaces.kerb)

    def _add_rough_strip(self, stations: np.ndarray, sign: int, strip: Strip) -> None:
        """Add an uneven strip. It is flat far away, and its edges match those of a flat strip."""
        near = stations[(stations > ROUGH_START) & (stations < ROUGH_END)]
        if len(near) < 2:
            self._add_strip(stations, sign, strip)
            return
        for part in (stations[stations <= near[0]], stations[stations >= near[-1]]):
            if len(part) > 1:
                self._add_strip(part, sign, strip)
        s = np.unique(np.concatenate([near, np.arange(near[0], near[-1], ROUGH_CELL)]))
        columns = max(3, int((strip.end - strip.start) / ROUGH_CELL) + 1)
        distance = np.linspace(strip.start, strip.end, columns)
        z = np.interp(distance, [strip.start, strip.end], [strip.low, strip.high])
        z = z + np.zeros((len(s), 1))
        bumps = self._rng.normal(0, strip.roughness, (len(s) - 2, len(distance) - 2))
        z[1:-1, 1:-1] += bumps
        t = sign * distance
        if sign < 0:
            t, z = t[::-1], z[:, ::-1]
        uvs = np.stack(np.broadcast_arrays(s[:, None], t), -1)
        points = self._alignment.points(s[:, None], t, z)
        self._builder.grid(points, strip.label, strip.material, uvs)

    def _add_side_road(self, side: Side, crossing: Crossing) -> None:
        """Add a side road, its pavements, and the corners of the street's own pavement."""
        builder, surfaces = self._builder, self._surfaces
        ends = [strip.end for strip in side.strips]
        distance = np.unique([self._street.half_width, side.kerb_start, *ends])
        z = side.road_height(distance)
        stations = self._alignment.stations
        between = stations[(stations > crossing.start) & (stations < crossing.end)]
        s = np.concatenate([[crossing.start], between, [crossing.end]])[:, None]
        self._grid(s, side.sign, distance, z, ROAD, surfaces.side_road)
        corner_end = side.kerb_start + crossing.corner_radius(side)
        walled = np.unique([corner_end, *distance[distance > corner_end]])
        for edge, away in ((crossing.start, -1), (crossing.end, 1)):
            self._add_corner(side, crossing, edge, away)
            self._add_side_pavement(side, crossing, edge, away)
            if side.kerb > 0 and len(walled) > 1:
                low = side.road_height(walled)
                rows = np.array([[0.0], [side.kerb]])
                wall = self._alignment.points(edge, side.sign * walled, low + rows)
                wall_uvs = np.stack(np.broadcast_arrays(walled, rows), -1)
                builder.grid(wall, SIDEWALK, surfaces.kerb, wall_uvs, smooth=False)

    def _add_corner(self, side: Side, crossing: Crossing, edge: float, away: int) -> None:
        """Add one corner: road, a round kerb, and pavement behind it.

        Args:
            side: Side of the street.
            crossing: The side road.
            edge: Station of the edge of the side road in metres.
            away: 1 for the corner after the side road, -1 for the one before it.
        """
        radius = crossing.corner_radius(side)
        if radius <= 0:
            return
        surfaces = self._surfaces
        far = edge + away * radius
        low, high = min(edge, far), max(edge, far)
        stations = self._alignment.stations
        between = stations[(stations > low) & (stations < high)]
        turn = edge + away * radius * (1 - np.cos(np.linspace(0, np.pi / 2, 9)))
        s = np.unique(np.round(np.concatenate([between, turn, [low, high]]), 6))
        kerb = crossing.corner_distance(s, side)
        full = np.full(len(s), 1.0)
        lines = (
            (self._street.half_width * full, side.kerb_start * full, 0.0, 0.0, ROAD, surfaces.road),
            (side.kerb_start * full, kerb, 0.0, 0.0, ROAD, surfaces.road),
            (kerb, kerb + 0.02, 0.0, side.kerb, SIDEWALK, surfaces.kerb),
            (kerb + 0.02, kerb + 0.16, side.kerb, side.kerb, SIDEWALK, surfaces.kerb),
            (
                kerb + 0.16,
                side.boundary * full,
                side.kerb,
                side.kerb,
                SIDEWALK,
                self._corner_material(side),
            ),
        )
        for inner, outer, z0, z1, label, material in lines:
            distance = np.stack([inner, np.maximum(inner, outer)], -1)
            z = np.broadcast_to([z0, z1], distance.shape)
            self._grid(s[:, None], side.sign, distance, z, label, material)

    def _corner_material(self, side: Side) -> int:
        """Return the material of the pavement at the corners of a side."""
        pavement = side.first("pavement")
        return self._surfaces.pavements[0] if pavement is None else pavement.material

    def _add_side_pavement(self, side: Side, crossing: Crossing, edge: float, away: int) -> None:
        """Add the pavement along a side road; arguments as in `_add_corner`."""
        if crossing.pavement <= 0:
            return
        s = np.sort([edge, edge + away * crossing.pavement])[:, None]
        ends = [strip.end for strip in side.strips if strip.end > side.boundary]
        distance = np.unique([side.boundary, *ends])
        z = side.height(distance)
        self._grid(s, side.sign, distance, z, SIDEWALK, self._corner_material(side))

    def _grid(
        self,
        s: np.ndarray,
        sign: int,
        distance: np.ndarray,
        z: np.ndarray,
        label: int,
        material: int,
    ) -> None:
        """Add a surface that faces up.

        Args:
            s: (S, 1) ascending stations in metres.
            sign: 1 for the left side, -1 for the right side.
            distance: (D,) or (S, D) ascending distances from the centre line in metres.
            z: Heights above the centre line in metres, with the same shape as `distance`.
            label: Class of the surface.
            material: Row index in the MaterialTable.
        """
        points = self._alignment.points(s, sign * distance, z)
        uvs = np.stack(np.broadcast_arrays(s, distance), -1)
        order = slice(None, None, sign)
        self._builder.grid(points[:, order], label, material, uvs[:, order], smooth=False)

    def _add_plain(self) -> None:
        """Add a disc below everything else, so that no gap between strips shows the sky."""
        heights = [side.height(strip.end) for side in self._street.sides for strip in side.strips]
        depth = 0.4 - min(heights)
        radius, angle = PLAIN_RADII[:, None], np.linspace(-np.pi, np.pi, 49)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        s, _ = self._alignment.locate(x, y)
        z = self._alignment.elevation(np.clip(s, -40, 430)) - max(depth, 0.6)
        material = self._surfaces.verges[0]
        self._builder.grid(np.stack([x, y, z], -1), VEGETATION, material, np.stack([x, y], -1))
