"""Road signs, sign gantries and traffic lights."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey
from bev_semseg_ros.sim.assets.primitives import UP, axes, polygon_corners
from bev_semseg_ros.sim.classes import POLE, SIGN
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.site import Site

SIGN_COLORS = (
    (0.70, 0.03, 0.03),
    (0.85, 0.85, 0.85),
    (0.05, 0.15, 0.60),
    (0.85, 0.65, 0.05),
    (0.03, 0.25, 0.10),
)
PLATES = ("round", "triangle", "diamond", "octagon", "rectangle")
PLATE_PROBABILITIES = (0.35, 0.25, 0.1, 0.05, 0.25)
# From bottom to top: green, amber, red.
LIGHT_COLORS = ((0.02, 0.5, 0.15), (0.7, 0.4, 0.02), (0.8, 0.03, 0.03))


class Signs:
    """Adds signs and traffic lights along one street.

    Signs for which there is no room are left out.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._out = site.out

    def add_sign(self, s: float, t: float) -> None:
        """Add one or two plates on a post, facing the ego lane's traffic or away from it.

        Args:
            s: Station in metres.
            t: Offset in metres.
        """
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        if not self._site.claim(s, t, 0.3):
            return
        height = u(2.0, 3.3)
        foot = self._street.point(s, t)
        self._out.tube(foot - UP * 0.1, foot + UP * height, 0.035, 0.035, 5, POLE, surfaces.metal)
        yaw = self._yaw(s) + rng.normal(0, 0.12)
        is_seen_from_front = rng.random() < 0.7
        if not is_seen_from_front:
            yaw += np.pi
        forward, _ = axes(yaw)
        rim = self._site.table.add("retro", self._draw_color(), noise_contrast=0.2)
        face = self._site.table.add(
            "retro",
            self._draw_color(),
            None,
            grey(rng, 0.05),
            pattern="blocks",
            pattern_u=u(0.08, 0.3),
            pattern_v=u(0.08, 0.2),
            pattern_line=0.3,
        )
        for index in range(rng.integers(1, 3)):
            radius = u(0.28, 0.45)
            center = foot + UP * (height - 0.35 - 0.75 * index) - forward * 0.05
            self._plate(center, yaw, radius, rim, face)

    def add_low_sign(self, s: float, t: float) -> None:
        """Add a plate on its own post, no higher than a person.

        Args:
            s: Station in metres.
            t: Offset in metres.
        """
        u, surfaces = self._rng.uniform, self._site.surfaces
        if not self._site.claim(s, t, 0.3):
            return
        radius, height = u(0.18, 0.35), u(0.8, 1.8)
        foot = self._street.point(s, t)
        material = (surfaces.metal, surfaces.reflector, surfaces.hazard)[self._rng.integers(3)]
        thickness = u(0.025, 0.06)
        top = foot + UP * height
        self._out.tube(foot - UP * 0.1, top, thickness, thickness, 5, POLE, material)
        self._low_plate(foot, s, height - 0.8 * radius, radius)

    def add_temporary_sign(self, s: float, t: float) -> None:
        """Add a sign on a rubber foot, as at road works; arguments as in `add_low_sign`."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        if not self._site.claim(s, t, 0.7, 0.5):
            return
        foot, radius, height = self._street.point(s, t), u(0.3, 0.5), u(0.7, 1.9)
        self._out.box(foot, (0.8, 0.4, 0.12), self._yaw(s), POLE, surfaces.dark)
        top = foot + UP * (height + 0.3)
        self._out.tube(foot, top, 0.025, 0.025, 5, POLE, surfaces.metal)
        self._low_plate(foot, s, height, radius)
        if self._rng.random() < 0.3:
            self._low_plate(foot, s, height - 1.5 * radius, 0.6 * radius)

    def add_board_on_legs(self, s: float, t: float) -> None:
        """Add a board on two legs, such as a direction sign; arguments as in `add_low_sign`."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        width, height, low = u(0.5, 2.2), u(0.35, 1.5), u(0.3, 1.5)
        if not self._site.claim(s, t, 0.4, width):
            return
        is_seen_from_behind = rng.random() < 0.3
        turn = (np.pi if is_seen_from_behind else 0.0) + rng.normal(0, 0.2)
        if rng.random() < 0.3:
            turn += np.sign(t) * np.pi / 2
        yaw = self._yaw(s) + turn
        forward, left = axes(yaw)
        foot = self._street.point(s, t)
        leg = (surfaces.metal, surfaces.dark, surfaces.wood)[rng.integers(3)]
        for across in (-0.4 * width, 0.4 * width):
            bottom = foot + left * across + forward * 0.04
            top = bottom + UP * (low + height * u(0.6, 1.05))
            self._out.tube(bottom - UP * 0.1, top, 0.03, 0.03, 5, POLE, leg)
        center = foot + UP * (low + height / 2)
        self._face(center, yaw, width, height, self._draw_face())
        self._face(center + forward * 0.01, yaw + np.pi, width, height, surfaces.metal)

    def _low_plate(self, foot: np.ndarray, s: float, height: float, radius: float) -> None:
        """Add a plate that faces along the road, in either direction, or across it.

        Args:
            foot: (3,) world point of the ground below it.
            s: Station in metres.
            height: Height of its centre in metres.
            radius: Radius of the plate in metres.
        """
        rng = self._rng
        turn = float(rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2], p=[0.55, 0.25, 0.1, 0.1]))
        yaw = self._yaw(s) + turn + rng.normal(0, 0.2)
        forward, _ = axes(yaw)
        rim = self._site.table.add("retro", self._draw_color(), noise_contrast=0.2)
        self._plate(foot + UP * height - forward * 0.06, yaw, radius, rim, self._draw_face())

    def _draw_face(self) -> int:
        """Add the material of a plate with text or a picture; return its row index."""
        u = self._rng.uniform
        return self._site.table.add(
            "retro",
            self._draw_color(),
            None,
            grey(self._rng, u(0.03, 0.9)),
            pattern="blocks",
            pattern_u=u(0.05, 0.3),
            pattern_v=u(0.05, 0.2),
            pattern_line=u(0.0, 0.4),
        )

    def add_gantry(self, side: Side, s: float) -> None:
        """Add one or two boards on an arm over a motorway.

        Args:
            side: Side of the street with the post.
            s: Station in metres.
        """
        surfaces, u, yaw = self._site.surfaces, self._rng.uniform, self._yaw(s)
        t, height = side.sign * (self._street.half_width + 3.2), u(5.6, 6.5)
        if not self._site.claim(s, t, 0.8):
            return
        foot = self._street.point(s, t, -0.2)
        forward, left = axes(yaw)
        reach = -side.sign * left * (u(5, 2 * self._street.half_width) + 3)
        top = foot + UP * height
        self._out.tube(foot, top, 0.2, 0.18, 8, POLE, surfaces.metal)
        self._out.tube(top, foot + reach + UP * height, 0.15, 0.12, 6, POLE, surfaces.metal)
        board = self._site.table.add(
            "retro",
            self._draw_color(),
            None,
            grey(self._rng, 0.85),
            pattern="blocks",
            pattern_u=u(0.3, 0.9),
            pattern_v=u(0.3, 0.6),
            pattern_line=0.3,
        )
        for share in (0.45, 0.9)[: self._rng.integers(1, 3)]:
            center = foot + reach * share + UP * height
            self._face(center - forward * 0.25, yaw, u(2.5, 4), u(1.8, 3), board)
            self._face(center - forward * 0.2, yaw + np.pi, 3.0, 2.2, surfaces.metal)

    def add_traffic_light(self, s: float, t: float) -> None:
        """Add a traffic light for the traffic on its side, sometimes with a second head.

        Args:
            s: Station in metres.
            t: Offset in metres.
        """
        rng, out, surfaces = self._rng, self._out, self._site.surfaces
        if not self._site.claim(s, t, 0.3):
            return
        yaw = self._yaw(s) + (0.0 if t < 0 else np.pi)
        forward, left = axes(yaw)
        foot = self._street.point(s, t)
        material = (surfaces.metal, surfaces.dark)[rng.integers(2)]
        out.tube(foot - UP * 0.1, foot + UP * 3.4, 0.07, 0.06, 6, POLE, material)
        heads = [foot - forward * 0.15 + UP * 2.3]
        if rng.random() < 0.4:  # a second one on an arm over the road
            out.tube(foot + UP * 3.3, foot + UP * 5.6, 0.07, 0.06, 6, POLE, material)
            end = foot + left * rng.uniform(2, 5) + UP * 5.6
            out.tube(foot + UP * 5.6, end, 0.05, 0.05, 5, POLE, material)
            heads.append(end - UP * 0.6)
        lamps = self._lamps()
        for head in heads:
            out.box(head, (0.25, 0.3, 0.95), yaw, SIGN, surfaces.dark)
            for index, lamp in enumerate(lamps):
                center = head - forward * 0.135 + UP * (0.19 + 0.29 * index)
                out.polygon(polygon_corners(center, -left, UP, 0.105, 10), SIGN, lamp)

    def _lamps(self) -> list[int]:
        """Return the materials of the lamps of a traffic light, from bottom to top; one is lit."""
        lit = self._rng.integers(3)
        lamps = []
        for index, color in enumerate(LIGHT_COLORS):
            brightness, emission = (1.0, 1.5) if index == lit else (0.1, 0.0)
            albedo = np.array(color) * brightness
            lamps.append(
                self._site.table.add("plastic", albedo, noise_contrast=0.0, emission=emission)
            )
        return lamps

    def _plate(self, center: np.ndarray, yaw: float, radius: float, rim: int, face: int) -> None:
        """Add a plate of a random shape that faces drivers who approach along `yaw`.

        Args:
            center: (3,) world point.
            yaw: Direction of approach in radians.
            radius: Metres.
            rim: Material of the rim.
            face: Material of the face.
        """
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        forward, left = axes(yaw)
        back = center + forward * 0.025
        form = str(rng.choice(PLATES, p=PLATE_PROBABILITIES))
        if form == "rectangle":
            width, height = radius * u(1.2, 3.2), radius * u(1.0, 1.8)
            self._face(center, yaw, width, height, face)
            self._face(back, yaw + np.pi, width, height, surfaces.metal)
            return
        # Drawn for every shape, so that the random numbers that follow do not depend on the shape.
        triangle_turn = np.pi / 2 if rng.random() < 0.8 else -np.pi / 2
        sides, turn = {
            "round": (20, 0.0),
            "triangle": (3, triangle_turn),
            "diamond": (4, 0.0),
            "octagon": (8, np.pi / 8),
        }[form]
        front = center - forward * 0.012
        rim_corners = polygon_corners(center, -left, UP, radius, sides, turn)
        face_corners = polygon_corners(front, -left, UP, radius * 0.75, sides, turn)
        back_corners = polygon_corners(back, left, UP, radius, sides, turn)
        self._out.polygon(rim_corners, SIGN, rim)
        self._out.polygon(face_corners, SIGN, face)
        self._out.polygon(back_corners, SIGN, surfaces.metal)

    def _face(
        self, center: np.ndarray, yaw: float, width: float, height: float, material: int
    ) -> None:
        """Add a rectangle that faces drivers who approach along `yaw`.

        Args:
            center: (3,) world point.
            yaw: Direction of approach in radians.
            width: Metres.
            height: Metres.
            material: Row index in the MaterialTable.
        """
        _, left = axes(yaw)
        across, up = left * width / 2, UP * height / 2
        self._out.quad(
            center + across - up,
            center - across - up,
            center - across + up,
            center + across + up,
            SIGN,
            material,
        )

    def _yaw(self, s: float) -> float:
        """Return the heading of the road at a station in radians."""
        return float(self._street.alignment.heading(s))

    def _draw_color(self) -> tuple[float, float, float]:
        """Return a random sign colour."""
        return SIGN_COLORS[self._rng.integers(len(SIGN_COLORS))]
