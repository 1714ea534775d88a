"""Pools of shapes that are built when they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.pool import Pool
from bev_semseg_ros.sim.assets.shape import Shape, centered

COUNTS = {"cube": 3, "plank": 2}


def make(rng: np.random.Generator, kind: str) -> Shape:
    builder = MeshBuilder()
    builder.box((0, 0, 0), tuple(rng.uniform(1, 2, 3)), 0, 0, 0)
    return centered(builder.build(), None, kind)


def test_shapes_do_not_depend_on_the_order_in_which_they_are_drawn():
    forward, backward = Pool(make, COUNTS, (5, 0)), Pool(make, COUNTS, (5, 0))
    sizes = [shape.size for shape in forward]
    assert [backward[index].size for index in reversed(range(5))] == sizes[::-1]
    assert len(set(sizes)) == 5


def test_other_seeds_give_other_shapes():
    assert Pool(make, COUNTS, (5, 0))[0].size != Pool(make, COUNTS, (5, 1))[0].size


def test_a_shape_is_built_once_and_only_when_it_is_needed():
    built = []

    def counting(rng: np.random.Generator, kind: str) -> Shape:
        built.append(kind)
        return make(rng, kind)

    pool = Pool(counting, COUNTS, (1, 2))
    assert not built and len(pool) == 5
    assert pool[4] is pool[-1]
    assert built == ["plank"]


def test_a_kind_can_be_drawn():
    pool, rng = Pool(make, COUNTS, (1, 2)), np.random.default_rng(0)
    assert {pool.draw(rng, "plank").kind for _ in range(5)} == {"plank"}
    assert {pool.draw(rng).kind for _ in range(30)} == {"cube", "plank"}
    with pytest.raises(ValueError, match="unknown kind 'ball', expected one of cube, plank"):
        pool.draw(rng, "ball")
