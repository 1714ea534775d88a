"""Places: kinds of streets, some of them with special features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STREET_KINDS = ("residential", "city", "avenue", "rural", "lot", "motorway")


@dataclass(frozen=True)
class Place:
    """What a street is like.

    Attributes:
        name: Key of PLACES.
        kinds: Kinds of street that it may have, each one of STREET_KINDS.
        probability: Fraction of the drives.
    """

    name: str
    kinds: tuple[str, ...]
    probability: float


# An ordinary street of each kind, and special places.
PLACES = {
    place.name: place
    for place in (
        Place("residential", ("residential",), 0.17),
        Place("city", ("city",), 0.15),
        Place("avenue", ("avenue",), 0.09),
        Place("rural", ("rural",), 0.06),
        Place("lot", ("lot",), 0.03),
        Place("motorway", ("motorway",), 0.07),
        Place("junction", ("city", "avenue", "residential", "rural"), 0.18),
        Place("square", ("city",), 0.05),
        Place("narrow", ("residential", "city"), 0.06),
        Place("hills", ("rural", "rural", "residential"), 0.09),
        Place("car_park", ("lot",), 0.05),
    )
}


def draw_place(rng: np.random.Generator, name: str | None = None) -> tuple[str, str]:
    """Draw a place and a kind of street for it.

    Args:
        rng: Source of randomness.
        name: Key of PLACES; None to draw one.

    Returns:
        Key of PLACES and one of STREET_KINDS.

    Raises:
        ValueError: If the name is unknown.
    """
    if name is not None and name not in PLACES:
        raise ValueError(f"unknown place {name!r}, expected one of {', '.join(PLACES)}")
    names = list(PLACES)
    drawn = str(rng.choice(names, p=[PLACES[key].probability for key in names]))
    name = drawn if name is None else name
    kinds = PLACES[name].kinds
    return name, kinds[rng.integers(len(kinds))]
