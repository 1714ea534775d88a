"""Trees, hedges, shrubs, rough grass, mounds, and the woods on the horizon."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.assets.plants import plant_materials
from bev_semseg_ros.sim.assets.primitives import UP
from bev_semseg_ros.sim.classes import BUILDING, VEGETATION
from bev_semseg_ros.sim.scene.road.cross_section import Side, Strip
from bev_semseg_ros.sim.scene.site import Site

# Largest distance in metres of a leaf from the centre of a bush of scale 1.
BUSH_REACH = 1.8

# Height in metres above the road up to which plants are cut back, so that lorries can pass.
CLEARANCE = 4.5


class Greenery:
    """Plants one street."""

    def __init__(self, site: Site) -> None:
        rng = site.rng
        self._site = site
        self._rng = rng
        self._street = site.street
        self._materials = [plant_materials(rng, site.table, site.season) for _ in range(3)]
        self._common = "poplar" if rng.random() < 0.2 else "leafy"
        self._bare_share = {"winter": 0.75, "autumn": 0.15}.get(site.season, 0.06)

    def _place(
        self,
        kind: str,
        s: float,
        t: float,
        scale: tuple[float, float, float],
        sink: float = 0.0,
    ) -> None:
        """Add a plant.

        Args:
            kind: One of `plants.PLANT_KINDS`.
            s: Station in metres.
            t: Offset in metres.
            scale: Scale factors of length, width and height.
            sink: Depth in metres of its foot below the ground.
        """
        shape = self._site.library.draw_plant(kind, self._rng)
        materials = self._draw_materials()
        x, y, z = self._street.point(s, t, -sink)
        yaw = self._rng.uniform(-np.pi, np.pi)
        plant = shape.mesh.placed((x, y, z), yaw, materials, scale)
        self._site.out.append(self._cut_back(plant))

    def _cut_back(self, plant: Mesh) -> Mesh:
        """Return a plant, placed in the world, without the parts that hang low over the road."""
        x, y, z = np.moveaxis(plant.triangles, -1, 0)
        s, t = self._street.alignment.locate(x, y)
        is_low = z < self._street.alignment.elevation(s) + CLEARANCE
        is_in_the_way = is_low & self._street.is_driven_on(s, t)
        return plant[~is_in_the_way.any(axis=1)]

    def _draw_materials(self) -> np.ndarray:
        """Return the materials of a random species."""
        return self._materials[self._rng.integers(len(self._materials))]

    def _tree(self, s: float, t: float, scale: float = 1.0, room: float = 0.8) -> None:
        """Add a tree, usually of the kind that the street has, if there is room for its trunk.

        Args:
            s: Station in metres.
            t: Offset in metres.
            scale: Scale factor.
            room: Side of the square of ground in metres that must be free.
        """
        if not self._site.claim(s, t, room):
            return
        rng = self._rng
        kind = self._common
        if rng.random() < self._bare_share:
            kind = "bare"
        elif rng.random() < 0.1:
            kind = "conifer"
        scale *= rng.uniform(0.7, 1.25)
        size = (scale, scale, scale * rng.uniform(0.9, 1.15))
        self._place(kind, s, t, size)

    def _bush(self, s: float, t: float, room: float = 1.0) -> None:
        """Add a bush of any shape if there is room.

        Some are as large as a car, others as tall and thin as a person. Arguments as in `_tree`.
        """
        if not self._site.claim(s, t, room):
            return
        u, kind = self._rng.uniform, self._rng.random()
        if kind < 0.6:
            size = u(0.5, 1.4)
            scale = (size, size, size)
        elif kind < 0.8:
            scale = (u(1.5, 2.4), u(0.7, 1.2), u(0.7, 1.2))
        else:
            scale = (u(0.25, 0.45), u(0.25, 0.45), u(0.8, 1.5))
        # Bushes are cut back at the edge of the carriageway, because vehicles need it.
        free = max(abs(t) - self._street.half_width, 0.0)
        cut = min(1.0, (free + 0.1) / (BUSH_REACH * max(scale[:2])))
        scale = (cut * scale[0], cut * scale[1], max(cut, 0.5) * scale[2])
        self._place("bush", s, t, scale, 0.05)

    def populate(self, side: Side, style: str) -> None:
        """Add the trees and shrubs of one side.

        Args:
            side: Side of the street.
            style: What stands behind the pavement; see `Buildings.populate`.
        """
        rng, u, street = self._rng, self._rng.uniform, self._street
        for strip in side.strips:
            self._plant_strip(side, strip)
        if side.sign > 0 and street.median > 1.0 and rng.random() < 0.5:
            self._row(0.0)
        if style == "scattered":
            self._fields(side)
        elif style == "houses":
            self._gardens(side)
        if rng.random() < 0.3 and street.kind != "motorway":
            # Old trees whose crowns overhang the road.
            for _ in range(rng.integers(1, 5)):
                self._tree(u(6, 60), side.sign * (side.boundary + u(0.3, 4)), u(1.2, 1.8))
        for _ in range(rng.poisson(0.5)):
            self._mound(u(8, 50), side.sign * (side.boundary + u(0.5, 6)))
        for _ in range(rng.poisson(0.4)):
            self._stump(u(6, 45), side.sign * (side.boundary + u(0.3, 4)))

    def _plant_strip(self, side: Side, strip: Strip) -> None:
        """Plant a verge or a wide pavement."""
        rng, u = self._rng, self._rng.uniform
        width, middle = strip.end - strip.start, (strip.start + strip.end) / 2
        if strip.use == "verge":
            if width > 0.7 and rng.random() < 0.5 and self._street.kind != "motorway":
                self._row(side.sign * middle)
            for _ in range(rng.poisson(1.2)):
                s, distance = u(4, 45), u(min(strip.start + 0.3, strip.end), strip.end)
                self._bush(s, side.sign * distance, 0.8)
            self._tufts(side, strip.start + 0.15, strip.end)
        elif strip.use == "pavement" and width > 1.8 and rng.random() < 0.18:
            self._row(side.sign * (strip.start + 0.7))

    def _fields(self, side: Side) -> None:
        """Add trees, bushes and the edge of a forest behind the pavement."""
        rng, u = self._rng, self._rng.uniform
        for _ in range(rng.integers(5, 26)):
            s = -8 + 150 * rng.random() ** 1.4
            t = side.sign * u(side.boundary + 0.6, side.boundary + u(4, 25))
            if rng.random() < 0.6:
                self._tree(s, t)
            else:
                self._bush(s, t)
        if rng.random() < 0.35:
            self._forest_edge(side, side.boundary + u(1.5, 12))
        yard = side.first("yard")
        if yard is not None and yard.label == VEGETATION:
            self._tufts(side, yard.start, min(yard.start + 4, yard.end))

    def _gardens(self, side: Side) -> None:
        """Add the trees and bushes of gardens."""
        rng, u = self._rng, self._rng.uniform
        for _ in range(rng.poisson(12)):
            s, t = u(-8, 90), side.sign * u(side.boundary + 0.6, side.boundary + 7)
            if rng.random() < 0.4:
                self._tree(s, t, 0.8)
            else:
                self._bush(s, t)

    def _row(self, t: float) -> None:
        """Add a row of trees at an offset in metres, often a dense one if they are poplars."""
        alley = self._common == "poplar" and self._rng.random() < 0.6
        gap = self._rng.uniform(3, 6) if alley else self._rng.uniform(5, 14)
        for s in np.arange(self._rng.uniform(-10, -10 + gap), 125, gap):
            if self._rng.random() < 0.85:
                self._tree(s + self._rng.normal(0, 0.2), t, room=0.5)

    def add_hedge(
        self, side: Side, pieces: list[tuple[float, float]], distance: float, height: float
    ) -> None:
        """Add a clipped hedge.

        Args:
            side: Side of the street.
            pieces: First and last station in metres of each piece.
            distance: Distance from the centre line in metres.
            height: Metres.
        """
        materials = self._draw_materials()
        for start, end in pieces:
            shape = self._site.library.draw_plant("hedge", self._rng)
            length, width, tall = shape.size
            middle = (start + end) / 2
            x, y, z = self._street.point(middle, side.sign * distance, -0.05)
            heading = float(self._street.alignment.heading(middle))
            yaw = heading + np.pi * self._rng.integers(2)
            scale = ((end - start) * 1.04 / length, 0.9 / width, height / tall)
            self._site.out.append(shape.mesh.placed((x, y, z), yaw, materials, scale))

    def _forest_edge(self, side: Side, distance: float) -> None:
        """Add trees and undergrowth in front of a dark wall of leaves.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
        """
        rng, u = self._rng, self._rng.uniform
        for s in np.arange(-8, 100, u(3, 6)):
            self._tree(s + u(-1, 1), side.sign * (distance + u(0, 3)), room=0.5)
            if rng.random() < 0.4:
                self._bush(s, side.sign * (distance - u(0, 1.5)))
        if distance + 4 > self._street.alignment.offset_limit(side.sign):
            return
        height = u(5, 10)
        for start, end in self._street.uncrossed(side, -20.0, 174.0):
            self._wall_of_leaves(side, distance + 4, start, end, height)

    def _wall_of_leaves(
        self, side: Side, distance: float, start: float, end: float, height: float
    ) -> None:
        """Add a wall of leaves along the road.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
            start: First station in metres.
            end: Last station in metres.
            height: Mean height in metres.
        """
        s = np.append(np.arange(start, end, 6.0), end)
        top = height + self._rng.normal(0, 0.8, len(s))
        z = float(side.height(distance)) + np.stack([np.full(len(s), -1.0), top], 1)
        points = self._street.alignment.points(s[:, None], side.sign * distance, z)
        self._site.out.builder.grid(
            points,
            VEGETATION,
            self._site.surfaces.far_trees,
            np.stack(np.broadcast_arrays(s[:, None], z), -1),
            smooth=False,
        )

    def _tufts(self, side: Side, start: float, end: float) -> None:
        """Add blades of rough grass between two distances from the centre line."""
        rng = self._rng
        if end - start < 0.3 or rng.random() < 0.5:
            return
        count = rng.integers(60, 350)
        s, distance = 1 + 35 * rng.random(count) ** 1.3, rng.uniform(start, end, count)
        free = np.array([not self._street.is_crossed(at, at, side.sign) for at in s])
        s, distance = s[free], distance[free]
        foot = self._street.alignment.points(s, side.sign * distance, side.height(distance) - 0.02)
        lean = rng.normal(0, 0.06, (len(s), 3)) + [0, 0, 1] * rng.uniform(
            0.06, rng.uniform(0.1, 0.4), (len(s), 1)
        )
        across = rng.normal(0, 0.05, (len(s), 3)) * [1, 1, 0.1]
        blades = np.stack([foot - across, foot + across, foot + lean], 1)
        self._site.out.builder.add(
            blades,
            VEGETATION,
            self._site.surfaces.grass,
            normals=np.broadcast_to([0.0, 0, 1], blades.shape),
        )

    def _mound(self, s: float, t: float) -> None:
        """Add a heap of soil, gravel or leaves if there is room."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        size = np.array([u(0.8, 3), u(0.8, 2.2), u(0.4, 1.5)])
        if not self._site.claim(s, t, size[:2].max() * 2):
            return
        angle, rise = np.linspace(0, 2 * np.pi, 13), np.linspace(0, np.pi / 2, 5)
        unit = np.stack(
            [
                np.cos(angle)[:, None] * np.cos(rise),
                np.sin(angle)[:, None] * np.cos(rise),
                np.broadcast_to(np.sin(rise), (13, 5)),
            ],
            -1,
        )
        bumps = 1 + self._rng.normal(0, 0.08, (13, 5, 1))
        bumps[-1] = bumps[0]
        points = unit * size * bumps + self._street.point(s, t, -0.1)
        self._site.out.builder.grid(
            points,
            VEGETATION,
            [surfaces.soil, surfaces.gravel, surfaces.litter][self._rng.integers(3)],
            points[..., :2],
        )

    def _stump(self, s: float, t: float) -> None:
        """Add a stump or a bare trunk, as wide as a person, if there is room."""
        if not self._site.claim(s, t, 0.6):
            return
        radius, height = self._rng.uniform(0.1, 0.3), self._rng.uniform(0.4, 2.2)
        foot = self._street.point(s, t, -0.1)
        top = foot + UP * height
        self._site.out.tube(
            foot, top, radius * 1.2, radius, 8, VEGETATION, self._site.surfaces.wood
        )
        self._site.out.tube(
            top, top + UP * 0.02, radius, 0.01, 8, VEGETATION, self._site.surfaces.wood
        )

    def add_horizon(self, driven: float) -> None:
        """Add silhouettes of woods and houses all around, at least 170 to 380 m away.

        Args:
            driven: Length of the drive in metres, which is added to the distances.
        """
        u = self._rng.uniform
        far = float(self._street.alignment.elevation(150.0))
        base = max(0.0, *(float(side.height(side.boundary + 100)) for side in self._street.sides))
        for radius in (u(170, 230), u(300, 380)):
            self._silhouette(radius + driven, max(far, 0.0), base * 0.3)

    def _silhouette(self, radius: float, road: float, land: float) -> None:
        """Add a ring of woods or houses.

        Args:
            radius: Metres.
            road: Height of the distant road in metres.
            land: Height of the land above the road in metres.
        """
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        count = 97
        is_wooded = rng.random() < 0.65
        if is_wooded:
            walk = np.cumsum(rng.normal(0, 1, count))
            walk -= np.linspace(0, walk[-1], count)
            height = u(-3, 8) + u(0.3, 1.8) * walk + rng.normal(0, 0.7, count)
        else:
            height = np.repeat(rng.uniform(0, 22, count // 4 + 1) * u(0.3, 1), 4)[:count]
        top = np.maximum(height, -2) + road + land
        angle = np.linspace(-np.pi, np.pi, count)
        x, y, along = radius * np.cos(angle), radius * np.sin(angle), angle * radius
        lower, upper = np.stack([x, y, np.full(count, -40.0)], -1), np.stack([x, y, top], -1)
        lower_uvs, upper_uvs = np.stack([along, 0 * angle], -1), np.stack([along, 40 + top], -1)
        if is_wooded:
            label, material = VEGETATION, surfaces.far_trees
        else:
            label, material = BUILDING, surfaces.facades[rng.integers(6)][0]
        self._site.out.builder.grid(
            np.stack([lower, upper], 1),
            label,
            material,
            np.stack([lower_uvs, upper_uvs], 1),
            smooth=False,
        )
