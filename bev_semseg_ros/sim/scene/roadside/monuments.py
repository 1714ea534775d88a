"""Monuments and fountains on a square."""

from __future__ import annotations

from bev_semseg_ros.sim.assets.primitives import UP
from bev_semseg_ros.sim.classes import BUILDING
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.site import Site

# Least width in metres of a pavement with monuments.
LEAST_WIDTH = 7.0


def add_monuments(site: Site, side: Side) -> None:
    """Add up to two monuments or fountains on the pavement of one side, where there is room."""
    rng = site.rng
    pavement = side.first("pavement")
    if pavement is None or pavement.end - pavement.start < LEAST_WIDTH:
        return
    for _ in range(rng.integers(0, 3)):
        s = rng.uniform(8, 55)
        t = side.sign * rng.uniform(pavement.start + 3, pavement.end - 3)
        if rng.random() < 0.5:
            _add_monument(site, s, t)
        else:
            _add_fountain(site, s, t)


def _add_monument(site: Site, s: float, t: float) -> None:
    """Add a pedestal on steps, with an obelisk or a figure on top."""
    rng, u, out = site.rng, site.rng.uniform, site.out
    size = u(1.6, 4.0)
    if not site.claim(s, t, size):
        return
    stone = site.surfaces.concrete
    foot, yaw = site.street.point(s, t), float(site.street.alignment.heading(s))
    height = 0.0
    for index in range(rng.integers(1, 4)):
        step = size * (1 - 0.18 * index)
        out.box(foot + UP * (height - 0.05), (step, step, 0.2), yaw, BUILDING, stone)
        height += 0.15
    base = u(0.3, 0.5) * size
    tall = u(0.8, 2.2)
    out.box(foot + UP * height, (base, base, tall), yaw, BUILDING, stone)
    height += tall
    if rng.random() < 0.5:
        out.tube(
            foot + UP * height, foot + UP * (height + u(2, 7)), 0.4 * base, 0.1, 4, BUILDING, stone
        )
        return
    # A bronze figure, larger than a person.
    bronze, scale = site.surfaces.dark, u(1.1, 1.6)
    feet, hip, neck = (foot + UP * (height + scale * z) for z in (0.0, 0.85, 1.45))
    out.tube(feet, hip, 0.22 * scale, 0.2 * scale, 7, BUILDING, bronze)
    out.tube(hip, neck, 0.22 * scale, 0.26 * scale, 7, BUILDING, bronze)
    out.tube(neck, neck + UP * 0.32 * scale, 0.13 * scale, 0.09 * scale, 7, BUILDING, bronze)


def _add_fountain(site: Site, s: float, t: float) -> None:
    """Add a round basin with a column at its centre."""
    u, out = site.rng.uniform, site.out
    radius, rim = u(1.0, 3.0), u(0.4, 0.8)
    if not site.claim(s, t, 2 * radius):
        return
    stone, foot = site.surfaces.concrete, site.street.point(s, t)
    water, top = foot + UP * (rim - 0.12), foot + UP * rim
    out.tube(foot - UP * 0.1, top, radius, radius, 20, BUILDING, stone)
    out.tube(top, top + UP * 0.01, radius, radius - 0.25, 20, BUILDING, stone)
    out.tube(top, water, radius - 0.25, radius - 0.26, 20, BUILDING, stone)
    out.tube(water, water + UP * 0.01, radius - 0.26, 0.01, 20, BUILDING, site.surfaces.window)
    out.tube(water, foot + UP * u(1.2, 2.6), 0.25, 0.15, 8, BUILDING, stone)
