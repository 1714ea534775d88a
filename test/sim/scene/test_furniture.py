"""Street furniture: objects without boxes that a detector must tell from people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT, Mesh
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.randomization import RandomizedMaterials
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.street import Street
from bev_semseg_ros.sim.scene.roadside.furniture import Furniture
from bev_semseg_ros.sim.scene.roadside.furniture.islands import Islands
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind
from bev_semseg_ros.sim.scene.roadside.furniture.roadworks import RoadWorks
from bev_semseg_ros.sim.scene.roadside.furniture.shops import Shops
from bev_semseg_ros.sim.scene.roadside.furniture.signs import Signs
from bev_semseg_ros.sim.scene.site import Site

# Classes of furniture. Those of annotated objects are not among them.
CLASSES = {
    MASK_LABEL[name]
    for name in ("building", "barrier", "pole", "sign", "vegetation", "sidewalk", "two_wheeler")
}
KIND_COUNT = 46
# Station and offset of objects in these tests.
S, T = 20.0, 4.0


@dataclass(frozen=True, eq=False)
class CountingSite(Site):
    """A site that records its claimed ground: station, offset, length and width."""

    claims: list[tuple[float, float, float, float]] = field(default_factory=list)

    def claim(
        self,
        s: float,
        t: float,
        length: float,
        width: float | None = None,
        turn: float = 0.0,
        margin: float = 0.1,
    ) -> bool:
        is_free = super().claim(s, t, length, width, turn, margin)
        if is_free:
            self.claims.append((s, t, length, width or length))
        return is_free


def empty_site(library: Library, seed: int = 0, kind: str = "residential") -> CountingSite:
    """Return the site of an empty street."""
    rng = np.random.default_rng(seed)
    table = RandomizedMaterials(rng, 0.0)
    surfaces = Surfaces.draw(rng, table, "summer", 0.0, True)
    street = replace(Street.draw(rng, kind, surfaces, 60), crossing=None)
    return CountingSite(rng, street, "summer", table, surfaces, library, Occupancy(1), Primitives())


def local(site: Site, mesh: Mesh, s: float = S, t: float = T) -> np.ndarray:
    """Return the corners (N, 3) of a mesh relative to a point on the ground of the street."""
    return mesh.triangles.reshape(-1, 3).astype(np.float64) - site.street.point(s, t)


def name_of(kind: Kind) -> str:
    """Return the name of a kind's method."""
    return getattr(kind.add, "__name__", "kind")


@pytest.mark.parametrize("index", range(KIND_COUNT))
def test_each_kind_stands_on_its_ground_without_a_box(library, index):
    made = 0
    for seed in range(3):
        site = empty_site(library, seed)
        kind = Furniture(site).kinds[index]
        kind.add(site.street.sides[0], S, T)
        mesh = site.out.build()
        if len(mesh) == 0:  # no room at this point of the street
            continue
        made += 1
        assert site.claims, f"{name_of(kind)} occupies no ground"
        assert set(np.unique(mesh.labels)) <= CLASSES
        assert (mesh.objects == NO_OBJECT).all()
        assert mesh.materials.min() >= 0 and mesh.materials.max() < len(site.table.camera)
        assert np.isfinite(mesh.triangles).all() and np.isfinite(mesh.normals).all()
        x, y, z = local(site, mesh).T
        assert np.hypot(x, y).max() < 22, f"{name_of(kind)} strays {np.hypot(x, y).max():.1f} m"
        assert z.max() < 6.5 and z.max() > 0.1
        assert z.min() > -2.0
    assert made >= 2


def test_all_kinds_of_furniture_are_tested(library):
    assert len(Furniture(empty_site(library)).kinds) == KIND_COUNT


def test_nothing_is_added_on_occupied_ground(library):
    site = empty_site(library)
    site.occupancy.take(site.pose(S, T), 120.0, 120.0)
    side = site.street.sides[0]
    for kind in Furniture(site).kinds:
        kind.add(side, S, T)
    assert len(site.out.build()) == 0


def things(library: Library, kind: str, seeds: range) -> float:
    """Return the mean number of objects between stations 4 and 50, including lamps."""
    count = 0
    for seed in seeds:
        site = empty_site(library, seed, kind)
        furniture = Furniture(site)
        for side in site.street.sides:
            furniture.populate(side, "city" if kind == "city" else "scattered")
        count += sum(4 < s < 50 for s, *_ in site.claims)
    return count / len(seeds)


@pytest.mark.slow
def test_towns_have_more_furniture_than_the_country(library):
    town, country = (things(library, kind, range(12)) for kind in ("city", "rural"))
    assert 20 < town < 80
    assert 2 < country < 0.5 * town


def test_streets_differ_in_their_amount_of_furniture(library):
    counts = [things(library, "city", range(seed, seed + 1)) for seed in range(12)]
    assert max(counts) > 2.5 * min(counts)


def test_islands_carry_round_blue_signs_low_on_a_pole(library):
    heights = []
    for seed in range(12):
        site = empty_site(library, seed)
        furniture = Furniture(site)
        materials = furniture.materials
        Islands(site, materials).add_island(S, 0.0, 4.0, 0.8)
        mesh = site.out.build()
        blue = mesh.materials == materials.blue
        assert (mesh.labels[blue] == MASK_LABEL["sign"]).all()
        if blue.any():
            heights.append(local(site, mesh, t=0.0).reshape(-1, 3, 3)[blue][..., 2].mean())
    assert len(heights) >= 6
    assert np.median(heights) < 1.4 and min(heights) > 0.4


def test_no_island_stands_where_vehicles_pass(library):
    site = empty_site(library)
    site.occupancy.take(site.pose(S, 0.0), 30.0, 3.0)
    Islands(site, Furniture(site).materials).add_island(S, 0.0, 4.0, 1.2)
    assert len(site.out.build()) == 0


def test_road_works_have_a_row_of_beacons_or_barriers(library):
    retro = []
    for seed in range(6):
        site = empty_site(library, seed, "city")
        materials = Furniture(site).materials
        RoadWorks(site, materials).add_site(site.street.sides[1], Signs(site))
        mesh = site.out.build()
        marks = (*materials.striped, materials.red, materials.orange, materials.mesh)
        retro.append(np.isin(mesh.materials, marks).sum())
        assert len(site.claims) > 3
    assert np.mean(np.array(retro) > 20) > 0.7


def test_dummies_in_shop_windows_are_labelled_building(library):
    site = empty_site(library)
    side = site.street.sides[0]
    Shops(site, Furniture(site).materials).add_show_window(side, S, side.boundary + 3)
    mesh = site.out.build()
    assert len(mesh) > 300
    assert set(np.unique(mesh.labels)) == {MASK_LABEL["building"]}


@pytest.mark.parametrize("method", ["add_low_sign", "add_temporary_sign", "add_board_on_legs"])
def test_low_signs_are_at_the_height_of_people(library, method):
    for seed in range(6):
        site = empty_site(library, seed)
        getattr(Signs(site), method)(S, T)
        mesh = site.out.build()
        assert {MASK_LABEL["pole"], MASK_LABEL["sign"]} == set(np.unique(mesh.labels))
        plates = local(site, mesh).reshape(-1, 3, 3)[mesh.labels == MASK_LABEL["sign"]]
        assert plates[..., 2].min() < 1.8 and plates[..., 2].max() < 3.2


def test_same_seed_gives_the_same_furniture(library):
    meshes = []
    for _ in range(2):
        site = empty_site(library, 7, "city")
        furniture = Furniture(site)
        for side in site.street.sides:
            furniture.populate(side, "city")
        meshes.append(site.out.build())
    for name in ("triangles", "labels", "materials", "uvs"):
        np.testing.assert_array_equal(getattr(meshes[0], name), getattr(meshes[1], name))
