"""Objects in gardens and squares: statues, scarecrows, laundry, planters, young trees."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.furniture_materials import FurnitureMaterials
from bev_semseg_ros.sim.assets.plants import plant_materials
from bev_semseg_ros.sim.classes import BARRIER, BUILDING, POLE, VEGETATION
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot
from bev_semseg_ros.sim.scene.site import Site


class Gardens(Placer):
    """Adds figures, planters, trunks and protected young trees."""

    def __init__(self, site: Site, materials: FurnitureMaterials) -> None:
        """Draw the species of the young trees and the planters of the street."""
        super().__init__(site, materials)
        self._plant = plant_materials(site.rng, site.table, site.season)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_planters, 0.5, "kerb", 0.02),
            Kind(self.add_young_tree, 0.5, "kerb", 0.15),
            Kind(self.add_trunk, 0.25, "wall", 0.35),
            Kind(self.add_statue, 0.15, "wall", 0.05),
            Kind(self.add_scarecrow, 0.08, "yard", 0.15),
            Kind(self.add_laundry, 0.08, "yard", 0.06),
            Kind(self.add_posts, 0.15, "yard", 0.3),
        )

    def add_planters(self, side: Side, s: float, t: float) -> None:
        """Add one to four pots or boxes with shrubs."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        rows = (*materials.stones, *materials.plastics, self._site.surfaces.wood)
        material, is_round = self._pick(rows), rng.random() < 0.5
        width, height, plant = u(0.35, 0.95), u(0.35, 0.9), u(0.3, 1.3)
        for index in range(rng.integers(1, 5)):
            spot = self._place(s + index * u(1.2, 2.5), t, width, turn=rng.normal(0, 0.1))
            if spot is None:
                continue
            if is_round:
                r = width / 2
                rings = [(-0.05, 0.75 * r), (0.9 * height, r), (height, 1.05 * r)]
                self._lathe(spot, rings, BARRIER, material)
            else:
                self._box(spot, (width, width, height), BARRIER, material)
            if rng.random() < 0.85:
                self._add_plant("bush", spot, (width * 1.1, width * 1.1, plant), 0.85 * height)

    def _add_plant(
        self, kind: str, spot: Spot, size: tuple[float, float, float], up: float
    ) -> None:
        """Add a plant, scaled to a size in metres, `up` metres above a spot."""
        shape = self._site.library.draw_plant(kind, self._rng)
        wide, deep, tall = shape.size
        scale = (size[0] / wide, size[1] / deep, size[2] / tall)
        yaw = self._rng.uniform(-np.pi, np.pi)
        self._out.append(shape.mesh.placed(spot.at(0, 0, up), yaw, self._plant, scale))

    def add_young_tree(self, side: Side, s: float, t: float) -> None:
        """Add a young tree with stakes, a guard of bars or a wrap around its trunk."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        spot = self._place(s, t, 0.9, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        r, trunk, crown = u(0.025, 0.09), u(2.3, 3.0), u(0.6, 2.2)
        top = spot.at(0, 0, trunk + 0.4)
        self._out.tube(spot.at(0, 0, -0.1), top, r, 0.7 * r, 6, VEGETATION, surfaces.wood)
        kind = "bare" if self._site.season == "winter" and rng.random() < 0.7 else "bush"
        if rng.random() < 0.9:
            self._add_plant(kind, spot, (crown, crown, crown * u(1.0, 1.8)), trunk - 0.1)
        protection = rng.random()
        if protection < 0.5:
            count, reach, height = int(rng.integers(1, 4)), u(0.22, 0.4), u(1.2, 2.2)
            feet = []
            for angle in np.arange(count) * 2 * np.pi / count:
                x, y = reach * float(np.cos(angle)), reach * float(np.sin(angle))
                self._rod(spot, (x, y, -0.1), (x, y, height), 0.035, POLE, surfaces.wood)
                feet.append((x, y))
            for (x, y), (u_, v) in zip(feet, [*feet[1:], feet[0]], strict=True):
                ends = (x, y, height - 0.15), (u_, v, height - 0.15)
                if count > 1:
                    self._rod(spot, *ends, 0.03, POLE, surfaces.wood, 4)
        elif protection < 0.85:
            radius, height = u(0.22, 0.4), u(0.7, 1.8)
            metal = self._pick((surfaces.dark, surfaces.metal, *self._materials.paints))
            for angle in np.arange(8) * np.pi / 4:
                x, y = radius * float(np.cos(angle)), radius * float(np.sin(angle))
                self._rod(spot, (x, y, -0.05), (x, y, height), 0.012, BARRIER, metal, 4)
            for up in (0.2, 0.5 * height, height - 0.05):
                start, end = spot.at(0, 0, up), spot.at(0, 0, up + 0.03)
                self._out.tube(start, end, radius, radius, 8, BARRIER, metal)
        else:
            wrap = self._pick((self._materials.white, *self._materials.stones))
            self._lathe(spot, [(0.0, r + 0.02), (1.5, r + 0.02)], VEGETATION, wrap, 6)

    def add_trunk(self, side: Side, s: float, t: float) -> None:
        """Add a trunk: a stump, a pollard, or a dead tree with stubs of branches."""
        rng, u, wood = self._rng, self._rng.uniform, self._site.surfaces.wood
        spot = self._place(s, t, 0.6, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        r, h = u(0.08, 0.3), float(rng.choice([u(0.3, 1.0), u(1.0, 2.4), u(2.4, 5)]))
        rings = [(-0.1, 1.35 * r), (0.15, 1.1 * r), (0.6 * h, 0.95 * r), (h, 0.85 * r)]
        if h < 0.4:
            rings = [(-0.1, 1.35 * r), (h, r)]
        self._lathe(spot, rings, VEGETATION, wood)
        if h > 1.0:
            for _ in range(rng.integers(0, 4)):
                angle, start = u(-np.pi, np.pi), u(0.6, 0.95) * h
                reach = u(0.15, 0.7)
                end = (reach * float(np.cos(angle)), reach * float(np.sin(angle)), start + reach)
                self._rod(spot, (0, 0, start), end, 0.35 * r, VEGETATION, wood)
        if h > 2.0 and rng.random() < 0.4:  # a pollard, or ivy
            self._add_plant("bush", spot, (u(0.6, 1.4),) * 2 + (u(0.6, 1.4),), h - 0.3)

    def add_statue(self, side: Side, s: float, t: float) -> None:
        """Add a statue of a person on a plinth, a bust, or an urn."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.8, turn=self._to_road(side) + rng.normal(0, 0.5))
        if spot is None:
            return
        stone = self._pick((*materials.stones, self._site.surfaces.metal))
        width, height = u(0.45, 0.8), u(0.1, 1.3)
        plinth = self._pick(materials.stones)
        self._box(spot, (width, width, height + 0.1), BUILDING, plinth, up=-0.1)
        if rng.random() < 0.7:
            shape = self._site.library.draw_person(
                self._pick(("standing", "sitting", "walking")), rng
            )
            size = u(0.5, 1.2)
            self._figure(spot, shape, BUILDING, [stone], (size,) * 3, height)
        else:
            r, h = 0.4 * width, u(0.4, 0.8)
            rings = [(0, 0.5 * r), (0.3 * h, 0.4 * r), (0.5 * h, r), (0.75 * h, 0.6 * r)]
            rings += [(0.85 * h, 0.75 * r), (h, 0.5 * r)]
            self._lathe(spot.moved(0, 0, height), rings, BUILDING, stone)

    def add_scarecrow(self, side: Side, s: float, t: float) -> None:
        """Add a scarecrow, or a post that is wrapped in cloth."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.5, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        cloth, other, h = self._pick(materials.cloths), self._pick(materials.cloths), u(1.2, 1.9)
        self._rod(spot, (0, 0, -0.1), (0, 0, h), 0.03, BARRIER, self._site.surfaces.wood)
        low = u(0.2, 0.9)
        rings = [(low, u(0.12, 0.3)), (0.75 * h, 0.18), (0.82 * h, 0.08)]
        self._lathe(spot, rings, BARRIER, cloth, 7)
        if rng.random() < 0.7:
            reach = u(0.35, 0.7)
            ends = (0, -reach, 0.76 * h), (0, reach, 0.76 * h + u(-0.1, 0.1))
            self._rod(spot, *ends, 0.06, BARRIER, cloth, 6)
            rings = [(0.84 * h, 0.07), (0.9 * h, 0.11), (0.97 * h, 0.08)]
            self._lathe(spot, rings, BARRIER, other, 7)
            self._lathe(
                spot, [(0.97 * h, 0.2), (0.98 * h, 0.1), (1.05 * h, 0.08)], BARRIER, cloth, 7
            )

    def add_laundry(self, side: Side, s: float, t: float) -> None:
        """Add a line with laundry between two posts."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        length, height = u(2.5, 5), u(1.6, 2.0)
        spot = self._place(s, t, length, 0.4, rng.normal(0, 0.3))
        if spot is None:
            return
        half = length / 2
        for along in (-half, half):
            self._rod(spot, (along, 0, -0.1), (along, 0, height), 0.035, POLE, materials.paints[0])
        ends = (-half, 0, height - 0.03), (half, 0, height - 0.03)
        self._rod(spot, *ends, 0.008, BARRIER, materials.rubber, 3)
        along = -half + 0.4
        while along < half - 0.4:
            width, drop = u(0.25, 0.8), u(0.3, 1.2)
            cloth = self._pick((materials.white, *materials.cloths))
            piece = spot.moved(along, turn=np.pi / 2 + rng.normal(0, 0.15))
            self._plate(piece, width, drop, height - 0.04 - drop, BARRIER, cloth, cloth)
            along += width + u(0.02, 0.3)

    def add_posts(self, side: Side, s: float, t: float) -> None:
        """Add one to five posts of wood or concrete, upright or leaning."""
        rng, u = self._rng, self._rng.uniform
        material = self._pick((self._site.surfaces.wood, *self._materials.stones))
        h, r, gap = u(0.8, 1.8), u(0.04, 0.12), u(1.2, 3.0)
        for index in range(rng.integers(1, 6)):
            spot = self._place(s + index * gap, t, 3 * r)
            if spot is not None:
                lean = (rng.normal(0, 0.06), rng.normal(0, 0.06), h * u(0.9, 1.1))
                self._rod(spot, (0, 0, -0.1), lean, r, POLE, material, 6)
