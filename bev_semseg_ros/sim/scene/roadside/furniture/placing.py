"""Placement of street furniture, and the basic shapes that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, pi, sin
from typing import TypeVar

import numpy as np

from bev_semseg_ros.sim.assets.furniture_materials import FurnitureMaterials
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.assets.primitives import UP, polygon_corners
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.site import Site

# x, y, z in the world.
Place = tuple[float, float, float]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Kind:
    """A kind of object that stands beside streets.

    Attributes:
        add: Adds one object, or a group, at a side, a station and an offset.
        town: Mean number on a side of a street in a town.
        zone: Where it stands: "kerb", "middle" or "wall" of the pavement, or "yard" beyond it.
        country: Mean number on a side of a street in the country.
    """

    add: Callable[[Side, float, float], None]
    town: float
    zone: str
    country: float = 0.0


@dataclass(frozen=True)
class Spot:
    """A position on the ground, with a heading.

    Attributes:
        x: World x in metres.
        y: World y in metres.
        z: Height of the ground in metres.
        yaw: Heading in radians.
    """

    x: float
    y: float
    z: float
    yaw: float

    def at(self, along: float = 0.0, across: float = 0.0, up: float = 0.0) -> Place:
        """Return the world point at a distance ahead, to the left and above, in metres."""
        c, s = cos(self.yaw), sin(self.yaw)
        return (self.x + c * along - s * across, self.y + s * along + c * across, self.z + up)

    def moved(self, along: float, across: float = 0.0, up: float = 0.0, turn: float = 0.0) -> Spot:
        """Return the spot at such a point, rotated by `turn` radians; arguments as in `at`."""
        return Spot(*self.at(along, across, up), self.yaw + turn)


class Placer:
    """Places objects on one street; base class of everything that adds furniture of one type.

    Methods that add an object take its side, its station s and its offset t in metres. They add
    nothing if there is no room.
    """

    def __init__(self, site: Site, materials: FurnitureMaterials) -> None:
        """Prepare to build on a site with the materials of its furniture."""
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._out = site.out
        self._materials = materials

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of objects that `Furniture` scatters along a street, with mean numbers."""
        return ()

    def _pick(self, values: Sequence[_T]) -> _T:
        """Return one of the values, all equally likely."""
        return values[int(self._rng.integers(len(values)))]

    def _place(
        self,
        s: float,
        t: float,
        length: float,
        width: float | None = None,
        turn: float = 0.0,
        margin: float = 0.05,
    ) -> Spot | None:
        """Occupy ground; arguments as in `Site.claim`.

        Returns:
            The spot, or None if there is no room.
        """
        if not self._site.claim(s, t, length, width, turn, margin):
            return None
        return self._spot(s, t, turn)

    def _spot(self, s: float, t: float, turn: float = 0.0) -> Spot:
        """Return the spot at a station and an offset, without occupying it."""
        x, y, z = self._street.point(s, t)
        return Spot(x, y, z, float(self._street.alignment.heading(s)) + turn)

    @staticmethod
    def _to_road(side: Side) -> float:
        """Return the heading, relative to the road, of an object that faces the road."""
        return -side.sign * pi / 2

    def _box(
        self,
        spot: Spot,
        size: tuple[float, float, float],
        label: int,
        material: int,
        along: float = 0.0,
        across: float = 0.0,
        up: float = 0.0,
        top: int | None = None,
    ) -> None:
        """Add a cuboid.

        Args:
            spot: Where it stands.
            size: Length along the spot's heading, width, height.
            label: Class of the surface.
            material: Row index in the MaterialTable.
            along: Metres ahead of the spot.
            across: Metres to the left of the spot.
            up: Height of the lower face above the spot in metres.
            top: Material of the upper face; by default that of the sides.
        """
        self._out.box(spot.at(along, across, up), size, spot.yaw, label, material, top)

    def _rod(
        self,
        spot: Spot,
        start: Place,
        end: Place,
        radius: float,
        label: int,
        material: int,
        sides: int = 5,
    ) -> None:
        """Add a rod between two points, each given as metres along, across and up from a spot."""
        self._out.tube(spot.at(*start), spot.at(*end), radius, radius, sides, label, material)

    def _lathe(
        self,
        spot: Spot,
        rings: Sequence[tuple[float, float]],
        label: int,
        material: int | Sequence[int],
        sides: int = 8,
        across: float = 0.0,
    ) -> None:
        """Add a round body, closed on top.

        Args:
            spot: Where it stands.
            rings: Height and radius of each ring in metres, from bottom to top.
            label: Class of the surface.
            material: Row index in the MaterialTable, or row indices that the bands between the
                rings use in turn.
            sides: Number of sides.
            across: Metres to the left of the spot.
        """
        rows = [material] if isinstance(material, int) else list(material)
        x, y, z = spot.at(0.0, across)
        rings = [*rings, (rings[-1][0] + 0.01, 0.005)]
        for index, ((low, r), (high, other)) in enumerate(pairwise(rings)):
            row = rows[min(index, len(rings) - 3) % len(rows)]
            # A flat ring has no axis.
            high = max(high, low + 0.002)
            self._out.tube((x, y, z + low), (x, y, z + high), r, other, sides, label, row)

    def _taper(
        self,
        spot: Spot,
        foot: tuple[float, float],
        top: tuple[float, float],
        height: float,
        label: int,
        material: int,
        up: float,
    ) -> None:
        """Add an upright body with four sides that widens or narrows towards its closed top.

        Args:
            spot: Where it stands.
            foot: Length along the spot's heading and width of the lower end.
            top: Length and width of the upper end.
            height: Metres.
            label: Class of the surface.
            material: Row index in the MaterialTable.
            up: Height of the lower end above the spot in metres.
        """
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        low = [spot.at(i * foot[0] / 2, j * foot[1] / 2, up) for i, j in signs]
        high = [spot.at(i * top[0] / 2, j * top[1] / 2, up + height) for i, j in signs]
        faces = [[low[k], low[k - 3], high[k - 3], high[k]] for k in range(4)]
        self._out.quads(np.array([*faces, high]), label, material)

    def _plate(
        self, spot: Spot, width: float, height: float, up: float, label: int, front: int, back: int
    ) -> None:
        """Add an upright board whose front faces against the heading of a spot.

        Args:
            spot: Ground below the centre of the board.
            width: Metres.
            height: Metres.
            up: Height of the lower edge above the spot in metres.
            label: Class of the surface.
            front: Material of the front.
            back: Material of the back.
        """
        half, top = width / 2, up + height
        for along, right, row in ((-0.012, 1, front), (0.012, -1, back)):
            corners = [
                spot.at(along, right * half, up),
                spot.at(along, -right * half, up),
                spot.at(along, -right * half, top),
                spot.at(along, right * half, top),
            ]
            self._out.quads(np.array([corners]), label, row, np.array([[width, height]]))

    def _slanted_stripes(
        self, spot: Spot, width: float, height: float, up: float, label: int, material: int
    ) -> None:
        """Add a board with stripes at 45 degrees on both sides; arguments as in `_plate`.

        The material must have stripes across u.
        """
        half = width / 2
        slant = self._pick((-1.0, 1.0))
        faces = []
        for along, right in ((-0.025, 1), (0.025, -1)):
            a, b = spot.at(along, right * half, up), spot.at(along, -right * half, up)
            c = spot.at(along, -right * half, up + height)
            d = spot.at(along, right * half, up + height)
            faces += [[a, b, c], [a, c, d]]
        left, right_end, rise = 5.0, 5.0 + slant * width, height
        uvs = [
            [[left, 0], [right_end, 0], [right_end + rise, height]],
            [[left, 0], [right_end + rise, height], [left + rise, height]],
        ] * 2
        self._out.builder.add(np.array(faces), label, material, np.array(uvs))

    def _disc(
        self, spot: Spot, radius: float, up: float, label: int, material: int, along: float = 0.0
    ) -> None:
        """Add a disc that faces against the heading of a spot; `up` is the height of its centre."""
        left = np.array([-sin(spot.yaw), cos(spot.yaw), 0.0])
        corners = polygon_corners(spot.at(along, 0, up), -left, UP, radius, 14)
        self._out.polygon(corners, label, material)

    def _figure(
        self,
        spot: Spot,
        shape: Shape,
        label: int,
        materials: Sequence[int],
        scale: tuple[float, float, float],
        up: float,
    ) -> None:
        """Add a figure in the shape of a person, such as a statue. It has no box.

        Args:
            spot: Where it stands.
            shape: A pedestrian of the library.
            label: Class of the surface.
            materials: Row indices in the MaterialTable that the slots of the shape use in turn.
            scale: Scale factors along x, y and z.
            up: Height of the feet above the spot in metres.
        """
        slots = int(shape.mesh.materials.max()) + 1
        rows = np.resize(np.asarray(materials, np.int32), slots)
        placed = shape.mesh.placed(spot.at(0, 0, up), spot.yaw, rows, scale)
        self._out.append(relabelled(placed, label))


def relabelled(mesh: Mesh, label: int) -> Mesh:
    """Return the mesh with another class for all its triangles."""
    return replace(mesh, labels=np.full(len(mesh), label, np.uint8))
