"""Kinds of cars and vans: their sizes and the proportions of their side view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """A normally distributed length, clipped to an interval. All values are in metres."""

    mean: float
    sigma: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """A kind of car.

    Positions along the car are fractions of its length from the nose; heights are fractions of its
    height. The roof line runs through nose, cowl, header, crown, roof end, backlight and tail.

    Attributes:
        length: Distribution of the length.
        width: Distribution of the width.
        height: Distribution of the height.
        nose: Height of the nose.
        belt: Height of the lower edge of the side windows.
        cowl: Position of the foot of the windscreen.
        header: Position of the top of the windscreen.
        crown: Position of the highest point of the roof.
        roof_end: Position of the rear end of the roof.
        backlight: Position of the foot of the rear window.
        deck: Height of the foot of the rear window.
        tail: Height of the tail.
        pillars: Positions of the centres of the pillars between the side windows.
        glass_end: Position at which the side windows end.
        wheels: Positions of the axles.
        tumblehome: Fraction of the half width by which the roof is narrower than the belt.
        wheel_radius: Mean radius of the wheels in metres.
    """

    length: Extent
    width: Extent
    height: Extent
    nose: float
    belt: float
    cowl: float
    header: float
    crown: float
    roof_end: float
    backlight: float
    deck: float
    tail: float
    pillars: tuple[float, ...]
    glass_end: float
    wheels: tuple[float, float] = (0.185, 0.80)
    tumblehome: float = 0.2
    wheel_radius: float = 0.315


PROFILES = {
    "sedan": Profile(
        length=Extent(4.5, 0.2, 4.1, 4.95),
        width=Extent(1.79, 0.05, 1.68, 1.9),
        height=Extent(1.44, 0.04, 1.36, 1.52),
        nose=0.49,
        belt=0.64,
        cowl=0.25,
        header=0.42,
        crown=0.53,
        roof_end=0.68,
        backlight=0.85,
        deck=0.69,
        tail=0.62,
        pillars=(0.54,),
        glass_end=0.775,
    ),
    "hatch": Profile(
        length=Extent(3.95, 0.28, 3.4, 4.45),
        width=Extent(1.71, 0.06, 1.58, 1.85),
        height=Extent(1.49, 0.05, 1.4, 1.6),
        nose=0.48,
        belt=0.63,
        cowl=0.22,
        header=0.41,
        crown=0.55,
        roof_end=0.88,
        backlight=0.975,
        deck=0.66,
        tail=0.62,
        pillars=(0.57,),
        glass_end=0.85,
    ),
    "wagon": Profile(
        length=Extent(4.55, 0.2, 4.2, 4.95),
        width=Extent(1.78, 0.05, 1.68, 1.9),
        height=Extent(1.48, 0.04, 1.4, 1.56),
        nose=0.48,
        belt=0.63,
        cowl=0.25,
        header=0.41,
        crown=0.53,
        roof_end=0.9,
        backlight=0.98,
        deck=0.66,
        tail=0.62,
        pillars=(0.53, 0.73),
        glass_end=0.91,
    ),
    "suv": Profile(
        length=Extent(4.4, 0.2, 4.05, 4.9),
        width=Extent(1.83, 0.05, 1.74, 1.95),
        height=Extent(1.68, 0.06, 1.56, 1.85),
        nose=0.5,
        belt=0.63,
        cowl=0.24,
        header=0.4,
        crown=0.53,
        roof_end=0.9,
        backlight=0.98,
        deck=0.67,
        tail=0.63,
        pillars=(0.53, 0.74),
        glass_end=0.89,
        wheel_radius=0.36,
    ),
    "mpv": Profile(
        length=Extent(4.25, 0.2, 3.9, 4.8),
        width=Extent(1.78, 0.05, 1.68, 1.9),
        height=Extent(1.63, 0.05, 1.54, 1.8),
        nose=0.45,
        belt=0.6,
        cowl=0.18,
        header=0.38,
        crown=0.52,
        roof_end=0.93,
        backlight=0.985,
        deck=0.62,
        tail=0.58,
        pillars=(0.5, 0.72),
        glass_end=0.92,
        wheels=(0.18, 0.81),
        tumblehome=0.17,
    ),
    "city": Profile(
        length=Extent(3.05, 0.35, 2.5, 3.6),
        width=Extent(1.58, 0.05, 1.48, 1.68),
        height=Extent(1.51, 0.05, 1.42, 1.6),
        nose=0.5,
        belt=0.62,
        cowl=0.18,
        header=0.38,
        crown=0.55,
        roof_end=0.9,
        backlight=0.98,
        deck=0.66,
        tail=0.62,
        pillars=(0.6,),
        glass_end=0.86,
        wheels=(0.17, 0.82),
        tumblehome=0.18,
        wheel_radius=0.285,
    ),
    "roadster": Profile(
        length=Extent(4.05, 0.15, 3.7, 4.4),
        width=Extent(1.74, 0.05, 1.64, 1.85),
        height=Extent(1.28, 0.03, 1.22, 1.34),
        nose=0.48,
        belt=0.69,
        cowl=0.33,
        header=0.45,
        crown=0.52,
        roof_end=0.61,
        backlight=0.75,
        deck=0.73,
        tail=0.62,
        pillars=(),
        glass_end=0.62,
    ),
    "pickup": Profile(
        length=Extent(5.2, 0.15, 4.9, 5.5),
        width=Extent(1.85, 0.05, 1.75, 1.95),
        height=Extent(1.77, 0.04, 1.7, 1.85),
        nose=0.5,
        belt=0.61,
        cowl=0.24,
        header=0.35,
        crown=0.43,
        roof_end=0.545,
        backlight=0.575,
        deck=0.61,
        tail=0.6,
        pillars=(0.455,),
        glass_end=0.55,
        wheels=(0.17, 0.78),
        tumblehome=0.16,
        wheel_radius=0.37,
    ),
    "van": Profile(
        length=Extent(5.0, 0.3, 4.4, 5.5),
        width=Extent(1.92, 0.05, 1.8, 2.0),
        height=Extent(2.0, 0.1, 1.8, 2.2),
        nose=0.43,
        belt=0.54,
        cowl=0.13,
        header=0.27,
        crown=0.4,
        roof_end=0.96,
        backlight=0.99,
        deck=0.93,
        tail=0.9,
        pillars=(0.37, 0.63),
        glass_end=0.95,
        wheels=(0.17, 0.78),
        tumblehome=0.09,
        wheel_radius=0.335,
    ),
    "high_roof_van": Profile(
        length=Extent(5.8, 0.4, 5.0, 6.6),
        width=Extent(2.04, 0.04, 1.95, 2.1),
        height=Extent(2.55, 0.13, 2.3, 2.8),
        nose=0.4,
        belt=0.47,
        cowl=0.12,
        header=0.26,
        crown=0.4,
        roof_end=0.97,
        backlight=0.99,
        deck=0.94,
        tail=0.92,
        pillars=(0.34, 0.62),
        glass_end=0.95,
        wheels=(0.16, 0.76),
        tumblehome=0.07,
        wheel_radius=0.35,
    ),
}
# Kinds that are vans.
VANS = ("van", "high_roof_van")
