"""Who does what: the kinds of people that the library is asked for, by their part in a scene."""

from __future__ import annotations

import numpy as np

# Part in a scene -> kinds of `Library.draw_person` and how often each is drawn. This is the only
# place that names kinds of people.
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
    # An adult and the child at his or her right hand.
    "leader": {"leading_child": 1.0},
    "led_child": {"led_child": 1.0},
    "stander": {"standing": 1.0},
    "standing_child": {"standing_child": 1.0},
    # On a seat that comes along, and on one that is there.
    "sitter": {"sitting": 1.0},
    "seated": {"seated": 1.0},
    "cyclist": {"cyclist": 0.88, "child_cyclist": 0.07, "kick_scooter_rider": 0.05},
    "waiting_cyclist": {"waiting_cyclist": 1.0},
    "motorcyclist": {"motorcyclist": 0.55, "scooter_rider": 0.45},
}


def draw_kind(role: str, rng: np.random.Generator) -> str:
    """Return a kind of person for a part in a scene, a key of ROLES."""
    kinds = ROLES[role]
    return str(rng.choice(list(kinds), p=np.array(list(kinds.values())) / sum(kinds.values())))
