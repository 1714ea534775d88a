"""Roles of people in a scene, and the kinds of people that are drawn for each role."""

from __future__ import annotations

import numpy as np

# Role in a scene -> kinds of `Library.draw_person`, and the relative frequency of each.
ROLES: dict[str, dict[str, float]] = {
    "walker": {
        "walking": 0.62,
        "luggage": 0.09,
        "pram": 0.07,
        "pushing_bicycle": 0.07,
        "umbrella": 0.06,
        "walking_frame": 0.04,
        "wheelchair": 0.03,
        "child": 0.02,
    },
    "jogger": {"running": 1.0},
    "child": {"child": 1.0},
    # An adult, and the child that he or she leads by the right hand.
    "leader": {"leading_child": 1.0},
    "led_child": {"led_child": 1.0},
    "stander": {"standing": 1.0},
    "standing_child": {"standing_child": 1.0},
    # On a seat that is part of the shape, and on an existing seat.
    "sitter": {"sitting": 1.0},
    "seated": {"seated": 1.0},
    "cyclist": {"cyclist": 0.88, "child_cyclist": 0.07, "kick_scooter_rider": 0.05},
    "waiting_cyclist": {"waiting_cyclist": 1.0},
    "motorcyclist": {"motorcyclist": 0.55, "scooter_rider": 0.45},
}


def draw_kind(role: str, rng: np.random.Generator) -> str:
    """Draw a kind of person for a role, a key of ROLES."""
    kinds = ROLES[role]
    return str(rng.choice(list(kinds), p=np.array(list(kinds.values())) / sum(kinds.values())))
